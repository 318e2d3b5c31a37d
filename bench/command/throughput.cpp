// Question: how many events a second go from publishers to subscribers, every byte written, read
// and verified?
//
//     publisher 0 (core 0) --+                 +--> subscriber 0 (core P)
//     publisher 1 (core 1) --+--> one stream --+--> subscriber 1 (core P + 1) ...
//
// Load: as fast as gating subscribers allow; cores are counted modulo what the machine has. Doesn't
// show: latency. Rate: all events, from the first publisher's start to the last subscriber's end.
// The floor is measured before and after each run. The ring has been written once before it counts:
// a host may take 11 us for the first write to each page.

#include "bench_runs.hpp"
#include "floor.hpp"
#include "machine.hpp"
#include "samples.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>

namespace tailrace::bench {

namespace {

constexpr std::uint32_t kMostProcesses = 64;
constexpr unsigned kPublisherShift = 48;  // a payload's number: the publisher above its own counter

struct Report {
    std::uint64_t begin_ns;
    std::uint64_t end_ns;
    std::uint64_t events;
    std::uint64_t mismatches;
    bus::WaitHabit habit;  // at the end
};

struct Run {
    std::atomic<std::uint32_t> ready;
    std::atomic<bool> go;
    std::array<Report, kMostProcesses> publishers;
    std::array<Report, kMostProcesses> subscribers;
};

void wait_for_start(Run& run) {
    // [sync:bench_ready] Release: attached.
    run.ready.fetch_add(1, std::memory_order_release);
    // [sync:bench_go] Acquire: nothing hangs on it but the start.
    while (!run.go.load(std::memory_order_acquire))
        bus::cpu_relax();
}

int publish_all(Run& run,
                const BenchStreams& streams,
                const ThroughputOptions& options,
                std::uint32_t index) {
    pin_to_core(static_cast<int>(index));
    bus::PublisherOptions attaching;
    attaching.directory = streams.directory();
    attaching.wait = options.wait;
    auto publisher = bus::Publisher::attach(streams.name(0), attaching);
    if (!publisher) return 1;
    const std::uint64_t first = std::uint64_t{index} << kPublisherShift;
    const auto deadline = bus::Deadline::never();
    wait_for_start(run);
    run.publishers[index].begin_ns = monotonic_ns();
    if (options.batch <= 1) {
        for (std::uint64_t event = 0; event < options.events; ++event) {
            bus::Claim claim;
            if (publisher->claim(claim, options.size_bytes, 0, deadline) != bus::PublishStatus::ok)
                return 1;
            fill_words(claim.payload, first + event);
            publisher->commit(claim);
        }
        run.publishers[index].habit = publisher->wait_habit();
        return 0;
    }
    for (std::uint64_t event = 0; event < options.events;) {
        const auto count = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(options.batch, options.events - event));
        bus::BatchClaim batch;
        if (publisher->claim(batch, count, options.size_bytes, 0, deadline) !=
            bus::PublishStatus::ok)
            return 1;
        for (std::uint32_t k = 0; k < count; ++k)
            fill_words(batch.next(), first + event++);
        publisher->commit(batch);
    }
    run.publishers[index].habit = publisher->wait_habit();
    return 0;
}

int read_all(Run& run,
             const BenchStreams& streams,
             const ThroughputOptions& options,
             std::uint32_t index) {
    pin_to_core(static_cast<int>(options.publishers + index));
    bus::SubscriberOptions attaching;
    attaching.directory = streams.directory();
    attaching.wait = options.wait;
    attaching.start = bus::Start::newest();
    auto subscriber = bus::Subscriber::attach(streams.name(0), attaching);
    if (!subscriber) return 1;
    std::array<std::uint64_t, kMostProcesses> next{};
    const std::uint64_t total = options.events * options.publishers;
    std::uint64_t seen = 0;
    std::uint64_t mismatches = 0;
    wait_for_start(run);
    while (seen < total) {
        constexpr std::uint64_t kEventsPerPoll = 256;
        const auto result = subscriber->poll_until(
            [&](const Event& event) {
                std::uint64_t number = 0;
                std::memcpy(&number, event.payload().data(), sizeof(number));
                const std::uint64_t from = (number >> kPublisherShift) % kMostProcesses;
                const bool in_order = number == (from << kPublisherShift) + next[from];
                if (!in_order || event.size_bytes() != options.size_bytes ||
                    !words_match(event.payload(), number)) {
                    ++mismatches;
                }
                ++next[from];
            },
            kEventsPerPoll,
            bus::Deadline::in_ms(kStallMs));
        if (result.state != bus::PollState::ok) return 1;
        seen += result.events;
    }
    run.subscribers[index] = {0, monotonic_ns(), seen, mismatches, subscriber->wait_habit()};
    return mismatches == 0 ? 0 : 1;
}

// Events a second, or an error.
Result<double> run_once(const BenchStreams& streams,
                        const ThroughputOptions& options,
                        SharedPage<Run>& run) {
    std::vector<BenchChild> children;
    for (std::uint32_t index = 0; index < options.subscribers; ++index) {
        children.emplace_back([&] { return read_all(*run, streams, options, index); });
    }
    for (std::uint32_t index = 0; index < options.publishers; ++index) {
        children.emplace_back([&] { return publish_all(*run, streams, options, index); });
    }
    // [sync:bench_ready] Acquire: all are attached.
    while (run->ready.load(std::memory_order_acquire) != children.size()) {
        for (BenchChild& child : children) {
            if (child.has_ended()) return bench_broken("a process could not attach");
        }
        ::usleep(1000);
    }
    // [sync:bench_go] Release: nothing hangs on it but the start.
    run->go.store(true, std::memory_order_release);
    for (BenchChild& child : children) {
        if (!child.join())
            return bench_broken("a process stopped, or an event arrived changed or out of order");
    }
    std::uint64_t begin_ns = UINT64_MAX;
    std::uint64_t end_ns = 0;
    for (std::uint32_t index = 0; index < options.publishers; ++index) {
        begin_ns = std::min(begin_ns, run->publishers[index].begin_ns);
    }
    for (std::uint32_t index = 0; index < options.subscribers; ++index) {
        end_ns = std::max(end_ns, run->subscribers[index].end_ns);
    }
    const auto events = static_cast<double>(options.events * options.publishers);
    return events * 1e9 / static_cast<double>(end_ns - begin_ns);
}

// Nobody reads, so nobody is waited for.
Result<void> write_once(const BenchStreams& streams, std::uint64_t capacity_bytes) {
    constexpr std::uint64_t kPayload = 1024 - sizeof(EventHeader);
    bus::PublisherOptions attaching;
    attaching.directory = streams.directory();
    auto publisher = bus::Publisher::attach(streams.name(0), attaching);
    if (!publisher) return publisher.error();
    const std::vector<std::byte> payload(kPayload);
    for (std::uint64_t bytes = 0; bytes < capacity_bytes; bytes += kPayload) {
        if (publisher->publish(payload) != bus::PublishStatus::ok)
            return bench_broken("the ring takes no event");
    }
    return {};
}

// What adaptive waiters had come to do by the end of a run; null for the other strategies.
nlohmann::json habits_of(const Run& run, const ThroughputOptions& options) {
    if (options.wait != bus::WaitStrategy::adaptive) return nullptr;
    const auto names = [](const auto& reports, std::uint32_t count) {
        nlohmann::json list = nlohmann::json::array();
        for (std::uint32_t index = 0; index < count; ++index)
            list.push_back(bus::wait_habit_name(reports[index].habit));
        return list;
    };
    return {{"publishers", names(run.publishers, options.publishers)},
            {"subscribers", names(run.subscribers, options.subscribers)}};
}

std::uint64_t default_events(const ThroughputOptions& options) {
    constexpr std::uint64_t kMostEvents = 60'000'000;
    constexpr std::uint64_t kMostBytes = std::uint64_t{8} << 30U;
    return std::min(kMostEvents, kMostBytes / (options.size_bytes + 16)) / options.publishers;
}

}  // namespace

Result<nlohmann::json> run_throughput(const ThroughputOptions& given) {
    ThroughputOptions options = given;
    if (options.size_bytes < sizeof(std::uint64_t)) {
        return make_error(
            ErrorCode::invalid_argument, "payloads of under 8 bytes can't be verified", "--size 8");
    }
    if (options.publishers == 0 || options.subscribers == 0 ||
        options.publishers > kMostProcesses || options.subscribers > kMostProcesses) {
        return make_error(ErrorCode::invalid_argument,
                          "1 to 64 publishers and 1 to 64 subscribers, please");
    }
    if (options.events == 0) options.events = default_events(options);
    bus::StreamOptions stream;
    stream.capacity_bytes = options.capacity_bytes;
    stream.max_payload_bytes = std::max(options.size_bytes, 1024U);
    const bool multi = options.multi || options.publishers > 1;
    stream.publishing = multi ? bus::Publishing::multi : bus::Publishing::single;
    stream.publish_time =
        options.publish_time ? bus::PublishTime::per_event : bus::PublishTime::off;
    stream.publisher_slots = kMostProcesses;
    stream.subscriber_slots = kMostProcesses;

    std::vector<double> rates;
    std::vector<double> floors;
    nlohmann::json habits;
    for (std::uint32_t run = 0; run < options.runs; ++run) {
        auto streams = BenchStreams::create(1, stream, options.directory);
        if (!streams) return streams.error();
        if (auto written = write_once(*streams, options.capacity_bytes); !written)
            return written.error();
        floors.push_back(measure_floor_ns());
        SharedPage<Run> results;
        auto rate = run_once(*streams, options, results);
        if (!rate) return rate.error();
        habits = habits_of(*results, options);
        rates.push_back(*rate);
        floors.push_back(measure_floor_ns());
    }
    const Spread rate = spread_of(rates);
    const Spread floor = spread_of(floors);
    const auto size = static_cast<double>(options.size_bytes);
    return nlohmann::json{
        {"bench", "throughput"},
        {"machine", machine_description()},
        {"size_bytes", options.size_bytes},
        {"publishers", options.publishers},
        {"subscribers", options.subscribers},
        {"publishing", multi ? "multi" : "single"},
        {"publish_time", options.publish_time},
        {"batch", options.batch},
        {"wait", bus::wait_strategy_name(options.wait)},
        {"wait_habits", habits},
        {"capacity_bytes", options.capacity_bytes},
        {"events_per_run", options.events * options.publishers},
        {"runs", options.runs},
        {"events_per_s", rate.median},
        {"events_per_s_min", rate.min},
        {"events_per_s_max", rate.max},
        {"bytes_per_s", rate.median * size},
        {"floor_rtt_ns", {{"min", floor.min}, {"median", floor.median}, {"max", floor.max}}},
        {"verified", true},
    };
}

}  // namespace tailrace::bench
