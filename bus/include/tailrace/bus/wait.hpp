// Waiting: how a thread passes the time until another process has done something.
//
// The side that publishes pays one load of a shared line for the sleepers and no fence: the sleeper
// makes up for it with membarrier(GLOBAL_EXPEDITED) before its last look (edge sleeper_flag in
// docs/memory_order.md). Where the kernel or a seccomp filter refuses membarrier, the publishing
// side fences and sleepers sleep in short turns, so that nothing depends on it for correctness.
#pragma once

#include <tailrace/base/step.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/layout.hpp>

#include <atomic>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tailrace::bus {

enum class WaitStrategy : std::uint8_t {
    busy_spin,  // burns its core, lowest latency; wants a core of its own
    yield,      // spins a little, then yields the core between looks
    futex,      // spins, yields, then sleeps until woken
};

inline void cpu_relax() noexcept {
#if defined(__x86_64__)
    _mm_pause();
#endif
}

// Registers this process for membarrier, once. False: refused, so fence on the publishing side.
[[nodiscard]] bool register_for_membarrier() noexcept;

// Wakes everybody who sleeps on the cell. Cold: two system calls at most.
void wake_all(WaitCell& cell) noexcept;

// Call after the store that others wait for. `fences`: this process isn't registered for
// membarrier.
inline void wake_sleepers(WaitCell& cell, bool fences) noexcept {
    if (fences) [[unlikely]] {
        // [sync:sleeper_flag] A full barrier between the commit and the look at the flag, in
        // processes that the sleeper's membarrier doesn't reach. Acquire side: sleep_on, which
        // reads the commit again.
        cell.sleeping.fetch_add(0, std::memory_order_seq_cst);
    }
    // Keeps the compiler from moving the look before the commit; the sleeper's membarrier keeps the
    // core.
    std::atomic_signal_fence(std::memory_order_seq_cst);  // [sync:sleeper_flag] compiler only
    TAILRACE_STEP("wake.looking");
    // Relaxed: a hint that sleepers write; a missed one is made up by the sleeper's own last look.
    if (cell.sleeping.load(std::memory_order_relaxed) != 0) [[unlikely]]
        wake_all(cell);
}

// Sleeps until woken, at most `timeout_ns`, unless `ready()` turns true after the sleeper made
// itself known. May return early. Requires: the cell is mapped writable.
template <typename Ready>
void sleep_on(WaitCell& cell, std::uint64_t timeout_ns, Ready&& ready) noexcept;

namespace detail {
[[nodiscard]] std::uint32_t announce_sleep(WaitCell& cell) noexcept;
void futex_sleep(WaitCell& cell, std::uint32_t seen_wakes, std::uint64_t timeout_ns) noexcept;
}  // namespace detail

template <typename Ready>
void sleep_on(WaitCell& cell, std::uint64_t timeout_ns, Ready&& ready) noexcept {
    const std::uint32_t seen_wakes = detail::announce_sleep(cell);
    if (ready()) return;
    TAILRACE_STEP("sleep.not_ready");
    detail::futex_sleep(cell, seen_wakes, timeout_ns);
}

// One waiter's progress through its strategy: spin first, then yield, then the caller sleeps.
class Waiter {
public:
    explicit Waiter(WaitStrategy strategy) noexcept : strategy_(strategy) {}

    // Passes a little time. True: the strategy says sleep now (the caller does, with sleep_on).
    [[nodiscard]] bool step() noexcept {
        ++steps_;
        if (strategy_ == WaitStrategy::busy_spin || steps_ < kSpins) {
            cpu_relax();
            return false;
        }
        if (strategy_ == WaitStrategy::yield || steps_ < kSpins + kYields) {
            yield_core();
            return false;
        }
        return true;
    }

    void reset() noexcept { steps_ = 0; }

private:
    // Between two steps a subscriber looks some hundred times: about 20 µs in all, cheaper than a
    // sleep and a wake.
    static constexpr std::uint32_t kSpins = 64;
    static constexpr std::uint32_t kYields = 20;

    static void yield_core() noexcept;

    WaitStrategy strategy_;
    std::uint32_t steps_ = 0;
};

}  // namespace tailrace::bus
