// tailrace group: processes that share a stream's events: list, show, set, remove, retry.

#include "command.hpp"
#include "commands.hpp"
#include "lag_report.hpp"
#include "misspelling.hpp"
#include "observed_json.hpp"
#include "position.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/observe/group_health.hpp>
#include <tailrace/stream/group_member.hpp>
#include <tailrace/stream/group_status.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <vector>

namespace tailrace::tool {

namespace {

struct GroupFlags {
    std::string stream;
    std::string name;
    std::optional<Position> to;
    bool force = false;
};

struct StreamGroups {
    std::vector<observe::GroupHealth> groups;
    Sequence end = 0;
};

Result<StreamGroups> groups_of(const std::string& name) {
    auto region = bus::Region::open(name, bus::RegionAccess::observe, settings().directory);
    if (!region) return region.error();
    const Sequence end = (*region)->tail().sequence;
    return StreamGroups{observe::read_group_healths(**region, end), end};
}

Result<ExitCode> run_group_ls(const GroupFlags& flags) {
    if (auto allowed = allow_only_text_and_json("group ls"); !allowed) return allowed.error();
    auto found = groups_of(flags.stream);
    if (!found) return found.error();
    if (settings().json()) {
        Json document;
        document["end_seq"] = found->end;
        document["groups"] = Json::array();
        for (const observe::GroupHealth& group : found->groups)
            document["groups"].push_back(group_json(group));
        out().write_json(document);
        return ExitCode::done;
    }
    if (found->groups.empty()) {
        say(fmt::format("'{0}' has no group; its first member makes it", flags.stream));
        return ExitCode::done;
    }
    out().write(group_table_text(found->groups));
    return ExitCode::done;
}

Error unknown_group(const GroupFlags& flags, const std::vector<observe::GroupHealth>& groups) {
    std::vector<std::string> names;
    for (const observe::GroupHealth& group : groups)
        names.push_back(group.status.group);
    const std::string near = nearest_name(flags.name, names);
    return make_error(ErrorCode::not_found,
                      fmt::format("stream '{}' has no group '{}'{}",
                                  flags.stream,
                                  flags.name,
                                  near.empty() ? "" : fmt::format("; did you mean '{}'?", near)),
                      fmt::format("tailrace group ls {}", flags.stream));
}

// In its place among all of them, or the error with the name that was meant.
Result<std::size_t> find_group(const GroupFlags& flags,
                               const std::vector<observe::GroupHealth>& groups) {
    for (std::size_t index = 0; index < groups.size(); ++index) {
        if (groups[index].status.group == flags.name) return index;
    }
    return unknown_group(flags, groups);
}

std::string member_line(const stream::GroupMemberStatus& member) {
    const std::string state = !member.is_alive  ? "dead"
                              : member.is_stuck ? "stuck"
                              : member.silent_ns > kNsPerSecond
                                  ? fmt::format("silent for {}", duration_text(member.silent_ns))
                                  : "at work";
    std::string line = fmt::format("seat {}: '{}' (pid {}), {}, {} in its hands, {} so far",
                                   member.seat,
                                   tame(member.name),
                                   member.pid,
                                   state,
                                   count_text(member.held_events),
                                   count_text(member.handed));
    if (member.lost_leases != 0)
        line += fmt::format(", {} taken away", count_text(member.lost_leases));
    return line;
}

std::string oldest_line(const stream::GroupStatus& group) {
    const std::string holder = group.oldest_holder
                                   ? fmt::format("in the hands of seat {}", *group.oldest_holder)
                                   : std::string("to be handed out again");
    return fmt::format(
        "event {}, {}, try {}", count_text(*group.oldest_held), holder, group.oldest_tries);
}

void print_group(const observe::GroupHealth& health) {
    const stream::GroupStatus& group = health.status;
    const auto tell = [](std::string_view label, std::string what) {
        out().write(field_text(label, {std::move(what)}));
    };
    tell("group", fmt::format("{} ({})", tame(group.group), health.state()));
    if (!group.problem.empty()) return tell("problem", tame(group.problem));
    tell("floor", count_text(group.floor) + ": everything below is done");
    tell("on disk", group.kept_floor ? count_text(*group.kept_floor) : "-");
    tell("behind", counted(health.lag_events(), "event"));
    tell("in flight",
         fmt::format("{} in members' hands, {} to be handed out again",
                     count_text(group.held_events),
                     count_text(group.again_events)));
    if (group.oldest_held) tell("oldest", oldest_line(group));
    tell("retries", count_text(group.retries));
    tell("buried",
         group.dead_letters.empty()
             ? count_text(group.buried_events)
             : fmt::format("{}, in '{}'", count_text(group.buried_events), group.dead_letters));
    std::string lost = count_text(group.lost_events);
    for (const bus::Gap& loss : group.losses)
        lost += fmt::format("; {} from {} on", count_text(loss.count), count_text(loss.first));
    tell("lost", lost);
    if (!group.has_file) return tell("members", "none; the next one makes its file");
    tell("settings",
         fmt::format(
             "a window of {}, {} tries, stuck after {}",
             count_text(group.window_events),
             group.max_tries,
             group.stall_ns == stream::kNeverStalls ? "never" : duration_text(group.stall_ns)));
    if (group.members.empty()) tell("members", "none");
    for (const stream::GroupMemberStatus& member : group.members)
        tell("member", member_line(member));
}

Result<ExitCode> run_group_show(const GroupFlags& flags) {
    if (auto allowed = allow_only_text_and_json("group show"); !allowed) return allowed.error();
    auto found = groups_of(flags.stream);
    if (!found) return found.error();
    auto index = find_group(flags, found->groups);
    if (!index) return index.error();
    if (settings().json()) {
        out().write_json(group_json(found->groups[*index]));
    } else {
        print_group(found->groups[*index]);
    }
    return ExitCode::done;
}

void report_group(const GroupFlags& flags, std::string_view what, const Json& json) {
    if (settings().json()) {
        out().write_json(json);
    } else {
        report_done(fmt::format("group {} {}", tame(flags.name), what));
    }
}

Result<ExitCode> run_group_set(const GroupFlags& flags) {
    if (auto allowed = allow_only_text_and_json("group set"); !allowed) return allowed.error();
    auto set = stream::set_group(flags.stream, flags.name, *flags.to, settings().directory);
    if (!set) return set.error();
    Json json;
    json["group"] = flags.name;
    json["floor_seq"] = *set;
    report_group(flags, fmt::format("goes on at {}", count_text(*set)), json);
    return ExitCode::done;
}

Result<ExitCode> run_group_rm(const GroupFlags& flags) {
    if (auto allowed = allow_only_text_and_json("group rm"); !allowed) return allowed.error();
    auto found = groups_of(flags.stream);
    if (!found) return found.error();
    if (auto index = find_group(flags, found->groups); !index) return index.error();
    auto removed =
        stream::remove_group(flags.stream, flags.name, flags.force, settings().directory);
    if (!removed) return removed.error();
    Json json;
    json["removed"] = flags.name;
    report_group(flags, "is removed", json);
    return ExitCode::done;
}

Result<ExitCode> run_group_retry(const GroupFlags& flags) {
    if (auto allowed = allow_only_text_and_json("group retry"); !allowed) return allowed.error();
    auto found = groups_of(flags.stream);
    if (!found) return found.error();
    if (auto index = find_group(flags, found->groups); !index) return index.error();
    auto retried = stream::retry_dead_letters(flags.stream, flags.name, settings().directory);
    if (!retried) return retried.error();
    Json json;
    json["group"] = flags.name;
    json["retried_events"] = *retried;
    report_group(flags,
                 *retried == 0
                     ? std::string("has no dead letters that weren't published again already")
                     : fmt::format("gets {} again", counted(*retried, "dead letter")),
                 json);
    return ExitCode::done;
}

CLI::App* add_group_verb(CLI::App& parent,
                         const std::string& verb,
                         const std::string& summary,
                         const std::shared_ptr<GroupFlags>& flags,
                         bool has_name,
                         Result<ExitCode> (*run)(const GroupFlags&)) {
    CLI::App* const command =
        add_command(parent, verb, summary, [flags, run] { return run(*flags); });
    command->add_option("STREAM", flags->stream, "Name of the stream")->required();
    if (has_name) command->add_option("NAME", flags->name, "Name of the group")->required();
    return command;
}

}  // namespace

void register_group(CLI::App& app) {
    const auto flags = std::make_shared<GroupFlags>();
    CLI::App* const group =
        app.add_subcommand("group", "Groups: processes that share a stream's events");
    group->require_subcommand(1);
    add_wide(*add_group_verb(*group, "ls", "List them", flags, false, run_group_ls));
    add_group_verb(*group, "show", "All about one, and its members", flags, true, run_group_show);
    CLI::App* const set = add_group_verb(
        *group, "set", "Move one that has no members, or make it", flags, true, run_group_set);
    add_parsed(*set,
               "--to",
               flags->to,
               parse_position,
               "Where it goes on: start, end, N, +N, -N, @TIME, @-10m")
        ->required();
    CLI::App* const rm = add_group_verb(*group, "rm", "Forget one", flags, true, run_group_rm);
    rm->add_flag("--force", flags->force, "Although it has members: they are told");
    add_group_verb(*group,
                   "retry",
                   "Publish its dead letters to the stream anew",
                   flags,
                   true,
                   run_group_retry);
}

}  // namespace tailrace::tool
