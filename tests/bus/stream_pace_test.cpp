#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/stream_pace.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <thread>

namespace stream_pace_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint64_t kEventBytes = 32;

std::uint64_t tail_behind(std::uint64_t events, std::uint64_t event_bytes = kEventBytes) {
    return pack_tail({events, events * event_bytes});
}

StreamOptions stream_of(Publishing publishing) {
    StreamOptions options;
    options.capacity_bytes = std::uint64_t{1} << 20U;
    options.publishing = publishing;
    return options;
}

std::uint64_t publish_empty(Publisher& publisher, std::uint64_t count) {
    std::uint64_t published = 0;
    while (published < count && publisher.try_publish({}) == PublishStatus::ok)
        ++published;
    return published;
}

}  // namespace

TEST_CASE("stream pace: where the publisher has stopped, all there is may be read at once",
          "[bus][stream_pace]") {
    for (const std::uint64_t events : {5U, 8U, 9U, 511U, 513U, 100'000U}) {
        const std::atomic<std::uint64_t> tail = tail_behind(events);
        StreamPace pace;
        Place next{0, 0};

        // Far behind it needs two questions: the first can't know that nobody publishes.
        pace.ask(next, tail);
        if (pace.bound() < events) {
            CHECK_FALSE(pace.streams());
            next = {pace.bound(), pace.bound() * kEventBytes};
            pace.ask(next, tail);
        }
        CHECK(pace.bound() >= events);
        CHECK(pace.bound() <= events + 4);
        CHECK_FALSE(pace.streams());
    }
}

TEST_CASE("stream pace: far behind it reads up to some KiB before the tail, without a wait",
          "[bus][stream_pace]") {
    const std::atomic<std::uint64_t> tail = tail_behind(100'000);
    StreamPace pace;

    pace.ask({0, 0}, tail);

    CHECK(pace.bound() == 100'000 - 8192 / kEventBytes - 1);
    CHECK(pace.stop(0, 10) == 10);
    CHECK(pace.stop(0, 100'000) == pace.bound());
}

TEST_CASE("stream pace: an event that is stamped before the tail says so doesn't confuse it",
          "[bus][stream_pace]") {
    const std::atomic<std::uint64_t> tail = tail_behind(10);
    StreamPace pace;

    pace.ask({11, 11 * kEventBytes}, tail);

    CHECK(pace.bound() > 11);
    CHECK(pace.bound() <= 15);
}

TEST_CASE("stream pace: a tail that somebody scribbles over is no tail", "[bus][stream_pace]") {
    const Place next{1000, 1000 * kEventBytes};
    const Place forged[] = {{2'000'000, 1000 * kEventBytes + 48},
                            {1'000'000, 16},
                            {1001, 1000 * kEventBytes},
                            {0, 2000 * kEventBytes}};
    for (const Place& place : forged) {
        const std::atomic<std::uint64_t> tail = pack_tail(place);
        StreamPace pace;
        pace.ask(next, tail);
        CHECK(pace.bound() > 1000);
        CHECK(pace.bound() <= 1004);
    }
}

TEST_CASE("stream pace: events larger than its distance come one by one at least",
          "[bus][stream_pace]") {
    const std::atomic<std::uint64_t> tail = tail_behind(3, 65536);
    StreamPace pace;

    for (std::uint64_t next = 0; next < 3; ++next) {
        pace.ask({next, next * 65536}, tail);
        CHECK(pace.bound() > next);
    }
}

TEST_CASE("stream pace: behind a publisher at full speed it keeps its distance",
          "[bus][stream_pace]") {
    const Watchdog watchdog("stream pace");
    std::atomic<std::uint64_t> tail = 0;
    std::atomic<bool> stop = false;
    std::thread publisher([&] {
        // 10 GB a second and more.
        for (std::uint64_t events = 0; !stop.load(std::memory_order_relaxed); ++events)
            tail.store(tail_behind(events * 16), std::memory_order_relaxed);
    });
    StreamPace pace;
    Place next{0, 0};
    bool kept_distance = false;
    bool moves_on = true;
    while (!kept_distance) {
        pace.ask(next, tail);
        moves_on = moves_on && pace.bound() > next.sequence;
        const Place now = unpack_tail(tail.load(std::memory_order_relaxed), next);
        kept_distance = pace.streams() && pace.bound() + 8192 / kEventBytes <= now.sequence;
        next = {pace.bound(), pace.bound() * kEventBytes};
    }
    stop.store(true, std::memory_order_relaxed);
    publisher.join();
    CHECK(moves_on);

    const Place end = unpack_tail(tail.load(std::memory_order_relaxed), next);
    while (next.sequence < end.sequence) {
        pace.ask(next, tail);
        next = {pace.bound(), pace.bound() * kEventBytes};
    }
    CHECK(next.sequence <= end.sequence + 4);
}

TEST_CASE("stream pace: one call of poll gives all that is there, however much",
          "[bus][stream_pace]") {
    const auto publishing = GENERATE(Publishing::multi, Publishing::single);
    const TestStream stream(stream_of(publishing));
    auto publisher = stream.publisher();
    auto subscriber = stream.subscriber();

    for (const std::uint64_t events : {1U, 4U, 5U, 300U, 3U, 20'000U, 6U}) {
        REQUIRE(publish_empty(publisher, events) == events);
        std::uint64_t handled = 0;
        const auto result = subscriber.poll([&](const Event&) { ++handled; }, UINT64_MAX);
        CHECK(result.state == PollState::ok);
        CHECK(result.events == events);
        CHECK(handled == events);
    }
    CHECK(subscriber.poll([](const Event&) {}, 1).state == PollState::idle);
}

TEST_CASE("stream pace: limits hold while it asks", "[bus][stream_pace]") {
    const TestStream stream(stream_of(Publishing::single));
    auto publisher = stream.publisher();
    auto subscriber = stream.subscriber();

    for (const std::uint64_t limit : {1U, 3U, 4U, 5U, 1000U}) {
        REQUIRE(publish_empty(publisher, 2000) == 2000);
        for (std::uint64_t left = 2000; left > 0;) {
            const auto result = subscriber.poll([](const Event&) {}, limit);
            REQUIRE(result.events == std::min(limit, left));
            left -= result.events;
        }
    }
}

}  // namespace stream_pace_test
