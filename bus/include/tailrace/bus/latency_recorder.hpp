// LatencyRecorder: notes how long events took from publish to read, in a subscriber's histogram.
//
// One clock read and a few stores to lines of one's own for each sample: about 15 ns. One thread.
// Law: docs/ring_layout.md, "LatencyHistogram".
#pragma once

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/latency_histogram.hpp>
#include <tailrace/bus/statistics.hpp>

#include <cstdint>

namespace tailrace::bus {

// One sample. Who calls it is the only writer of the histogram.
inline void note_latency(LatencyHistogram& histogram, std::uint64_t latency_ns) noexcept {
    count_up(histogram.buckets[latency_bucket(latency_ns)]);
    count_up(histogram.sum_ns, latency_ns);
    count_up(histogram.count);
    // Relaxed, both: statistics of one writer.
    if (latency_ns > histogram.max_ns.load(std::memory_order_relaxed)) [[unlikely]]
        histogram.max_ns.store(latency_ns, std::memory_order_relaxed);
}

class LatencyRecorder {
public:
    LatencyRecorder() noexcept = default;
    explicit LatencyRecorder(LatencyHistogram& histogram) noexcept : histogram_(&histogram) {}

    [[nodiscard]] bool is_on() const noexcept { return histogram_ != nullptr; }

    // An event of this time is handed over now. Requires: is_on().
    void note(std::uint64_t publish_time_ns) noexcept {
        const std::uint64_t now_ns = clock_.now_ns();
        std::uint64_t latency_ns = now_ns - publish_time_ns;
        if (now_ns < publish_time_ns) [[unlikely]] {
            count_up(histogram_->ahead_count);
            latency_ns = 0;
        }
        note_latency(*histogram_, latency_ns);
    }

private:
    LatencyHistogram* histogram_ = nullptr;
    PublishClock clock_;
};

}  // namespace tailrace::bus
