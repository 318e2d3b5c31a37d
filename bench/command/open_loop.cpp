// Question: how long does an event take when events come at a rate that doesn't wait for anybody?
//
//     this process (core 0): sends event n at begin + n / rate  --- stream --->  child (core 1)
//
// An open loop: each event carries the time at which it was to be sent, and the time right before
// its publish. Whoever is late sends at once and catches up, so an event that had to wait for the
// one before it shows that in its response, and nothing is left out. In turns with the events, the
// same loop waits for the same instants and sends nothing: how late it is then is the machine's own
// doing. Doesn't show: more than one publisher and one reader.

#include "bench_runs.hpp"
#include "floor.hpp"
#include "latency_series.hpp"
#include "machine.hpp"
#include "samples.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <memory>
#include <vector>

namespace tailrace::bench {

namespace {

constexpr std::size_t kMostIntervals = 60;
constexpr std::uint64_t kShortestRoundNs = 1'000'000'000;
constexpr std::uint64_t kWarmUpNs = 200'000'000;

// What begins each payload; bytes that follow from the number fill the rest.
struct Stamp {
    std::uint64_t intended_ticks;
    std::uint64_t sent_ticks;
    std::uint64_t number;
};

struct RoundLatencies {
    LatencyHistogram response;
    LatencyHistogram service;
};

// What the child writes and this process reads when it has ended.
struct OpenBoard {
    std::atomic<bool> attached;
    std::array<RoundLatencies, kMostIntervals> rounds;
};

// How the events are spread over time.
struct Schedule {
    double ticks_per_event;
    std::uint64_t rounds;
    std::uint64_t events_per_round;
    std::uint64_t warm_up_events;

    [[nodiscard]] std::uint64_t events() const noexcept {
        return warm_up_events + rounds * events_per_round;
    }
    [[nodiscard]] std::uint64_t ticks_of(std::uint64_t nth) const noexcept {
        return static_cast<std::uint64_t>(static_cast<double>(nth) * ticks_per_event);
    }
    // Requires: it isn't one of the warm-up.
    [[nodiscard]] std::uint64_t round_of(std::uint64_t number) const noexcept {
        return (number - warm_up_events) / events_per_round;
    }
};

Schedule schedule_of(const LatencyOptions& options) {
    Schedule schedule{};
    schedule.ticks_per_event = 1e9 / options.rate_per_s / ns_per_tick();
    const std::uint64_t longest = (options.duration_ns + kShortestRoundNs - 1) / kShortestRoundNs;
    schedule.rounds = std::clamp<std::uint64_t>(longest, 1, kMostIntervals);
    const double total = options.rate_per_s * static_cast<double>(options.duration_ns) / 1e9;
    schedule.events_per_round = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(total / static_cast<double>(schedule.rounds)));
    schedule.warm_up_events =
        1 + static_cast<std::uint64_t>(options.rate_per_s * static_cast<double>(kWarmUpNs) / 1e9);
    return schedule;
}

std::uint64_t ns_between(std::uint64_t from_ticks, std::uint64_t to_ticks) noexcept {
    // Two cores' counters may differ by some ticks.
    if (to_ticks <= from_ticks) return 0;
    return static_cast<std::uint64_t>(static_cast<double>(to_ticks - from_ticks) * ns_per_tick());
}

std::uint64_t wait_for_ticks(std::uint64_t when) noexcept {
    std::uint64_t now = read_ticks();
    while (now < when) {
        bus::cpu_relax();
        now = read_ticks();
    }
    return now;
}

int receive(OpenBoard& board,
            const BenchStreams& streams,
            const Schedule& schedule,
            bus::WaitStrategy wait) {
    pin_to_core(1);
    bus::SubscriberOptions attaching;
    attaching.name = "latency";
    attaching.directory = streams.directory();
    attaching.start = bus::Start::oldest();
    attaching.wait = wait;
    auto subscriber = bus::Subscriber::attach(streams.name(0), attaching);
    if (!subscriber) return 1;
    // [sync:bench_ready] Release: attached.
    board.attached.store(true, std::memory_order_release);
    std::uint64_t expected = 0;
    bool is_right = true;
    const std::uint64_t events = schedule.events();
    while (expected < events && is_right) {
        const auto result = subscriber->poll_until(
            [&](const Event& event) {
                const std::uint64_t now = read_ticks();
                Stamp stamp{};
                std::memcpy(&stamp, event.payload().data(), sizeof(stamp));
                is_right = is_right && stamp.number == expected++ &&
                           words_match(event.payload().subspan(sizeof(stamp)), stamp.number);
                if (!is_right || stamp.number < schedule.warm_up_events) return;
                RoundLatencies& round = board.rounds[schedule.round_of(stamp.number)];
                round.response.record(ns_between(stamp.intended_ticks, now));
                round.service.record(ns_between(stamp.sent_ticks, now));
            },
            64,
            bus::Deadline::in_ms(kStallMs));
        // Nothing comes while the sender only waits; when it has died this process goes too.
        if (result.state == bus::PollState::closed) return 1;
    }
    return is_right ? 0 : 1;
}

class Sender {
public:
    Sender(bus::Publisher& publisher, const Schedule& schedule, std::uint32_t size_bytes)
        : publisher_(publisher),
          schedule_(schedule),
          size_bytes_(size_bytes) {}

    // Sends so many events, the first one now. False: one couldn't be published.
    [[nodiscard]] bool send(std::uint64_t count) {
        const std::uint64_t begin = read_ticks() + schedule_.ticks_of(1);
        for (std::uint64_t nth = 0; nth < count; ++nth, ++number_) {
            const std::uint64_t intended = begin + schedule_.ticks_of(nth);
            const std::uint64_t sent = wait_for_ticks(intended);
            if (static_cast<double>(sent - intended) > schedule_.ticks_per_event) ++late_;
            bus::Claim claim;
            const auto status =
                publisher_.claim(claim, size_bytes_, 0, bus::Deadline::in_ms(kStallMs));
            if (status != bus::PublishStatus::ok) return false;
            const Stamp stamp{intended, sent, number_};
            std::memcpy(claim.payload.data(), &stamp, sizeof(stamp));
            fill_words(claim.payload.subspan(sizeof(stamp)), number_);
            publisher_.commit(claim);
        }
        took_ticks_ += read_ticks() - begin;
        return true;
    }
    // Waits for the same instants and sends nothing.
    void idle(std::uint64_t count, LatencyHistogram& lateness) const {
        const std::uint64_t begin = read_ticks() + schedule_.ticks_of(1);
        for (std::uint64_t nth = 0; nth < count; ++nth) {
            const std::uint64_t intended = begin + schedule_.ticks_of(nth);
            lateness.record(ns_between(intended, wait_for_ticks(intended)));
        }
    }
    void forget_warm_up() noexcept {
        late_ = 0;
        took_ticks_ = 0;
    }

    // Events that were sent more than a step after their time.
    [[nodiscard]] std::uint64_t late() const noexcept { return late_; }
    [[nodiscard]] std::uint64_t took_ticks() const noexcept { return took_ticks_; }

private:
    bus::Publisher& publisher_;
    const Schedule& schedule_;
    std::uint32_t size_bytes_;
    std::uint64_t number_ = 0;
    std::uint64_t late_ = 0;
    std::uint64_t took_ticks_ = 0;
};

// What nothing on this machine can beat: half a bounce of a cache line, behind a loop that is as
// late as one that only waits.
nlohmann::json limit_json(const LatencyHistogram& idle, double floor_ns) {
    nlohmann::json limit = percentiles_json(idle);
    for (auto& [rank, value] : limit.items())
        value = value.get<double>() + floor_ns / 2;
    return limit;
}

nlohmann::json report_of(const LatencyOptions& options,
                         const Schedule& schedule,
                         const Sender& sender,
                         const LatencyRecord& record,
                         const std::array<double, 2>& floors_ns) {
    const double floor_ns = (floors_ns[0] + floors_ns[1]) / 2;
    const double seconds = static_cast<double>(sender.took_ticks()) * ns_per_tick() / 1e9;
    const auto events = static_cast<double>(schedule.rounds * schedule.events_per_round);
    nlohmann::json report = {{"bench", "latency"},
                             {"machine", machine_description()},
                             {"size_bytes", options.size_bytes},
                             {"rate_per_s", options.rate_per_s},
                             {"achieved_per_s", events / seconds},
                             {"events", schedule.rounds * schedule.events_per_round},
                             {"late_share", static_cast<double>(sender.late()) / events},
                             {"rounds", schedule.rounds},
                             {"publish_time", options.publish_time},
                             {"wait", bus::wait_strategy_name(options.wait)},
                             {"processes", 2},
                             {"cores", {0, 1 % core_count()}},
                             {"verified", true},
                             {"floor_rtt_ns",
                              {{"min", std::min(floors_ns[0], floors_ns[1])},
                               {"median", floor_ns},
                               {"max", std::max(floors_ns[0], floors_ns[1])}}}};
    for (const LatencySeries& series : record.series) {
        const auto whole = series.whole();
        report[series.name + "_ns"] = percentiles_json(*whole);
        report["curves"][series.name] = curve_json(*whole);
        if (series.name == "idle_late") report["limit_ns"] = limit_json(*whole, floor_ns);
    }
    for (const char* const rank : {"p50", "p99", "p99_9"}) {
        report[std::string("ratio_") + rank] =
            report["response_ns"][rank].get<double>() / report["limit_ns"][rank].get<double>();
    }
    return report;
}

void add_interval(LatencySeries& series,
                  std::uint64_t begin_ns,
                  std::uint64_t length_ns,
                  const LatencyHistogram& histogram) {
    series.intervals.push_back(
        {begin_ns, length_ns, std::make_unique<LatencyHistogram>(histogram)});
}

}  // namespace

Result<nlohmann::json> run_latency(const LatencyOptions& options, LatencyRecord& record) {
    bus::StreamOptions stream;
    stream.capacity_bytes = std::uint64_t{16} << 20U;
    stream.publishing = bus::Publishing::single;
    stream.publish_time =
        options.publish_time ? bus::PublishTime::per_event : bus::PublishTime::off;
    auto streams = BenchStreams::create(1, stream, options.directory);
    if (!streams) return streams.error();
    const Schedule schedule = schedule_of(options);
    std::array<double, 2> floors_ns = {measure_floor_ns(), 0};
    SharedPage<OpenBoard> board;
    BenchChild child([&] { return receive(*board, *streams, schedule, options.wait); });
    pin_to_core(0);
    bus::PublisherOptions attaching;
    attaching.name = "latency";
    attaching.directory = options.directory;
    auto publisher = bus::Publisher::attach(streams->name(0), attaching);
    if (!publisher) return publisher.error();
    // [sync:bench_ready] Acquire: the child has attached.
    while (!board->attached.load(std::memory_order_acquire)) {
        if (child.has_ended()) return bench_broken("the reading process could not attach");
        bus::cpu_relax();
    }
    Sender sender(*publisher, schedule, options.size_bytes);
    if (!sender.send(schedule.warm_up_events)) return bench_broken("an event wasn't published");
    sender.forget_warm_up();
    record.begin_ns = wall_clock_ns();
    record.series.resize(3);
    LatencySeries& response = record.series[0];
    LatencySeries& service = record.series[1];
    LatencySeries& idle = record.series[2];
    response.name = "response";
    service.name = "service";
    idle.name = "idle_late";
    struct Span {
        std::uint64_t begin_ns;
        std::uint64_t length_ns;
    };
    std::vector<Span> sent(schedule.rounds);
    const std::uint64_t begin_ns = monotonic_ns();
    for (Span& span : sent) {
        LatencyHistogram lateness;
        const std::uint64_t idle_ns = monotonic_ns();
        sender.idle(schedule.events_per_round, lateness);
        const std::uint64_t events_ns = monotonic_ns();
        add_interval(idle, idle_ns - begin_ns, events_ns - idle_ns, lateness);
        if (!sender.send(schedule.events_per_round))
            return bench_broken("an event could not be published");
        span = {events_ns - begin_ns, monotonic_ns() - events_ns};
    }
    if (!child.join()) return bench_broken("an event came out of order or changed");
    for (std::size_t round = 0; round < sent.size(); ++round) {
        const RoundLatencies& seen = board->rounds[round];
        add_interval(response, sent[round].begin_ns, sent[round].length_ns, seen.response);
        add_interval(service, sent[round].begin_ns, sent[round].length_ns, seen.service);
    }
    floors_ns[1] = measure_floor_ns();
    return report_of(options, schedule, sender, record, floors_ns);
}

}  // namespace tailrace::bench
