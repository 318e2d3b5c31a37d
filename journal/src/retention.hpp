// Retention: which segments are kept. Knows sizes and times, touches no file.
//
// The journal thread alone. A segment's age counts from the last append to it, by the writer's
// clock, which never goes back; publish times, which anybody may set, have no say. The active
// segment stays, and so does its predecessor: until the active one's name is durable, that one is
// the newest.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/journal/format.hpp>
#include <tailrace/journal/writer.hpp>

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace tailrace::journal {

struct RetentionLimits {
    std::uint64_t size_bytes = 0;  // of all segments, the active one counted whole; 0: no limit
    std::uint64_t age_ns = 0;      // 0: no limit
};

struct KeptSegment {
    std::uint64_t number = 0;
    std::uint64_t size_bytes = 0;      // up to the end of the log in it; compressed: of the file
    std::uint64_t last_append_ns = 0;  // by the age clock: nothing in it was appended later
    Sequence first_sequence = 0;
};

// Of one that has a successor. Its own last append would have to be read; the next segment began
// after that. `age_now_ns` counts where nobody noted when.
[[nodiscard]] KeptSegment kept_segment(const SegmentHeader& segment,
                                       const SegmentHeader& successor,
                                       std::uint64_t age_now_ns) noexcept;

class Retention {
public:
    explicit Retention(const RetentionLimits& limits) noexcept : limits_(limits) {}

    // A segment that has its successor, or is about to get it. In ascending order.
    void add(const KeptSegment& segment);

    // It was compressed meanwhile. One that isn't known means nothing.
    void resize(std::uint64_t number, std::uint64_t size_bytes) noexcept;

    // What the limits would give up is spared for each of these, as far as its bytes reach.
    void hold_back(std::vector<HeldBack> held) { held_ = std::move(held); }

    // The number of the oldest segment to keep, beside an active one of that size. 0: no limit is
    // exceeded, nothing changes. Of those that are there at most `most_by_age` go because of their
    // age.
    [[nodiscard]] std::uint64_t oldest_to_keep(
        std::uint64_t active_size_bytes,
        std::uint64_t now_ns,
        std::uint64_t most_by_age = UINT64_MAX) const noexcept;
    // The same when those below `wanted` are to go, whatever the limits say.
    [[nodiscard]] std::uint64_t oldest_without(std::uint64_t wanted) const noexcept;
    // Those below are given up.
    void forget_below(std::uint64_t oldest_number) noexcept;

    // Of the oldest that is kept. Requires: one was added.
    [[nodiscard]] Sequence first_sequence() const noexcept {
        return segments_.front().first_sequence;
    }

    [[nodiscard]] std::uint64_t kept_segments() const noexcept { return segments_.size(); }
    [[nodiscard]] std::uint64_t kept_bytes() const noexcept { return kept_bytes_; }
    [[nodiscard]] bool limits_age() const noexcept { return limits_.age_ns != 0; }

private:
    [[nodiscard]] std::size_t first_held(std::size_t kept_from) const noexcept;
    [[nodiscard]] std::uint64_t number_of(std::size_t kept_from) const noexcept;

    RetentionLimits limits_;
    std::vector<HeldBack> held_;
    std::deque<KeptSegment> segments_;
    std::uint64_t kept_bytes_ = 0;  // of segments_
};

}  // namespace tailrace::journal
