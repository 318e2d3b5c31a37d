// Pace: lets things happen at a steady rate. Late ones are not spread again but caught up with, so
// that the average holds; but what is more than a second late is forgiven. One thread.
#pragma once

#include "stop_signal.hpp"

#include <tailrace/base/clock.hpp>

#include <cstdint>

namespace tailrace::tool {

class Pace {
public:
    // 0: as fast as possible.
    explicit Pace(double per_s) noexcept
        : interval_ns_(per_s > 0 ? 1e9 / per_s : 0),
          start_ns_(monotonic_ns()) {}

    // Waits until the next thing is due. False when a stop was requested.
    [[nodiscard]] bool wait() noexcept {
        if (interval_ns_ <= 0) return !stop_requested();
        const std::uint64_t due_ns =
            start_ns_ + static_cast<std::uint64_t>(static_cast<double>(count_) * interval_ns_);
        ++count_;
        // Sleeping for less costs more than it spreads.
        constexpr std::uint64_t kShortestSleepNs = 50'000;
        constexpr std::uint64_t kLongestDebtNs = 1'000'000'000;
        const std::uint64_t now_ns = monotonic_ns();
        if (now_ns > due_ns + kLongestDebtNs) start_ns_ += now_ns - due_ns - kLongestDebtNs;
        if (now_ns + kShortestSleepNs >= due_ns) return !stop_requested();
        return sleep_until_ns(due_ns);
    }
    // Whether the next wait() would sleep: the moment to flush what was printed.
    [[nodiscard]] bool is_early() const noexcept {
        if (interval_ns_ <= 0) return false;
        return static_cast<double>(monotonic_ns() - start_ns_) <
               static_cast<double>(count_) * interval_ns_;
    }
    // Forgets what it is behind: an idle source must not be followed by a burst.
    void restart() noexcept {
        start_ns_ = monotonic_ns();
        count_ = 0;
    }

private:
    double interval_ns_;
    std::uint64_t start_ns_;
    std::uint64_t count_ = 0;
};

}  // namespace tailrace::tool
