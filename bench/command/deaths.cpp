// Question: how long does a death hold the others up?
//
//     a publisher dies inside a claim:   kill -> the subscriber has the next event
//     a gating subscriber dies:          kill -> the publisher that it held up has published
//
// Each death is a real process that is killed at a random instant while it is in that state; the
// others wait as they do by default. Times are of one clock, CLOCK_MONOTONIC, read by the killer
// right before the signal.

#include "bench_runs.hpp"
#include "machine.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <time.h>

namespace tailrace::bench {

namespace {

constexpr std::uint64_t kLongestDelayNs = 2'000'000;
constexpr std::uint64_t kDeathPayloadBytes = 64;

struct Stage {
    std::atomic<std::uint32_t> ready;      // processes that have attached
    std::atomic<bool> is_inside;           // the victim is in its claim, or in its handler
    std::atomic<std::uint64_t> killed_ns;  // written by the killer
    std::atomic<std::uint64_t> went_on_ns;
    std::atomic<std::uint64_t> got;  // the number in the event that arrived
};

void wait_ns(std::uint64_t duration_ns) noexcept {
    const timespec pause{0, static_cast<long>(duration_ns)};
    ::nanosleep(&pause, nullptr);
}

template <typename Condition>
bool wait_for(BenchChild& child, Condition&& condition) {
    constexpr std::uint64_t kLookNs = 50'000;
    while (!condition()) {
        if (child.has_ended()) return false;
        wait_ns(kLookNs);
    }
    return true;
}

Result<bus::Publisher> publisher_of(const BenchStreams& streams, const char* name) {
    bus::PublisherOptions options;
    options.name = name;
    options.directory = streams.directory();
    return bus::Publisher::attach(streams.name(0), options);
}

Result<bus::Subscriber> subscriber_of(const BenchStreams& streams, const char* name) {
    bus::SubscriberOptions options;
    options.name = name;
    options.start = bus::Start::oldest();
    options.directory = streams.directory();
    return bus::Subscriber::attach(streams.name(0), options);
}

// The victim: a claim that is never committed. It goes on writing the payload until it is killed.
int die_in_claim(Stage& stage, const BenchStreams& streams) {
    auto publisher = publisher_of(streams, "dies");
    bus::Claim claim;
    if (!publisher || publisher->try_claim(claim, kDeathPayloadBytes) != bus::PublishStatus::ok)
        return 1;
    // [sync:bench_inside] Release: nothing hangs on it but the kill.
    stage.is_inside.store(true, std::memory_order_release);
    for (std::uint64_t number = 0;; ++number)
        fill_words(claim.payload, number);
}

// Reads one event, which lies behind the victim's claim.
int read_behind_claim(Stage& stage, const BenchStreams& streams) {
    auto subscriber = subscriber_of(streams, "waits");
    if (!subscriber) return 1;
    // [sync:bench_ready] Release: attached.
    stage.ready.fetch_add(1, std::memory_order_release);
    std::uint64_t number = 0;
    const auto deadline = bus::Deadline::in_ms(kStallMs);
    while (number == 0 && !deadline.has_passed()) {
        static_cast<void>(subscriber->poll_until(
            [&](const Event& event) { number = event.as<std::uint64_t>(); }, 1, deadline));
    }
    stage.went_on_ns = monotonic_ns();
    stage.got = number;
    return 0;
}

// Milliseconds, or an error.
Result<double> time_publisher_death(const std::string& directory, std::uint64_t delay_ns) {
    bus::StreamOptions stream;
    stream.capacity_bytes = std::uint64_t{1} << 20U;
    auto streams = BenchStreams::create(1, stream, directory);
    if (!streams) return streams.error();
    SharedPage<Stage> stage;
    BenchChild reader([&] { return read_behind_claim(*stage, *streams); });
    auto publisher = publisher_of(*streams, "lives");
    if (!publisher) return publisher.error();
    // [sync:bench_ready] Acquire: attached.
    const auto is_ready = [&] {
        return stage->ready.load(std::memory_order_acquire) == 1;
    };
    if (!wait_for(reader, is_ready)) return bench_broken("the subscriber could not attach");
    BenchChild victim([&] { return die_in_claim(*stage, *streams); });
    // [sync:bench_inside] Acquire: nothing hangs on it but the kill.
    const auto is_inside = [&] {
        return stage->is_inside.load(std::memory_order_acquire);
    };
    if (!wait_for(victim, is_inside)) return bench_broken("the victim could not claim");
    constexpr std::uint64_t kNumber = 0x5eed;
    if (publisher->publish(kNumber) != bus::PublishStatus::ok)
        return bench_broken("the living publisher could not publish");
    wait_ns(delay_ns);
    if (stage->went_on_ns != 0) return bench_broken("an event overtook an open claim");
    const std::uint64_t killed_ns = monotonic_ns();
    victim.kill();
    if (!reader.join()) return bench_broken("the subscriber failed");
    if (stage->got != kNumber) return bench_broken("the subscriber never went on");
    return static_cast<double>(stage->went_on_ns - killed_ns) / 1e6;
}

// The victim: it holds its first event for good.
int die_in_handler(Stage& stage, const BenchStreams& streams) {
    auto subscriber = subscriber_of(streams, "dies");
    if (!subscriber) return 1;
    // [sync:bench_ready] Release: attached.
    stage.ready.fetch_add(1, std::memory_order_release);
    static_cast<void>(subscriber->poll_until(
        [&](const Event&) {
            // [sync:bench_inside] Release: nothing hangs on it but the kill.
            stage.is_inside.store(true, std::memory_order_release);
            for (;;)
                ::pause();
        },
        1,
        bus::Deadline::in_ms(kStallMs)));
    return 1;
}

// Publishes until there is no room, and once more.
int publish_into_full_ring(Stage& stage, const BenchStreams& streams) {
    auto publisher = publisher_of(streams, "waits");
    if (!publisher) return 1;
    while (publisher->try_publish(std::uint64_t{1}) == bus::PublishStatus::ok) {
    }
    // [sync:bench_ready] Release: the ring is full.
    stage.ready.fetch_add(1, std::memory_order_release);
    const auto status = publisher->publish(std::uint64_t{1}, 0, bus::Deadline::in_ms(kStallMs));
    stage.went_on_ns = monotonic_ns();
    return status == bus::PublishStatus::ok ? 0 : 1;
}

Result<double> time_subscriber_death(const std::string& directory, std::uint64_t delay_ns) {
    bus::StreamOptions stream;
    stream.capacity_bytes = std::uint64_t{64} << 10U;
    auto streams = BenchStreams::create(1, stream, directory);
    if (!streams) return streams.error();
    SharedPage<Stage> stage;
    BenchChild victim([&] { return die_in_handler(*stage, *streams); });
    // [sync:bench_ready] Acquire: attached; then: the ring is full.
    const auto are_ready = [&](std::uint32_t count) {
        return [&stage, count] {
            return stage->ready.load(std::memory_order_acquire) == count;
        };
    };
    if (!wait_for(victim, are_ready(1))) return bench_broken("the victim could not attach");
    BenchChild publisher([&] { return publish_into_full_ring(*stage, *streams); });
    // [sync:bench_inside] Acquire: nothing hangs on it but the kill.
    const auto is_inside = [&] {
        return stage->is_inside.load(std::memory_order_acquire);
    };
    if (!wait_for(publisher, are_ready(2)) || !wait_for(victim, is_inside))
        return bench_broken("the publisher could not fill the ring");
    wait_ns(delay_ns);
    if (stage->went_on_ns != 0) return bench_broken("a publisher went over a gate");
    const std::uint64_t killed_ns = monotonic_ns();
    victim.kill();
    if (!publisher.join()) return bench_broken("the publisher never went on");
    return static_cast<double>(stage->went_on_ns - killed_ns) / 1e6;
}

}  // namespace

Result<std::vector<double>> run_deaths(DeathKind kind,
                                       std::uint32_t count,
                                       const std::string& directory) {
    std::mt19937_64 random(monotonic_ns());
    std::vector<double> times_ms;
    for (std::uint32_t death = 0; death < count; ++death) {
        const std::uint64_t delay_ns = random() % kLongestDelayNs;
        auto time_ms = kind == DeathKind::publisher_in_claim
                           ? time_publisher_death(directory, delay_ns)
                           : time_subscriber_death(directory, delay_ns);
        if (!time_ms) return time_ms.error();
        times_ms.push_back(*time_ms);
    }
    return times_ms;
}

}  // namespace tailrace::bench
