#include "stream/recorded_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/stream/priority.hpp>

#include <catch2/catch.hpp>

#include <sched.h>
#include <sys/resource.h>

#include <thread>

namespace priority_test {

namespace {

using namespace tailrace;
using namespace tailrace::test;
using stream::Priority;
using stream::PriorityKind;

// How often the calling thread has given up its core to wait.
long waits_so_far() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

constexpr int kIdleSteps = 40;

// Idle steps of the calling thread, and in how many of them it slept.
long waits_of_idle_steps(stream::Recorder& recorder, int steps) {
    const long before = waits_so_far();
    for (int step = 0; step < steps; ++step) {
        if (!recorder.step(1'000'000)) return -1;
    }
    return waits_so_far() - before;
}

TEST_CASE("priority: what the kernel gave is what is told", "[stream][priority]") {
    std::string nice;
    std::string fifo;
    Result<void> took_fifo;
    bool is_real_time = false;
    std::thread thread([&] {
        if (stream::take_priority({PriorityKind::nice, 19})) nice = stream::priority_in_use();
        took_fifo = stream::take_priority({PriorityKind::fifo, 3});
        fifo = stream::priority_in_use();
        is_real_time = stream::is_real_time();
    });
    thread.join();

    CHECK(nice == "nice=19");
    if (took_fifo) {
        CHECK(fifo == "fifo=3");
        CHECK(is_real_time);
    } else {
        WARN("not shown here: what is taken where real-time scheduling is permitted");
        CHECK(took_fifo.error().code == ErrorCode::no_permission);
        CHECK_FALSE(took_fifo.error().hint.empty());
        CHECK(fifo == "nice=19");
    }
    CHECK_FALSE(stream::is_real_time());
}

TEST_CASE("priority: a level that there isn't is refused before anything changes",
          "[stream][priority]") {
    const std::string before = stream::priority_in_use();
    for (const Priority& wrong : {Priority{PriorityKind::nice, 20},
                                  Priority{PriorityKind::nice, -21},
                                  Priority{PriorityKind::fifo, 0},
                                  Priority{PriorityKind::fifo, 100}}) {
        const auto taken = stream::take_priority(wrong);
        REQUIRE_FALSE(taken);
        CHECK(taken.error().code == ErrorCode::invalid_argument);
    }
    CHECK(stream::priority_in_use() == before);
}

TEST_CASE("priority: a recorder in real time parks at once, whatever strategy it was given",
          "[stream][priority]") {
    const Watchdog watchdog("parking recorder");
    const RecordedStream recorded;
    long waits = 0;
    bool refused = false;
    std::thread journal([&] {
        stream::RecorderOptions options = recorded.options();
        options.wait = bus::WaitStrategy::busy_spin;
        options.priority = {PriorityKind::fifo, stream::kDefaultFifoLevel};
        auto recorder = stream::Recorder::attach("stream", options);
        if (!recorder) return;
        refused = recorder->priority_refusal().has_value();
        // The first writes of a new journal are behind it.
        (void)waits_of_idle_steps(*recorder, 3);
        waits = waits_of_idle_steps(*recorder, kIdleSteps);
    });
    journal.join();

    if (refused) {
        WARN("SKIPPED: real-time scheduling is not permitted here");
        return;
    }
    // Each step slept once; a wake-up between its last look and its sleep may spare one.
    CHECK(waits >= kIdleSteps / 2);
}

TEST_CASE("recorder: what the policy leaves unflushed isn't waited for by spinning",
          "[stream][recorder]") {
    const Watchdog watchdog("unflushed and idle");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    stream::RecorderOptions options = recorded.options();
    const bool has_interval = GENERATE(false, true);
    options.journal.sync_policy =
        has_interval ? journal::SyncPolicy::interval : journal::SyncPolicy::none;
    options.journal.sync_interval_ns = 3'600'000'000'000;
    auto recorder = expect(stream::Recorder::attach("stream", options), "attach");
    // With an interval the first flush is due at once, the second in an hour.
    for (std::uint64_t number = 0; number < 2; ++number) {
        REQUIRE(publish_numbered(publisher, 1, number, 1));
        while (recorder.status().written_sequence != number + 1)
            REQUIRE(recorder.step(1'000'000));
        for (int round = 0; round < 20; ++round)
            REQUIRE(recorder.step(1'000'000));
    }
    REQUIRE(recorder.status().durable_sequence < 2);

    // A wait begins with some spins and yields, then every step sleeps.
    CHECK(waits_of_idle_steps(recorder, 300) >= 100);
    CHECK(recorder.status().durable_sequence < 2);
    REQUIRE(recorder.close());
    CHECK(recorder.status().durable_sequence == 2);
}

}  // namespace

}  // namespace priority_test
