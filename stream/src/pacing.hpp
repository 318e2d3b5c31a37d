// Pacing: lets the events of a replay go when they are due, or when its pilot says. One thread.
#pragma once

#include "schedule.hpp"

#include <tailrace/bus/latency_histogram.hpp>
#include <tailrace/stream/replayer.hpp>

#include <atomic>
#include <cstdint>

namespace tailrace::stream {

[[nodiscard]] inline bool is_set(const std::atomic<bool>& stop) noexcept {
    return stop.load(std::memory_order_relaxed);  // a flag that carries nothing
}

class Pacing {
public:
    Pacing(const ReplayOptions& options, const std::atomic<bool>& stop) noexcept
        : pilot_(options.pilot),
          stop_(stop),
          is_paced_(options.speed > 0 || options.pilot != nullptr),
          schedule_(options.speed, options.longest_pause_ns) {}

    // Waits until the event of that time may be handed out. False: the replay is over.
    [[nodiscard]] bool wait_for(std::uint64_t time_ns, Sequence sequence) {
        return is_paced_ ? wait(time_ns, sequence) : !is_set(stop_);
    }
    // For as long as it makes sense to look whether there is more. False: the replay is over.
    [[nodiscard]] bool idle(Sequence next);

    [[nodiscard]] bool is_stopped() const noexcept { return is_ended_ || is_set(stop_); }
    [[nodiscard]] PaceReport report() const noexcept;

private:
    [[nodiscard]] bool wait(std::uint64_t time_ns, Sequence sequence);
    [[nodiscard]] ReplayPilot::Turn ask(Sequence sequence);
    void pass_time(std::uint64_t longest_ns);
    void watch_until_due() noexcept;

    ReplayPilot* pilot_;
    const std::atomic<bool>& stop_;
    bool is_paced_;
    bool is_ended_ = false;  // by the pilot
    Schedule schedule_;
    bus::LatencyHistogram late_{};
};

}  // namespace tailrace::stream
