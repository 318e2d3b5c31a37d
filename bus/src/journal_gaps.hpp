// The board's list of gaps: which sequences the journal doesn't have, so that nobody is told that
// they are durable.
//
// One writer, the holder of the journal lock; everybody else reads, without a lock and without
// waiting for it. Law: docs/ring_layout.md, "JournalGaps".
#pragma once

#include <tailrace/bus/layout.hpp>

namespace tailrace::bus {

// Puts [first, end) on the list. Requires: first < end, behind every gap on the list. To be called
// before the durable sequence goes beyond `first`.
void list_gap(JournalGaps& gaps, Sequence first, Sequence end) noexcept;
// Cuts off what the list says of `sequence` and later.
void forget_gaps_from(JournalGaps& gaps, Sequence sequence) noexcept;

enum class GapFinding : std::uint8_t { none, gap, unknown };

struct GapVerdict {
    GapFinding finding = GapFinding::none;
    // gap: one that overlaps. unknown: the part of what was asked for that can't be judged.
    Sequence first = 0;
    Sequence end = 0;
};

// Whether any of [first, end) is in a gap. Sees every gap below a durable sequence that was seen
// before.
[[nodiscard]] GapVerdict find_gap(const JournalGaps& gaps, Sequence first, Sequence end) noexcept;

}  // namespace tailrace::bus
