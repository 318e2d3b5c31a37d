// Waiting: how a thread passes the time until another process has done something.
//
// The side that publishes pays one load of a shared line for the sleepers and no fence: the sleeper
// makes up for it with membarrier(GLOBAL_EXPEDITED) before its last look (edge sleeper_flag in
// docs/memory_order.md). Where the kernel or a seccomp filter refuses membarrier, the publishing
// side fences and sleepers sleep in short turns, so that nothing depends on it for correctness.
//
// Who wakes pays for two sleepers, however many there are: each one that is woken wakes two others
// before it goes on, until nobody is left who slept before the wake-up (docs/ring_protocol.md,
// "Waiting").
#pragma once

#include <tailrace/base/step.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/layout.hpp>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tailrace::bus {

enum class WaitStrategy : std::uint8_t {
    busy_spin,  // burns its core, lowest latency; wants a core of its own
    yield,      // spins a little, then yields the core between looks
    futex,      // spins, yields, then sleeps until woken: always by the same measure
    adaptive,   // the same three, each as long as it has paid off lately (WaitHabit)
};

// What an adaptive waiter has come to do, by how its own last waits went.
enum class WaitHabit : std::uint8_t {
    spin,   // spins first, then yields, then sleeps: waits are short and the core is its own
    share,  // yields at once: others want this core, and may be whom it waits for
    doze,   // sleeps almost at once: waits are long
};

// "spin", "yield", "futex", "adaptive".
[[nodiscard]] std::string_view wait_strategy_name(WaitStrategy strategy) noexcept;
// Nothing for any other text.
[[nodiscard]] std::optional<WaitStrategy> wait_strategy_of(std::string_view name) noexcept;
// "spin", "share", "doze".
[[nodiscard]] std::string_view wait_habit_name(WaitHabit habit) noexcept;

// Cores that this process can count on: those that it may use; if that is a single one, it is taken
// for a pinned process beside others, and all that are online count. At least 1.
[[nodiscard]] std::uint32_t usable_cores() noexcept;

inline void cpu_relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Registers this process for membarrier, once. False: refused, so fence on the publishing side.
[[nodiscard]] bool register_for_membarrier() noexcept;

// What WaitCell::sleeping tells: a sum of these.
inline constexpr std::uint32_t kSomebodySleeps = 1;  // on the futex
inline constexpr std::uint32_t kSomebodyPolls = 2;   // a subscriber has armed its poll descriptor

// Wakes the first of those who sleep on the cell; they wake the others. Cold: one system call at
// most. Returns what the flag told; whoever polls has to be told by the caller (wake_subscribers in
// poll_descriptor.hpp).
std::uint32_t wake_first(WaitCell& cell) noexcept;
// Wakes everybody itself, at a cost that grows with them.
std::uint32_t wake_all(WaitCell& cell) noexcept;
// Wakes one, who wakes nobody: for a lock, which one alone can get.
void wake_one(WaitCell& cell) noexcept;

// Call after the store that others wait for: whether somebody has to be woken. `fences`: this
// process isn't registered for membarrier.
[[nodiscard, gnu::always_inline]] inline bool has_sleepers(WaitCell& cell, bool fences) noexcept {
#ifdef TAILRACE_WITHOUT_SLEEPERS
    // Only for bench/micro, which measures what the look at the sleepers costs by leaving it out.
    static_cast<void>(cell);
    static_cast<void>(fences);
    return false;
#else
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
    return cell.sleeping.load(std::memory_order_relaxed) != 0;
#endif
}

// The same for cold paths, with a full barrier always: then those who wait need no membarrier.
[[nodiscard]] inline bool has_sleepers_fenced(WaitCell& cell) noexcept {
    // [sync:sleeper_flag] A full barrier between what is waited for and the look at the flag.
    return cell.sleeping.fetch_add(0, std::memory_order_seq_cst) != 0;
}

// For cells on which nobody polls. Call after the store that others wait for. True: somebody slept,
// and was woken.
inline bool wake_sleepers(WaitCell& cell, bool fences) noexcept {
    if (!has_sleepers(cell, fences)) [[likely]]
        return false;
    static_cast<void>(wake_first(cell));
    return true;
}

// Sleeps until woken, at most `timeout_ns`, unless `ready()` turns true after the sleeper made
// itself known. May return early. Wakes others if there was a wake-up meanwhile. Requires: the cell
// is mapped writable.
template <typename Ready>
void sleep_on(WaitCell& cell, std::uint64_t timeout_ns, Ready&& ready) noexcept;
// The same without a membarrier, for cells whose every waker fences (has_sleepers_fenced).
template <typename Ready>
void sleep_on_fenced(WaitCell& cell, std::uint64_t timeout_ns, Ready&& ready) noexcept;

namespace detail {
enum class SleepEnd : std::uint8_t {
    woken,  // or there was a wake-up before it began
    timed_out,
};
[[nodiscard]] std::uint32_t announce_sleep(WaitCell& cell) noexcept;
// The same where whoever wakes fences (has_sleepers_fenced): without a membarrier.
[[nodiscard]] std::uint32_t announce_wait(WaitCell& cell) noexcept;
// The same for a subscriber that has armed its poll descriptor. False: membarrier is refused, so a
// wake-up may be missed.
[[nodiscard]] bool announce_poll(WaitCell& cell) noexcept;
SleepEnd futex_sleep(WaitCell& cell, std::uint32_t seen_wakes, std::uint64_t timeout_ns) noexcept;
// After a sleep: wakes the next ones of those who slept before the last wake-up.
void wake_next(WaitCell& cell, std::uint32_t seen_wakes) noexcept;
}  // namespace detail

template <typename Ready>
void sleep_on(WaitCell& cell, std::uint64_t timeout_ns, Ready&& ready) noexcept {
    const std::uint32_t seen_wakes = detail::announce_sleep(cell);
    if (ready()) return;
    TAILRACE_STEP("sleep.not_ready");
    static_cast<void>(detail::futex_sleep(cell, seen_wakes, timeout_ns));
    // However the sleep ended: another waker may have been killed before it got so far.
    detail::wake_next(cell, seen_wakes);
}

template <typename Ready>
void sleep_on_fenced(WaitCell& cell, std::uint64_t timeout_ns, Ready&& ready) noexcept {
    const std::uint32_t seen_wakes = detail::announce_wait(cell);
    TAILRACE_STEP("sleep.announced");
    if (ready()) return;
    TAILRACE_STEP("sleep.not_ready");
    static_cast<void>(detail::futex_sleep(cell, seen_wakes, timeout_ns));
    detail::wake_next(cell, seen_wakes);
}

// One thread's waiting by its strategy: spin first, then yield, then the caller sleeps. Lives as
// long as the handle that waits, since the adaptive strategy learns from one wait for the next:
// from how long its yields gave the core away, and how long it slept.
class Waiter {
public:
    // `crowded`: more handles than cores wait here (usable_cores), so don't begin with spinning.
    explicit Waiter(WaitStrategy strategy, bool crowded = false) noexcept;

    // Passes a little time. True: the strategy says sleep now (the caller does, with sleep_on).
    [[nodiscard]] bool step() noexcept {
        ++steps_;
        if (strategy_ == WaitStrategy::adaptive) return adaptive_step();
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

    // Around the sleep that step() asked for.
    void begin_sleep() noexcept;
    void end_sleep() noexcept;

    // A new wait begins; the last one, if it took any step, is over.
    void reset() noexcept {
        if (steps_ == 0) return;
        if (strategy_ == WaitStrategy::adaptive) learn();
        steps_ = 0;
    }

    [[nodiscard]] WaitStrategy strategy() const noexcept { return strategy_; }
    // Meaningful for the adaptive strategy.
    [[nodiscard]] WaitHabit habit() const noexcept { return habit_; }

private:
    // Between two steps a subscriber looks some hundred times: about 20 µs in all, cheaper than a
    // sleep and a wake.
    static constexpr std::uint32_t kSpins = 64;
    static constexpr std::uint32_t kYields = 20;

    static void yield_core() noexcept;
    [[nodiscard]] bool adaptive_step() noexcept;
    void timed_yield() noexcept;
    void learn() noexcept;

    WaitStrategy strategy_;
    WaitHabit habit_ = WaitHabit::spin;
    bool single_core_ = false;
    bool core_was_taken_ = false;   // in this wait
    std::uint32_t steps_ = 0;       // in this wait
    std::int32_t crowd_score_ = 0;  // up: others wanted the core; down: nobody did
    std::int32_t long_score_ = 0;   // up: waits that slept long; down: short ones
    std::uint64_t since_ns_ = 0;    // when this wait, or its last sleep, began
    std::uint64_t slept_ns_ = 0;    // in this wait
};

// What one thread's waits for durability have told it. It sleeps until shortly before the commit
// that it waits for should end, and is awake then: a sleeper comes back 10 to 100 µs behind its
// wake-up, which is a third of a commit on a fast disk.
struct DurableWait {
    Sequence told = 0;             // below it the caller knows what became of each event
    std::uint64_t typical_ns = 0;  // a running average; 0: it hasn't waited yet
};

}  // namespace tailrace::bus
