#include "journal_gaps.hpp"

#include <tailrace/base/step.hpp>

#include <algorithm>

namespace tailrace::bus {

namespace {

// Gaps below `sequence` are not listed any more.
void list_gaps_from(JournalGaps& gaps, Sequence sequence) noexcept {
    // Relaxed, both: only this writer writes it, and it is carried by the entry that is written
    // next.
    if (gaps.listed_from.load(std::memory_order_relaxed) < sequence)
        gaps.listed_from.store(sequence, std::memory_order_relaxed);
}

}  // namespace

void list_gap(JournalGaps& gaps, Sequence first, Sequence end) noexcept {
    // Relaxed loads, all: only this writer writes them.
    const std::uint64_t count = gaps.count.load(std::memory_order_relaxed);
    JournalGap& entry = gaps.entries[count % kListedGaps];
    if (count >= kListedGaps) list_gaps_from(gaps, entry.end.load(std::memory_order_relaxed));
    TAILRACE_STEP("journal_gaps.given_up");
    // [sync:gap_listed] Release, both: whoever sees the entry change sees that the one which stood
    // here isn't listed any more. The first word before the second: with the old end it makes an
    // empty range, since gaps ascend.
    entry.first.store(first, std::memory_order_release);
    TAILRACE_STEP("journal_gaps.half_listed");
    entry.end.store(end, std::memory_order_release);
    // Relaxed: for this writer and its successor; for others carried by what is released later.
    gaps.count.store(count + 1, std::memory_order_relaxed);
    TAILRACE_STEP("journal_gaps.listed");
}

void forget_gaps_from(JournalGaps& gaps, Sequence sequence) noexcept {
    for (JournalGap& entry : gaps.entries) {
        // Relaxed: only this writer writes them.
        const Sequence first = entry.first.load(std::memory_order_relaxed);
        const Sequence end = entry.end.load(std::memory_order_relaxed);
        if (end <= sequence) continue;
        // [sync:gap_listed] Release: one word, so the entry is either as before or cut.
        entry.end.store(std::max(first, sequence), std::memory_order_release);
    }
}

GapVerdict find_gap(const JournalGaps& gaps, Sequence first, Sequence end) noexcept {
    if (first >= end) return {};
    GapVerdict verdict;
    for (const JournalGap& entry : gaps.entries) {
        // [sync:gap_listed] Acquire, both, the end before the first: a new end has the new first,
        // and an old one with the new first is empty.
        const Sequence gap_end = entry.end.load(std::memory_order_acquire);
        TAILRACE_STEP("journal_gaps.end_read");
        const Sequence gap_first = entry.first.load(std::memory_order_acquire);
        TAILRACE_STEP("journal_gaps.entry_read");
        if (gap_first >= end || gap_end <= first || gap_first >= gap_end) continue;
        if (verdict.finding == GapFinding::gap && gap_first >= verdict.first) continue;
        verdict = {GapFinding::gap, gap_first, gap_end};
    }
    if (verdict.finding == GapFinding::gap) return verdict;
    // Relaxed: behind the entries.
    const Sequence listed_from = gaps.listed_from.load(std::memory_order_relaxed);
    if (first < listed_from) return {GapFinding::unknown, first, listed_from};
    return {};
}

}  // namespace tailrace::bus
