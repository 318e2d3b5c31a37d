// The writer is killed at random instants, over and over; whatever it had acknowledged is in the
// journal, in order, once. TAILRACE_KILLS: how often.

#include "journal_fixture.hpp"
#include "support/child_process.hpp"
#include "support/pause.hpp"
#include "support/seeded_random.hpp"
#include "support/shared_object.hpp"
#include "support/test_length.hpp"
#include "support/watchdog.hpp"

#include <tailrace/journal/recovery.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <sched.h>

#include <atomic>

namespace tailrace::journal::killed_writer_test {

namespace {

constexpr int kRoundsPerLook = 50;
constexpr std::uint64_t kMostPauseNs = 2'000'000;

struct Stage {
    std::atomic<std::uint64_t> acknowledged{0};  // all ids below
    std::atomic<std::uint64_t> appended{0};
};

// A writer's life, which ends when it is killed.
int live(const std::string& directory, Stage& stage, std::uint64_t seed) {
    test::SeededRandom random(seed);
    JournalOptions options = small_options(directory);
    options.segment_size_bytes = kMinSegmentSizeBytes << random.below(3);
    options.marker_idle_ns = 1'000'000;
    options.io_backend = random.one_in(4) ? IoBackend::pwrite : IoBackend::automatic;
    auto writer = Writer::open(options);
    if (!writer) return 1;
    // Another writer's acknowledgements hold for this one.
    if (writer->next_sequence() < stage.acknowledged.load()) return 2;
    if (writer->next_sequence() > stage.appended.load()) return 3;
    while (writer->state() != WriterState::failed) {
        EventShape shape;
        shape.payload_bytes = 8 + static_cast<std::uint32_t>(random.below(2'000));
        const Sequence next = writer->next_sequence();
        const std::uint64_t count = 1 + random.below(20);
        // Before it may be there: how far anything can have been appended.
        if (stage.appended.load() < next + count) stage.appended.store(next + count);
        (void)writer->append(make_events(next, count, shape).run());
        writer->drive(random.one_in(2) ? 0 : 1'000'000);
        if (stage.acknowledged.load() < writer->durable_sequence()) {
            stage.acknowledged.store(writer->durable_sequence());
        }
    }
    return 4;
}

int kills_wanted() {
    return static_cast<int>(test::test_length(150, 1'000, "TAILRACE_KILLS"));
}

}  // namespace

TEST_CASE("writer killed again and again: every acknowledged id is in the journal, in order, once",
          "[kill]") {
    const test::Watchdog watchdog("killed writer", 580);
    test::SeededRandom random("killed writer");
    const TempDirectory temp;
    const test::SharedObject<Stage> stage;
    const int kills = kills_wanted();
    int killed = 0;
    int advanced = 0;
    for (int round = 0; round < kills; ++round) {
        const std::uint64_t before = stage->acknowledged.load();
        const std::uint64_t seed = random.next();
        test::ChildProcess writer([&] { return live(temp.journal(), *stage, seed); });
        // Most of them once they have acknowledged something, the others anywhere: while they
        // recover, or begin a segment.
        const std::uint64_t target = before + (round % 4 == 0 ? 0 : 1 + random.below(100));
        while (stage->acknowledged.load() < target && !writer.has_ended())
            ::sched_yield();
        for (test::Pause pause(random.below(400), kMostPauseNs); pause.goes_on();)
            ::sched_yield();
        if (writer.kill().was_killed()) ++killed;
        const std::uint64_t acknowledged = stage->acknowledged.load();
        if (acknowledged > before) ++advanced;
        const auto found = preview_recovery(temp.journal());
        if (!found) {
            // Killed before there was a first segment.
            REQUIRE(acknowledged == 0);
            continue;
        }
        INFO("round " << round);
        REQUIRE(found->end_sequence >= acknowledged);
        if (round % kRoundsPerLook == kRoundsPerLook - 1) {
            REQUIRE(is_dense(read_all(temp.journal()), 0, found->end_sequence));
        }
    }
    CHECK(killed == kills);
    CHECK(advanced >= kills / 2);
    auto last = Writer::open(small_options(temp.journal()));
    REQUIRE(last);
    const Sequence end = last->next_sequence();
    CHECK(end >= stage->acknowledged.load());
    CHECK(end <= stage->appended.load());
    REQUIRE(last->close());
    CHECK(is_dense(read_all(temp.journal()), 0, end));
    CHECK(verify(temp.journal())->is_sound());
}

}  // namespace tailrace::journal::killed_writer_test
