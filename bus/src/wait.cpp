#include <tailrace/base/clock.hpp>
#include <tailrace/bus/wait.hpp>

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace tailrace::bus {

namespace {

// Without membarrier a wake-up may be missed, so nobody sleeps longer than this.
constexpr std::uint64_t kSleepWithoutMembarrierNs = 1'000'000;

long membarrier(int command) noexcept {
    return ::syscall(SYS_membarrier, command, 0, 0);
}

// FUTEX_PRIVATE_FLAG must not be set: the other side is another process.
long futex(std::atomic<std::uint32_t>& word,
           int operation,
           std::uint32_t value,
           const timespec* timeout) noexcept {
    return ::syscall(SYS_futex, &word, operation, value, timeout, nullptr, 0);
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

std::uint32_t wake_all(WaitCell& cell) noexcept {
    // The flag goes down before the count goes up: a sleeper that raises the flag in between has
    // read the old count, so its futex wait returns at once.
    // [sync:poll_armed] Acquire: whoever raised the flag had armed its poll descriptor before.
    const std::uint32_t told = cell.sleeping.exchange(0, std::memory_order_acquire);
    TAILRACE_STEP("wake.flag_lowered");
    if (told == kSomebodyPolls) return told;
    // [sync:wake_counted] Release: a sleeper that sees the new count sees what it was woken for.
    cell.wakes.fetch_add(1, std::memory_order_release);
    TAILRACE_STEP("wake.counted");
    futex(cell.wakes, FUTEX_WAKE, INT_MAX, nullptr);
    return told;
}

namespace detail {

std::uint32_t announce_sleep(WaitCell& cell) noexcept {
    // [sync:wake_counted] Acquire: what happened before the wake-ups counted so far is visible.
    const std::uint32_t seen_wakes = cell.wakes.load(std::memory_order_acquire);
    TAILRACE_STEP("sleep.wakes_read");
    // [sync:sleeper_flag] The flag is up before the last look at what is waited for.
    cell.sleeping.fetch_or(kSomebodySleeps, std::memory_order_seq_cst);
    TAILRACE_STEP("sleep.announced");
    // Every thread of every registered process has now passed a full barrier: whoever publishes
    // after it sees the flag, and what was published before it is seen by the look that follows.
    static_cast<void>(barrier_everywhere());
    return seen_wakes;
}

bool announce_poll(WaitCell& cell) noexcept {
    // [sync:sleeper_flag] The flag is up before the last look at what is waited for.
    // [sync:poll_armed] Release: the descriptor is armed.
    cell.sleeping.fetch_or(kSomebodyPolls, std::memory_order_seq_cst);
    TAILRACE_STEP("arm.announced");
    return barrier_everywhere();
}

void futex_sleep(WaitCell& cell, std::uint32_t seen_wakes, std::uint64_t timeout_ns) noexcept {
    static const bool has_membarrier = barrier_everywhere();
    if (!has_membarrier && timeout_ns > kSleepWithoutMembarrierNs) {
        timeout_ns = kSleepWithoutMembarrierNs;
    }
    if (timeout_ns == 0) return;
    timespec timeout{};
    timeout.tv_sec = static_cast<time_t>(timeout_ns / kNsPerSecond);
    timeout.tv_nsec = static_cast<long>(timeout_ns % kNsPerSecond);
    futex(cell.wakes, FUTEX_WAIT, seen_wakes, timeout_ns == UINT64_MAX ? nullptr : &timeout);
}

}  // namespace detail

}  // namespace tailrace::bus
