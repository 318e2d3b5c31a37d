// tailrace cursor: the named places of readers: list, show, move, remove, hold.

#include "command.hpp"
#include "commands.hpp"
#include "journal_place.hpp"
#include "misspelling.hpp"
#include "position.hpp"
#include "table.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/bus/group_files.hpp>
#include <tailrace/stream/cursor_place.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <vector>

namespace tailrace::tool {

namespace {

struct CursorFlags {
    std::string target;
    std::string name;
    std::optional<Position> to;
    bool live = false;
    std::optional<std::uint64_t> hold_bytes;
};

// A stream; or a directory, or the journal of a stream whose ring is gone.
Result<stream::CursorPlace> open_place(const std::string& target, bus::RegionAccess access) {
    if (!is_path(target)) {
        auto place = stream::CursorPlace::of_stream(target, access, settings().directory);
        if (place || place.error().code != ErrorCode::not_found) return place;
        auto directory = find_journal(target);
        if (!directory) return place;
        return stream::CursorPlace::of_journal(*directory);
    }
    auto directory = find_journal(target);
    if (!directory) return directory.error();
    return stream::CursorPlace::of_journal(*directory);
}

// All of them. What can't be read is warned of, since the ring's are worth showing without it;
// where that has none, nobody knows whether there is one.
Result<std::vector<bus::CursorStatus>> cursors_of(const stream::CursorPlace& place) {
    std::vector<bus::CursorStatus> cursors;
    auto listed = place.list(cursors);
    if (!listed && cursors.empty()) return listed.error();
    if (!listed) warn(listed.error().message + "; " + listed.error().hint);
    return cursors;
}

std::uint64_t behind(const bus::CursorStatus& cursor, Sequence end) {
    return end - std::min(end, cursor.sequence);
}

Json cursor_json(const bus::CursorStatus& cursor, Sequence end) {
    Json json;
    json["cursor"] = cursor.name;
    json["seq"] = cursor.sequence;
    json["kept_seq"] = cursor.kept_sequence == bus::kNotKept ? Json() : Json(cursor.kept_sequence);
    json["lag_events"] = behind(cursor, end);
    json["hold_bytes"] = cursor.hold_bytes;
    json["pid"] = cursor.is_owned ? Json(cursor.pid) : Json();
    json["moved_to"] = cursor.moved_to ? Json(*cursor.moved_to) : Json();
    return json;
}

std::string kept_text(const bus::CursorStatus& cursor) {
    return cursor.kept_sequence == bus::kNotKept ? "-" : count_text(cursor.kept_sequence);
}

Result<ExitCode> run_cursor_ls(const CursorFlags& flags) {
    if (auto allowed = allow_only_text_and_json("cursor ls"); !allowed) return allowed.error();
    auto place = open_place(flags.target, bus::RegionAccess::observe);
    if (!place) return place.error();
    auto end = place->end_sequence();
    if (!end) return end.error();
    const auto cursors = cursors_of(*place);
    if (!cursors) return cursors.error();
    if (settings().json()) {
        Json document;
        document["end_seq"] = *end;
        document["cursors"] = Json::array();
        for (const bus::CursorStatus& cursor : *cursors)
            document["cursors"].push_back(cursor_json(cursor, *end));
        out().write_json(document);
        return ExitCode::done;
    }
    if (cursors->empty()) {
        say(fmt::format("'{0}' has no cursor; tailrace tail {0} --cursor NAME makes one",
                        flags.target));
        return ExitCode::done;
    }
    Table table({"CURSOR", ">POSITION", ">ON-DISK", ">LAG-EVENTS", ">HOLD", ">READER"});
    table.can_do_without({"ON-DISK", "HOLD"});
    table.may_shorten({"CURSOR"});
    for (const bus::CursorStatus& cursor : *cursors) {
        table.add({tame(cursor.name),
                   count_text(cursor.sequence),
                   kept_text(cursor),
                   count_text(behind(cursor, *end)),
                   cursor.hold_bytes == 0 ? "-" : size_text(cursor.hold_bytes),
                   cursor.is_owned ? fmt::format("pid {}", cursor.pid) : "away"});
    }
    out().write(table.text());
    return ExitCode::done;
}

Error unknown_cursor(const CursorFlags& flags, const std::vector<bus::CursorStatus>& cursors) {
    std::vector<std::string> names;
    for (const bus::CursorStatus& cursor : cursors)
        names.push_back(cursor.name);
    const std::string near = nearest_name(flags.name, names);
    return make_error(ErrorCode::not_found,
                      fmt::format("'{}' has no cursor '{}'{}",
                                  flags.target,
                                  flags.name,
                                  near.empty() ? "" : fmt::format("; did you mean '{}'?", near)),
                      fmt::format("tailrace cursor ls {}", flags.target));
}

// The cursor, or the error with the name that was meant.
Result<bus::CursorStatus> find_cursor(const stream::CursorPlace& place, const CursorFlags& flags) {
    std::vector<bus::CursorStatus> cursors;
    auto listed = place.list(cursors);
    for (const bus::CursorStatus& cursor : cursors) {
        if (cursor.name == flags.name) return cursor;
    }
    // What can't be read may have it.
    return listed ? unknown_cursor(flags, cursors) : listed.error();
}

void print_cursor(const bus::CursorStatus& cursor, Sequence end) {
    const auto tell = [](std::string_view label, std::string what) {
        out().write(field_text(label, {std::move(what)}));
    };
    tell("cursor", tame(cursor.name));
    tell("position", count_text(cursor.sequence) + ": everything below is done");
    if (cursor.moved_to)
        tell("moved to",
             count_text(*cursor.moved_to) + ": its reader goes there with its next commit");
    tell("on disk", kept_text(cursor));
    tell("behind", counted(behind(cursor, end), "event"));
    tell("holds",
         cursor.hold_bytes == 0
             ? "nothing"
             : fmt::format("back up to {} of the journal", size_text(cursor.hold_bytes)));
    tell("reader", cursor.is_owned ? fmt::format("process {}", cursor.pid) : "away");
}

Result<ExitCode> run_show(const CursorFlags& flags) {
    if (auto allowed = allow_only_text_and_json("cursor show"); !allowed) return allowed.error();
    auto place = open_place(flags.target, bus::RegionAccess::observe);
    if (!place) return place.error();
    auto end = place->end_sequence();
    if (!end) return end.error();
    auto cursor = find_cursor(*place, flags);
    if (!cursor) return cursor.error();
    if (settings().json()) {
        out().write_json(cursor_json(*cursor, *end));
        return ExitCode::done;
    }
    print_cursor(*cursor, *end);
    return ExitCode::done;
}

void report(const CursorFlags& flags, std::string_view what, const Json& json) {
    if (settings().json()) {
        out().write_json(json);
    } else {
        report_done(fmt::format("cursor {} {}", tame(flags.name), what));
    }
}

// The floor of a group is a cursor too, but while there is a ring the group's own word counts.
Result<void> refuse_floor(const CursorFlags& flags, std::string_view verb) {
    if (is_path(flags.target) || !flags.name.starts_with(bus::kGroupFilePrefix)) return {};
    const std::string group = flags.name.substr(bus::kGroupFilePrefix.size());
    return make_error(
        ErrorCode::invalid_argument,
        fmt::format("the cursor '{}' is the floor of the group '{}'", flags.name, group),
        fmt::format("tailrace group {} {} {}", verb, flags.target, group));
}

Result<ExitCode> run_set(const CursorFlags& flags) {
    if (auto refused = refuse_floor(flags, "set"); !refused) return refused.error();
    if (auto allowed = allow_only_text_and_json("cursor set"); !allowed) return allowed.error();
    auto place = open_place(flags.target, bus::RegionAccess::subscribe);
    if (!place) return place.error();
    auto sequence = place->resolve(*flags.to);
    if (!sequence) return sequence.error();
    bool lost_names = false;
    if (auto moved = place->move(flags.name, *sequence, flags.live, lost_names); !moved)
        return moved.error();
    if (lost_names) {
        warn(
            fmt::format("the ledger in {} was damaged and is made anew: whatever other cursors it "
                        "had, set them too",
                        place->journal_directory()));
    }
    Json json;
    json["cursor"] = flags.name;
    json["seq"] = *sequence;
    report(flags, fmt::format("stands at {}", count_text(*sequence)), json);
    return ExitCode::done;
}

Result<ExitCode> run_cursor_rm(const CursorFlags& flags) {
    if (auto refused = refuse_floor(flags, "rm"); !refused) return refused.error();
    if (auto allowed = allow_only_text_and_json("cursor rm"); !allowed) return allowed.error();
    auto place = open_place(flags.target, bus::RegionAccess::subscribe);
    if (!place) return place.error();
    if (auto cursor = find_cursor(*place, flags); !cursor) return cursor.error();
    if (auto removed = place->remove(flags.name); !removed) return removed.error();
    Json json;
    json["removed"] = flags.name;
    report(flags, "is removed", json);
    return ExitCode::done;
}

Result<std::uint64_t> parse_hold(std::string_view text) {
    if (text == "off") return std::uint64_t{0};
    return parse_size_bytes(text);
}

Result<ExitCode> run_hold(const CursorFlags& flags) {
    if (auto allowed = allow_only_text_and_json("cursor hold"); !allowed) return allowed.error();
    auto place = open_place(flags.target, bus::RegionAccess::subscribe);
    if (!place) return place.error();
    if (auto cursor = find_cursor(*place, flags); !cursor) return cursor.error();
    if (auto held = place->hold(flags.name, *flags.hold_bytes); !held) return held.error();
    Json json;
    json["cursor"] = flags.name;
    json["hold_bytes"] = *flags.hold_bytes;
    report(flags,
           *flags.hold_bytes == 0
               ? std::string("holds nothing back")
               : fmt::format("holds back up to {} of the journal", size_text(*flags.hold_bytes)),
           json);
    return ExitCode::done;
}

CLI::App* add_verb(CLI::App& parent,
                   const std::string& verb,
                   const std::string& summary,
                   const std::shared_ptr<CursorFlags>& flags,
                   Result<ExitCode> (*run)(const CursorFlags&)) {
    CLI::App* const command =
        add_command(parent, verb, summary, [flags, run] { return run(*flags); });
    command->add_option("TARGET", flags->target, "A stream, or a journal's directory")->required();
    return command;
}

void add_name(CLI::App& command, CursorFlags& flags) {
    command.add_option("NAME", flags.name, "Name of the cursor")->required();
}

}  // namespace

void register_cursor(CLI::App& app) {
    const auto flags = std::make_shared<CursorFlags>();
    CLI::App* const cursor =
        app.add_subcommand("cursor", "Named places of readers: where they go on after a crash");
    cursor->require_subcommand(1);
    add_wide(*add_verb(*cursor, "ls", "List them", flags, run_cursor_ls));
    add_name(*add_verb(*cursor, "show", "All about one", flags, run_show), *flags);
    CLI::App* const set = add_verb(*cursor, "set", "Move one, or make it", flags, run_set);
    add_name(*set, *flags);
    add_parsed(*set,
               "--to",
               flags->to,
               parse_position,
               "Where to go on: start, end, N, +N, -N, @TIME, @-10m")
        ->required();
    set->add_flag("--live", flags->live, "Although somebody reads by it: it goes there next");
    add_name(*add_verb(*cursor, "rm", "Forget one", flags, run_cursor_rm), *flags);
    CLI::App* const hold = add_verb(*cursor,
                                    "hold",
                                    "Let one hold back retention of the journal, within bounds",
                                    flags,
                                    run_hold);
    add_name(*hold, *flags);
    add_parsed(*hold,
               "--max",
               flags->hold_bytes,
               parse_hold,
               "How much of the journal at most: 10GiB; off: nothing (the default)")
        ->required()
        ->type_name("SIZE|off");
}

}  // namespace tailrace::tool
