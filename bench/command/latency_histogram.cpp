#include "latency_histogram.hpp"

#include <cmath>

namespace tailrace::bench {

static_assert(LatencyHistogram::index_of(LatencyHistogram::kHighestNs) < LatencyHistogram::kCounts);
static_assert(LatencyHistogram::index_of(2047) == 2047 && LatencyHistogram::index_of(2048) == 2048);
static_assert(LatencyHistogram::index_of(2049) == 2048 &&
              LatencyHistogram::highest_at(2048) == 2049);

void LatencyHistogram::add(const LatencyHistogram& other) noexcept {
    for (std::size_t index = 0; index < kCounts; ++index)
        counts_[index] += other.counts_[index];
    count_ += other.count_;
    sum_ns_ += other.sum_ns_;
    max_ns_ = std::max(max_ns_, other.max_ns_);
}

double LatencyHistogram::mean_ns() const noexcept {
    return count_ == 0 ? 0 : sum_ns_ / static_cast<double>(count_);
}

double LatencyHistogram::deviation_ns() const noexcept {
    if (count_ == 0) return 0;
    double squares = 0;
    for (std::size_t index = 0; index < kCounts; ++index) {
        if (counts_[index] == 0) continue;
        const double off = static_cast<double>(highest_at(index)) - mean_ns();
        squares += off * off * static_cast<double>(counts_[index]);
    }
    return std::sqrt(squares / static_cast<double>(count_));
}

std::uint64_t LatencyHistogram::percentile_ns(double share) const noexcept {
    const double wanted = std::ceil(share * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t index = 0; index < kCounts; ++index) {
        seen += counts_[index];
        // No value is beyond the largest one, whose place is wider.
        if (seen != 0 && static_cast<double>(seen) >= wanted)
            return std::min(highest_at(index), max_ns_);
    }
    return max_ns_;
}

std::vector<CurvePoint> LatencyHistogram::curve(std::uint32_t ticks_per_half) const {
    std::vector<CurvePoint> points;
    double level = 0;
    std::uint64_t seen = 0;
    for (std::size_t index = 0; index < kCounts && seen < count_; ++index) {
        if (counts_[index] == 0) continue;
        seen += counts_[index];
        const double reached = static_cast<double>(seen) / static_cast<double>(count_);
        // The last value of all has the last line for itself.
        while (level <= reached && level < 1) {
            points.push_back({level, std::min(highest_at(index), max_ns_), seen});
            const double halves = std::floor(std::log2(1 / (1 - level))) + 1;
            level += 1 / (ticks_per_half * std::exp2(halves));
            if (seen == count_) break;
        }
    }
    if (count_ != 0) points.push_back({1, max_ns_, count_});
    return points;
}

}  // namespace tailrace::bench
