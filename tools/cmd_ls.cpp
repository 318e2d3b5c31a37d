// tailrace ls: the streams of this machine, and the journals whose ring is gone.

#include "command.hpp"
#include "commands.hpp"
#include "journal_place.hpp"
#include "units.hpp"

#include <tailrace/bus/region.hpp>
#include <tailrace/bus/stream_status.hpp>
#include <tailrace/journal/inspect.hpp>

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <set>

namespace tailrace::tool {

namespace {

struct StreamRow {
    std::string stream;
    std::string state;  // "ok", "journal only", or the name of the error
    std::uint64_t capacity_bytes = 0;
    Sequence oldest_sequence = 0;
    Sequence end_sequence = 0;
    std::size_t publishers = 0;
    std::size_t readers = 0;
    std::string pages;                    // what the ring is made of
    std::string journal;                  // its directory, or empty
    std::string journal_state;            // "on", "off", "stopped", "failed"
    std::string journal_missing;          // "hold", "go"; empty: no ring that names a journal
    std::uint64_t unrecorded_events = 0;  // lost already, since nobody records
    bool is_unrecorded = false;           // events wait in the ring for a recorder, or are lost
    std::string problem;
};

StreamRow row_of_stream(const std::string& name) {
    StreamRow row;
    row.stream = name;
    row.journal_state = "off";
    auto region = bus::Region::open(name, bus::RegionAccess::observe, settings().directory);
    if (!region) {
        row.state = error_code_name(region.error().code);
        row.problem = region.error().message;
        return row;
    }
    const bus::StreamStatus status = bus::read_status(*region);
    row.state = "ok";
    row.capacity_bytes = (*region)->capacity_bytes();
    row.pages = bus::page_kind_name((*region)->header().pages);
    row.oldest_sequence = status.oldest_sequence;
    row.end_sequence = status.end_sequence;
    const auto is_alive = [](const auto& member) {
        return member.is_alive;
    };
    row.publishers = static_cast<std::size_t>(
        std::count_if(status.publishers.begin(), status.publishers.end(), is_alive));
    row.readers = static_cast<std::size_t>(
        std::count_if(status.subscribers.begin(), status.subscribers.end(), is_alive));
    row.journal = journal_directory_of((*region)->header());
    if (status.journal) {
        row.journal_state = status.journal->is_alive                             ? "on"
                            : status.journal->state == bus::JournalState::failed ? "failed"
                                                                                 : "stopped";
        row.journal_missing = bus::journal_missing_name((*region)->header());
        row.unrecorded_events = status.journal->unrecorded_events;
        row.is_unrecorded = !status.journal->is_alive && status.journal->lag.events != 0;
    }
    return row;
}

// The stream that keeps its journal in the usual place without naming it: made without --journal,
// or one whose ring can't be read.
StreamRow* unnamed_owner(std::vector<StreamRow>& streams, const std::string& name) {
    const auto found = std::find_if(streams.begin(), streams.end(), [&](const StreamRow& row) {
        return row.stream == name && row.journal.empty();
    });
    return found != streams.end() ? &*found : nullptr;
}

// Journals in the usual place that no ring names: what is left of streams after a reboot.
std::vector<StreamRow> journals_without_ring(std::vector<StreamRow>& streams) {
    std::set<std::optional<DirectoryIdentity>> known;
    for (const StreamRow& row : streams) {
        if (!row.journal.empty()) known.insert(directory_identity(row.journal));
    }
    std::vector<StreamRow> rows;
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(usual_journal_parent(), failed)) {
        const std::string directory = entry.path().string();
        if (known.contains(directory_identity(directory)) || !journal::is_journal(directory))
            continue;
        if (StreamRow* const owner = unnamed_owner(streams, entry.path().filename().string())) {
            owner->journal = directory;
            if (owner->journal_state == "off") owner->journal_state = "stopped";
            continue;
        }
        StreamRow row;
        row.stream = entry.path().filename().string();
        row.state = "journal only";
        row.journal = directory;
        row.journal_state = "stopped";
        auto summary = journal::inspect(directory);
        if (summary) {
            row.oldest_sequence = summary->first_sequence;
            row.end_sequence = summary->end_sequence;
        } else {
            row.state = error_code_name(summary.error().code);
            row.problem = summary.error().message;
        }
        rows.push_back(std::move(row));
    }
    std::sort(rows.begin(), rows.end(), [](const StreamRow& a, const StreamRow& b) {
        return a.stream < b.stream;
    });
    return rows;
}

void print_json(const std::vector<StreamRow>& rows) {
    Json document;
    document["streams"] = Json::array();
    for (const StreamRow& row : rows) {
        Json stream;
        stream["stream"] = row.stream;
        stream["state"] = row.state;
        stream["capacity_bytes"] = row.capacity_bytes;
        stream["oldest_seq"] = row.oldest_sequence;
        stream["end_seq"] = row.end_sequence;
        stream["publishers"] = row.publishers;
        stream["readers"] = row.readers;
        stream["pages"] = row.pages.empty() ? Json() : Json(row.pages);
        stream["journal"] = row.journal.empty() ? Json() : Json(row.journal);
        stream["journal_state"] = row.journal_state;
        stream["journal_missing"] =
            row.journal_missing.empty() ? Json() : Json(row.journal_missing);
        stream["unrecorded_events"] = row.unrecorded_events;
        if (!row.problem.empty()) stream["problem"] = row.problem;
        document["streams"].push_back(std::move(stream));
    }
    out().write_json(document);
}

std::string journal_text(const StreamRow& row) {
    if (row.journal_missing == "hold") return row.journal_state + ", hold";
    if (row.unrecorded_events == 0) return row.journal_state;
    return fmt::format("{}, {} lost", row.journal_state, count_text(row.unrecorded_events));
}

void print_table(const std::vector<StreamRow>& rows) {
    Table table({"STREAM", ">RING", ">OLDEST", ">NEXT", ">PUBS", ">READERS", "JOURNAL", "STATE"});
    for (const StreamRow& row : rows) {
        const bool has_ring = row.state == "ok";
        const bool has_events = has_ring || row.state == "journal only";
        table.add({row.stream,
                   has_ring ? size_text(row.capacity_bytes) : "-",
                   has_events ? count_text(row.oldest_sequence) : "-",
                   has_events ? count_text(row.end_sequence) : "-",
                   has_ring ? std::to_string(row.publishers) : "-",
                   has_ring ? std::to_string(row.readers) : "-",
                   journal_text(row),
                   row.state});
        if (row.is_unrecorded) table.colour(6, Colour::red);
        if (!row.problem.empty()) table.colour(7, Colour::red);
    }
    out().write(table.text());
}

Result<ExitCode> run_ls() {
    if (auto allowed = allow_only_text_and_json("ls"); !allowed) return allowed.error();
    auto names = bus::Region::list(settings().directory);
    if (!names) return names.error();
    std::vector<StreamRow> rows;
    for (const std::string& name : *names)
        rows.push_back(row_of_stream(name));
    for (StreamRow& row : journals_without_ring(rows))
        rows.push_back(std::move(row));
    if (settings().json()) {
        print_json(rows);
        return ExitCode::done;
    }
    if (rows.empty()) {
        const std::string directory =
            settings().directory.empty() ? bus::default_directory() : settings().directory;
        say(fmt::format("no streams in {}; make one: tailrace create NAME", directory));
        return ExitCode::done;
    }
    print_table(rows);
    for (const StreamRow& row : rows) {
        if (!row.problem.empty()) warn(row.problem);
    }
    return ExitCode::done;
}

}  // namespace

void register_ls(CLI::App& app) {
    add_command(app, "ls", "List the streams and journals of this machine", run_ls);
}

}  // namespace tailrace::tool
