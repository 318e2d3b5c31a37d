#include "journal_rows.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <algorithm>
#include <atomic>

namespace tailrace::tool {

namespace {

constexpr std::uint32_t kAcknowledgedBytes = 64;
constexpr std::uint64_t kTurn = 100;

Result<void> check_content(Recording& recording, std::uint64_t events) {
    if (!recording.stop()) return bench_broken("the recorder failed");
    auto found = read_back(recording.journal_directory());
    if (!found) return found.error();
    if (*found != events) return bench_broken("the journal lacks events");
    return {};
}

Result<void> acknowledge_one_by_one(bus::Publisher& publisher,
                                    std::uint64_t first,
                                    std::uint64_t count,
                                    Samples& samples) {
    for (std::uint64_t number = first; number < first + count; ++number) {
        const std::uint64_t begin = read_ticks();
        if (auto published = publish_numbers(publisher, number, 1, kAcknowledgedBytes); !published)
            return published.error();
        auto durable =
            publisher.wait_durable(publisher.next_own_sequence(), bus::Deadline::in_ms(kStallMs));
        if (!durable) return durable.error();
        samples.add(read_ticks() - begin);
    }
    return {};
}

// Looks for a while before it sleeps, as a publisher does that has more to do.
Result<void> await_more(bus::Publisher& publisher, Sequence acknowledged) {
    constexpr int kLooks = 2000;
    for (int look = 0; look < kLooks; ++look) {
        if (bus::durable_sequence(publisher.region()) > acknowledged) return {};
    }
    return publisher.wait_durable(acknowledged + 1, bus::Deadline::in_ms(kStallMs));
}

// Publishes with `window` events in flight: acknowledged events a second.
Result<double> acknowledge_in_groups(const JournalRowContext& context, std::uint32_t size_bytes) {
    constexpr std::uint64_t kWindow = 1024;
    auto recording = Recording::start(context.recording());
    if (!recording) return recording.error();
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    const std::uint64_t events = context.options.group_events;
    std::uint64_t published = 0;
    std::uint64_t acknowledged = 0;
    const std::uint64_t begin_ns = monotonic_ns();
    while (acknowledged < events) {
        const std::uint64_t room =
            std::min(kWindow - (published - acknowledged), events - published);
        if (auto done = publish_numbers(*publisher, published, room, size_bytes); !done)
            return done.error();
        published += room;
        if (auto durable = await_more(*publisher, acknowledged); !durable) return durable.error();
        acknowledged = bus::durable_sequence(publisher->region());
    }
    const double elapsed_ns = static_cast<double>(monotonic_ns() - begin_ns);
    if (auto checked = check_content(*recording, events); !checked) return checked.error();
    return static_cast<double>(events) * 1e9 / elapsed_ns;
}

// A subscriber's process stores how long each event took from its publish time to its handler.
struct LiveStage {
    static constexpr std::size_t kMaxEvents = 1'000'000;

    std::atomic<bool> attached;
    std::atomic<std::uint64_t> latency_ns[kMaxEvents];
};

int subscribe(LiveStage& stage,
              const std::string& stream,
              const std::string& bus_directory,
              std::uint64_t events) {
    pin_to_core(1);
    bus::SubscriberOptions options;
    options.start = bus::Start::oldest();
    options.directory = bus_directory;
    auto subscriber = bus::Subscriber::attach(stream, options);
    if (!subscriber) return 1;
    // [sync:bench_ready] Release: attached.
    stage.attached.store(true, std::memory_order_release);
    std::uint64_t seen = 0;
    bool is_right = true;
    while (seen < events) {
        const auto result = subscriber->poll_until(
            [&](const Event& event) {
                const std::uint64_t now_ns = wall_clock_ns();
                const std::uint64_t then_ns = event.publish_time_ns();
                // Relaxed: read after this process has been waited for.
                stage.latency_ns[seen].store(now_ns > then_ns ? now_ns - then_ns : 0,
                                             std::memory_order_relaxed);
                is_right = is_right && words_match(event.payload(), seen);
                ++seen;
            },
            1,
            bus::Deadline::in_ms(kStallMs));
        if (result.state != bus::PollState::ok) return 1;
    }
    return is_right ? 0 : 1;
}

// One run: events at a steady pace to a subscriber that shares its core with the recorder, if there
// is one. The journal is kept busy throughout, one commit after the other.
Result<void> run_live(const JournalRowContext& context,
                      bool is_recorded,
                      Samples& latencies_ns,
                      std::vector<double>& switches) {
    constexpr std::uint64_t kPaceNs = 4'000;
    RecordingOptions options = context.recording();
    options.publish_time = bus::PublishTime::per_event;
    options.is_recorded = is_recorded;
    auto recording = Recording::start(options);
    if (!recording) return recording.error();
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    const std::uint64_t events =
        std::min<std::uint64_t>(context.options.live_events, LiveStage::kMaxEvents);
    const SharedPage<LiveStage> stage;
    BenchChild subscriber(
        [&] { return subscribe(*stage, recording->stream(), context.options.directory, events); });
    // [sync:bench_ready] Acquire: the subscriber has its place.
    while (!stage->attached.load(std::memory_order_acquire)) {
        if (subscriber.has_ended()) return bench_broken("the subscriber did not start");
    }
    const std::uint64_t begin_ns = monotonic_ns();
    for (std::uint64_t number = 0; number < events; ++number) {
        while (monotonic_ns() < begin_ns + number * kPaceNs) {
        }
        if (auto done = publish_numbers(*publisher, number, 1, context.options.size_bytes); !done)
            return done.error();
    }
    if (!subscriber.join()) return bench_broken("the subscriber failed");
    // Relaxed: its process has ended.
    for (std::uint64_t nth = 0; nth < events; ++nth)
        latencies_ns.add(stage->latency_ns[nth].load(std::memory_order_relaxed));
    if (!is_recorded) return {};
    if (auto checked = check_content(*recording, events); !checked) return checked.error();
    // Relaxed: its process has ended.
    switches.push_back(static_cast<double>(
        recording->stage().involuntary_switches.load(std::memory_order_relaxed)));
    return {};
}

}  // namespace

Result<nlohmann::json> measure_acknowledge(const JournalRowContext& context) {
    auto recording = Recording::start(context.recording());
    if (!recording) return recording.error();
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    PercentileRuns acknowledged;
    PercentileRuns flushed;
    std::uint64_t number = 0;
    for (std::uint32_t run = 0; run < context.options.runs; ++run) {
        Samples acknowledges;
        Samples flushes;
        for (std::uint64_t done = 0; done < context.options.acknowledgements; done += kTurn) {
            if (auto turn = context.device.flush_blocks(kTurn, flushes); !turn) return turn.error();
            if (auto turn = acknowledge_one_by_one(*publisher, number, kTurn, acknowledges); !turn)
                return turn.error();
            number += kTurn;
        }
        acknowledged.add(acknowledges);
        flushed.add(flushes);
    }
    if (auto checked = check_content(*recording, number); !checked) return checked.error();
    return nlohmann::json{{"size_bytes", kAcknowledgedBytes},
                          {"acknowledgements_per_run", context.options.acknowledgements},
                          {"durable_write", &recording->stage().durable_write[0]},
                          {"durable_ack_ns", acknowledged.json()},
                          {"device_flush_ns", flushed.json()},
                          {"ratio_p50", ratio_json(acknowledged.p50_ns(), flushed.p50_ns())},
                          {"ratio_p99", ratio_json(acknowledged.p99_ns(), flushed.p99_ns())}};
}

Result<nlohmann::json> measure_group(const JournalRowContext& context) {
    constexpr std::uint32_t kSmallBytes = 64;
    constexpr std::uint32_t kLargeBytes = 256;
    nlohmann::json report = {{"in_flight", 1024}, {"events_per_run", context.options.group_events}};
    std::vector<double> small;
    std::vector<double> large;
    PercentileRuns flushed;
    for (std::uint32_t run = 0; run < context.options.runs; ++run) {
        Samples flushes;
        if (auto turn = context.device.flush_blocks(kTurn, flushes); !turn) return turn.error();
        flushed.add(flushes);
        for (const std::uint32_t size_bytes : {kSmallBytes, kLargeBytes}) {
            auto rate = acknowledge_in_groups(context, size_bytes);
            if (!rate) return rate.error();
            (size_bytes == kSmallBytes ? small : large).push_back(*rate);
        }
    }
    report["acknowledged_per_s_64"] = spread_json(small);
    report["acknowledged_per_s_256"] = spread_json(large);
    report["device_flush_ns"] = flushed.json();
    return report;
}

Result<nlohmann::json> measure_latency(const JournalRowContext& context) {
    PercentileRuns with;
    PercentileRuns without;
    std::vector<double> switches;
    for (std::uint32_t run = 0; run < context.options.runs; ++run) {
        for (const bool is_recorded : {false, true}) {
            Samples latencies_ns;
            if (auto done = run_live(context, is_recorded, latencies_ns, switches); !done)
                return done.error();
            (is_recorded ? with : without).add_ns(latencies_ns);
        }
    }
    return nlohmann::json{{"size_bytes", context.options.size_bytes},
                          {"cores", core_count()},
                          {"journal_on_ns", with.json()},
                          {"journal_off_ns", without.json()},
                          {"ratio_p50", ratio_json(with.p50_ns(), without.p50_ns())},
                          {"ratio_p99", ratio_json(with.p99_ns(), without.p99_ns())},
                          {"recorder_preemptions", spread_json(switches)}};
}

}  // namespace tailrace::tool
