#include <tailrace/observe/stream_picture.hpp>
#include <tailrace/stream/priority.hpp>

#include <array>
#include <charconv>
#include <utility>

namespace tailrace::observe {

namespace {

// At least so many digits, in front of which zeroes stand.
std::string digits(std::uint64_t value, int base, std::size_t count) {
    std::array<char, 64> text{};
    const auto [end, status] = std::to_chars(text.data(), text.data() + text.size(), value, base);
    std::string word(text.data(), end);
    if (word.size() < count) word.insert(0, count - word.size(), '0');
    return word;
}

constexpr auto kStreamFigures = std::to_array<Figure<StreamPicture>>({
    {"stream",
     Unit::text,
     "its name",
     [](const StreamPicture& row) -> Value {
         return row.stream;
     }},
    {"id",
     Unit::text,
     "chosen at random when it was made",
     [](const StreamPicture& row) -> Value {
         return digits(row.header.stream_id_high, 16, 16) +
                digits(row.header.stream_id_low, 16, 16);
     }},
    {"path",
     Unit::text,
     "the directory of its ring",
     [](const StreamPicture& row) -> Value {
         return row.path;
     }},
    {"layout",
     Unit::text,
     "version of what is in shared memory",
     [](const StreamPicture& row) -> Value {
         return std::to_string(row.header.layout_major) + "." +
                std::to_string(row.header.layout_minor);
     }},
    {"created_ns",
     Unit::time_ns,
     "when it was made",
     [](const StreamPicture& row) -> Value {
         return row.header.created_ns;
     }},
    {"capacity_bytes",
     Unit::bytes,
     "of the ring",
     [](const StreamPicture& row) -> Value {
         return row.header.capacity_bytes;
     }},
    {"max_event_bytes",
     Unit::bytes,
     "of payload, that the largest event has",
     [](const StreamPicture& row) -> Value {
         return std::uint64_t{row.header.max_payload_bytes};
     }},
    {"alignment_bytes",
     Unit::bytes,
     "of the ring, that an event is a multiple of",
     [](const StreamPicture& row) -> Value {
         return std::uint64_t{row.header.alignment_bytes};
     }},
    {"pages",
     Unit::text,
     "what the ring's memory is made of",
     [](const StreamPicture& row) -> Value {
         return std::string(bus::page_kind_name(row.header.pages));
     }},
    {"mode",
     Unit::text,
     "permissions of its files",
     [](const StreamPicture& row) -> Value {
         return digits(row.header.mode, 8, 4);
     }},
    {"group_id",
     Unit::number,
     "whose files they are; null: as the system chose",
     [](const StreamPicture& row) -> Value {
         const std::uint32_t group = row.header.group_id;
         return group == bus::kNoGroup ? Value(Unknown{}) : Value(std::uint64_t{group});
     }},
    {"publishers_allowed",
     Unit::text,
     "single or multi",
     [](const StreamPicture& row) -> Value {
         return std::string(row.header.publishing == bus::Publishing::single ? "single" : "multi");
     }},
    {"publish_time",
     Unit::text,
     "off, event or batch: whose time is noted",
     [](const StreamPicture& row) -> Value {
         return std::string(bus::publish_time_name(row.header.publish_time));
     }},
    {"first_seq",
     Unit::sequence,
     "of the first event of this ring",
     [](const StreamPicture& row) -> Value {
         return row.status.first_sequence;
     }},
    {"oldest_seq",
     Unit::sequence,
     "of the oldest event that is still there",
     [](const StreamPicture& row) -> Value {
         return row.status.oldest_sequence;
     }},
    {"end_seq",
     Unit::sequence,
     "that the next published event will have",
     [](const StreamPicture& row) -> Value {
         return row.status.end_sequence;
     }},
    {"rescued_events",
     Unit::count,
     "tombstones written for claims of publishers that died",
     [](const StreamPicture& row) -> Value { return row.status.rescued_events; },
     Kind::counter},
    {"rescued_publishers",
     Unit::count,
     "publishers that died in a claim",
     [](const StreamPicture& row) -> Value { return row.status.rescued_publishers; },
     Kind::counter},
    {"reclaimed_readers",
     Unit::count,
     "readers that died, and whose slots were given free",
     [](const StreamPicture& row) -> Value { return row.status.reclaimed_subscribers; },
     Kind::counter},
    {"evicted_readers",
     Unit::count,
     "readers that publishers gave up, because they were silent",
     [](const StreamPicture& row) -> Value { return row.status.evicted_subscribers; },
     Kind::counter},
    {"ring_bytes_written",
     Unit::bytes,
     "of the ring, claimed since it was made",
     [](const StreamPicture& row) -> Value { return row.status.bytes; },
     Kind::counter},
    {"publisher_attaches",
     Unit::count,
     "publishers that ever attached",
     [](const StreamPicture& row) -> Value { return row.status.publisher_attaches; },
     Kind::counter},
    {"reader_attaches",
     Unit::count,
     "readers that ever attached",
     [](const StreamPicture& row) -> Value { return row.status.subscriber_attaches; },
     Kind::counter},
});

constexpr auto kRingJournalFigures = std::to_array<Figure<StreamPicture>>({
    {"directory",
     Unit::text,
     "that the stream names",
     [](const StreamPicture& row) -> Value {
         return std::string(row.header.journal_directory.data());
     }},
    {"state",
     Unit::text,
     "running, stopped, failed, low on space, disk full, opening, none yet",
     [](const StreamPicture& row) -> Value {
         return std::string(journal_state_name(*row.status.journal));
     }},
    {"missing",
     Unit::text,
     "what publishers do while nobody records: hold or go",
     [](const StreamPicture& row) -> Value {
         return std::string(bus::journal_missing_name(row.header));
     }},
    {"pid",
     Unit::number,
     "of its writer; null: none runs",
     [](const StreamPicture& row) -> Value {
         const bus::JournalStatus& journal = *row.status.journal;
         return journal.is_alive ? Value(std::uint64_t{journal.pid}) : Value(Unknown{});
     }},
    {"priority",
     Unit::text,
     "how its writing thread is scheduled; null: it can't be asked",
     [](const StreamPicture& row) -> Value {
         const bus::JournalStatus& journal = *row.status.journal;
         if (!journal.is_alive || journal.thread_id == 0) return Unknown{};
         std::string priority = stream::priority_in_use(static_cast<int>(journal.thread_id));
         return priority.empty() ? Value(Unknown{}) : Value(std::move(priority));
     }},
    {"errno",
     Unit::number,
     "why it failed",
     [](const StreamPicture& row) -> Value {
         const bus::JournalStatus& journal = *row.status.journal;
         if (journal.state != bus::JournalState::failed) return Unknown{};
         return static_cast<std::uint64_t>(journal.os_errno);
     }},
    {"durable_seq",
     Unit::sequence,
     "everything below is on disk, flushed",
     [](const StreamPicture& row) -> Value {
         return row.status.journal->durable_sequence;
     }},
    {"written_seq",
     Unit::sequence,
     "everything below is handed to the kernel",
     [](const StreamPicture& row) -> Value {
         return row.status.journal->written_sequence;
     }},
    {"written_bytes",
     Unit::bytes,
     "on disk, that its writer has written",
     [](const StreamPicture& row) -> Value { return row.status.journal->written_bytes; },
     Kind::counter},
    {"flushes",
     Unit::count,
     "of the disk, that its writer has waited for",
     [](const StreamPicture& row) -> Value { return row.status.journal->flushes; },
     Kind::counter},
    {"lost_events",
     Unit::count,
     "events that the journal will never have",
     [](const StreamPicture& row) -> Value { return row.status.journal->lost_events; },
     Kind::counter},
});

}  // namespace

StreamPicture picture_of(const std::shared_ptr<bus::Region>& region) {
    return {region->name(), region->path(), region->header(), bus::read_status(region)};
}

std::span<const Figure<StreamPicture>> stream_figures() noexcept {
    return kStreamFigures;
}

std::span<const Figure<StreamPicture>> ring_journal_figures() noexcept {
    return kRingJournalFigures;
}

std::string_view journal_state_name(const bus::JournalStatus& journal) noexcept {
    // A writer that failed may still be there, on its way out.
    if (journal.state == bus::JournalState::failed) return "failed";
    if (journal.is_alive && journal.state == bus::JournalState::low_space) return "low on space";
    if (journal.is_alive && journal.state == bus::JournalState::no_space) return "disk full";
    if (journal.is_alive && journal.state == bus::JournalState::opening) return "opening";
    if (journal.is_alive) return "running";
    return journal.state == bus::JournalState::none ? "none yet" : "stopped";
}

}  // namespace tailrace::observe
