// Question: how long does an event take there and back, beside what the hardware needs at least?
//
//     this process (core 0)  --- stream A --->  child (core 1)
//                            <--- stream B ---
//
// Load: one event in flight. Both sides spin. In turns, in the same run, the same two processes
// bounce one bare cache line: the floor; and send bare lines through two bare rings: what any ring
// pays. Doesn't show: behaviour under load (a closed loop waits for itself), waking sleepers.

#include "bare_ring.hpp"
#include "bench_runs.hpp"
#include "floor.hpp"
#include "latency_series.hpp"
#include "machine.hpp"
#include "samples.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace tailrace::bench {

namespace {

using bus::Publisher;
using bus::Subscriber;

constexpr std::uint64_t kTripsPerTurn = 20'000;

// What the two processes share beside the streams.
struct Court {
    Floor floor;
    BareRing there;
    BareRing back;
};

Result<Publisher> attach_publisher(const std::string& stream, const std::string& directory) {
    bus::PublisherOptions options;
    options.name = "pingpong";
    options.directory = directory;
    return Publisher::attach(stream, options);
}

Result<Subscriber> attach_subscriber(const std::string& stream, const std::string& directory) {
    bus::SubscriberOptions options;
    options.name = "pingpong";
    options.start = bus::Start::oldest();
    options.wait = bus::WaitStrategy::busy_spin;
    options.directory = directory;
    return Subscriber::attach(stream, options);
}

// Sends every event straight back: one copy, from ring to ring.
bool echo(Subscriber& from, Publisher& to, std::uint64_t count) {
    std::uint64_t echoed = 0;
    bool sound = true;
    while (echoed < count && sound) {
        const auto result = from.poll_until(
            [&](const Event& event) {
                sound = sound && to.try_publish(event.payload()) == bus::PublishStatus::ok;
                ++echoed;
            },
            1,
            bus::Deadline::in_ms(kStallMs));
        sound = sound && result.events == 1;
    }
    return sound;
}

int child_main(Court& court,
               const BenchStreams& streams,
               std::uint64_t chunks,
               std::uint32_t size_bytes) {
    pin_to_core(1);
    auto from = attach_subscriber(streams.name(0), streams.directory());
    auto to = attach_publisher(streams.name(1), streams.directory());
    if (!from || !to) return 1;
    // [sync:bench_ready] Release: attached.
    court.floor.child_ready.store(true, std::memory_order_release);
    const auto never_gone = [] {
        return false;
    };  // the parent's death kills this process
    std::uint64_t ball = 0;
    std::uint64_t bare = 0;
    for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
        for (std::uint64_t bounce = 0; bounce < kTripsPerTurn; ++bounce) {
            static_cast<void>(await_ball(court.floor, ball + 1, never_gone));
            ball += 2;
            throw_ball(court.floor, ball);
        }
        for (std::uint64_t trip = 0; trip < kTripsPerTurn; ++trip) {
            static_cast<void>(court.there.await(++bare, size_bytes, never_gone));
            const auto payload = court.there.payload(bare, size_bytes);
            std::memcpy(
                court.back.payload(bare, size_bytes).data(), payload.data(), payload.size());
            court.back.commit(bare, size_bytes);
        }
        if (!echo(*from, *to, kTripsPerTurn)) return 1;
    }
    return 0;
}

// The measuring side.
class PingPong {
public:
    PingPong(
        Court& court, BenchChild& child, Publisher& to, Subscriber& from, std::uint32_t size_bytes)
        : court_(court),
          child_(child),
          to_(to),
          from_(from),
          size_bytes_(size_bytes) {}

    bool measure_floor(Samples* samples) {
        std::uint64_t before = read_ticks();
        for (std::uint64_t bounce = 0; bounce < kTripsPerTurn; ++bounce) {
            throw_ball(court_.floor, ball_ + 1);
            ball_ += 2;
            if (!await_ball(court_.floor, ball_, [&] { return child_.has_ended(); })) return false;
            const std::uint64_t now = read_ticks();
            if (samples != nullptr) samples->add(now - before);
            before = now;
        }
        return true;
    }

    bool measure_bare(Samples* samples) {
        std::uint64_t before = read_ticks();
        for (std::uint64_t trip = 0; trip < kTripsPerTurn; ++trip) {
            ++bare_;
            fill_words(court_.there.payload(bare_, size_bytes_), bare_);
            court_.there.commit(bare_, size_bytes_);
            if (!court_.back.await(bare_, size_bytes_, [&] { return child_.has_ended(); }))
                return false;
            if (!words_match(court_.back.payload(bare_, size_bytes_), bare_)) ++mismatches_;
            const std::uint64_t now = read_ticks();
            if (samples != nullptr) samples->add(now - before);
            before = now;
        }
        return true;
    }

    bool measure_ring(Samples* samples) {
        std::uint64_t before = read_ticks();
        for (std::uint64_t trip = 0; trip < kTripsPerTurn; ++trip) {
            bus::Claim claim;
            if (to_.try_claim(claim, size_bytes_) != bus::PublishStatus::ok) return false;
            fill_words(claim.payload, ++trips_);
            to_.commit(claim);
            const auto result = from_.poll_until(
                [&](const Event& event) {
                    if (!words_match(event.payload(), trips_)) ++mismatches_;
                },
                1,
                bus::Deadline::in_ms(kStallMs));
            if (result.events != 1) return false;
            const std::uint64_t now = read_ticks();
            if (samples != nullptr) samples->add(now - before);
            before = now;
        }
        return true;
    }

    [[nodiscard]] std::uint64_t mismatches() const noexcept { return mismatches_; }

private:
    Court& court_;
    BenchChild& child_;
    Publisher& to_;
    Subscriber& from_;
    std::uint32_t size_bytes_;
    std::uint64_t ball_ = 0;
    std::uint64_t bare_ = 0;
    std::uint64_t trips_ = 0;
    std::uint64_t mismatches_ = 0;
};

nlohmann::json percentiles(Samples& samples) {
    samples.sort();
    const double rate = ns_per_tick();
    return {{"p50", samples.percentile_ns(0.5, rate)},
            {"p90", samples.percentile_ns(0.9, rate)},
            {"p99", samples.percentile_ns(0.99, rate)},
            {"p99_9", samples.percentile_ns(0.999, rate)},
            {"max", samples.percentile_ns(1.0, rate)}};
}

// All of them as one interval; its curve goes into the report.
void add_series(LatencyRecord& record,
                nlohmann::json& report,
                const char* name,
                const Samples& samples,
                std::uint64_t length_ns) {
    LatencySeries series;
    series.name = name;
    auto histogram = std::make_unique<LatencyHistogram>();
    const double rate = ns_per_tick();
    for (const std::uint64_t ticks : samples.ticks())
        histogram->record(static_cast<std::uint64_t>(static_cast<double>(ticks) * rate + 0.5));
    report["curves"][name] = curve_json(*histogram);
    series.intervals.push_back({0, length_ns, std::move(histogram)});
    record.series.push_back(std::move(series));
}

}  // namespace

Result<nlohmann::json> run_pingpong(const PingPongOptions& options) {
    LatencyRecord record;
    return run_pingpong(options, record);
}

Result<nlohmann::json> run_pingpong(const PingPongOptions& options, LatencyRecord& record) {
    bus::StreamOptions stream;
    stream.capacity_bytes = std::uint64_t{1} << 20U;
    stream.publishing = bus::Publishing::single;
    stream.alignment_bytes = options.alignment_bytes;
    stream.publish_time =
        options.publish_time ? bus::PublishTime::per_event : bus::PublishTime::off;
    auto streams = BenchStreams::create(2, stream, options.directory);
    if (!streams) return streams.error();

    const std::uint64_t chunks =
        1 + (options.round_trips + kTripsPerTurn - 1) / kTripsPerTurn;  // the first warms up
    SharedPage<Court> court;
    auto from = attach_subscriber(streams->name(1), streams->directory());
    if (!from) return from.error();
    BenchChild child([&] { return child_main(*court, *streams, chunks, options.size_bytes); });
    pin_to_core(0);
    auto to = attach_publisher(streams->name(0), streams->directory());
    if (!to) return to.error();
    // [sync:bench_ready] Acquire: the child has attached.
    while (!court->floor.child_ready.load(std::memory_order_acquire)) {
        if (child.has_ended()) return bench_broken("the child process ended early");
        bus::cpu_relax();
    }

    static_cast<void>(ns_per_tick());
    Samples floor_samples;
    Samples bare_samples;
    Samples ring_samples;
    floor_samples.reserve(chunks * kTripsPerTurn);
    bare_samples.reserve(chunks * kTripsPerTurn);
    ring_samples.reserve(chunks * kTripsPerTurn);
    record.begin_ns = wall_clock_ns();
    const std::uint64_t begin_ns = monotonic_ns();
    PingPong pingpong(*court, child, *to, *from, options.size_bytes);
    for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
        const bool warm = chunk != 0;
        if (!pingpong.measure_floor(warm ? &floor_samples : nullptr) ||
            !pingpong.measure_bare(warm ? &bare_samples : nullptr) ||
            !pingpong.measure_ring(warm ? &ring_samples : nullptr)) {
            return bench_broken("the echo stopped");
        }
    }
    if (!child.join()) return bench_broken("the child process failed");
    if (pingpong.mismatches() != 0) return bench_broken("an event came back changed");

    nlohmann::json report = {{"bench", "pingpong"},
                             {"machine", machine_description()},
                             {"size_bytes", options.size_bytes},
                             {"alignment_bytes", options.alignment_bytes},
                             {"publish_time", options.publish_time},
                             {"processes", 2},
                             {"cores", {0, 1 % core_count()}},
                             {"wait", "busy_spin"},
                             {"round_trips", ring_samples.count()},
                             {"verified", true}};
    report["rtt_ns"] = percentiles(ring_samples);
    report["bare_rtt_ns"] = percentiles(bare_samples);
    report["floor_rtt_ns"] = percentiles(floor_samples);
    const std::uint64_t length_ns = monotonic_ns() - begin_ns;
    add_series(record, report, "rtt", ring_samples, length_ns);
    add_series(record, report, "bare_rtt", bare_samples, length_ns);
    add_series(record, report, "floor_rtt", floor_samples, length_ns);
    for (const char* rank : {"p50", "p99", "p99_9"}) {
        const double rtt_ns = report["rtt_ns"][rank].get<double>();
        report[std::string("ratio_") + rank] = rtt_ns / report["floor_rtt_ns"][rank].get<double>();
        report[std::string("ratio_to_bare_") + rank] =
            rtt_ns / report["bare_rtt_ns"][rank].get<double>();
    }
    return report;
}

}  // namespace tailrace::bench
