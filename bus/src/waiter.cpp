// Waiter: how the adaptive strategy learns. The steps themselves are in wait.hpp.
//
// Spinning pays off if the other side runs meanwhile on another core. On a shared core it steals
// the very time that the other side needs. Whether a core is shared is told by a yield: it comes
// back within a microsecond when nobody else wants the core, and after that thread's turn if
// somebody does.

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/wait.hpp>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tailrace::bus {

namespace {

// How many steps of each kind come before the next kind, by habit.
struct Budget {
    std::uint32_t spins;
    std::uint32_t yields;
};
constexpr std::array<Budget, 3> kBudgets = {Budget{64, 20}, Budget{0, 8}, Budget{2, 1}};

// A yield that took longer gave the core to another thread.
constexpr std::uint64_t kTakenNs = 5'000;
// Spins between two looks at the clock that took longer were interrupted by another's turn.
constexpr std::uint64_t kInterruptedNs = 500'000;
// A sleep that was shorter could have been spun through, had there been a core to spin on.
constexpr std::uint64_t kShortNs = 50'000;

// Evidence moves a score up in larger steps than its absence moves it down, and a habit is taken up
// at one end and dropped at the other, so that mixed evidence doesn't make it flutter.
constexpr std::int32_t kMostScore = 8;
constexpr std::int32_t kTakenStep = 3;
constexpr std::int32_t kShortStep = 2;

constexpr std::array<std::pair<WaitStrategy, std::string_view>, 4> kStrategies = {{
    {WaitStrategy::busy_spin, "spin"},
    {WaitStrategy::yield, "yield"},
    {WaitStrategy::futex, "futex"},
    {WaitStrategy::adaptive, "adaptive"},
}};

std::uint32_t online_cores() noexcept {
    const long count = ::sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? static_cast<std::uint32_t>(count) : 1;
}

}  // namespace

std::string_view wait_strategy_name(WaitStrategy strategy) noexcept {
    for (const auto& [value, name] : kStrategies) {
        if (value == strategy) return name;
    }
    return "unknown";
}

std::optional<WaitStrategy> wait_strategy_of(std::string_view name) noexcept {
    for (const auto& [value, known] : kStrategies) {
        if (known == name) return value;
    }
    return std::nullopt;
}

std::string_view wait_habit_name(WaitHabit habit) noexcept {
    switch (habit) {
        case WaitHabit::spin:
            return "spin";
        case WaitHabit::share:
            return "share";
        case WaitHabit::doze:
            return "doze";
    }
    return "unknown";
}

std::uint32_t usable_cores() noexcept {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return online_cores();
    const int count = CPU_COUNT(&allowed);
    return count > 1 ? static_cast<std::uint32_t>(count) : online_cores();
}

Waiter::Waiter(WaitStrategy strategy, bool crowded) noexcept : strategy_(strategy) {
    if (strategy != WaitStrategy::adaptive) return;
    single_core_ = online_cores() == 1;
    if (!crowded && !single_core_) return;
    crowd_score_ = kMostScore;
    habit_ = WaitHabit::share;
}

void Waiter::yield_core() noexcept {
    ::sched_yield();
}

bool Waiter::adaptive_step() noexcept {
    const Budget budget = kBudgets[static_cast<std::size_t>(habit_)];
    if (steps_ == 1) since_ns_ = monotonic_ns();
    if (steps_ <= budget.spins) {
        cpu_relax();
        return false;
    }
    if (steps_ <= budget.spins + budget.yields) {
        timed_yield();
        return false;
    }
    return true;
}

void Waiter::timed_yield() noexcept {
    const std::uint64_t before_ns = monotonic_ns();
    if (before_ns - since_ns_ > kInterruptedNs) core_was_taken_ = true;
    ::sched_yield();
    const std::uint64_t now_ns = monotonic_ns();
    if (now_ns - before_ns > kTakenNs) core_was_taken_ = true;
    since_ns_ = now_ns;
}

void Waiter::begin_sleep() noexcept {
    if (strategy_ == WaitStrategy::adaptive) since_ns_ = monotonic_ns();
}

void Waiter::end_sleep() noexcept {
    if (strategy_ == WaitStrategy::adaptive) slept_ns_ += monotonic_ns() - since_ns_;
}

void Waiter::learn() noexcept {
    const Budget budget = kBudgets[static_cast<std::size_t>(habit_)];
    // A wait that ended while it spun says nothing about who wants the core, but that there is no
    // reason to change.
    if (core_was_taken_) {
        crowd_score_ = std::min(crowd_score_ + kTakenStep, kMostScore);
    } else if (steps_ > budget.spins || habit_ == WaitHabit::spin) {
        crowd_score_ = std::max(crowd_score_ - 1, 0);
    }
    if (slept_ns_ > kShortNs) {
        long_score_ = std::min(long_score_ + 1, kMostScore);
    } else {
        long_score_ = std::max(long_score_ - kShortStep, 0);
    }
    const auto holds = [](bool has_it, std::int32_t score) {
        return has_it ? score > 0 : score == kMostScore;
    };
    if (holds(habit_ == WaitHabit::doze, long_score_)) {
        habit_ = WaitHabit::doze;
    } else if (single_core_ || holds(habit_ == WaitHabit::share, crowd_score_)) {
        habit_ = WaitHabit::share;
    } else {
        habit_ = WaitHabit::spin;
    }
    core_was_taken_ = false;
    slept_ns_ = 0;
}

}  // namespace tailrace::bus
