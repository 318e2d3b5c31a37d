// The journal's list of gaps in all orders: nobody is told that a dropped event is durable.

#include "model/interleaver.hpp"
#include "support/journal_writer.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/journal_board.hpp>

#include <catch2/catch.hpp>

#include <string>

namespace journal_gaps_model_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr Sequence kEvery = 10;
constexpr Sequence kLength = 5;
constexpr Sequence kNewGaps = 2;

// Before the scenario begins the list is full; what the writer drops then pushes the oldest out.
bool is_dropped(Sequence sequence) {
    return sequence % kEvery < kLength && sequence / kEvery < kListedGaps + kNewGaps;
}

void fill_list(JournalGaps& gaps) {
    for (Sequence gap = 0; gap < kListedGaps; ++gap) {
        gaps.entries[gap].first.store(gap * kEvery);
        gaps.entries[gap].end.store(gap * kEvery + kLength);
    }
    gaps.count.store(kListedGaps);
    gaps.listed_from.store(0);
}

// What the answer says of [first, end), against what is so.
std::string judge(const Result<void>& waited, Sequence first, Sequence end, Sequence told) {
    bool any_dropped = false;
    for (Sequence sequence = first; sequence < end; ++sequence)
        any_dropped = any_dropped || is_dropped(sequence);
    if (waited) return any_dropped ? "a yes for what was dropped" : "yes";
    if (waited.error().code == ErrorCode::timed_out) return "not yet";
    if (waited.error().message.find("will never be durable") == std::string::npos) return "unsure";
    const bool is_an_end = told % kEvery == kLength && is_dropped(told - 1) && told > first;
    return any_dropped && is_an_end ? "gap" : "a gap that isn't there";
}

}  // namespace

TEST_CASE("model: while the list of gaps turns over, no answer is a lie", "[model][journal_gaps]") {
    const Watchdog watchdog("model: list of gaps", 500);
    const TestStream stream;
    const auto region = stream.open();
    auto writer = journal_writer(stream, 0);
    StreamState& state = region->state();
    constexpr Sequence kNow = kListedGaps * kEvery;
    struct Question {
        Sequence first;
        Sequence end;
    };
    const Question question = GENERATE(Question{0, 1},                 // in the entry that goes
                                       Question{kLength, kEvery},      // between two that go
                                       Question{kEvery, kEvery + 1},   // in the next that goes
                                       Question{25, 30},               // beside one that stays
                                       Question{kNow, kNow + 1},       // in the new one
                                       Question{kNow + 3, kNow + 8},   // partly
                                       Question{kNow + 5, kNow + 10},  // between the new ones
                                       Question{kNow + 15, kNow + 20});

    const Exploration seen = explore({.preemptions = preemptions(3)}, [&](Interleaver& run) {
        fill_list(state.journal_gaps);
        state.journal.durable_sequence.store(kNow);
        state.journal.lost_events.store(1);
        run.switch_at([](std::string_view step) {
            return step.starts_with("journal_gaps.") || step == "journal_board.durable_moved";
        });
        run.actor("writer", [&] {
            for (Sequence gap = 0; gap < kNewGaps; ++gap) {
                const Sequence first = kNow + gap * kEvery;
                writer.gap(first, first + kLength);
                writer.lost(kLength);
                writer.progress(first + kEvery, first + kEvery, 0, 0);
            }
        });
        run.actor("reader", [&] {
            DurableWait wait{question.first, 0};
            const auto waited =
                wait_durable_behind(*region, wait, question.end, Deadline::at_once());
            run.outcome(judge(waited, question.first, question.end, wait.told));
        });
        if (!run.play()) run.outcome("stuck");
    });

    CHECK(seen.is_complete);
    CHECK(seen.example({"a yes for what was dropped", "a gap that isn't there", "stuck"}).empty());
    CHECK(seen.count("yes") + seen.count("gap") + seen.count("not yet") > 0);
}

}  // namespace journal_gaps_model_test
