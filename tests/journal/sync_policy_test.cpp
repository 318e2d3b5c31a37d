// What each sync policy costs in flushes, and what it loses in a kill and in a power cut.

#include "reader_core.hpp"
#include "simulated_lab.hpp"

#include <catch2/catch.hpp>

namespace tailrace::journal::sync_policy_test {

namespace {

struct Life {
    explicit Life(SyncPolicy policy) : lab(31) {
        lab.options.sync_policy = policy;
        lab.options.sync_interval_ns = 100'000'000;
        lab.options.segment_size_bytes = 16 * kMiB;
        lab.open();
        flushes_at_open = lab.writer->statistics().flushes;
    }

    // Small events, with time between them.
    void work(int rounds, std::uint64_t pause_ns) {
        for (int round = 0; round < rounds; ++round) {
            const Sequence next = lab.writer->next_sequence();
            TAILRACE_CHECK(lab.writer->append(make_events(next, 5).run()).event_count == 5);
            for (int turn = 0; turn < 12; ++turn)
                (void)lab.writer->drive(1'000'000);
            lab.disk.pass_ns(pause_ns);
        }
    }

    std::uint64_t flushes() const { return lab.writer->statistics().flushes - flushes_at_open; }

    // Ends the life so, and says where the next one begins.
    Sequence end_by_kill() {
        lab.disk.cut();
        lab.writer.reset();
        lab.disk.kill_process();
        lab.open();
        return lab.writer->next_sequence();
    }
    Sequence end_by_power_cut() {
        lab.disk.cut();
        lab.writer.reset();
        lab.disk.power_on(Survival::nothing);
        lab.open();
        return lab.writer->next_sequence();
    }

    SimulatedLab lab;
    std::uint64_t flushes_at_open = 0;
};

}  // namespace

TEST_CASE("sync policy: group acknowledges everything at once, and a power cut loses nothing of it",
          "[journal][sync_policy]") {
    Life life(SyncPolicy::group);
    life.work(50, 0);
    CHECK(life.lab.writer->durable_sequence() == 250);
    CHECK(life.flushes() >= 40);
    CHECK(life.end_by_power_cut() == 250);
}

TEST_CASE("sync policy: interval flushes once in its time, and a power cut loses what came since",
          "[journal][sync_policy]") {
    Life life(SyncPolicy::interval);
    life.work(50, 10'000'000);  // half a second and a little: about five intervals
    const std::uint64_t flushes = life.flushes();
    CHECK(flushes >= 4);
    CHECK(flushes <= 8);
    const Sequence durable = life.lab.writer->durable_sequence();
    CHECK(durable >= 150);  // no more than two intervals behind
    CHECK(durable < 250);
    CHECK(life.lab.writer->written_sequence() == 250);
    SECTION("killed: all that was written is there") {
        CHECK(life.end_by_kill() == 250);
    }
    SECTION("power cut: exactly what was acknowledged, when the cache keeps nothing") {
        CHECK(life.end_by_power_cut() == durable);
    }
    SECTION("one event that somebody waits for is flushed at once") {
        REQUIRE(life.lab.writer->sync(kSecondNs));
        CHECK(life.lab.writer->durable_sequence() == 250);
        CHECK(life.flushes() == flushes + 1);
        CHECK(life.end_by_power_cut() == 250);
    }
}

TEST_CASE("sync policy: none flushes when a segment is full and no sooner",
          "[journal][sync_policy]") {
    Life life(SyncPolicy::none);
    life.work(50, 10'000'000'000);
    CHECK(life.flushes() == 0);
    CHECK(life.lab.writer->durable_sequence() == 0);
    CHECK(life.lab.writer->written_sequence() == 250);
    SECTION("killed: all that was written is there") {
        CHECK(life.end_by_kill() == 250);
    }
    SECTION("power cut: what was never acknowledged may be gone, here all of it") {
        CHECK(life.end_by_power_cut() == 0);
    }
    SECTION("a full segment is durable before the next one begins") {
        EventShape shape;
        shape.payload_bytes = 60'000;
        while (life.lab.writer->statistics().segments < 2) {
            const Sequence next = life.lab.writer->next_sequence();
            (void)life.lab.writer->append(make_events(next, 1, shape).run());
            (void)life.lab.writer->drive(1'000'000);
        }
        CHECK(life.flushes() == 1);
        const Sequence durable = life.lab.writer->durable_sequence();
        CHECK(durable > 250);
        CHECK(life.end_by_power_cut() >= durable);
    }
    SECTION("one event that somebody waits for is flushed, with all before it") {
        REQUIRE(life.lab.writer->sync(kSecondNs));
        CHECK(life.flushes() == 1);
        CHECK(life.end_by_power_cut() == 250);
    }
}

TEST_CASE("low space: told while a whole segment is left, full when that is, and over by itself",
          "[journal][space]") {
    SimulatedLab lab(41);
    lab.options.segment_size_bytes = 4 * kMiB;
    lab.disk.faults.capacity_bytes = 9 * kMiB;  // two segments; SUPER takes none here
    lab.open();
    const auto put = [&lab](std::uint64_t events) {
        EventShape shape;
        shape.payload_bytes = 60'000;
        for (std::uint64_t nth = 0; nth < events; ++nth) {
            const Sequence next = lab.writer->next_sequence();
            (void)lab.writer->append(make_events(next, 1, shape).run());
            lab.disk.pass_ns(200'000'000);  // longer than the writer waits between two looks
            for (int turn = 0; turn < 12; ++turn)
                (void)lab.writer->drive(1'000);
        }
    };
    put(60);
    CHECK(lab.writer->state() == WriterState::running);
    CHECK(lab.writer->failure_errno() == 0);
    put(10);  // into the second segment, behind which there is none
    REQUIRE(lab.writer->statistics().segments == 2);
    CHECK(lab.disk.injected_faults() > 0);
    CHECK(lab.writer->state() == WriterState::low_space);
    CHECK(lab.writer->failure_errno() == ENOSPC);
    CHECK(lab.writer->failure().code == ErrorCode::no_space);
    CHECK(lab.writer->statistics().room_bytes > 3 * kMiB);
    // All that is accepted now becomes durable as ever.
    CHECK(lab.writer->durable_sequence() == 70);

    put(80);
    CHECK(lab.writer->state() == WriterState::no_space);
    CHECK(lab.writer->durable_sequence() < lab.writer->next_sequence());
    CHECK(lab.writer->failure().message.find("full") != std::string::npos);

    lab.disk.faults.capacity_bytes = 100 * kMiB;
    lab.disk.pass_ns(kSecondNs);
    REQUIRE(lab.writer->sync(100 * kSecondNs));
    lab.disk.pass_ns(kSecondNs);
    (void)lab.writer->drive(0);
    CHECK(lab.writer->state() == WriterState::running);
    CHECK(lab.writer->durable_sequence() == lab.writer->next_sequence());
}

}  // namespace tailrace::journal::sync_policy_test
