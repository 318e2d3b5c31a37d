#include "progress.hpp"

#include "output.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>

#include <unistd.h>

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kFirstShownNs = 1'000 * kNsPerMs;
constexpr std::uint64_t kShownEveryNs = 200 * kNsPerMs;

}  // namespace

Progress::Progress(std::string what, std::string unit, std::uint64_t total)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      start_ns_(monotonic_ns()),
      next_shown_ns_(start_ns_ + kFirstShownNs) {}

Progress::~Progress() {
    clear_status_line();
}

void Progress::look(std::uint64_t done) noexcept {
    const std::uint64_t now_ns = looks_.look();
    if (now_ns < next_shown_ns_) return;
    next_shown_ns_ = now_ns + kShownEveryNs;
    const double seconds = static_cast<double>(now_ns - start_ns_) / 1e9;
    const double per_s = static_cast<double>(done) / seconds;
    const bool bytes = unit_ == "bytes";
    const std::string amount =
        bytes ? size_text(done) : fmt::format("{} {}", count_text(done), unit_);
    const std::string rate =
        bytes ? size_text(static_cast<std::uint64_t>(per_s)) + "/s" : rate_text(per_s);
    if (total_ == 0) {
        show(fmt::format("  {}  {}", amount, rate));
        return;
    }
    constexpr std::size_t kBarWidth = 20;
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
    const auto filled = static_cast<std::size_t>(share * static_cast<double>(kBarWidth));
    const double left_s =
        per_s > 0 ? static_cast<double>(total_ - std::min(done, total_)) / per_s : 0;
    show(fmt::format("  [{:#<{}}{:-<{}}] {:3.0f}%  {}  {}  {} left",
                     "",
                     filled,
                     "",
                     kBarWidth - filled,
                     share * 100,
                     amount,
                     rate,
                     duration_text(static_cast<std::uint64_t>(left_s * 1e9))));
}

// How far it is matters more than what it is: a long path gives way, and then the verb before it.
void Progress::show(std::string_view how_far) const {
    const std::size_t columns = terminal_width(STDERR_FILENO) - 1;
    const std::size_t room = columns - std::min(columns, width_of(how_far));
    const std::size_t blank = what_.find(' ');
    const std::size_t verb_bytes = blank == std::string::npos ? 0 : blank + 1;
    const std::string_view verb = std::string_view(what_).substr(0, verb_bytes);
    const std::size_t verb_width = std::min(room, width_of(verb));
    show_status_line(shortened(verb, verb_width)
                         .append(shortened(what_.substr(verb_bytes), room - verb_width))
                         .append(how_far));
}

}  // namespace tailrace::tool
