// Deadline: a point of CLOCK_MONOTONIC after which a blocking call gives up. A plain value.
#pragma once

#include <tailrace/base/clock.hpp>

#include <cstdint>

namespace tailrace::bus {

class Deadline {
public:
    [[nodiscard]] static Deadline never() noexcept { return Deadline(UINT64_MAX); }
    [[nodiscard]] static Deadline at_once() noexcept { return Deadline(0); }
    [[nodiscard]] static Deadline in_ns(std::uint64_t timeout_ns) noexcept {
        const std::uint64_t now = monotonic_ns();
        return Deadline(timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns);
    }
    [[nodiscard]] static Deadline in_ms(std::uint64_t timeout_ms) noexcept {
        return timeout_ms > UINT64_MAX / kNsPerMs ? never() : in_ns(timeout_ms * kNsPerMs);
    }

    [[nodiscard]] bool has_passed() const noexcept { return at_ns_ == 0 || remaining_ns() == 0; }

    // 0 when it has passed; UINT64_MAX for never().
    [[nodiscard]] std::uint64_t remaining_ns() const noexcept {
        if (at_ns_ == UINT64_MAX) return UINT64_MAX;
        const std::uint64_t now = monotonic_ns();
        return now >= at_ns_ ? 0 : at_ns_ - now;
    }

private:
    explicit Deadline(std::uint64_t at_ns) noexcept : at_ns_(at_ns) {}

    std::uint64_t at_ns_;
};

}  // namespace tailrace::bus
