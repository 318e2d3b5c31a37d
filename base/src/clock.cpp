#include <tailrace/base/clock.hpp>

#include <ctime>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tailrace {

namespace {

// The rate is taken over at least this long: an error of 50 ns at either end is then 5 ppm, which
// adds up to 50 ns within one anchor.
constexpr std::uint64_t kCalibrationNs = 20'000'000;
constexpr std::uint64_t kAnchorNs = 10'000'000;

std::uint64_t read_clock(clockid_t id) noexcept {
    timespec now{};
    ::clock_gettime(id, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond +
           static_cast<std::uint64_t>(now.tv_nsec);
}

#if defined(__x86_64__)
struct Reading {
    std::uint64_t ticks;
    std::uint64_t wall_ns;
    std::uint64_t steady_ns;
};

// All three at one instant. A thread that is set aside between two of the reads would give an
// anchor that is wrong by as long as it was away, for all of the anchor's life; so the closest of a
// few counts.
Reading read_all_clocks() noexcept {
    constexpr int kAttempts = 4;
    Reading closest{};
    std::uint64_t closest_ticks = UINT64_MAX;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const std::uint64_t before = __builtin_ia32_rdtsc();
        const std::uint64_t wall_ns = wall_clock_ns();
        const std::uint64_t steady_ns = monotonic_ns();
        const std::uint64_t width_ticks = __builtin_ia32_rdtsc() - before;
        if (width_ticks >= closest_ticks) continue;
        closest_ticks = width_ticks;
        closest = {before + width_ticks / 2, wall_ns, steady_ns};
    }
    return closest;
}
#endif

}  // namespace

std::uint64_t wall_clock_ns() noexcept {
    return read_clock(CLOCK_REALTIME);
}
std::uint64_t monotonic_ns() noexcept {
    return read_clock(CLOCK_MONOTONIC);
}

bool has_invariant_tsc() noexcept {
#if defined(__x86_64__)
    // Asked once: a hypervisor answers this instruction itself, and takes its time.
    static const bool kIsInvariant = [] {
        unsigned eax = 0;
        unsigned ebx = 0;
        unsigned ecx = 0;
        unsigned edx = 0;
        constexpr unsigned kInvariantTscBit = 1U << 8U;
        if (__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) == 0) return false;
        return (edx & kInvariantTscBit) != 0;
    }();
    return kIsInvariant;
#else
    return false;
#endif
}

PublishClock::PublishClock() noexcept : invariant_(has_invariant_tsc()) {}

std::uint64_t PublishClock::renew_anchor() noexcept {
    std::uint64_t wall_ns = 0;
#if defined(__x86_64__)
    if (invariant_ &&
        (calibration_ticks_ == 0 || monotonic_ns() - calibration_ns_ >= kCalibrationNs)) {
        const Reading now = read_all_clocks();
        wall_ns = now.wall_ns;
        if (calibration_ticks_ == 0) {
            calibration_ticks_ = now.ticks;
            calibration_ns_ = now.steady_ns;
        } else {
            const std::uint64_t elapsed_ns = now.steady_ns - calibration_ns_;
            const std::uint64_t elapsed_ticks = now.ticks - calibration_ticks_;
            __extension__ using Wide = unsigned __int128;
            ns_per_tick_q32_ =
                static_cast<std::uint64_t>((Wide{elapsed_ns} << kFractionBits) / elapsed_ticks);
            ticks_per_anchor_ =
                static_cast<std::uint64_t>(Wide{kAnchorNs} * elapsed_ticks / elapsed_ns);
            anchor_ticks_ = now.ticks;
            anchor_ns_ = wall_ns;
            // The next rate is measured from here when this one is a minute old: the counter's rate
            // is fixed, but the kernel's idea of a second is steered.
            constexpr std::uint64_t kRateLifetimeNs = 60 * kNsPerSecond;
            if (elapsed_ns > kRateLifetimeNs) {
                calibration_ticks_ = now.ticks - ticks_per_anchor_ * 2;
                calibration_ns_ = now.steady_ns - kAnchorNs * 2;
            }
        }
    }
#endif
    if (wall_ns == 0) wall_ns = wall_clock_ns();
    if (wall_ns > last_ns_ || last_ns_ - wall_ns > kClockToleranceNs) last_ns_ = wall_ns;
    return last_ns_;
}

}  // namespace tailrace
