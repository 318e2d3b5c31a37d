// What a thread does while it waits for durability: whether it sleeps or looks on. A look in these
// tests sees whether the flag of a sleeper is up.
#include "durable_pause.hpp"

#include "support/watchdog.hpp"

#include <tailrace/bus/wait.hpp>

#include <catch2/catch.hpp>

namespace durable_pause_test {

using tailrace::bus::DurablePause;
using tailrace::bus::DurableWait;
using tailrace::bus::WaitCell;
using tailrace::test::Watchdog;

constexpr std::uint64_t kForeverNs = ~std::uint64_t{0};
constexpr std::uint64_t kBeginNs = 1'000'000'000;

bool is_flag_up(const WaitCell& cell) {
    return cell.sleeping.load() != 0;
}

// Whether it slept, `waited_ns` after the wait began. Nothing becomes durable.
bool sleeps(std::uint64_t typical_ns, std::uint64_t waited_ns) {
    WaitCell cell{};
    DurablePause pause(kBeginNs);
    int looks = 0;
    pause.pass(cell, DurableWait{0, typical_ns}, kBeginNs + waited_ns, 1, [&] {
        ++looks;
        return false;
    });
    CHECK(looks > 0);
    CHECK(pause.has_waited());
    return is_flag_up(cell);
}

TEST_CASE("durable pause: who has no idea of the time sleeps until it is woken", "[bus]") {
    CHECK_FALSE(DurablePause(kBeginNs).has_waited());
    CHECK(sleeps(0, 0));
    CHECK(sleeps(0, 100'000));
}

TEST_CASE(
    "durable pause: shortly before the end of a commit it looks on, and nobody has to wake it",
    "[bus]") {
    CHECK_FALSE(sleeps(100'000, 0));
    CHECK_FALSE(sleeps(100'000, 100'000));
    CHECK_FALSE(sleeps(400'000, 200'000));
    CHECK_FALSE(sleeps(1'000'000, 1'000'000));
}

TEST_CASE("durable pause: a commit that takes longer than others is slept for in the end",
          "[bus]") {
    CHECK(sleeps(100'000, 400'000));
    CHECK(sleeps(1'000'000, 1'500'000));
}

TEST_CASE("durable pause: it sleeps through most of a commit, and is up by itself", "[bus]") {
    const Watchdog watchdog("durable pause: nobody wakes it");
    WaitCell cell{};
    DurablePause pause(kBeginNs);
    pause.pass(cell, DurableWait{0, 2'000'000}, kBeginNs, kForeverNs, [] { return false; });
    CHECK(is_flag_up(cell));
}

TEST_CASE("durable pause: beside a slow disk it only sleeps", "[bus]") {
    CHECK_FALSE(sleeps(2'000'000, 2'000'000));
    CHECK(sleeps(2'000'001, 2'000'000));
}

TEST_CASE("durable pause: the typical time is the first one's, and follows the others slowly",
          "[bus]") {
    DurableWait wait;
    const DurablePause pause(kBeginNs);
    pause.learn(wait, kBeginNs + 800);
    CHECK(wait.typical_ns == 800);
    pause.learn(wait, kBeginNs + 1600);
    CHECK(wait.typical_ns == 900);
}

}  // namespace durable_pause_test
