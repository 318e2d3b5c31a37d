// The floor: one cache line bounced between two processes on two cores. No message can be faster.
#pragma once

#include <tailrace/base/cache_line.hpp>

#include <atomic>
#include <cstdint>

namespace tailrace::bench {

struct Floor {
    alignas(kWriterDistanceBytes) std::atomic<std::uint64_t> ball;
    alignas(kWriterDistanceBytes) std::atomic<bool> child_ready;
};

inline void throw_ball(Floor& floor, std::uint64_t value) noexcept {
    // [sync:bench_ball] Release: the bounce itself; nothing else travels with it.
    floor.ball.store(value, std::memory_order_release);
}

// Spins until the ball has the value; asks now and then whether the other side is gone. False: it
// is.
template <typename IsGone>
[[nodiscard]] bool await_ball(Floor& floor, std::uint64_t value, IsGone&& is_gone) {
    constexpr std::uint64_t kSpinsPerLook = 50'000'000;
    for (std::uint64_t spins = 1;; ++spins) {
        // [sync:bench_ball] Acquire: the bounce itself.
        if (floor.ball.load(std::memory_order_acquire) == value) return true;
        if (spins % kSpinsPerLook == 0 && is_gone()) return false;
    }
}

// The median round trip between cores 0 and 1, over some ten thousand bounces. The calling thread
// stays pinned to core 0. 0 when it could not be measured.
[[nodiscard]] double measure_floor_ns();

}  // namespace tailrace::bench
