// DurablePause: how one wait for durability passes its time. One thread, one wait.
//
// Who sleeps until it is woken comes back 10 µs behind the wake-up, 100 on a virtual machine whose
// cores halt, and on a fast disk that is a third of a commit. So a wait that has an idea of how
// long commits take sleeps until shortly before the end of this one, and looks on from then. When
// that is over and nothing has come, it sleeps until it is woken. While it looks on, it gives the
// core away between looks, and stops looking as soon as somebody takes it.
#pragma once

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/wait.hpp>

#include <sched.h>

#include <algorithm>
#include <cstdint>

namespace tailrace::bus {

class DurablePause {
public:
    explicit DurablePause(std::uint64_t now_ns) noexcept : begin_ns_(now_ns) {}

    // Passes some time, at most `longest_ns`. May end early.
    template <typename IsDurable>
    void pass(WaitCell& cell,
              const DurableWait& wait,
              std::uint64_t now_ns,
              std::uint64_t longest_ns,
              IsDurable&& is_durable) noexcept {
        has_waited_ = true;
        const std::uint64_t waited_ns = now_ns - begin_ns_;
        const std::uint64_t typical_ns = wait.typical_ns;
        const bool knows = typical_ns != 0 && typical_ns <= kLongestTypicalNs && !gave_up_;
        if (!knows || waited_ns > typical_ns + typical_ns / 4 + kAheadNs) {
            sleep_on_fenced(cell, longest_ns, is_durable);
        } else if (waited_ns + kAheadNs + kShortestSleepNs < typical_ns) {
            const std::uint64_t sleep_ns = typical_ns - kAheadNs - waited_ns;
            sleep_on_fenced(cell, std::min(sleep_ns, longest_ns), is_durable);
        } else {
            look_on(is_durable);
        }
    }

    [[nodiscard]] bool has_waited() const noexcept { return has_waited_; }

    // The wait is over.
    void learn(DurableWait& wait, std::uint64_t now_ns) const noexcept {
        const std::uint64_t waited_ns = now_ns - begin_ns_;
        wait.typical_ns = wait.typical_ns == 0 ? waited_ns : (7 * wait.typical_ns + waited_ns) / 8;
    }

private:
    // What a timer's slack and a wake-up take together. If it were less, each late awakening would
    // pass for a longer commit, and the next sleep be as late.
    static constexpr std::uint64_t kAheadNs = 200'000;
    static constexpr std::uint64_t kShortestSleepNs = 50'000;
    // Beside a slower commit a wake-up is nothing.
    static constexpr std::uint64_t kLongestTypicalNs = 2'000'000;
    static constexpr std::uint64_t kTakenNs = 5'000;  // a yield that took longer gave the core away
    static constexpr int kLooks = 64;

    template <typename IsDurable>
    void look_on(IsDurable&& is_durable) noexcept {
        for (int look = 0; look < kLooks; ++look) {
            if (is_durable()) return;
            cpu_relax();
        }
        const std::uint64_t before_ns = monotonic_ns();
        ::sched_yield();
        if (monotonic_ns() - before_ns > kTakenNs) gave_up_ = true;
    }

    std::uint64_t begin_ns_;
    bool has_waited_ = false;
    bool gave_up_ = false;
};

}  // namespace tailrace::bus
