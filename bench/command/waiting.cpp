// Question: what does each way of waiting cost, in latency and in processor time?
//
//     this process (core 0): publishes now and then  --- stream --->  child (core 1): waits
//
// Three phases: nothing is published; one event now and then, each carrying the time right before
// its publish; events at a steady high rate. In the second one the child's handler takes the time.
// Processor time is the child's own (getrusage), as a share of the time that passed. Doesn't show:
// more than one waiter, and cores that others want.

#include "bench_runs.hpp"
#include "floor.hpp"
#include "machine.hpp"
#include "samples.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <time.h>

namespace tailrace::bench {

namespace {

constexpr EventType kPhaseEnds = 1;
constexpr std::size_t kPhases = 3;
constexpr std::size_t kMostSamples = 100'000;

struct Usage {
    std::uint64_t cpu_ns;
    std::uint64_t wall_ns;
};

struct Board {
    std::atomic<std::uint32_t> ready;  // phases that the child has begun
    std::array<Usage, kPhases> usage;
    bus::WaitHabit habit;
    std::uint64_t samples;
    std::array<std::uint64_t, kMostSamples> latency_ns;
};

std::uint64_t cpu_ns() noexcept {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto ns = [](const timeval& time) {
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
               static_cast<std::uint64_t>(time.tv_usec) * 1000U;
    };
    return ns(used.ru_utime) + ns(used.ru_stime);
}

// Reads a stream, by a strategy or from an epoll loop.
class WaitingSide {
public:
    WaitingSide(bus::Subscriber& subscriber, bool by_epoll) : subscriber_(subscriber) {
        if (!by_epoll) return;
        auto fd = subscriber.poll_fd();
        epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
        epoll_event wanted{};
        wanted.events = EPOLLIN;
        sound_ = fd && ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, *fd, &wanted) == 0;
    }

    [[nodiscard]] bool is_sound() const noexcept { return sound_; }

    template <typename Handler>
    void read(Handler&& handler) {
        constexpr std::uint64_t kLimit = 64;
        if (!epoll_.is_open()) {
            static_cast<void>(
                subscriber_.poll_until(handler, kLimit, bus::Deadline::in_ms(kStallMs)));
            return;
        }
        if (!subscriber_.arm()) {
            epoll_event happened{};
            ::epoll_wait(epoll_.get(), &happened, 1, static_cast<int>(kStallMs));
        }
        static_cast<void>(subscriber_.poll(handler, kLimit));
    }

private:
    bus::Subscriber& subscriber_;
    UniqueFd epoll_;
    bool sound_ = true;
};

int wait_main(Board& board, const BenchStreams& streams, const WaitBenchOptions& options) {
    pin_to_core(1);
    bus::SubscriberOptions attaching;
    attaching.directory = streams.directory();
    attaching.wait = options.wait;
    attaching.start = bus::Start::oldest();
    auto subscriber = bus::Subscriber::attach(streams.name(0), attaching);
    if (!subscriber) return 1;
    WaitingSide side(*subscriber, options.by_epoll);
    if (!side.is_sound()) return 1;
    for (std::size_t phase = 0; phase < kPhases; ++phase) {
        const Usage before{cpu_ns(), monotonic_ns()};
        // [sync:bench_ready] Release: the phase may begin.
        board.ready.fetch_add(1, std::memory_order_release);
        bool ended = false;
        while (!ended) {
            side.read([&](const Event& event) {
                ended = ended || event.type() == kPhaseEnds;
                const std::uint64_t now_ns = monotonic_ns();
                if (ended || phase != 1 || board.samples == kMostSamples) return;
                board.latency_ns[board.samples++] = now_ns - event.as<std::uint64_t>();
            });
        }
        board.usage[phase] = {cpu_ns() - before.cpu_ns, monotonic_ns() - before.wall_ns};
    }
    board.habit = subscriber->wait_habit();
    return 0;
}

// Passes the time without being late by more than a wake-up: sleeps for the most part, then spins.
void wait_until_ns(std::uint64_t when_ns) noexcept {
    constexpr std::uint64_t kSpinNs = 200'000;
    const std::uint64_t now_ns = monotonic_ns();
    if (when_ns > now_ns + kSpinNs) {
        const timespec pause{0, static_cast<long>(when_ns - now_ns - kSpinNs)};
        ::nanosleep(&pause, nullptr);
    }
    while (monotonic_ns() < when_ns)
        bus::cpu_relax();
}

bool publish_at_rate(bus::Publisher& publisher, double rate_per_s, std::uint64_t duration_ns) {
    const auto step_ns = static_cast<std::uint64_t>(1e9 / rate_per_s);
    const std::uint64_t end_ns = monotonic_ns() + duration_ns;
    for (std::uint64_t next_ns = monotonic_ns() + step_ns; next_ns < end_ns; next_ns += step_ns) {
        wait_until_ns(next_ns);
        if (publisher.publish(monotonic_ns()) != bus::PublishStatus::ok) return false;
    }
    return true;
}

double share(const Usage& usage) {
    return usage.wall_ns == 0
               ? 0
               : static_cast<double>(usage.cpu_ns) / static_cast<double>(usage.wall_ns);
}

nlohmann::json report_of(Board& board, const WaitBenchOptions& options, double floor_ns) {
    Samples samples;
    for (std::uint64_t index = 0; index < board.samples; ++index)
        samples.add(board.latency_ns[index]);
    samples.sort();
    const bool adapts = !options.by_epoll && options.wait == bus::WaitStrategy::adaptive;
    return {
        {"wait", options.by_epoll ? "epoll" : bus::wait_strategy_name(options.wait)},
        {"wait_habit", adapts ? nlohmann::json(bus::wait_habit_name(board.habit)) : nullptr},
        {"wake_ns",
         {{"p50", samples.percentile_ns(0.5, 1)},
          {"p90", samples.percentile_ns(0.9, 1)},
          {"p99", samples.percentile_ns(0.99, 1)},
          {"max", samples.percentile_ns(1.0, 1)}}},
        {"samples", samples.count()},
        {"cpu_idle", share(board.usage[0])},
        {"cpu_low_rate", share(board.usage[1])},
        {"cpu_high_rate", share(board.usage[2])},
        {"floor_rtt_ns", floor_ns},
    };
}

Result<nlohmann::json> measure(const WaitBenchOptions& options) {
    bus::StreamOptions stream;
    stream.capacity_bytes = std::uint64_t{1} << 20U;
    stream.publishing = bus::Publishing::single;
    auto streams = BenchStreams::create(1, stream, options.directory);
    if (!streams) return streams.error();
    const double floor_ns = measure_floor_ns();
    SharedPage<Board> board;
    BenchChild child([&] { return wait_main(*board, *streams, options); });
    pin_to_core(0);
    bus::PublisherOptions attaching;
    attaching.directory = options.directory;
    auto publisher = bus::Publisher::attach(streams->name(0), attaching);
    if (!publisher) return publisher.error();
    const std::uint64_t duration_ns = options.phase_ms * kNsPerMs;
    const std::array<double, kPhases> rates = {0, options.low_rate_per_s, options.high_rate_per_s};
    for (std::uint32_t phase = 0; phase < kPhases; ++phase) {
        // [sync:bench_ready] Acquire: the child is in this phase.
        while (board->ready.load(std::memory_order_acquire) != phase + 1) {
            if (child.has_ended()) return bench_broken("the waiting process could not attach");
            ::usleep(100);
        }
        if (rates[phase] == 0) {
            ::usleep(static_cast<useconds_t>(options.phase_ms * 1000));
        } else if (!publish_at_rate(*publisher, rates[phase], duration_ns)) {
            return bench_broken("an event could not be published");
        }
        if (publisher->publish(std::uint64_t{0}, kPhaseEnds) != bus::PublishStatus::ok)
            return bench_broken("an event could not be published");
    }
    if (!child.join()) return bench_broken("the waiting process failed");
    return report_of(*board, options, floor_ns);
}

}  // namespace

Result<nlohmann::json> run_wait_bench(const WaitBenchOptions& given) {
    nlohmann::json rows = nlohmann::json::array();
    for (const auto strategy : {bus::WaitStrategy::busy_spin,
                                bus::WaitStrategy::yield,
                                bus::WaitStrategy::futex,
                                bus::WaitStrategy::adaptive}) {
        WaitBenchOptions options = given;
        options.wait = strategy;
        auto row = measure(options);
        if (!row) return row.error();
        rows.push_back(std::move(*row));
    }
    WaitBenchOptions options = given;
    options.by_epoll = true;
    auto row = measure(options);
    if (!row) return row.error();
    rows.push_back(std::move(*row));
    return nlohmann::json{{"bench", "wait"},
                          {"machine", machine_description()},
                          {"phase_ms", given.phase_ms},
                          {"low_rate_per_s", given.low_rate_per_s},
                          {"high_rate_per_s", given.high_rate_per_s},
                          {"cores", {0, 1 % core_count()}},
                          {"rows", rows}};
}

}  // namespace tailrace::bench
