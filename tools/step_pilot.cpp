#include "step_pilot.hpp"

#include "blanks.hpp"
#include "output.hpp"
#include "position.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>

#include <fmt/format.h>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kLongestLineBytes = 1U << 20U;
constexpr std::string_view kHelp =
    "Enter or n: the next event; N: the next N; g POSITION: go there (start, end, N, +N, -N, "
    "@TIME, @-10m); q: end";

// Of what was typed, as much as a line has room for.
std::string shown(std::string_view text) {
    constexpr std::size_t kMost = 40;
    return tame(std::string(text.substr(0, kMost))) + (text.size() > kMost ? "..." : "");
}

}  // namespace

stream::ReplayPilot::Course StepPilot::course(Sequence next) {
    next_ = next;
    if (!has_ended_ && events_.events() < steps_to_) return {Turn::step, 0};
    return {ask() ? Turn::step : Turn::end, 0};
}

void StepPilot::nap(std::uint64_t longest_ns) {
    static_cast<void>(sleep_until_ns(monotonic_ns() + longest_ns));
}

bool StepPilot::ask_at_end(Sequence end) {
    next_ = end;
    if (has_ended_ || stop_requested()) return false;
    bool is_more_wanted = events_.events() < steps_to_;
    do {
        if (is_more_wanted)
            say(fmt::format("the end is #{}: g POSITION goes elsewhere, q ends", end));
        steps_to_ = events_.events();
        is_more_wanted = true;
    } while (ask());
    return wish_.has_value();
}

bool StepPilot::ask() {
    out().flush();
    while (!has_ended_ && !out().is_closed()) {
        auto line = lines_.next_line(kLongestLineBytes);
        if (!line) error_ = line.error();
        if (!line || !*line) break;
        if (!obey(without_blanks(**line))) continue;
        return !has_ended_ && !wish_;
    }
    has_ended_ = true;
    return false;
}

bool StepPilot::obey(std::string_view line) {
    if (line == "q") {
        has_ended_ = true;
        return true;
    }
    if (line == "?") {
        say(kHelp);
        return false;
    }
    if (line.empty() || line == "n") {
        steps_to_ = events_.events() + 1;
        return true;
    }
    if (line.starts_with("g ")) {
        auto position = parse_position(without_blanks(line.substr(2)));
        if (position) {
            wish_ = *position;
            return true;
        }
        warn(fmt::format("{}: {}", tame(position.error().message), position.error().hint));
        return false;
    }
    const auto count = parse_count(line);
    if (!count) {
        warn(fmt::format("'{}' is no step; ? shows what is", shown(line)));
        return false;
    }
    steps_to_ = events_.events() + *count;
    return *count != 0;
}

}  // namespace tailrace::tool
