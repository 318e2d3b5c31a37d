#include "support/child_process.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/wait.hpp>

#include <catch2/catch.hpp>

#include <sched.h>

#include <atomic>
#include <string>
#include <vector>

namespace waiter_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

// The calling thread stays on the core that it runs on; its former cores return at the end.
class Pinned {
public:
    Pinned() {
        CPU_ZERO(&before_);
        is_pinned_ = ::sched_getaffinity(0, sizeof(before_), &before_) == 0;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
        is_pinned_ = is_pinned_ && ::sched_setaffinity(0, sizeof(one), &one) == 0;
    }
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;
    ~Pinned() { ::sched_setaffinity(0, sizeof(before_), &before_); }

    [[nodiscard]] bool is_pinned() const noexcept { return is_pinned_; }

private:
    cpu_set_t before_;
    bool is_pinned_;
};

// One wait up to the point of sleep; how many steps it took.
std::uint32_t steps_to_sleep(Waiter& waiter) {
    waiter.reset();
    std::uint32_t steps = 1;
    while (!waiter.step())
        ++steps;
    return steps;
}

void sleep_once(Waiter& waiter, WaitCell& cell, std::uint64_t timeout_ns) {
    static_cast<void>(steps_to_sleep(waiter));
    waiter.begin_sleep();
    sleep_on(cell, timeout_ns, [] { return false; });
    waiter.end_sleep();
}

// Long enough that the sleep counts as a long wait.
constexpr std::uint64_t kLongSleepNs = 100'000;

// A whole wait in which nobody can have had the core for a turn, and so many of them in a row that
// neither earlier ones count nor an interrupt now and then.
constexpr std::uint64_t kQuietWaitNs = 16'000;
constexpr std::uint32_t kEnoughQuietWaits = 64;

}  // namespace

TEST_CASE("waiter: strategies and habits have names", "[bus][wait]") {
    for (const char* const name : {"spin", "yield", "futex", "adaptive"}) {
        const auto strategy = wait_strategy_of(name);
        REQUIRE(strategy);
        CHECK(wait_strategy_name(*strategy) == name);
    }
    CHECK_FALSE(wait_strategy_of(""));
    CHECK_FALSE(wait_strategy_of("sleep"));
    CHECK(wait_habit_name(WaitHabit::spin) == "spin");
    CHECK(wait_habit_name(WaitHabit::share) == "share");
    CHECK(wait_habit_name(WaitHabit::doze) == "doze");
    CHECK(usable_cores() >= 1);
}

TEST_CASE("waiter: only the strategies that sleep ask for sleep", "[bus][wait]") {
    Waiter spins(WaitStrategy::busy_spin);
    Waiter yields(WaitStrategy::yield);
    bool asked = false;
    for (int step = 0; step < 10'000; ++step) {
        asked = spins.step() || asked;
        asked = yields.step() || asked;
    }
    CHECK_FALSE(asked);

    Waiter futex(WaitStrategy::futex);
    const std::uint32_t steps = steps_to_sleep(futex);
    CHECK(steps > 1);
    CHECK(steps_to_sleep(futex) == steps);
    Waiter adaptive(WaitStrategy::adaptive);
    CHECK(steps_to_sleep(adaptive) > 1);
}

TEST_CASE("waiter: a crowded one shares its core from the first wait on", "[bus][wait]") {
    Waiter crowded(WaitStrategy::adaptive, true);
    CHECK(crowded.habit() == WaitHabit::share);
    const std::uint32_t shared_steps = steps_to_sleep(crowded);

    Waiter free(WaitStrategy::adaptive);
    if (free.habit() != WaitHabit::spin) {
        WARN("SKIPPED: a machine of one core never spins");
        return;
    }
    CHECK(shared_steps < steps_to_sleep(free));
}

TEST_CASE("waiter: it dozes after long waits, and stops that after short ones", "[bus][wait]") {
    const Watchdog watchdog("waiter: it dozes after long waits");
    Waiter waiter(WaitStrategy::adaptive);
    WaitCell cell{};

    sleep_once(waiter, cell, kLongSleepNs);
    waiter.reset();
    CHECK(waiter.habit() != WaitHabit::doze);  // one isn't enough
    while (waiter.habit() != WaitHabit::doze)
        sleep_once(waiter, cell, kLongSleepNs);

    CHECK(steps_to_sleep(waiter) < 8);
    // Each of these ends before it would sleep.
    while (waiter.habit() == WaitHabit::doze) {
        waiter.reset();
        static_cast<void>(waiter.step());
    }
}

TEST_CASE("waiter: it learns that others want its core, and that they are gone", "[bus][wait]") {
    const Watchdog watchdog("waiter: it learns that others want its core");
    const Pinned pinned;
    Waiter waiter(WaitStrategy::adaptive);
    if (!pinned.is_pinned() || waiter.habit() != WaitHabit::spin) {
        WARN("SKIPPED: this process may not choose its cores, or the machine has only one");
        return;
    }
    {
        ChildProcess other([] {
            for (std::atomic<bool> never{true}; never.load();) {
            }
            return 0;
        });
        while (waiter.habit() != WaitHabit::share)
            static_cast<void>(steps_to_sleep(waiter));
    }
    // Whether anybody else wants this core now is the machine's business: only what the waiter
    // makes of a quiet core is judged.
    const Deadline patience = Deadline::in_ms(10'000);
    std::uint32_t quiet_waits = 0;
    while (waiter.habit() != WaitHabit::spin && quiet_waits < kEnoughQuietWaits) {
        const std::uint64_t before_ns = monotonic_ns();
        static_cast<void>(steps_to_sleep(waiter));
        quiet_waits = monotonic_ns() - before_ns < kQuietWaitNs ? quiet_waits + 1 : 0;
        if (patience.has_passed()) {
            WARN("SKIPPED: others want this core all the time");
            return;
        }
    }
    waiter.reset();  // it learns from the last one
    CHECK(waiter.habit() == WaitHabit::spin);
}

TEST_CASE("waiter: one publisher and three gating subscribers get on on a single core",
          "[bus][wait]") {
    const Watchdog watchdog("waiter: one publisher and three gating subscribers");
    const Pinned pinned;
    const TestStream stream(small_stream(Publishing::single));
    constexpr std::uint64_t kEvents = 30'000;
    SharedObject<std::atomic<int>> attached;
    std::vector<ChildProcess> readers;
    for (int reader = 0; reader < 3; ++reader) {
        readers.emplace_back([&] {
            SubscriberOptions options;
            options.start = Start::oldest();
            options.directory = stream.directory();
            Subscriber subscriber = expect(Subscriber::attach(stream.name(), options), "attach");
            attached->fetch_add(1);
            std::uint64_t next = 0;
            while (next < kEvents) {
                static_cast<void>(subscriber.poll_until(
                    [&](const Event& event) {
                        if (event.as<std::uint64_t>() == next) ++next;
                    },
                    64,
                    Deadline::in_ms(100)));
            }
            return subscriber.wait_strategy() == WaitStrategy::adaptive ? 0 : 1;
        });
    }
    wait_until([&] { return attached->load() == 3; });

    Publisher publisher = stream.publisher("publisher", WaitStrategy::adaptive);
    // The fourth handle; those before it may have found cores enough.
    if (usable_cores() < 4) CHECK(publisher.wait_habit() == WaitHabit::share);
    std::uint64_t refused = 0;
    for (std::uint64_t event = 0; event < kEvents; ++event) {
        if (publisher.publish(event) != PublishStatus::ok) ++refused;
    }

    CHECK(refused == 0);
    for (ChildProcess& reader : readers)
        CHECK(reader.wait().exit_code == 0);
}

}  // namespace waiter_test
