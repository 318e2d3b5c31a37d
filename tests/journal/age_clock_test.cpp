#include "age_clock.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace tailrace::journal::age_clock_test {

namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kHourNs = 3600 * kSecondNs;
constexpr std::uint64_t kMonthNs = 30 * 24 * kHourNs;
constexpr std::uint64_t kNow = 50 * 12 * kMonthNs;  // about when this was written

// A machine with a clock of its own opinion, and an age clock on it.
struct Machine {
    AgeClock clock;
    std::uint64_t elapsed_ns = 7 * kSecondNs;
    std::uint64_t wall_ns = kNow;

    void open(const AgeClock::Mark& mark, std::uint64_t age_ns, std::uint64_t limit_ns) {
        clock.begin(mark, age_ns, limit_ns, elapsed_ns, wall_ns);
    }
    void run(std::uint64_t ns) {
        const std::uint64_t end = elapsed_ns + ns;
        while (elapsed_ns < end) {
            const std::uint64_t step = std::min(kSecondNs, end - elapsed_ns);
            elapsed_ns += step;
            wall_ns += step;
            clock.look(elapsed_ns, wall_ns);
        }
    }
    [[nodiscard]] std::uint64_t age() const { return clock.now_ns(elapsed_ns); }
};

}  // namespace

TEST_CASE("age clock: counts what passes while a writer runs, whatever the wall clock does",
          "[journal][age]") {
    Machine machine;
    machine.open({}, 0, kHourNs);
    const std::uint64_t begin = machine.age();
    machine.run(20 * kSecondNs);
    machine.wall_ns += kMonthNs;
    machine.run(20 * kSecondNs);
    machine.wall_ns -= 2 * kMonthNs;
    machine.run(20 * kSecondNs);
    CHECK(machine.age() == begin + 60 * kSecondNs);
}

TEST_CASE("age clock: time in which nobody recorded counts at a second look", "[journal][age]") {
    Machine machine;
    machine.open({5 * kHourNs, kNow - 2 * kHourNs}, 6 * kHourNs, 24 * kHourNs);
    CHECK(machine.age() == 6 * kHourNs);
    machine.run(AgeClock::kSteadyNs - kSecondNs);
    CHECK(machine.age() == 6 * kHourNs + AgeClock::kSteadyNs - kSecondNs);
    machine.run(2 * kSecondNs);
    CHECK(machine.age() == 7 * kHourNs + AgeClock::kSteadyNs + kSecondNs);
    // Once.
    machine.run(10 * AgeClock::kSteadyNs);
    CHECK(machine.age() == 7 * kHourNs + 11 * AgeClock::kSteadyNs + kSecondNs);
}

TEST_CASE("age clock: a wall clock that is wrong adds half the limit at most, and is forgotten",
          "[journal][age]") {
    Machine machine;
    const std::uint64_t limit = 10 * kHourNs;
    machine.open({kHourNs, kNow}, kHourNs, limit);
    machine.wall_ns += kMonthNs;
    machine.run(5 * AgeClock::kSteadyNs);
    const std::uint64_t wrong = machine.age();
    CHECK(wrong <= kHourNs + limit / 2 + 5 * AgeClock::kSteadyNs);
    CHECK(machine.clock.mark().wall_ns > kNow + kMonthNs);

    // Right again, in the same run or in the next one: it goes on as ever.
    if (GENERATE(true, false)) {
        machine.wall_ns -= kMonthNs;
    } else {
        const AgeClock::Mark mark = machine.clock.mark();
        machine = Machine{};
        machine.open(mark, wrong, limit);
    }
    machine.run(3 * AgeClock::kSteadyNs);
    CHECK(machine.age() == wrong + 3 * AgeClock::kSteadyNs);
    machine.wall_ns += kHourNs;  // asleep, this time for good
    machine.run(2 * AgeClock::kSteadyNs);
    CHECK(machine.age() == wrong + 5 * AgeClock::kSteadyNs + kHourNs);
}

TEST_CASE("age clock: a machine that began in 1970 makes nothing half a century old",
          "[journal][age]") {
    Machine machine;
    const std::uint64_t limit = 24 * kHourNs;
    machine.wall_ns = 5 * kSecondNs;
    machine.open({}, 0, limit);
    machine.run(kHourNs);
    const std::uint64_t before = machine.age();
    machine.wall_ns = kNow;
    machine.run(kHourNs);
    CHECK(machine.age() <= before + kHourNs + limit / 2);
}

TEST_CASE("age clock: hostile marks make nothing but a strange age", "[journal][age]") {
    for (const std::uint64_t wild : {std::uint64_t{1}, ~std::uint64_t{0}, ~std::uint64_t{0} / 2}) {
        Machine machine;
        machine.open({wild, wild}, wild, wild);
        machine.run(3 * AgeClock::kSteadyNs);
        CHECK(machine.clock.mark().wall_ns == machine.wall_ns);
    }
}

TEST_CASE("age clock: who doesn't write believes the wall clock for half of the limit",
          "[journal][age]") {
    const AgeClock::Mark mark{100 * kHourNs, kNow};
    const auto after = [&](std::uint64_t wall_ns, std::uint64_t known_ns = 0) {
        return AgeClock::estimate_ns(mark, known_ns, 10 * kHourNs, wall_ns) / kHourNs;
    };
    CHECK(after(kNow) == 100);
    CHECK(after(kNow + 3 * kHourNs) == 103);
    CHECK(after(kNow + 7 * kHourNs) == 105);
    CHECK(after(kNow + kMonthNs) == 105);
    CHECK(after(kNow - kMonthNs) == 100);
    // What was counted since the mark is known, and doesn't count twice.
    CHECK(after(kNow + 3 * kHourNs, 102 * kHourNs) == 103);
    CHECK(after(kNow + 2 * kHourNs, 104 * kHourNs) == 104);
    CHECK(after(kNow + 20 * kHourNs, 104 * kHourNs) == 109);
    CHECK(AgeClock::estimate_ns({}, 7, kHourNs, kNow) == 7);
}

}  // namespace tailrace::journal::age_clock_test
