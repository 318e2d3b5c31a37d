#include "support/watchdog.hpp"

#include <tailrace/base/clock.hpp>

#include <catch2/catch.hpp>

namespace clock_test {

using namespace tailrace;

TEST_CASE("clock: a publish clock never goes back", "[base][clock]") {
    const test::Watchdog watchdog("clock: a publish clock never goes back");
    PublishClock clock;
    const std::uint64_t began_ns = monotonic_ns();

    std::uint64_t last_ns = clock.now_ns();
    std::uint64_t went_back = 0;
    // Long enough that it leaves the kernel's clock for the counter, and renews its anchor several
    // times.
    while (monotonic_ns() - began_ns < 120'000'000) {
        const std::uint64_t now_ns = clock.now_ns();
        if (now_ns < last_ns) ++went_back;
        last_ns = now_ns;
    }

    CHECK(went_back == 0);
}

TEST_CASE("clock: a publish clock tells the time of the kernel's clock", "[base][clock]") {
    const test::Watchdog watchdog("clock: a publish clock tells the time of the kernel's clock");
    // Steering moves the kernel's clock by at most half a thousandth, and an anchor lives for 10
    // ms.
    constexpr std::uint64_t kToleranceNs = 50'000;
    PublishClock clock;
    const std::uint64_t began_ns = monotonic_ns();

    std::uint64_t compared = 0;
    std::uint64_t wrong = 0;
    while (monotonic_ns() - began_ns < 120'000'000) {
        const std::uint64_t before_ns = wall_clock_ns();
        const std::uint64_t now_ns = clock.now_ns();
        const std::uint64_t after_ns = wall_clock_ns();
        ++compared;
        if (now_ns + kToleranceNs < before_ns || now_ns > after_ns + kToleranceNs) ++wrong;
    }

    CHECK(compared > 100);
    CHECK(wrong == 0);
}

TEST_CASE("clock: monotonic time goes on", "[base][clock]") {
    const test::Watchdog watchdog("clock: monotonic time goes on");
    const std::uint64_t began_ns = monotonic_ns();

    while (monotonic_ns() == began_ns) {
    }

    CHECK(monotonic_ns() > began_ns);
    CHECK(wall_clock_ns() > 1'600'000'000'000'000'000U);
}

}  // namespace clock_test
