#include <tailrace/bus/latency_histogram.hpp>

#include <catch2/catch.hpp>

#include <cstdint>

using namespace tailrace::bus;

TEST_CASE("latency_histogram: each value lies in its bucket, and the buckets adjoin",
          "[bus][latency]") {
    const std::uint64_t last_floor_ns = latency_bucket_floor_ns(kLatencyBucketCount - 1);
    CHECK(last_floor_ns == std::uint64_t{15} << 33U);
    bool adjoins = true;
    bool is_narrow = true;
    for (std::size_t bucket = 0; bucket + 1 < kLatencyBucketCount; ++bucket) {
        const std::uint64_t floor_ns = latency_bucket_floor_ns(bucket);
        const std::uint64_t next_ns = latency_bucket_floor_ns(bucket + 1);
        adjoins = adjoins && next_ns > floor_ns && latency_bucket(floor_ns) == bucket &&
                  latency_bucket(next_ns - 1) == bucket;
        is_narrow = is_narrow && (next_ns - floor_ns == 1 || (next_ns - floor_ns) * 8 <= floor_ns);
    }
    CHECK(adjoins);
    CHECK(is_narrow);
}

TEST_CASE("latency_histogram: the last bucket takes whatever is longer", "[bus][latency]") {
    for (const std::uint64_t ns : {std::uint64_t{15} << 33U, std::uint64_t{1} << 40U, UINT64_MAX}) {
        CHECK(latency_bucket(ns) == kLatencyBucketCount - 1);
    }
}
