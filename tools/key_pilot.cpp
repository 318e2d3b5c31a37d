#include "key_pilot.hpp"

#include "output.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

// At full speed a look at the keys costs more than an event.
constexpr std::uint64_t kKeysEveryNs = 5 * kNsPerMs;
constexpr std::uint64_t kFirstShownNs = 200 * kNsPerMs;
constexpr std::uint64_t kShownEveryNs = 100 * kNsPerMs;
// Others write on the terminal too, and it gets another size.
constexpr std::uint64_t kShownAnewNs = 1'000 * kNsPerMs;
// Such a pause is seen, so what is shown before it is right.
constexpr std::uint64_t kSeenNapNs = 20 * kNsPerMs;
constexpr double kFastest = 1U << 20U;
constexpr double kSlowest = 1 / kFastest;

std::string speed_text(double speed) {
    return speed > 0 ? fmt::format("{:.4g}x", speed) : "full speed";
}

}  // namespace

KeyPilot::KeyPilot(const ChosenEvents& events, std::string what, double speed) noexcept
    : events_(events),
      what_(std::move(what)),
      speed_(speed),
      paced_speed_(speed > 0 ? speed : 1),
      next_shown_ns_(monotonic_ns() + kFirstShownNs) {}

KeyPilot::~KeyPilot() {
    clear_status_line();
}

stream::ReplayPilot::Course KeyPilot::course(Sequence next) {
    const std::uint64_t now_ns = monotonic_ns();
    next_ = next;
    if (now_ns >= next_look_ns_) look(now_ns);
    if (has_ended_) return {Turn::end, speed_};
    if (!is_held_) return {Turn::go, speed_};
    return {events_.events() < steps_to_ ? Turn::step : Turn::hold, speed_};
}

void KeyPilot::look(std::uint64_t now_ns) {
    next_look_ns_ = now_ns + kKeysEveryNs;
    bool is_news = false;
    while (const auto key = keyboard_.next()) {
        press(*key);
        is_news = true;
    }
    if (is_news || now_ns >= next_shown_ns_) show(now_ns);
}

void KeyPilot::press(char key) {
    switch (key) {
        case ' ':
            is_held_ = !is_held_;
            steps_to_ = 0;
            break;
        case 'n':
            if (is_held_) steps_to_ = std::max(steps_to_, events_.events()) + 1;
            break;
        case '+':
        case '>':
            if (speed_ > 0) set_speed(std::min(speed_ * 2, kFastest));
            break;
        case '-':
        case '<':
            set_speed(speed_ > 0 ? std::max(speed_ / 2, kSlowest) : paced_speed_);
            break;
        case '0':
            set_speed(1);
            break;
        case 'm':
            set_speed(0);
            break;
        case 'q':
            has_ended_ = true;
            break;
        default:
            break;
    }
}

void KeyPilot::set_speed(double speed) noexcept {
    has_changed_ = has_changed_ || speed != speed_;
    speed_ = speed;
    if (speed > 0) paced_speed_ = speed;
}

void KeyPilot::nap(std::uint64_t longest_ns) {
    // Nothing is waited for that isn't to be seen.
    out().flush();
    if (longest_ns >= kSeenNapNs && !is_status_line_shown()) show(monotonic_ns());
    keyboard_.wait(longest_ns);
    next_look_ns_ = 0;
}

void KeyPilot::show(std::uint64_t now_ns) {
    next_shown_ns_ = now_ns + kShownEveryNs;
    if (!keyboard_.is_ours()) return;
    std::string line = fmt::format("{}  {}  at #{}  {}[space + - 0 m n q]",
                                   what_,
                                   speed_text(speed_),
                                   next_,
                                   is_held_ ? "paused  " : "");
    if (line == shown_ && is_status_line_shown() && now_ns < next_anew_ns_) return;
    next_anew_ns_ = now_ns + kShownAnewNs;
    out().flush();
    show_status_line(line);
    shown_ = std::move(line);
}

std::string KeyPilot::pace_text() const {
    if (has_changed_) return speed_text(speed_) + " in the end";
    return speed_ > 0 ? speed_text(speed_) : "";
}

}  // namespace tailrace::tool
