#include <tailrace/base/directory_identity.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/stream_status.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/observe/listing.hpp>

#include <system_error>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

namespace tailrace::observe {

namespace {

namespace fs = std::filesystem;

// A text that may be missing.
Value text_if_any(const std::string& text) {
    return text.empty() ? Value(Unknown{}) : Value(text);
}

constexpr auto kListingFigures = std::to_array<Figure<ListedStream>>({
    {"stream",
     Unit::text,
     "its name",
     [](const ListedStream& row) -> Value {
         return row.stream;
     }},
    {"state",
     Unit::text,
     "ok, journal only, or why its ring can't be read",
     [](const ListedStream& row) -> Value {
         return row.state;
     }},
    {"capacity_bytes",
     Unit::bytes,
     "of the ring",
     [](const ListedStream& row) -> Value {
         return row.capacity_bytes;
     }},
    {"oldest_seq",
     Unit::sequence,
     "of the oldest event that is still in the ring, or in the journal without one",
     [](const ListedStream& row) -> Value {
         return row.oldest_sequence;
     }},
    {"end_seq",
     Unit::sequence,
     "that the next published event will have",
     [](const ListedStream& row) -> Value {
         return row.end_sequence;
     }},
    {"publishers",
     Unit::count,
     "that are alive",
     [](const ListedStream& row) -> Value {
         return row.publishers;
     }},
    {"readers",
     Unit::count,
     "that are alive, the recorder included",
     [](const ListedStream& row) -> Value {
         return row.readers;
     }},
    {"pages",
     Unit::text,
     "what the ring's memory is made of",
     [](const ListedStream& row) -> Value {
         return text_if_any(row.pages);
     }},
    {"journal",
     Unit::text,
     "its directory; null: none",
     [](const ListedStream& row) -> Value {
         return text_if_any(row.journal);
     }},
    {"journal_state",
     Unit::text,
     "on, off, stopped or failed",
     [](const ListedStream& row) -> Value {
         return row.journal_state;
     }},
    {"journal_missing",
     Unit::text,
     "what publishers do while nobody records: hold or go",
     [](const ListedStream& row) -> Value {
         return text_if_any(row.journal_missing);
     }},
    {"unrecorded_events",
     Unit::count,
     "that left the ring while nobody recorded",
     [](const ListedStream& row) -> Value { return row.unrecorded_events; },
     Kind::counter},
    {"problem",
     Unit::text,
     "why it can't be read",
     [](const ListedStream& row) -> Value {
         return row.problem.empty() ? Value(Absent{}) : Value(row.problem);
     }},
});

template <typename Member>
std::uint64_t count_alive(const std::vector<Member>& members) {
    return static_cast<std::uint64_t>(std::count_if(
        members.begin(), members.end(), [](const Member& member) { return member.is_alive; }));
}

ListedStream listed(const std::string& name, const std::string& rings) {
    ListedStream row;
    row.stream = name;
    auto region = bus::Region::open(name, bus::RegionAccess::observe, rings);
    if (!region) {
        row.state = error_code_name(region.error().code);
        row.problem = region.error().message;
        return row;
    }
    const bus::StreamHeader& header = (*region)->header();
    const bus::StreamStatus status = bus::read_status(*region);
    row.state = "ok";
    row.capacity_bytes = header.capacity_bytes;
    row.pages = bus::page_kind_name(header.pages);
    row.oldest_sequence = status.oldest_sequence;
    row.end_sequence = status.end_sequence;
    row.publishers = count_alive(status.publishers);
    row.readers = count_alive(status.subscribers);
    row.journal = header.journal_directory.data();
    if (!status.journal) return row;
    const bus::JournalStatus& journal = *status.journal;
    row.journal_state = journal.is_alive                             ? "on"
                        : journal.state == bus::JournalState::failed ? "failed"
                                                                     : "stopped";
    row.journal_missing = bus::journal_missing_name(header);
    row.unrecorded_events = journal.unrecorded_events;
    row.is_unrecorded = !journal.is_alive && journal.lag.events != 0;
    return row;
}

ListedStream listed_journal(const std::string& name, const std::string& directory) {
    ListedStream row;
    row.stream = name;
    row.state = "journal only";
    row.journal = directory;
    row.journal_state = "stopped";
    auto summary = journal::inspect(directory);
    if (!summary) {
        row.state = error_code_name(summary.error().code);
        row.problem = summary.error().message;
        return row;
    }
    row.oldest_sequence = summary->first_sequence;
    row.end_sequence = summary->end_sequence;
    return row;
}

std::vector<ListedStream> journals_without_ring(std::vector<ListedStream>& streams,
                                                const std::string& parent) {
    std::set<std::optional<DirectoryIdentity>> named;
    for (const ListedStream& row : streams) {
        if (!row.journal.empty()) named.insert(directory_identity(row.journal));
    }
    std::vector<ListedStream> rows;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(parent, failed)) {
        const std::string directory = entry.path().string();
        const std::string name = entry.path().filename().string();
        if (named.contains(directory_identity(directory)) || !journal::is_journal(directory))
            continue;
        // A stream that keeps its journal in the usual place without naming it: made without
        // --journal, or one whose ring can't be read.
        const auto owner =
            std::find_if(streams.begin(), streams.end(), [&](const ListedStream& row) {
                return row.stream == name && row.journal.empty();
            });
        if (owner == streams.end()) {
            rows.push_back(listed_journal(name, directory));
            continue;
        }
        owner->journal = directory;
        if (owner->journal_state == "off") owner->journal_state = "stopped";
    }
    std::sort(rows.begin(), rows.end(), [](const ListedStream& a, const ListedStream& b) {
        return a.stream < b.stream;
    });
    return rows;
}

}  // namespace

std::span<const Figure<ListedStream>> listing_figures() noexcept {
    return kListingFigures;
}

Result<std::vector<ListedStream>> list_streams(const std::string& rings,
                                               const std::string& journals) {
    auto names = bus::Region::list(rings);
    if (!names) return names.error();
    std::vector<ListedStream> rows;
    for (const std::string& name : *names)
        rows.push_back(listed(name, rings));
    for (ListedStream& row : journals_without_ring(rows, journals))
        rows.push_back(std::move(row));
    return rows;
}

}  // namespace tailrace::observe
