#include "journal_gaps.hpp"

#include "support/journal_writer.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/journal_board.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

namespace journal_gaps_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

bool is_gone(const Result<void>& waited) {
    return !waited && waited.error().code == ErrorCode::sequence_gone;
}

bool names_a_gap(const Result<void>& waited) {
    return is_gone(waited) &&
           waited.error().message.find("will never be durable") != std::string::npos;
}

JournalBoardWriter writer_of(const TestStream& stream, Sequence durable = 0) {
    return journal_writer(stream, durable);
}

}  // namespace

TEST_CASE("journal gaps: what is in a gap is never said to be durable, what is beside it is",
          "[bus][journal_gaps]") {
    const Watchdog watchdog("journal gaps: beside and in a gap");
    const TestStream stream;
    const auto region = stream.open();
    auto writer = writer_of(stream);

    writer.gap(10, 20);
    writer.lost(10);
    writer.progress(50, 50, 0, 0);

    CHECK(wait_durable(*region, 0, 10, Deadline::at_once()));
    CHECK(wait_durable(*region, 20, 50, Deadline::at_once()));
    CHECK(wait_durable(*region, 15, 15, Deadline::at_once()));
    for (const auto& [first, end] :
         {std::pair<Sequence, Sequence>{0, 11}, {19, 20}, {12, 13}, {0, 50}, {10, 20}, {19, 30}}) {
        const auto waited = wait_durable(*region, first, end, Deadline::at_once());
        REQUIRE(names_a_gap(waited));
        CHECK(waited.error().message.find("sequences [10, 20) of stream 'stream'") !=
              std::string::npos);
        CHECK_FALSE(waited.error().hint.empty());
    }
    CHECK(is_gone(wait_durable(*region, 50, Deadline::at_once())));  // all that ever was
}

TEST_CASE("journal gaps: who waits for what is dropped is told at once", "[bus][journal_gaps]") {
    const Watchdog watchdog("journal gaps: woken");
    const TestStream stream;
    const auto region = stream.open();
    auto writer = writer_of(stream);
    Result<void> waited;
    std::thread waiter([&] { waited = wait_durable(*region, 30, 31, Deadline::never()); });
    wait_until([&] { return region->state().journal.durable_wait.sleeping.load() != 0; });

    const std::uint32_t wakes = region->state().journal.durable_wait.wakes.load();
    writer.gap(25, 35);

    CHECK(region->state().journal.durable_wait.wakes.load() == wakes + 1);
    waiter.join();
    CHECK(names_a_gap(waited));
}

TEST_CASE("journal gaps: a publisher is told each gap once", "[bus][journal_gaps]") {
    const Watchdog watchdog("journal gaps: told once");
    const TestStream stream;
    Publisher publisher = stream.publisher();
    auto writer = writer_of(stream);

    writer.gap(2, 4);
    writer.gap(6, 7);
    writer.progress(10, 10, 0, 0);

    CHECK(publisher.wait_durable(1, Deadline::at_once()));
    CHECK(names_a_gap(publisher.wait_durable(9, Deadline::at_once())));
    const auto second = publisher.wait_durable(9, Deadline::at_once());
    REQUIRE(names_a_gap(second));
    CHECK(second.error().message.find("sequences [6, 7)") != std::string::npos);
    CHECK(publisher.wait_durable(9, Deadline::at_once()));
    CHECK(publisher.wait_durable(10, Deadline::at_once()));
    // One that attaches later has published nothing of that.
    Publisher later = stream.publisher("later");
    CHECK(later.wait_durable(0, Deadline::at_once()));
}

TEST_CASE("journal gaps: what the list has forgotten is not vouched for", "[bus][journal_gaps]") {
    const TestStream stream;
    const auto region = stream.open();
    auto writer = writer_of(stream);
    constexpr Sequence kEvery = 100;
    constexpr Sequence kGaps = kListedGaps + 3;
    for (Sequence gap = 0; gap < kGaps; ++gap)
        writer.gap(gap * kEvery, gap * kEvery + 1);
    writer.progress(kGaps * kEvery, kGaps * kEvery, 0, 0);

    for (Sequence gap = 0; gap < kGaps; ++gap) {
        const auto in_gap = check_kept(*region, gap * kEvery, gap * kEvery + 1);
        CHECK(is_gone(in_gap));
        CHECK(names_a_gap(in_gap) == (gap >= 3));
        const auto behind = check_kept(*region, gap * kEvery + 1, (gap + 1) * kEvery);
        CHECK(behind.has_value() == (gap >= 2));
    }
}

TEST_CASE("journal gaps: a successor takes back what it has after all", "[bus][journal_gaps]") {
    const TestStream stream;
    const auto region = stream.open();
    {
        auto writer = writer_of(stream);
        writer.gap(10, 20);
        writer.gap(30, 40);
        writer.gap(60, 70);
    }
    auto writer = writer_of(stream);
    writer.continue_at(35);  // the journal ends there; the rest is still in the ring
    writer.progress(100, 100, 0, 0);

    CHECK(names_a_gap(check_kept(*region, 19, 20)));
    CHECK(names_a_gap(check_kept(*region, 30, 31)));
    CHECK(check_kept(*region, 35, 100));
    writer.gap(100, 110);
    CHECK(names_a_gap(check_kept(*region, 50, 101)));
}

namespace {

constexpr Sequence kBlock = 10;
constexpr Sequence kBlocks = 30'000;

bool is_dropped(Sequence sequence) {
    const Sequence mixed = (sequence / kBlock + 1) * 0x9E3779B97F4A7C15U;
    return (mixed >> 40U) % 3 == 0;
}

struct Answers {
    std::uint64_t yes = 0;
    std::uint64_t gaps = 0;
    std::uint64_t unsure = 0;
    std::uint64_t lies = 0;  // a yes for what was dropped, or a gap where there is none
};

// Follows the durable sequence and asks for everything in small pieces.
Answers ask_for_everything(const Region& region) {
    Answers answers;
    DurableWait wait;
    const Sequence& told = wait.told;
    while (told < kBlocks * kBlock) {
        const Sequence first = told;
        const Sequence end = std::min(first + 1 + first % 23, kBlocks * kBlock);
        const auto waited = wait_durable_behind(region, wait, end, Deadline::never());
        bool any_dropped = false;
        for (Sequence sequence = first; sequence < end; ++sequence)
            any_dropped = any_dropped || is_dropped(sequence);
        if (waited) {
            ++answers.yes;
            if (any_dropped) ++answers.lies;
        } else if (names_a_gap(waited)) {
            ++answers.gaps;
            // `told` stands where the gap ends.
            if (!any_dropped || told % kBlock != 0 || !is_dropped(told - 1)) ++answers.lies;
        } else {
            ++answers.unsure;
            if (!is_gone(waited)) ++answers.lies;
        }
        if (told <= first) {
            ++answers.lies;
            return answers;
        }
    }
    return answers;
}

}  // namespace

TEST_CASE("journal gaps: who asks while the writer drops is never told a wrong yes or a wrong gap",
          "[bus][journal_gaps]") {
    const Watchdog watchdog("journal gaps: race");
    const TestStream stream;
    const auto region = stream.open();
    auto writer = writer_of(stream);
    std::vector<Answers> answers(2);
    std::vector<std::thread> askers;
    askers.reserve(answers.size());
    for (Answers& own : answers)
        askers.emplace_back([&region, &own] { own = ask_for_everything(*region); });

    for (Sequence block = 0; block < kBlocks; ++block) {
        const Sequence first = block * kBlock;
        if (is_dropped(first)) {
            writer.gap(first, first + kBlock);
            writer.lost(kBlock);
        }
        writer.progress(first + kBlock, first + kBlock, 0, 0);
        // Now and then the askers may catch up, so that not all they hear is that it is too late.
        if (block % 64 == 0) std::this_thread::yield();
    }

    for (std::thread& asker : askers)
        asker.join();
    for (const Answers& own : answers) {
        CHECK(own.lies == 0);
        CHECK(own.yes + own.gaps > 0);
    }
}

}  // namespace journal_gaps_test
