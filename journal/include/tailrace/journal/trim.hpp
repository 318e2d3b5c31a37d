// Trim: gives up the oldest segments of a journal by hand, whole, as retention does by itself.
//
//     auto plan = plan_trim(directory, {.before = Position::at(1'000'000)});
//     auto report = trim(*plan);
//
// A plan changes nothing and needs read permission only. It ends where somebody needs the events:
// at a cursor that holds them, at a segment that is open for reading, and before the newest
// segments. Two never give up segments at once: beside a writer it is the writer that does, asked
// by the file TRIM; where none runs, the writer's lock is held meanwhile. Killed at any moment, a
// sound journal is left, with the old beginning or the new one. Law: docs/journal_format.md,
// "Trimming". Any thread.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/position.hpp>
#include <tailrace/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::journal {

// What isn't given limits nothing; of several the one that gives up most counts.
struct TrimLimits {
    std::optional<Position> before = {};                // segments that end before it go
    std::optional<std::uint64_t> keep_events = {};      // so many stay
    std::optional<std::uint64_t> keep_size_bytes = {};  // the rest takes no more
    // What was recorded longer ago goes, by the age clock, as with retention: where the machine's
    // clock is wrong, what was recorded in the last half of it stays.
    std::optional<std::uint64_t> keep_age_ns = {};
};

// Why a plan gives up less than was asked for.
enum class TrimStop : std::uint8_t {
    none,
    newest,  // the newest segment stays, and beside a writer the one before it
    cursor,  // one that holds what it hasn't read
    reader,  // a segment that is open for reading
};

// A cursor that will find a gap.
struct CursorBehind {
    std::string name;
    std::uint64_t lost_events = 0;
};

struct TrimPlan {
    std::string directory;
    std::uint64_t oldest_number = 0;  // the journal begins with that segment
    std::uint64_t kept_number = 0;    // and will with this one
    Sequence first_sequence = 0;      // [first_sequence, kept_sequence) goes
    Sequence kept_sequence = 0;
    Sequence end_sequence = 0;
    std::uint64_t size_bytes = 0;  // of what goes
    TrimStop stop = TrimStop::none;
    std::string stopped_by;             // the cursor's name, the segment's path
    std::vector<CursorBehind> cursors;  // but for those that hold
    bool writer_runs = false;
    std::uint32_t writer_pid = 0;  // 0: unknown or none

    [[nodiscard]] std::uint64_t segment_count() const noexcept {
        return kept_number - oldest_number;
    }
};

// Errors: those of recovery, when the journal is damaged; invalid_argument for a time when its
// events have none.
[[nodiscard]] Result<TrimPlan> plan_trim(const std::string& directory,
                                         const TrimLimits& limits) noexcept;

struct TrimReport {
    Sequence first_sequence = 0;  // with which the journal begins now
    std::uint64_t oldest_number = 0;
    std::uint64_t held_segments = 0;  // that readers still hold; they go when these let go
};

// Does what the plan says, or less where a cursor has come to hold something meanwhile. Waits for
// the writer at most so long, and then takes the request back. Errors: `timed_out`; `busy` when
// somebody else trims it; those of opening a journal.
[[nodiscard]] Result<TrimReport> trim(const TrimPlan& plan,
                                      std::uint64_t patience_ns = 30'000'000'000) noexcept;

}  // namespace tailrace::journal
