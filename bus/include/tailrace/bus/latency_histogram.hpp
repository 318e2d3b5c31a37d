// LatencyHistogram: how long events took from publish to read, per subscriber slot, in shared
// memory.
//
// Law: docs/ring_layout.md, "LatencyHistogram". Buckets are log-linear: eight to each power of two,
// so a bucket is at most an eighth as wide as its values. One writer, the slot's owner; tools read
// it while it is written.
#pragma once

#include <tailrace/base/cache_line.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tailrace::bus {

inline constexpr std::size_t kLatencyBucketCount = 280;
inline constexpr std::uint32_t kLatencyBucketBits = 3;  // 2^3 buckets to a power of two

struct LatencyHistogram {
    alignas(kWriterDistanceBytes) std::atomic<std::uint64_t> count;  // samples
    std::atomic<std::uint64_t> sum_ns;
    std::atomic<std::uint64_t> max_ns;
    std::atomic<std::uint64_t> ahead_count;  // of these, published later than now: counted as 0 ns
    std::array<std::uint64_t, 4> reserved;
    std::array<std::atomic<std::uint64_t>, kLatencyBucketCount> buckets;
};
static_assert(sizeof(LatencyHistogram) == 2304);
static_assert(offsetof(LatencyHistogram, buckets) == 64);

// Values below 8 have a bucket each; above, the three bits behind the highest one choose among the
// eight buckets of its power of two. The last bucket takes everything from 128 s on.
[[nodiscard]] constexpr std::size_t latency_bucket(std::uint64_t ns) noexcept {
    constexpr std::uint64_t kLinear = std::uint64_t{1} << kLatencyBucketBits;
    if (ns < kLinear) return std::size_t{ns};
    const auto shift = static_cast<std::uint32_t>(std::bit_width(ns)) - kLatencyBucketBits - 1;
    const std::size_t bucket =
        (std::size_t{shift} << kLatencyBucketBits) + std::size_t{ns >> shift};
    return bucket < kLatencyBucketCount ? bucket : kLatencyBucketCount - 1;
}

// The smallest value of a bucket; of the one behind the last, too.
[[nodiscard]] constexpr std::uint64_t latency_bucket_floor_ns(std::size_t bucket) noexcept {
    constexpr std::uint64_t kLinear = std::uint64_t{1} << kLatencyBucketBits;
    if (bucket < kLinear) return bucket;
    const std::size_t shift = (bucket >> kLatencyBucketBits) - 1;
    return (kLinear + (bucket & (kLinear - 1))) << shift;
}
static_assert(latency_bucket(7) == 7 && latency_bucket(8) == 8 && latency_bucket(15) == 15);
static_assert(latency_bucket(16) == 16 && latency_bucket(17) == 16 && latency_bucket(18) == 17);
static_assert(latency_bucket_floor_ns(16) == 16 && latency_bucket_floor_ns(17) == 18);
static_assert(latency_bucket(latency_bucket_floor_ns(kLatencyBucketCount - 1)) ==
              kLatencyBucketCount - 1);
static_assert(latency_bucket(~std::uint64_t{0}) == kLatencyBucketCount - 1);

}  // namespace tailrace::bus
