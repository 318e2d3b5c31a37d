// Sleeping and waking in all orders: nobody sleeps for ever beside what it waits for.

#include "model/forbidden.hpp"
#include "model/interleaver.hpp"
#include "model/model_ring.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace sleep_model_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

// In the model a sleep has no end of its own: it ends when the count of wake-ups is not the one
// that the sleeper read.
class SleepModel {
public:
    SleepModel(Interleaver& run, WaitCell& cell) : run_(run), cell_(cell) {}

    void at(std::string_view step) {
        if (step == "sleep.wakes_read") seen_wakes_ = cell_.wakes.load();
        if (step == "sleep.not_ready") {
            slept = true;
            run_.block_until([this] { return cell_.wakes.load() != seen_wakes_; });
        }
    }
    bool slept = false;

private:
    Interleaver& run_;
    WaitCell& cell_;
    std::uint32_t seen_wakes_ = 0;
};

bool is_about_sleep(std::string_view step) {
    return step.starts_with("sleep.") || step.starts_with("wake.") || step == "publisher.stamped" ||
           step == "publisher.tail_stored" || step == "publisher.swap_won" ||
           step == "subscriber.gate_moved";
}

Waiter at_the_point_of_sleep() {
    Waiter waiter(WaitStrategy::futex);
    while (!waiter.step()) {
    }
    return waiter;
}

}  // namespace

TEST_CASE("model: a reader that goes to sleep isn't left asleep beside an event",
          "[model][sleep]") {
    const Watchdog watchdog("model: a reader that goes to sleep", 110);
    ModelRing ring(model_stream(GENERATE(Publishing::multi, Publishing::single)));
    Publisher& publisher = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(5)}, [&](Interleaver& run) {
        ring.reset();
        SleepModel sleep(run, ring.region().state().subscribers_wait);
        std::uint64_t got = 0;
        run.switch_at(is_about_sleep);
        run.at_step([&](std::string_view step) { sleep.at(step); });
        run.actor("publisher", [&] {
            static_cast<void>(publish_even(publisher, 8, 0));
            static_cast<void>(publish_even(publisher, 8, 1));
        });
        run.actor("reader", [&] {
            while (got < 2) {
                got += reader.poll([](const Event&) {}, 1).events;
                if (got == 2 || reader.has_event()) continue;
                Waiter waiter = at_the_point_of_sleep();
                reader.wait(waiter, Deadline::never());
            }
        });
        if (!run.play()) run.outcome("asleep beside an event");
        run.outcome(sleep.slept ? "slept" : "never slept");
    });

    check_forbidden(seen);
    CHECK(seen.count("slept") > 0);
    CHECK(seen.count("never slept") > 0);
}

TEST_CASE("model: two readers that go to sleep are both woken", "[model][sleep]") {
    const Watchdog watchdog("model: two readers that go to sleep", 110);
    ModelRing ring;
    Publisher& publisher = ring.keep_publisher();
    Subscriber& first = ring.keep_subscriber();
    Subscriber& second = ring.keep_subscriber();
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(3)}, [&](Interleaver& run) {
        ring.reset();
        SleepModel first_sleep(run, ring.region().state().subscribers_wait);
        SleepModel second_sleep(run, ring.region().state().subscribers_wait);
        run.switch_at(is_about_sleep);
        run.at_step([&](std::string_view step) {
            if (!step.starts_with("sleep.")) return;
            (run.running() == "first" ? first_sleep : second_sleep).at(step);
        });
        run.actor("publisher", [&] { static_cast<void>(publish_even(publisher, 8, 0)); });
        const auto read = [&](Subscriber& reader) {
            while (!reader.has_event()) {
                Waiter waiter = at_the_point_of_sleep();
                reader.wait(waiter, Deadline::never());
            }
        };
        run.actor("first", [&] { read(first); });
        run.actor("second", [&] { read(second); });
        if (!run.play()) run.outcome("asleep beside an event");
        if (first_sleep.slept && second_sleep.slept) run.outcome("both slept");
    });

    check_forbidden(seen);
    CHECK(seen.count("both slept") > 0);
}

TEST_CASE("model: a publisher that sleeps for room isn't left asleep beside it", "[model][sleep]") {
    const Watchdog watchdog("model: a publisher that sleeps for room", 110);
    ModelRing ring(model_stream(GENERATE(Publishing::multi, Publishing::single)));
    Publisher& publisher = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    constexpr std::uint32_t kEighth = 8192 - 16;
    for (std::uint64_t number = 0; number < 8; ++number) {
        REQUIRE(publish_even(publisher, kEighth, number) == PublishStatus::ok);
    }
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(5)}, [&](Interleaver& run) {
        ring.reset();
        SleepModel sleep(run, ring.region().state().publishers_wait);
        run.switch_at(is_about_sleep);
        run.at_step([&](std::string_view step) { sleep.at(step); });
        bool published = false;
        run.actor("publisher", [&] {
            const std::vector<std::byte> payload(kEighth);
            published = publisher.publish(payload) == PublishStatus::ok;
        });
        run.actor("reader", [&] { static_cast<void>(reader.poll([](const Event&) {}, 1)); });
        if (!run.play()) run.outcome("asleep beside room");
        if (published) run.outcome(sleep.slept ? "slept" : "never slept");
    });

    check_forbidden(seen);
    CHECK(seen.count("slept") > 0);
}

}  // namespace sleep_model_test
