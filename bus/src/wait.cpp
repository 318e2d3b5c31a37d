#include <tailrace/base/clock.hpp>
#include <tailrace/bus/wait.hpp>

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

namespace tailrace::bus {

namespace {

// Without membarrier a wake-up may be missed, so nobody sleeps longer than this.
constexpr std::uint64_t kSleepWithoutMembarrierNs = 1'000'000;

long membarrier(int command) noexcept {
    return ::syscall(SYS_membarrier, command, 0, 0);
}

// Sleepers are told apart by the count of wake-ups that they read, so that a wake-up reaches those
// who slept before it and not those who sleep again already: else a few who wake each other would
// never come to rest.
constexpr std::uint32_t kGenerations = 32;
std::uint32_t generation_bit(std::uint32_t wakes) noexcept {
    return std::uint32_t{1} << wakes % kGenerations;
}

// How many sleepers are woken by whoever wakes, and by each one that is woken. Two, since then one
// that is killed or stopped before it wakes others leaves nobody asleep as long as another goes on.
constexpr int kWokenByEach = 2;

// FUTEX_PRIVATE_FLAG must not be set: the other side is another process.
long wake_on(std::atomic<std::uint32_t>& word, int most, std::uint32_t generations) noexcept {
    return ::syscall(SYS_futex, &word, FUTEX_WAKE_BITSET, most, nullptr, nullptr, generations);
}

// Returns what the flag told. `generations`: which sleepers are woken, by the new count.
template <typename Generations>
std::uint32_t wake(WaitCell& cell, int most, Generations&& generations) noexcept {
    // The flag goes down before the count goes up: a sleeper that raises the flag in between has
    // read the old count, so its futex wait returns at once.
    // [sync:poll_armed] Acquire: whoever raised the flag had armed its poll descriptor before.
    const std::uint32_t told = cell.sleeping.exchange(0, std::memory_order_acquire);
    TAILRACE_STEP("wake.flag_lowered");
    if (told == kSomebodyPolls) return told;
    // [sync:wake_counted] Release: a sleeper that sees the new count sees what it was woken for.
    const std::uint32_t wakes = cell.wakes.fetch_add(1, std::memory_order_release) + 1;
    TAILRACE_STEP("wake.counted");
    wake_on(cell.wakes, most, generations(wakes));
    return told;
}

// Once per process: this process's own threads are then reached by everybody's membarrier.
bool is_registered() noexcept {
    static const bool registered = membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0;
    return registered;
}

bool barrier_everywhere() noexcept {
    return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0;
}

}  // namespace

bool register_for_membarrier() noexcept {
    return is_registered();
}

std::uint32_t wake_first(WaitCell& cell) noexcept {
    return wake(cell, kWokenByEach, [](std::uint32_t wakes) { return ~generation_bit(wakes); });
}

std::uint32_t wake_all(WaitCell& cell) noexcept {
    return wake(cell, INT_MAX, [](std::uint32_t) { return ~std::uint32_t{0}; });
}

void wake_one(WaitCell& cell) noexcept {
    static_cast<void>(wake(cell, 1, [](std::uint32_t) { return ~std::uint32_t{0}; }));
}

namespace detail {

std::uint32_t announce_sleep(WaitCell& cell) noexcept {
    const std::uint32_t seen_wakes = announce_wait(cell);
    TAILRACE_STEP("sleep.announced");
    // Every thread of every registered process has now passed a full barrier: whoever publishes
    // after it sees the flag, and what was published before it is seen by the look that follows.
    static_cast<void>(barrier_everywhere());
    return seen_wakes;
}

std::uint32_t announce_wait(WaitCell& cell) noexcept {
    // [sync:wake_counted] Acquire: what happened before the wake-ups counted so far is visible.
    const std::uint32_t seen_wakes = cell.wakes.load(std::memory_order_acquire);
    TAILRACE_STEP("sleep.wakes_read");
    // [sync:sleeper_flag] The flag is up before the last look at what is waited for.
    cell.sleeping.fetch_or(kSomebodySleeps, std::memory_order_seq_cst);
    return seen_wakes;
}

bool announce_poll(WaitCell& cell) noexcept {
    // [sync:sleeper_flag] The flag is up before the last look at what is waited for.
    // [sync:poll_armed] Release: the descriptor is armed.
    cell.sleeping.fetch_or(kSomebodyPolls, std::memory_order_seq_cst);
    TAILRACE_STEP("arm.announced");
    return barrier_everywhere();
}

SleepEnd futex_sleep(WaitCell& cell, std::uint32_t seen_wakes, std::uint64_t timeout_ns) noexcept {
    static const bool has_membarrier = barrier_everywhere();
    if (!has_membarrier && timeout_ns > kSleepWithoutMembarrierNs) {
        timeout_ns = kSleepWithoutMembarrierNs;
    }
    if (timeout_ns == 0) return SleepEnd::timed_out;
    // By the clock, not from now on: so wants it the call that knows of generations.
    const std::uint64_t now_ns = monotonic_ns();
    const bool for_ever = timeout_ns > UINT64_MAX - now_ns;
    timespec until{};
    until.tv_sec = static_cast<time_t>((now_ns + timeout_ns) / kNsPerSecond);
    until.tv_nsec = static_cast<long>((now_ns + timeout_ns) % kNsPerSecond);
    const long outcome = ::syscall(SYS_futex,
                                   &cell.wakes,
                                   FUTEX_WAIT_BITSET,
                                   seen_wakes,
                                   for_ever ? nullptr : &until,
                                   nullptr,
                                   generation_bit(seen_wakes));
    return outcome != 0 && errno == ETIMEDOUT ? SleepEnd::timed_out : SleepEnd::woken;
}

void wake_next(WaitCell& cell, std::uint32_t seen_wakes) noexcept {
    // [sync:wake_counted] Acquire: what the wake-up was for is visible to whoever is woken by it.
    const std::uint32_t wakes = cell.wakes.load(std::memory_order_acquire);
    if (wakes == seen_wakes) return;
    TAILRACE_STEP("sleep.wakes_next");
    wake_on(cell.wakes, kWokenByEach, ~generation_bit(wakes));
}

}  // namespace detail

}  // namespace tailrace::bus
