// What can be told of a reader: its figures, in the order of the JSON of `tailrace lag`.

#include <tailrace/observe/reader_health.hpp>

#include <array>
#include <utility>

namespace tailrace::observe {

namespace {

Value text_or_unknown(const std::string& text) {
    return text.empty() ? Value(Unknown{}) : Value(text);
}

// A latency, where any was measured.
template <std::uint64_t bus::LatencyStatus::*kMember>
Value latency(const ReaderHealth& row) {
    return row.latency.samples == 0 ? Value(Unknown{}) : Value(row.latency.*kMember);
}

constexpr auto kReaderFigures = std::to_array<Figure<ReaderHealth>>({
    {"stream",
     Unit::text,
     "the stream that it reads",
     [](const ReaderHealth& row) -> Value { return row.stream; }},
    {"reader",
     Unit::text,
     "its name; \"journal\" is the stream's journal",
     [](const ReaderHealth& row) -> Value { return row.reader; }},
    {"pid",
     Unit::number,
     "its process; null: nobody's at the moment",
     [](const ReaderHealth& row) -> Value {
         return row.pid == 0 ? Value(Unknown{}) : Value(std::uint64_t{row.pid});
     }},
    {"policy",
     Unit::text,
     "what happens when it is slow; durable: the journal, cursor: a place without a reader",
     [](const ReaderHealth& row) -> Value { return row.policy; }},
    {"source",
     Unit::text,
     "ring or journal: where it reads",
     [](const ReaderHealth& row) -> Value {
         return std::string(row.picture.source == bus::ReadSource::journal ? "journal" : "ring");
     }},
    {"seq",
     Unit::sequence,
     "of the event that it reads next; of the journal: everything below is durable",
     [](const ReaderHealth& row) -> Value { return row.picture.sequence; }},
    {"end_seq",
     Unit::sequence,
     "that the next published event will have",
     [](const ReaderHealth& row) -> Value { return row.end_sequence; }},
    {"lag_events",
     Unit::count,
     "events published that it has yet to read",
     [](const ReaderHealth& row) -> Value { return row.picture.lag.events; }},
    {"lag_bytes",
     Unit::bytes,
     "these in bytes of the ring: payloads, headers and padding",
     [](const ReaderHealth& row) -> Value {
         return row.picture.is_away ? Value(Unknown{}) : Value(row.picture.lag.bytes);
     }},
    {"lag_ns",
     Unit::nanoseconds,
     "age of the oldest unread event; null: it can't be known",
     [](const ReaderHealth& row) -> Value {
         const auto& age_ns = row.picture.lag.age_ns;
         return age_ns ? Value(*age_ns) : Value(Unknown{});
     }},
    {"read_events",
     Unit::count,
     "events that it was handed since it attached; not of a journal or a cursor",
     [](const ReaderHealth& row) -> Value {
         return row.read_events ? Value(*row.read_events) : Value(Absent{});
     },
     Kind::counter},
    {"lost_events",
     Unit::count,
     "events that were overwritten before it read them",
     [](const ReaderHealth& row) -> Value { return row.picture.lost_events; }, Kind::counter},
    {"unrecorded_events",
     Unit::count,
     "of a journal: those of the lost that left the ring while nobody recorded",
     [](const ReaderHealth& row) -> Value {
         return row.journal ? Value(row.journal->unrecorded_events) : Value(Absent{});
     }, Kind::counter},
    {"journal_missing",
     Unit::text,
     "of a journal: hold (publishers wait while nobody records) or go",
     [](const ReaderHealth& row) -> Value {
         if (!row.journal) return Absent{};
         return std::string(row.journal->holds ? "hold" : "go");
     }},
    {"room_ratio",
     Unit::ratio,
     "share of the ring that is left before it is a whole ring behind",
     [](const ReaderHealth& row) -> Value {
         return row.picture.is_away ? Value(Unknown{}) : Value(row.picture.room_ratio);
     }},
    {"latency.samples",
     Unit::count,
     "how often the time from publish to read was taken; latency is null where it never was",
     &latency<&bus::LatencyStatus::samples>, Kind::counter},
    {"latency.p50_ns",
     Unit::nanoseconds,
     "the median from publish to read, up to an eighth too large",
     &latency<&bus::LatencyStatus::p50_ns>},
    {"latency.p99_ns",
     Unit::nanoseconds,
     "one in a hundred was slower, up to an eighth too large",
     &latency<&bus::LatencyStatus::p99_ns>},
    {"latency.max_ns",
     Unit::nanoseconds,
     "the slowest",
     &latency<&bus::LatencyStatus::max_ns>},
    {"latency.mean_ns",
     Unit::nanoseconds,
     "the mean",
     &latency<&bus::LatencyStatus::mean_ns>},
    {"latency.ahead_samples",
     Unit::count,
     "published by a clock that was ahead of the reader's; counted as 0 ns",
     &latency<&bus::LatencyStatus::ahead_samples>, Kind::counter},
    {"filter",
     Unit::text,
     "which events it takes; null: all",
     [](const ReaderHealth& row) -> Value { return text_or_unknown(row.filter); }},
    {"evicted",
     Unit::flag,
     "publishers gave it up, because it was silent for too long",
     [](const ReaderHealth& row) -> Value { return row.is_evicted; }},
    {"trend_events_per_s",
     Unit::change_per_s,
     "how fast it falls behind; negative: it catches up; from the second look on",
     [](const ReaderHealth& row) -> Value {
         return row.trend_events_per_s ? Value(*row.trend_events_per_s) : Value(Absent{});
     }},
    {"state",
     Unit::text,
     "OK, LAGGING, STALLED, BLOCKING, STOPPED, ...: docs/operate.md",
     [](const ReaderHealth& row) -> Value { return std::string(reader_state_name(row.state)); }},
    {"urgency",
     Unit::text,
     "of the state, to whoever watches: none, watch or act",
     [](const ReaderHealth& row) -> Value {
         return std::string(urgency_name(urgency_of(row.state)));
     }},
    {"errno",
     Unit::number,
     "of a journal that failed: why",
     [](const ReaderHealth& row) -> Value {
         if (row.state != ReaderState::failed || !row.journal) return Absent{};
         return static_cast<std::uint64_t>(row.journal->os_errno);
     }},
    {"trouble",
     Unit::text,
     "what is wrong, in words",
     [](const ReaderHealth& row) -> Value {
         auto trouble = trouble_of(row);
         return trouble ? Value(std::move(trouble->what)) : Value(Absent{});
     }},
    {"hint",
     Unit::text,
     "what helps",
     [](const ReaderHealth& row) -> Value {
         auto trouble = trouble_of(row);
         return trouble ? Value(std::move(trouble->hint)) : Value(Absent{});
     }},
});

}  // namespace

std::span<const Figure<ReaderHealth>> reader_figures() noexcept {
    return kReaderFigures;
}

}  // namespace tailrace::observe
