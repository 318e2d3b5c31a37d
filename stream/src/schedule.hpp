// Schedule: when the events of a replay are due, by their publish times.
//
// Due times are absolute, so that one late event makes no other late. Pauses that are cut short
// move everything after them forward. Whoever holds it up or changes its pace starts it anew from
// there: what is left of the pause at hand stays, or is scaled, and nothing before that counts as
// late. It reads no clock: `now_ns` is that of the monotonic one. One thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tailrace::stream {

class Schedule {
public:
    // Speed 0: no pauses.
    Schedule(double speed, std::uint64_t longest_pause_ns) noexcept
        : speed_(speed),
          longest_pause_ns_(std::min(longest_pause_ns, kLongestPauseNs)) {}

    // The event at hand is one that was published then (0: it isn't known). Times that go back are
    // due at once.
    void take(std::uint64_t time_ns, std::uint64_t now_ns) noexcept {
        is_timed_ = false;
        if (time_ns == 0) return;
        const bool is_first = latest_time_ns_ == 0;
        const std::uint64_t step_ns = time_ns - std::min(time_ns, latest_time_ns_);
        latest_time_ns_ = std::max(latest_time_ns_, time_ns);
        if (speed_ <= 0) return;
        if (is_first) {
            due_ns_ = now_ns;
            return;
        }
        is_timed_ = true;
        const std::uint64_t pause_ns = scaled(step_ns, 1 / speed_);
        (is_held_ ? left_ns_ : due_ns_) += pause_ns;
    }

    void set_speed(double speed, std::uint64_t now_ns) noexcept {
        if (speed == speed_) return;
        const bool is_paced = is_timed_ && speed > 0;
        left_ns_ = is_paced ? scaled(remaining_ns(now_ns), speed_ / speed) : 0;
        is_timed_ = is_paced;
        speed_ = speed;
        due_ns_ = now_ns + left_ns_;
    }

    void hold(std::uint64_t now_ns) noexcept {
        if (is_held_) return;
        left_ns_ = is_timed_ ? remaining_ns(now_ns) : 0;
        is_held_ = true;
    }
    void go_on(std::uint64_t now_ns) noexcept {
        if (!is_held_) return;
        is_held_ = false;
        due_ns_ = now_ns + left_ns_;
    }
    // The event at hand is handed out now, due or not; the next one is due behind it.
    void advance(std::uint64_t now_ns) noexcept {
        is_timed_ = false;
        left_ns_ = 0;
        due_ns_ = now_ns;
    }

    // Whether the event at hand has a due time; else it is due at once.
    [[nodiscard]] bool is_timed() const noexcept { return is_timed_; }
    [[nodiscard]] std::uint64_t due_ns() const noexcept { return due_ns_; }
    [[nodiscard]] std::uint64_t remaining_ns(std::uint64_t now_ns) const noexcept {
        return is_held_ ? left_ns_ : due_ns_ - std::min(due_ns_, now_ns);
    }

private:
    // A century: due times stay numbers.
    static constexpr std::uint64_t kLongestPauseNs = 3'155'760'000'000'000'000;

    [[nodiscard]] std::uint64_t scaled(std::uint64_t duration_ns, double factor) const noexcept {
        const double wanted = static_cast<double>(duration_ns) * factor;
        const auto longest = static_cast<double>(longest_pause_ns_);
        return wanted < longest ? static_cast<std::uint64_t>(wanted) : longest_pause_ns_;
    }

    double speed_;
    std::uint64_t longest_pause_ns_;
    std::uint64_t latest_time_ns_ = 0;
    std::uint64_t due_ns_ = 0;
    std::uint64_t left_ns_ = 0;  // while it is held
    bool is_held_ = false;
    bool is_timed_ = false;
};

}  // namespace tailrace::stream
