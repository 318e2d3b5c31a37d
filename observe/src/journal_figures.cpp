#include <tailrace/observe/journal_figures.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace tailrace::observe {

namespace {

using Journal = journal::JournalSummary;
using Segment = journal::SegmentSummary;
using Missing = journal::MissingSegments;

journal::JournalOptions options_of(const Journal& summary) {
    journal::JournalOptions options;
    summary.settings.apply_to(options);
    return options;
}

// A limit, of which 0 is none.
Value limit_value(std::uint64_t limit) {
    return limit == 0 ? Value(Unknown{}) : Value(limit);
}

constexpr auto kJournalFigures =
    std::to_array<Figure<Journal>>(
        {
            {"journal",
             Unit::text,
             "its directory",
             [](const Journal& row) -> Value {
                 return row.directory;
             }},
            {"stream",
             Unit::text,
             "whose journal it is",
             [](const Journal& row) -> Value {
                 return row.stream_name;
             }},
            {"id",
             Unit::text,
             "chosen at random when it was made",
             [](const Journal& row) -> Value {
                 return row.journal_id;
             }},
            {"format",
             Unit::text,
             "version of what is on disk",
             [](const Journal& row) -> Value {
                 return std::to_string(row.format_major) + "." + std::to_string(row.format_minor);
             }},
            {"alignment_bytes",
             Unit::bytes,
             "on disk, that an event is a multiple of",
             [](const Journal& row) -> Value {
                 return std::uint64_t{row.event_alignment_bytes};
             }},
            {"clean_close",
             Unit::flag,
             "its last writer closed it; else the next one recovers it",
             [](const Journal& row) -> Value {
                 return row.clean_close;
             }},
            {"writer_pid",
             Unit::number,
             "null: no writer runs; 0: one whose pid can't be told",
             [](const Journal& row) -> Value {
                 return row.writer_runs ? Value(std::uint64_t{row.writer_pid}) : Value(Unknown{});
             }},
            {"first_seq",
             Unit::sequence,
             "of the oldest event that it has",
             [](const Journal& row) -> Value {
                 return row.first_sequence;
             }},
            {"end_seq",
             Unit::sequence,
             "behind the newest event that is valid",
             [](const Journal& row) -> Value {
                 return row.end_sequence;
             }},
            {"promised_seq",
             Unit::sequence,
             "everything below was acknowledged as durable",
             [](const Journal& row) -> Value {
                 return row.promised_sequence;
             }},
            {"max_time_ns",
             Unit::time_ns,
             "the latest publish time in it",
             [](const Journal& row) -> Value {
                 return row.max_time_ns;
             }},
            {"used_bytes",
             Unit::bytes,
             "on disk, up to the end of the log",
             [](const Journal& row) -> Value {
                 return row.used_bytes;
             }},
            {"allocated_bytes",
             Unit::bytes,
             "on disk, that all of its files take",
             [](const Journal& row) -> Value {
                 return row.allocated_bytes;
             }},
            {"segment_count",
             Unit::count,
             "files of the log",
             [](const Journal& row) -> Value {
                 return std::uint64_t{row.segments.size()};
             }},
            {"oldest_segment",
             Unit::number,
             "the number of the first of them",
             [](const Journal& row) -> Value {
                 return row.oldest_segment_number;
             }},
            {"catalogued_segments",
             Unit::count,
             "of them, that are found without being opened",
             [](const Journal& row) -> Value {
                 return row.catalogued_segments;
             }},
            {"spare",
             Unit::text,
             "the file of the next segment: none, allocated, ready",
             [](const Journal& row) -> Value {
                 return std::string(journal::spare_state_name(row.spare));
             }},
            {"spare_bytes",
             Unit::bytes,
             "on disk, that this file takes",
             [](const Journal& row) -> Value {
                 return row.spare_bytes;
             }},
            {"leased_segments",
             Unit::count,
             "that somebody reads",
             [](const Journal& row) -> Value {
                 return leased_segments(row);
             }},
            {"retired_segments",
             Unit::count,
             "given up by retention, and kept only for readers",
             [](const Journal& row) -> Value {
                 return row.retired_segments;
             }},
            {"retired_bytes",
             Unit::bytes,
             "on disk, that these take",
             [](const Journal& row) -> Value {
                 return row.retired_bytes;
             }},
            {"settings.sync",
             Unit::text,
             "when it is flushed: group, interval=5ms, none",
             [](const Journal& row) -> Value {
                 const journal::JournalOptions options = options_of(row);
                 return sync_text(options.sync_policy, options.sync_interval_ns);
             }},
            {"settings.retain_bytes",
             Unit::bytes,
             "on disk, that it keeps; null: all",
             [](const Journal& row) -> Value {
                 return limit_value(options_of(row).retain_size_bytes);
             }},
            {"settings.retain_age_ns",
             Unit::nanoseconds,
             "how long it keeps events; null: for ever",
             [](const Journal& row) -> Value {
                 return limit_value(options_of(row).retain_age_ns);
             }},
            {"settings.segment_bytes",
             Unit::bytes,
             "on disk, as was asked for, else of the newest segment",
             [](const Journal& row) -> Value {
                 const auto size_bytes = segment_size_bytes(row);
                 return size_bytes ? Value(*size_bytes) : Value(Unknown{});
             }},
            {"settings.compress",
             Unit::text,
             "level at which its recorder compresses sealed segments, or off",
             [](const Journal& row) -> Value {
                 return compress_text(row.settings.compress_level.value_or(0));
             }},
        });

constexpr auto kSegmentFigures = std::to_array<Figure<Segment>>({
    {"segment",
     Unit::number,
     "its number",
     [](const Segment& row) -> Value {
         return row.segment_number;
     }},
    {"path",
     Unit::text,
     "its file",
     [](const Segment& row) -> Value {
         return row.path;
     }},
    {"state",
     Unit::text,
     "active, sealed, cut (a crash ended it) or damaged",
     [](const Segment& row) -> Value {
         return std::string(journal::segment_state_name(row.state));
     }},
    {"first_seq",
     Unit::sequence,
     "of its first event",
     [](const Segment& row) -> Value {
         return row.first_sequence;
     }},
    {"end_seq",
     Unit::sequence,
     "behind its last event",
     [](const Segment& row) -> Value {
         return row.end_sequence;
     }},
    {"size_bytes",
     Unit::bytes,
     "on disk, as long as its file is",
     [](const Segment& row) -> Value {
         return row.size_bytes;
     }},
    {"used_bytes",
     Unit::bytes,
     "on disk, up to the end of the log",
     [](const Segment& row) -> Value {
         return row.used_bytes;
     }},
    {"allocated_bytes",
     Unit::bytes,
     "on disk, that the file takes",
     [](const Segment& row) -> Value {
         return row.allocated_bytes;
     }},
    {"created_ns",
     Unit::time_ns,
     "when it was begun",
     [](const Segment& row) -> Value {
         return row.created_ns;
     }},
    {"max_time_ns",
     Unit::time_ns,
     "the latest publish time up to its end",
     [](const Segment& row) -> Value {
         return row.max_time_ns;
     }},
    {"writer_epoch",
     Unit::number,
     "which of the journal's writers made it",
     [](const Segment& row) -> Value {
         return row.writer_epoch;
     }},
    {"has_index",
     Unit::flag,
     "it has a table for looks by sequence and time",
     [](const Segment& row) -> Value {
         return row.has_index;
     }},
    {"recycled",
     Unit::flag,
     "its file held an earlier segment",
     [](const Segment& row) -> Value {
         return row.is_recycled;
     }},
    {"leased",
     Unit::flag,
     "somebody reads it",
     [](const Segment& row) -> Value {
         return row.is_leased;
     }},
});

constexpr auto kMissingFigures = std::to_array<Figure<Missing>>({
    {"first_segment",
     Unit::number,
     "the first that is gone",
     [](const Missing& row) -> Value {
         return row.first_number;
     }},
    {"end_segment",
     Unit::number,
     "the next that is there",
     [](const Missing& row) -> Value {
         return row.end_number;
     }},
    {"first_seq",
     Unit::sequence,
     "of the first event that is gone with them",
     [](const Missing& row) -> Value {
         return row.first_sequence;
     }},
    {"end_seq",
     Unit::sequence,
     "behind the last one",
     [](const Missing& row) -> Value {
         return row.end_sequence;
     }},
    {"text",
     Unit::text,
     "the same in words",
     [](const Missing& row) -> Value {
         return row.text;
     }},
});

}  // namespace

std::span<const Figure<journal::JournalSummary>> journal_figures() noexcept {
    return kJournalFigures;
}

std::span<const Figure<journal::SegmentSummary>> segment_figures() noexcept {
    return kSegmentFigures;
}

std::span<const Figure<journal::MissingSegments>> missing_segments_figures() noexcept {
    return kMissingFigures;
}

std::string sync_text(journal::SyncPolicy policy, std::uint64_t interval_ns) {
    if (policy != journal::SyncPolicy::interval)
        return std::string(journal::sync_policy_name(policy));
    struct Span {
        std::uint64_t ns;
        std::string_view name;
    };
    constexpr std::array<Span, 6> kSpans = {{{3'600'000'000'000, "h"},
                                             {60'000'000'000, "m"},
                                             {1'000'000'000, "s"},
                                             {1'000'000, "ms"},
                                             {1'000, "us"},
                                             {1, "ns"}}};
    const auto span = std::find_if(kSpans.begin(), kSpans.end() - 1, [&](const Span& candidate) {
        return interval_ns % candidate.ns == 0;
    });
    return ("interval=" + std::to_string(interval_ns / span->ns)).append(span->name);
}

std::string compress_text(std::uint64_t level) {
    return level == 0 ? "off" : std::to_string(level);
}

std::optional<std::uint64_t> segment_size_bytes(const journal::JournalSummary& summary) noexcept {
    if (summary.settings.segment_size_bytes) return summary.settings.segment_size_bytes;
    if (summary.segments.empty()) return std::nullopt;
    return summary.segments.back().size_bytes;
}

std::uint64_t leased_segments(const journal::JournalSummary& summary) noexcept {
    return static_cast<std::uint64_t>(
        std::count_if(summary.segments.begin(), summary.segments.end(), [](const Segment& segment) {
            return segment.is_leased;
        }));
}

}  // namespace tailrace::observe
