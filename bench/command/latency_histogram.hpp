// LatencyHistogram: how often each latency was seen, in the buckets of HdrHistogram with three
// significant digits, from 1 ns to a minute; what took longer counts as a minute.
//
// Its size is fixed and recording costs some nanoseconds, so that a benchmark's process may record
// into memory that it shares: all zeroes are an empty one. Recording: one thread at a time;
// reading: when that is over. How it is written to files: histogram_files.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tailrace::bench {

// A step of a percentile curve: `share` of all values are at most `value_ns`.
struct CurvePoint {
    double share;
    std::uint64_t value_ns;
    std::uint64_t count;  // of the values up to this one
};

class LatencyHistogram {
public:
    static constexpr std::uint32_t kSignificantDigits = 3;
    static constexpr std::uint64_t kLowestNs = 1;
    static constexpr std::uint64_t kHighestNs = 60'000'000'000;
    // Two thousand values that are told apart exactly; then each bucket is twice as wide as the one
    // before it, and its upper half is divided into as many as half of them.
    static constexpr std::uint32_t kSubBuckets = 2048;
    static constexpr std::uint32_t kHalf = kSubBuckets / 2;
    static constexpr std::uint32_t kBuckets = 26;
    static constexpr std::size_t kCounts = std::size_t{kBuckets + 1} * kHalf;

    void record(std::uint64_t value_ns) noexcept {
        value_ns = std::min(value_ns, kHighestNs);
        ++counts_[index_of(value_ns)];
        ++count_;
        sum_ns_ += static_cast<double>(value_ns);
        max_ns_ = std::max(max_ns_, value_ns);
    }
    void add(const LatencyHistogram& other) noexcept;

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::uint64_t count_at(std::size_t index) const noexcept {
        return counts_[index];
    }
    // Exact.
    [[nodiscard]] std::uint64_t max_ns() const noexcept { return max_ns_; }
    [[nodiscard]] double mean_ns() const noexcept;
    [[nodiscard]] double deviation_ns() const noexcept;
    // The smallest recorded value that at least `share` of all don't exceed, within a thousandth.
    [[nodiscard]] std::uint64_t percentile_ns(double share) const noexcept;
    // The curve: `ticks_per_half` steps to the median, as many from there to 75 %, and so on; ends
    // with 1.
    [[nodiscard]] std::vector<CurvePoint> curve(std::uint32_t ticks_per_half) const;

    [[nodiscard]] static constexpr std::size_t index_of(std::uint64_t value_ns) noexcept {
        const auto bucket = static_cast<std::uint32_t>(
            std::bit_width(value_ns | (kSubBuckets - 1)) - std::bit_width(kSubBuckets - 1U));
        const std::uint64_t sub_bucket = value_ns >> bucket;
        return std::size_t{bucket} * kHalf + sub_bucket;
    }
    // The largest value that is counted there.
    [[nodiscard]] static constexpr std::uint64_t highest_at(std::size_t index) noexcept {
        if (index < kSubBuckets) return index;
        const std::size_t bucket = index / kHalf - 1;
        const std::uint64_t sub_bucket = index % kHalf + kHalf;
        return ((sub_bucket + 1) << bucket) - 1;
    }

private:
    std::array<std::uint64_t, kCounts> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t max_ns_ = 0;
    double sum_ns_ = 0;
};

}  // namespace tailrace::bench
