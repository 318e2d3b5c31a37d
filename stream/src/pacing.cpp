#include "pacing.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/latency_recorder.hpp>
#include <tailrace/bus/stream_status.hpp>

#include <algorithm>
#include <ctime>

namespace tailrace::stream {

namespace {

// Sleeping is late by some 50 µs, and by more than 100 on a virtual machine; what is left after a
// sleep is waited for with open eyes.
constexpr std::uint64_t kSleepMarginNs = 250'000;
// So that `stop` is seen within a pause.
constexpr std::uint64_t kLongestNapNs = 50'000'000;
constexpr std::uint64_t kFollowNapNs = 1'000'000;

}  // namespace

void Pacing::pass_time(std::uint64_t longest_ns) {
    const std::uint64_t duration_ns = std::min(longest_ns, kLongestNapNs);
    if (pilot_ != nullptr) {
        pilot_->nap(duration_ns);
        return;
    }
    const timespec duration{static_cast<time_t>(duration_ns / kNsPerSecond),
                            static_cast<long>(duration_ns % kNsPerSecond)};
    ::nanosleep(&duration, nullptr);
}

void Pacing::watch_until_due() noexcept {
    while (monotonic_ns() < schedule_.due_ns() && !is_set(stop_))
        bus::cpu_relax();
}

// What the pilot says, and the schedule by it.
ReplayPilot::Turn Pacing::ask(Sequence sequence) {
    using Turn = ReplayPilot::Turn;
    if (pilot_ == nullptr) return Turn::go;
    const ReplayPilot::Course course = pilot_->course(sequence);
    const std::uint64_t now_ns = monotonic_ns();
    schedule_.set_speed(course.speed, now_ns);
    if (course.turn == Turn::hold) schedule_.hold(now_ns);
    if (course.turn == Turn::go) schedule_.go_on(now_ns);
    is_ended_ = is_ended_ || course.turn == Turn::end;
    return course.turn;
}

bool Pacing::wait(std::uint64_t time_ns, Sequence sequence) {
    using Turn = ReplayPilot::Turn;
    schedule_.take(time_ns, monotonic_ns());
    while (!is_set(stop_)) {
        const Turn turn = ask(sequence);
        if (turn == Turn::end) return false;
        const std::uint64_t now_ns = monotonic_ns();
        if (turn == Turn::step) {
            schedule_.advance(now_ns);
            return true;
        }
        if (turn == Turn::hold) {
            pass_time(kLongestNapNs);
            continue;
        }
        if (!schedule_.is_timed()) return true;
        if (now_ns >= schedule_.due_ns()) {
            bus::note_latency(late_, now_ns - schedule_.due_ns());
            return true;
        }
        const std::uint64_t left_ns = schedule_.due_ns() - now_ns;
        if (left_ns > kSleepMarginNs) {
            pass_time(left_ns - kSleepMarginNs);
        } else {
            watch_until_due();
        }
    }
    return false;
}

bool Pacing::idle(Sequence next) {
    if (is_set(stop_) || ask(next) == ReplayPilot::Turn::end) return false;
    pass_time(kFollowNapNs);
    return true;
}

PaceReport Pacing::report() const noexcept {
    const bus::LatencyStatus late = bus::latency_status(late_);
    return {late.samples, late.p50_ns, late.p99_ns, late.max_ns};
}

}  // namespace tailrace::stream
