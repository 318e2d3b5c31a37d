// tailrace ls: the streams of this machine, and the journals whose ring is gone.

#include "command.hpp"
#include "commands.hpp"
#include "journal_place.hpp"
#include "name_pattern.hpp"
#include "observed_json.hpp"
#include "table.hpp"
#include "units.hpp"

#include <tailrace/bus/stream_options.hpp>
#include <tailrace/observe/listing.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <vector>

namespace tailrace::tool {

namespace {

using Listing = std::vector<observe::ListedStream>;

std::string journal_text(const observe::ListedStream& row) {
    if (row.journal_missing == "hold") return row.journal_state + ", hold";
    if (row.unrecorded_events == 0) return row.journal_state;
    return fmt::format("{}, {} lost", row.journal_state, count_text(row.unrecorded_events));
}

void print_table(const Listing& rows) {
    Table table({"STREAM", ">RING", ">OLDEST", ">NEXT", ">PUBS", ">READERS", "JOURNAL", "STATE"});
    table.can_do_without({"OLDEST", "PUBS", "READERS", "RING", "NEXT"});
    table.may_shorten({"STREAM", "JOURNAL", "STATE"});
    for (const observe::ListedStream& row : rows) {
        const bool has_events = row.has_ring() || row.state == "journal only";
        table.add({row.stream,
                   row.has_ring() ? size_text(row.capacity_bytes) : "-",
                   has_events ? count_text(row.oldest_sequence) : "-",
                   has_events ? count_text(row.end_sequence) : "-",
                   row.has_ring() ? std::to_string(row.publishers) : "-",
                   row.has_ring() ? std::to_string(row.readers) : "-",
                   journal_text(row),
                   row.state});
        if (row.is_unrecorded) table.colour(6, Colour::red);
        if (!row.problem.empty()) table.colour(7, Colour::red);
    }
    out().write(table.text());
}

// Of the rows those that the words name, or all.
Result<void> choose(Listing& rows, const std::vector<std::string>& words) {
    if (words.empty()) return {};
    std::vector<std::string> names;
    for (const observe::ListedStream& row : rows)
        names.push_back(row.stream);
    auto chosen = expand_patterns(words, names);
    if (!chosen) return chosen.error();
    const auto has = [](const std::vector<std::string>& list, const std::string& name) {
        return std::find(list.begin(), list.end(), name) != list.end();
    };
    for (const std::string& name : *chosen) {
        if (has(names, name)) continue;
        return make_error(ErrorCode::not_found,
                          fmt::format("there is no stream or journal '{}'", name),
                          "tailrace ls shows those that are there");
    }
    std::erase_if(rows,
                  [&](const observe::ListedStream& row) { return !has(*chosen, row.stream); });
    return {};
}

Result<ExitCode> run_ls(const std::vector<std::string>& words) {
    if (auto allowed = allow_only_text_and_json("ls"); !allowed) return allowed.error();
    auto rows = observe::list_streams(settings().directory, usual_journal_parent());
    if (!rows) return rows.error();
    if (auto chosen = choose(*rows, words); !chosen) return chosen.error();
    if (settings().json()) {
        out().write_json(listing_json(*rows));
        return ExitCode::done;
    }
    if (rows->empty()) {
        const std::string directory =
            settings().directory.empty() ? bus::default_directory() : settings().directory;
        say(fmt::format("no streams in {}; make one: tailrace create NAME", directory));
        return ExitCode::done;
    }
    print_table(*rows);
    for (const observe::ListedStream& row : *rows) {
        if (!row.problem.empty()) warn(row.problem);
    }
    return ExitCode::done;
}

}  // namespace

void register_ls(CLI::App& app) {
    const auto words = std::make_shared<std::vector<std::string>>();
    CLI::App* const command =
        add_command(app, "ls", "List the streams and journals of this machine", [words] {
            return run_ls(*words);
        });
    command->add_option("STREAM", *words, "Names, also 'eu-*' (default: all)");
    add_wide(*command);
}

}  // namespace tailrace::tool
