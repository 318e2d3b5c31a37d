#include <tailrace/base/clock.hpp>
#include <tailrace/bus/look_timer.hpp>

#include <algorithm>

namespace tailrace::bus {

namespace {

// In ticks, whose rate is taken as it comes: 0.4 ms where a counter runs at 5 GHz, 2.1 ms where it
// runs at 1 GHz or nanoseconds are counted.
constexpr std::uint64_t kTicksPerLook = std::uint64_t{1} << 21U;
// A loop whose polls come further apart than this reads the counter each time.
constexpr std::uint64_t kQuickTicks = kTicksPerLook / 64;

constexpr std::uint32_t kMostPollsPerReading = 8;
constexpr std::uint32_t kPollsPerLook = 256;

std::uint64_t read_ticks([[maybe_unused]] bool is_invariant) noexcept {
#ifdef TAILRACE_STEPS
    return 0;  // a schedule that is played again must not hang on how long it takes
#else
#if defined(__x86_64__)
    if (is_invariant) return __builtin_ia32_rdtsc();
#endif
    return monotonic_ns();
#endif
}

}  // namespace

LookTimer::LookTimer() noexcept
    : is_invariant_(has_invariant_tsc()),
      last_ticks_(read_ticks(is_invariant_)),
      look_ticks_(last_ticks_) {}

bool LookTimer::is_due_by_now() noexcept {
    const std::uint64_t now_ticks = read_ticks(is_invariant_);
    polls_since_look_ += stride_;
    const bool is_quick = now_ticks - last_ticks_ < kQuickTicks * stride_;
    stride_ = is_quick ? std::min(stride_ * 2, kMostPollsPerReading) : 1;
    polls_left_ = stride_;
    last_ticks_ = now_ticks;
    const bool is_due =
        is_asked_ || polls_since_look_ >= kPollsPerLook || now_ticks - look_ticks_ >= kTicksPerLook;
    if (!is_due) return false;
    is_asked_ = false;
    polls_since_look_ = 0;
    look_ticks_ = now_ticks;
    return true;
}

}  // namespace tailrace::bus
