// Sleeping and waking in all orders: nobody sleeps for ever beside what it waits for.

#include "model/forbidden.hpp"
#include "model/interleaver.hpp"
#include "model/model_ring.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace sleep_model_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

// The kernel's part in the model: a sleep has no end of its own, and begins only if the count of
// wake-ups is the one that the sleeper read; a wake-up reaches the two that have slept longest, of
// those who read another count.
class FutexModel {
public:
    FutexModel(Interleaver& run, WaitCell& cell) : run_(run), cell_(cell) {}

    void at(std::string_view step) {
        if (step == "wake.counted" || step == "sleep.wakes_next") wake();
        if (step == "sleep.wakes_read") sleeper().seen_wakes = cell_.wakes.load();
        if (step != "sleep.not_ready" || cell_.wakes.load() != sleeper().seen_wakes) return;
        Sleeper& own = sleeper();
        own.has_slept = true;
        own.since = ++sleeps_;
        run_.block_until([&own] { return own.since == 0; });
    }
    // How many actors have slept.
    [[nodiscard]] std::size_t slept() const {
        return static_cast<std::size_t>(
            std::count_if(sleepers_.begin(), sleepers_.end(), [](const auto& entry) {
                return entry.second.has_slept;
            }));
    }

private:
    struct Sleeper {
        std::uint32_t seen_wakes = 0;
        std::uint32_t since = 0;  // 0: awake
        bool has_slept = false;
    };

    Sleeper& sleeper() { return sleepers_[std::string(run_.running())]; }
    void wake() {
        constexpr int kWokenByEach = 2;
        for (int woken = 0; woken < kWokenByEach; ++woken) {
            Sleeper* first = nullptr;
            for (auto& [name, one] : sleepers_) {
                const bool is_reached = one.since != 0 && one.seen_wakes != cell_.wakes.load();
                if (is_reached && (first == nullptr || one.since < first->since)) first = &one;
            }
            if (first != nullptr) first->since = 0;
        }
    }

    Interleaver& run_;
    WaitCell& cell_;
    std::map<std::string, Sleeper> sleepers_ = {};
    std::uint32_t sleeps_ = 0;
};

bool is_about_sleep(std::string_view step) {
    return step.starts_with("sleep.") || step.starts_with("wake.") || step == "publisher.stamped" ||
           step == "publisher.tail_stored" || step == "publisher.swap_won" ||
           step == "subscriber.gate_moved";
}

// One for all schedules: on its way there a waiter yields its processor, which on a busy machine
// takes longer than everything else here.
Waiter at_the_point_of_sleep() {
    static const Waiter ready = [] {
        Waiter waiter(WaitStrategy::futex);
        while (!waiter.step()) {
        }
        return waiter;
    }();
    return ready;
}

}  // namespace

TEST_CASE("model: a reader that goes to sleep isn't left asleep beside an event",
          "[model][sleep]") {
    const Watchdog watchdog("model: a reader that goes to sleep", 500);
    ModelRing ring(model_stream(GENERATE(Publishing::multi, Publishing::single)));
    Publisher& publisher = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(5)}, [&](Interleaver& run) {
        ring.reset();
        FutexModel sleep(run, ring.region().state().subscribers_wait);
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
        run.outcome(sleep.slept() != 0 ? "slept" : "never slept");
    });

    check_forbidden(seen);
    CHECK(seen.count("slept") > 0);
    CHECK(seen.count("never slept") > 0);
}

TEST_CASE("model: readers that go to sleep are all woken, by each other", "[model][sleep]") {
    const Watchdog watchdog("model: readers that go to sleep are all woken", 500);
    const std::uint32_t readers = GENERATE(2U, 3U);
    StreamOptions options = model_stream();
    options.subscriber_slots = readers;
    ModelRing ring(options);
    Publisher& publisher = ring.keep_publisher();
    std::vector<Subscriber*> subscribers;
    for (std::uint32_t reader = 0; reader < readers; ++reader)
        subscribers.push_back(&ring.keep_subscriber());
    ring.remember();

    const unsigned most = readers == 2 ? preemptions(3) : preemptions(2);
    const Exploration seen = explore({.preemptions = most}, [&](Interleaver& run) {
        ring.reset();
        FutexModel sleep(run, ring.region().state().subscribers_wait);
        run.switch_at(is_about_sleep);
        run.at_step([&](std::string_view step) { sleep.at(step); });
        run.actor("publisher", [&] { static_cast<void>(publish_even(publisher, 8, 0)); });
        for (std::uint32_t reader = 0; reader < readers; ++reader) {
            run.actor("reader " + std::to_string(reader), [&, reader] {
                while (!subscribers[reader]->has_event()) {
                    Waiter waiter = at_the_point_of_sleep();
                    subscribers[reader]->wait(waiter, Deadline::never());
                }
            });
        }
        if (!run.play()) run.outcome("asleep beside an event");
        if (sleep.slept() == readers) run.outcome("all slept");
    });

    check_forbidden(seen);
    CHECK(seen.count("all slept") > 0);
}

TEST_CASE("model: a publisher that sleeps for room isn't left asleep beside it", "[model][sleep]") {
    const Watchdog watchdog("model: a publisher that sleeps for room", 500);
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
        FutexModel sleep(run, ring.region().state().publishers_wait);
        run.switch_at(is_about_sleep);
        run.at_step([&](std::string_view step) { sleep.at(step); });
        bool published = false;
        run.actor("publisher", [&] {
            const std::vector<std::byte> payload(kEighth);
            published = publisher.publish(payload) == PublishStatus::ok;
        });
        run.actor("reader", [&] { static_cast<void>(reader.poll([](const Event&) {}, 1)); });
        if (!run.play()) run.outcome("asleep beside room");
        if (published) run.outcome(sleep.slept() != 0 ? "slept" : "never slept");
    });

    check_forbidden(seen);
    CHECK(seen.count("slept") > 0);
}

}  // namespace sleep_model_test
