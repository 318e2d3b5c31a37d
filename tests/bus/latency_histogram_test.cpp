#include "support/received_events.hpp"
#include "support/test_stream.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/latency_histogram.hpp>
#include <tailrace/bus/latency_recorder.hpp>
#include <tailrace/bus/stream_status.hpp>

#include <catch2/catch.hpp>

#include <cstdint>

namespace latency_histogram_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

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

TEST_CASE("latency_histogram: percentiles are the ends of their buckets, up to the longest",
          "[bus][latency]") {
    LatencyHistogram histogram{};
    CHECK(latency_status(histogram).samples == 0);
    const auto note = [&](std::uint64_t ns, std::uint64_t samples) {
        count_up(histogram.buckets[latency_bucket(ns)], samples);
        count_up(histogram.count, samples);
        count_up(histogram.sum_ns, ns * samples);
        histogram.max_ns.store(ns);
    };
    note(100, 98);
    note(1000, 1);
    note(5000, 1);
    LatencyStatus status = latency_status(histogram);
    CHECK(status.samples == 100);
    CHECK(status.p50_ns == 103);   // [96, 104)
    CHECK(status.p99_ns == 1023);  // [960, 1024)
    CHECK(status.max_ns == 5000);
    CHECK(status.mean_ns == (9800 + 1000 + 5000) / 100);
    note(5000, 100);
    status = latency_status(histogram);
    CHECK(status.p99_ns == 5000);
}

TEST_CASE("latency_histogram: one sample for each call that hands events over", "[bus][latency]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    for (const SlowPolicy policy : {SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::evict}) {
        Subscriber reader = stream.subscriber(policy, Start::newest());
        for (int batch = 0; batch < 3; ++batch) {
            for (int event = 0; event < 4; ++event)
                REQUIRE(publisher.try_publish(bytes_of("12345678")) == PublishStatus::ok);
            CHECK(reader.poll([](const Event&) {}, 64).events == 4);
            CHECK(reader.poll([](const Event&) {}, 64).events == 0);
        }
        CHECK(reader.poll([](const Event&) {}, 0).events == 0);
        const LatencyStatus latency = read_status(stream.open()).subscribers.at(0).latency;
        CHECK(latency.samples == 3);
        CHECK(latency.max_ns > 0);
        CHECK(latency.p50_ns <= latency.p99_ns);
        CHECK(latency.p99_ns <= latency.max_ns);
    }
    // The slot's next owner has none of its own yet.
    const Subscriber reader = stream.subscriber();
    CHECK(read_status(stream.open()).subscribers.at(0).latency.samples == 0);
}

TEST_CASE("latency_histogram: it is the age of the event that waited longest", "[bus][latency]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber reader = stream.subscriber();
    REQUIRE(publisher.try_publish(bytes_of("old")) == PublishStatus::ok);
    const std::uint64_t before_ns = tailrace::monotonic_ns();
    constexpr std::uint64_t kAgeNs = 2'000'000;
    while (tailrace::monotonic_ns() - before_ns < kAgeNs) {
    }
    REQUIRE(publisher.try_publish(bytes_of("new")) == PublishStatus::ok);
    CHECK(reader.poll([](const Event&) {}, 64).events == 2);
    // Two clocks, each a little off.
    CHECK(read_status(stream.open()).subscribers.at(0).latency.max_ns > kAgeNs / 2);
}

TEST_CASE("latency_histogram: without publish times there are no samples", "[bus][latency]") {
    StreamOptions options = small_stream();
    options.publish_time = PublishTime::off;
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber reader = stream.subscriber();
    REQUIRE(publisher.try_publish(bytes_of("12345678")) == PublishStatus::ok);
    CHECK(drain(reader).events.size() == 1);
    CHECK(read_status(stream.open()).subscribers.at(0).latency.samples == 0);
}

TEST_CASE("latency_histogram: a publisher's clock that is ahead counts as no time",
          "[bus][latency]") {
    LatencyHistogram histogram{};
    LatencyRecorder recorder(histogram);
    REQUIRE(recorder.is_on());
    recorder.note(tailrace::wall_clock_ns() + 1'000'000'000'000);
    const LatencyStatus status = latency_status(histogram);
    CHECK(status.samples == 1);
    CHECK(status.ahead_samples == 1);
    CHECK(status.max_ns == 0);
    CHECK_FALSE(LatencyRecorder().is_on());
}

}  // namespace latency_histogram_test
