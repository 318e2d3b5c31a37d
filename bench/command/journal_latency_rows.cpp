// What a journal that works flat out does to a live reader: on a core that they share, and on a
// core of its own.

#include "journal_rows.hpp"
#include "machine.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <string_view>

namespace tailrace::bench {

namespace {

struct Writing {
    std::string_view name;
    bool is_recorded;
    RecorderPriority priority = RecorderPriority::normal;
};

// What the scheduler did to the recorder's process, run by run.
struct Switches {
    std::vector<double> voluntary;
    std::vector<double> involuntary;

    void add(const RecordingStage& stage) {
        // Relaxed: its process has ended.
        voluntary.push_back(
            static_cast<double>(stage.voluntary_switches.load(std::memory_order_relaxed)));
        involuntary.push_back(
            static_cast<double>(stage.involuntary_switches.load(std::memory_order_relaxed)));
    }
};

Result<void> end_run(Recording& recording,
                     const Writing& writing,
                     std::uint64_t events,
                     Switches& switches) {
    if (!writing.is_recorded) return {};
    if (auto checked = check_content(recording, events); !checked) return checked.error();
    switches.add(recording.stage());
    return {};
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
                      const Writing& writing,
                      Samples& latencies_ns,
                      Switches& switches) {
    constexpr std::uint64_t kPaceNs = 4'000;
    RecordingOptions options = context.recording();
    options.publish_time = bus::PublishTime::per_event;
    options.is_recorded = writing.is_recorded;
    options.priority = writing.priority;
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
    return end_run(*recording, writing, events, switches);
}

// One run on core 0 alone: a round publishes eight events and reads them. The recorder, if there is
// one, has core 1. The pace is what it can just follow, so that no claim waits for it.
Result<void> run_beside(const JournalRowContext& context,
                        const Writing& writing,
                        Samples& rounds,
                        Switches& switches) {
    constexpr std::uint64_t kRoundEvents = 8;
    constexpr std::uint64_t kBytesPerUs = 3'000;
    RecordingOptions options = context.recording();
    options.is_recorded = writing.is_recorded;
    auto recording = Recording::start(options);
    if (!recording) return recording.error();
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    bus::SubscriberOptions attaching;
    attaching.start = bus::Start::oldest();
    attaching.directory = context.options.directory;
    auto subscriber = bus::Subscriber::attach(recording->stream(), attaching);
    if (!subscriber) return subscriber.error();
    const std::uint32_t size_bytes = context.options.size_bytes;
    const std::uint64_t round_count = context.options.live_events;
    const std::uint64_t pace_ns = kRoundEvents * size_bytes * 1000 / kBytesPerUs;
    std::uint64_t seen = 0;
    bool is_right = true;
    const std::uint64_t begin_ns = monotonic_ns();
    for (std::uint64_t round = 0; round < round_count; ++round) {
        while (monotonic_ns() < begin_ns + round * pace_ns) {
        }
        const std::uint64_t begin = read_ticks();
        const std::uint64_t first = round * kRoundEvents;
        auto done = publish_numbers(*publisher, first, kRoundEvents, size_bytes);
        if (!done) return done.error();
        while (seen < first + kRoundEvents) {
            const auto result = subscriber->poll(
                [&](const Event& event) {
                    is_right = is_right && words_match(event.payload(), seen);
                    ++seen;
                },
                kRoundEvents);
            if (result.state != bus::PollState::ok) return bench_broken("an event is not there");
        }
        rounds.add(read_ticks() - begin);
    }
    if (!is_right) return bench_broken("the subscriber saw other bytes");
    return end_run(*recording, writing, seen, switches);
}

}  // namespace

Result<nlohmann::json> measure_latency(const JournalRowContext& context) {
    constexpr std::array<Writing, 4> kWritings = {
        {{"journal_off", false},
         {"journal_on", true},
         {"journal_on_nice", true, RecorderPriority::nice},
         {"journal_on_idle", true, RecorderPriority::idle}}};
    std::array<PercentileRuns, kWritings.size()> latencies;
    std::array<Switches, kWritings.size()> switches;
    for (std::uint32_t run = 0; run < context.options.runs; ++run) {
        for (std::size_t nth = 0; nth < kWritings.size(); ++nth) {
            Samples latencies_ns;
            auto done = run_live(context, kWritings[nth], latencies_ns, switches[nth]);
            if (!done) return done.error();
            latencies[nth].add_ns(latencies_ns);
        }
    }
    nlohmann::json report = {{"size_bytes", context.options.size_bytes}, {"cores", core_count()}};
    for (std::size_t nth = 0; nth < kWritings.size(); ++nth) {
        const std::string name(kWritings[nth].name);
        report[name + "_ns"] = latencies[nth].json();
        if (nth == 0) continue;
        report[name + "_ratio_p50"] = ratio_json(latencies[nth].p50_ns(), latencies[0].p50_ns());
        report[name + "_ratio_p99"] = ratio_json(latencies[nth].p99_ns(), latencies[0].p99_ns());
        report[name + "_switches"] = {{"voluntary", spread_json(switches[nth].voluntary)},
                                      {"involuntary", spread_json(switches[nth].involuntary)}};
    }
    return report;
}

Result<nlohmann::json> measure_latency_beside(const JournalRowContext& context) {
    if (core_count() < 2) return nlohmann::json{{"skipped", "one core"}};
    PercentileRuns with;
    PercentileRuns without;
    Switches switches;
    for (std::uint32_t run = 0; run < context.options.runs; ++run) {
        for (const bool is_recorded : {run % 2 != 0, run % 2 == 0}) {
            Samples rounds;
            const Writing writing{"", is_recorded};
            if (auto done = run_beside(context, writing, rounds, switches); !done)
                return done.error();
            (is_recorded ? with : without).add(rounds);
        }
    }
    return nlohmann::json{{"size_bytes", context.options.size_bytes},
                          {"cores", core_count()},
                          {"journal_on_ns", with.json()},
                          {"journal_off_ns", without.json()},
                          {"ratio_p50", ratio_json(with.p50_ns(), without.p50_ns())},
                          {"ratio_p99", ratio_json(with.p99_ns(), without.p99_ns())},
                          {"voluntary_switches", spread_json(switches.voluntary)},
                          {"involuntary_switches", spread_json(switches.involuntary)}};
}

}  // namespace tailrace::bench
