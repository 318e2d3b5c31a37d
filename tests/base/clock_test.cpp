#include "support/watchdog.hpp"

#include <tailrace/base/clock.hpp>

#include <catch2/catch.hpp>

#include <sys/syscall.h>
#include <unistd.h>

#include <time.h>

namespace clock_test {

using namespace tailrace;

namespace {

// How far this program's wall clock was set, beside the host's.
std::int64_t clock_offset_ns = 0;

constexpr std::int64_t kSecondNs = 1'000'000'000;

}  // namespace

// In the place of the C library's, for all that this program links.
extern "C" int clock_gettime(clockid_t id, timespec* now) noexcept {
    const long result = ::syscall(SYS_clock_gettime, id, now);
    if (id != CLOCK_REALTIME || result != 0) return static_cast<int>(result);
    const std::int64_t now_ns = now->tv_sec * kSecondNs + now->tv_nsec + clock_offset_ns;
    now->tv_sec = now_ns / kSecondNs;
    now->tv_nsec = now_ns % kSecondNs;
    return 0;
}

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

TEST_CASE("clock: a wall clock that is set back far is followed, a little is waited out",
          "[base][clock]") {
    const test::Watchdog watchdog("clock: a wall clock that is set back");
    PublishClock clock;
    const auto run_for = [&](std::uint64_t duration_ns) {
        const std::uint64_t began_ns = monotonic_ns();
        std::uint64_t now_ns = clock.now_ns();
        while (monotonic_ns() - began_ns < duration_ns)
            now_ns = clock.now_ns();
        return now_ns;
    };
    constexpr std::uint64_t kAFewAnchorsNs = 60'000'000;
    const std::uint64_t before_ns = run_for(kAFewAnchorsNs);

    clock_offset_ns = -kSecondNs / 2;
    CHECK(run_for(kAFewAnchorsNs) >= before_ns);

    clock_offset_ns = -3600 * kSecondNs;
    const std::uint64_t after_ns = run_for(kAFewAnchorsNs);
    CHECK(after_ns < before_ns - 3500 * kSecondNs);
    CHECK(after_ns + 10 * kSecondNs > wall_clock_ns());

    // And on, as time goes on.
    CHECK(run_for(kAFewAnchorsNs) > after_ns);
    clock_offset_ns = 0;
    CHECK(run_for(kAFewAnchorsNs) >= before_ns);
}

}  // namespace clock_test
