// Verify: reads every byte of a journal and reports what is wrong with it. Changes nothing, takes
// no lock, needs read permission only, and may run beside the writer. Any thread. Law:
// docs/journal_format.md.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/result.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::journal {

enum class FindingKind : std::uint8_t {
    damaged_segment_header,
    missing_segment,
    broken_chain,       // a segment doesn't follow the one before it
    truncated_segment,  // shorter than its header says
    damaged_batch,      // inside the log, or below a promise
    damaged_event,      // the checksum holds, but a stamp or size inside is wrong
    damaged_marker,     // harmless: a batch without events; none is missing where it stood
    lost_events,        // harmless by now: a repair has made a stated gap of them
    damaged_super,      // both slots
    damaged_index,      // harmless: it is rebuilt in memory
    damaged_ledger,     // the cursors are not known, or one stands beyond the log
    damaged_schema,     // the types of its events aren't known: events are bytes again
    damaged_catalogue,  // harmless: seeks take longer until the next writer makes it anew
    dirty_padding,      // harmless: bytes between two batches that should be zero
    torn_tail,          // harmless: a write that was never acknowledged
    foreign_file,       // harmless: a file that isn't ours
};

// "damaged_batch" and so on.
[[nodiscard]] std::string_view finding_kind_name(FindingKind kind) noexcept;
// Whether acknowledged events, cursors or types are lost, or the journal can't be opened.
[[nodiscard]] bool is_damage(FindingKind kind) noexcept;

struct Finding {
    FindingKind kind = FindingKind::damaged_batch;
    std::uint64_t segment_number = 0;
    std::uint64_t offset = 0;
    Sequence first_sequence = 0;  // events [first_sequence, end_sequence) are affected; equal: none
    Sequence end_sequence = 0;
    std::string text;
};

struct VerifyReport {
    std::uint64_t segment_count = 0;
    std::uint64_t batch_count = 0;
    std::uint64_t event_count = 0;
    std::uint64_t tombstone_count = 0;
    std::uint64_t gap_count = 0;  // gaps that the journal states itself: never journaled
    std::uint64_t gap_events = 0;
    std::uint64_t lost_events = 0;  // lost to damage, in gaps that a repair has stated
    std::uint64_t read_bytes = 0;
    Sequence first_sequence = 0;
    Sequence end_sequence = 0;
    std::vector<Finding> findings;

    [[nodiscard]] bool is_sound() const noexcept;  // no finding is damage
};

// Called now and then with the bytes done and the bytes in all.
using VerifyProgress = std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

// Segments are read by `jobs` threads at once (0: one for each core). The report is the same
// whatever their number, and `progress` is called on the calling thread alone. An Error only when
// nothing could be looked at (no such directory, no permission, no journal in it).
[[nodiscard]] Result<VerifyReport> verify(const std::string& directory,
                                          const VerifyProgress& progress = {},
                                          std::uint32_t jobs = 0) noexcept;

}  // namespace tailrace::journal
