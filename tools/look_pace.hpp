// LookPace: tells when to look at the clock, for what is called once an event: so often that a slow
// caller looks each time, and so seldom that a quick one doesn't notice.
#pragma once

#include <tailrace/base/clock.hpp>

#include <algorithm>
#include <cstdint>

namespace tailrace::tool {

class LookPace {
public:
    [[nodiscard]] bool is_due() noexcept { return --calls_left_ == 0; }

    // The time. The next look is later the quicker the calls come.
    [[nodiscard]] std::uint64_t look() noexcept {
        constexpr std::uint32_t kMostCalls = 1U << 16U;
        constexpr std::uint64_t kOftenNs = 10'000'000;
        const std::uint64_t now_ns = monotonic_ns();
        calls_ = now_ns - looked_ns_ < kOftenNs ? std::min(calls_ * 2, kMostCalls) : 1;
        calls_left_ = calls_;
        looked_ns_ = now_ns;
        return now_ns;
    }

private:
    std::uint64_t looked_ns_ = monotonic_ns();
    std::uint32_t calls_ = 1;
    std::uint32_t calls_left_ = 1;
};

}  // namespace tailrace::tool
