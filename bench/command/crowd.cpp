// Question: what does a crowd at one stream cost whoever publishes, and whoever joins it?
//
// Real processes attach at once; read; sleep, on the futex or in epoll loops, until there is an
// event; or wait for room. A round begins when all are asleep again: the time of the publish is
// taken around the call, that of the last reader in its handler. Doesn't show: more cores than this
// machine has, on which a crowd would be woken faster.

#include "bench_runs.hpp"
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
#include <vector>

namespace tailrace::bench {

namespace {

constexpr std::uint32_t kMostRounds = 64;

struct CrowdBoard {
    std::atomic<std::uint32_t> ready;
    std::atomic<std::uint32_t> failed;
    std::atomic<std::uint32_t> begun;
    std::array<std::atomic<std::uint32_t>, kMostRounds> readers;  // that had the round's event
    std::array<std::atomic<std::uint64_t>, kMostRounds> last_ns;  // and when the last one had it
    std::atomic<std::uint64_t> cpu_ns;
};

std::uint32_t count_of(const std::atomic<std::uint32_t>& word) noexcept {
    // [sync:bench_crowd] Acquire: who was counted has written its time before.
    return word.load(std::memory_order_acquire);
}

void count_one(std::atomic<std::uint32_t>& word) noexcept {
    // [sync:bench_crowd] Release: its time is written.
    word.fetch_add(1, std::memory_order_release);
}

// Relaxed, all: other readers of the round write it too; carried by the count.
void raise_to(std::atomic<std::uint64_t>& word, std::uint64_t value) noexcept {
    std::uint64_t seen = word.load(std::memory_order_relaxed);
    while (seen < value && !word.compare_exchange_weak(
                               seen, value, std::memory_order_relaxed, std::memory_order_relaxed)) {
    }
}

std::uint64_t own_cpu_ns() noexcept {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(used.tv_nsec);
}

bool wait_for_count(const std::atomic<std::uint32_t>& word,
                    std::uint32_t count,
                    const CrowdBoard& board,
                    std::uint64_t timeout_ns = kStallMs * kNsPerMs) {
    const std::uint64_t end_ns = monotonic_ns() + timeout_ns;
    while (count_of(word) < count) {
        if (count_of(board.failed) != 0 || monotonic_ns() > end_ns) return false;
        ::usleep(200);
    }
    return true;
}

bus::StreamOptions crowd_stream() {
    bus::StreamOptions options;
    options.capacity_bytes = std::uint64_t{1} << 20U;
    options.publisher_slots = bus::kMaxSlots;
    options.subscriber_slots = bus::kMaxSlots;
    return options;
}

bus::SubscriberOptions crowd_reader(const BenchStreams& streams) {
    bus::SubscriberOptions options;
    options.directory = streams.directory();
    options.policy = bus::SlowPolicy::skip;
    options.wait = bus::WaitStrategy::futex;
    return options;
}

// Reads one event of each round; sleeps in between.
int read_rounds(CrowdBoard& board,
                const BenchStreams& streams,
                bool by_epoll,
                std::uint32_t rounds) {
    auto subscriber = bus::Subscriber::attach(streams.name(0), crowd_reader(streams));
    UniqueFd loop(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    bool sound = subscriber.has_value();
    if (sound && by_epoll) {
        const auto fd = subscriber->poll_fd();
        sound = fd && ::epoll_ctl(loop.get(), EPOLL_CTL_ADD, *fd, &wanted) == 0;
    }
    if (!sound) {
        count_one(board.failed);
        return 1;
    }
    count_one(board.ready);
    std::uint32_t round = 0;
    while (round < rounds) {
        if (!by_epoll) {
            while (!subscriber->has_event())
                subscriber->park(bus::Deadline::in_ms(kStallMs));
        } else if (!subscriber->arm()) {
            ::epoll_wait(loop.get(), &wanted, 1, static_cast<int>(kStallMs));
        }
        const auto result = subscriber->poll(
            [&](const Event&) {
                raise_to(board.last_ns[round], monotonic_ns());
                count_one(board.readers[round]);
                ++round;
            },
            1);
        if (result.state == bus::PollState::closed) return 1;
    }
    return 0;
}

// Waits for room until the time is up.
int wait_blocked(CrowdBoard& board, const BenchStreams& streams, std::uint64_t duration_ms) {
    bus::PublisherOptions options;
    options.directory = streams.directory();
    options.wait = bus::WaitStrategy::futex;
    auto publisher = bus::Publisher::attach(streams.name(0), options);
    if (!publisher) {
        count_one(board.failed);
        return 1;
    }
    const std::array<std::byte, 4096> payload{};
    while (publisher->try_publish(payload) == bus::PublishStatus::ok) {
    }
    const std::uint64_t before_ns = own_cpu_ns();
    count_one(board.ready);
    const auto status = publisher->publish(payload, 0, bus::Deadline::in_ms(duration_ms));
    // Relaxed: the others add theirs; read when all have ended.
    board.cpu_ns.fetch_add(own_cpu_ns() - before_ns, std::memory_order_relaxed);
    return status == bus::PublishStatus::timed_out ? 0 : 1;
}

bool join_all(std::vector<BenchChild>& children) {
    bool sound = true;
    for (BenchChild& child : children)
        sound = child.join() && sound;
    return sound;
}

}  // namespace

Result<CrowdWake> run_crowd_wake(const std::string& directory,
                                 std::uint32_t sleepers,
                                 bool by_epoll,
                                 std::uint32_t rounds) {
    auto streams = BenchStreams::create(1, crowd_stream(), directory);
    if (!streams) return streams.error();
    SharedPage<CrowdBoard> board;
    rounds = std::min(rounds, kMostRounds);
    std::vector<BenchChild> children;
    for (std::uint32_t child = 0; child < sleepers; ++child)
        children.emplace_back([&] { return read_rounds(*board, *streams, by_epoll, rounds); });
    if (!wait_for_count(board->ready, sleepers, *board))
        return bench_broken("the readers could not attach");
    bus::PublisherOptions options;
    options.directory = directory;
    auto publisher = bus::Publisher::attach(streams->name(0), options);
    if (!publisher) return publisher.error();
    Samples publish;
    Samples last;
    for (std::uint32_t round = 0; round < rounds; ++round) {
        // All of them sleep by then.
        constexpr useconds_t kSettleUs = 20'000;
        ::usleep(kSettleUs);
        const std::uint64_t begin_ns = monotonic_ns();
        if (publisher->publish(std::uint64_t{round}) != bus::PublishStatus::ok)
            return bench_broken("an event could not be published");
        publish.add(monotonic_ns() - begin_ns);
        if (!wait_for_count(board->readers[round], sleepers, *board))
            return bench_broken("a reader wasn't woken");
        // Relaxed: carried by the count.
        last.add(board->last_ns[round].load(std::memory_order_relaxed) - begin_ns);
    }
    if (!join_all(children)) return bench_broken("a reader failed");
    publish.sort();
    last.sort();
    return CrowdWake{publish.percentile_ns(0.5, 1), last.percentile_ns(0.5, 1) / kNsPerMs};
}

Result<double> run_crowd_attach(const std::string& directory, std::uint32_t processes) {
    auto streams = BenchStreams::create(1, crowd_stream(), directory);
    if (!streams) return streams.error();
    SharedPage<CrowdBoard> board;
    std::array<int, 2> start{};
    std::array<int, 2> end{};
    if (::pipe(start.data()) != 0 || ::pipe(end.data()) != 0)
        return bench_broken("no descriptors are left");
    const UniqueFd start_reader(start[0]);
    UniqueFd start_writer(start[1]);
    const UniqueFd end_reader(end[0]);
    UniqueFd end_writer(end[1]);
    std::vector<BenchChild> children;
    for (std::uint32_t child = 0; child < processes; ++child) {
        children.emplace_back([&] {
            start_writer.reset();
            end_writer.reset();
            count_one(board->ready);
            char byte = 0;
            static_cast<void>(::read(start_reader.get(), &byte, 1) == 0);
            const auto subscriber =
                bus::Subscriber::attach(streams->name(0), crowd_reader(*streams));
            count_one(subscriber ? board->begun : board->failed);
            static_cast<void>(::read(end_reader.get(), &byte, 1) == 0);
            return subscriber ? 0 : 1;
        });
    }
    constexpr std::uint64_t kMostNs = 60'000 * kNsPerMs;
    if (!wait_for_count(board->ready, processes, *board, kMostNs))
        return bench_broken("the processes could not be made");
    const std::uint64_t begin_ns = monotonic_ns();
    start_writer.reset();
    const bool all = wait_for_count(board->begun, processes, *board, kMostNs);
    const std::uint64_t took_ns = monotonic_ns() - begin_ns;
    end_writer.reset();
    if (!join_all(children) || !all) return bench_broken("a process could not attach");
    return static_cast<double>(took_ns) / kNsPerMs;
}

Result<double> run_crowd_publish(const std::string& directory, std::uint32_t readers) {
    auto streams = BenchStreams::create(1, crowd_stream(), directory);
    if (!streams) return streams.error();
    // Handles take slots as processes do, and need a core no more than these.
    auto region = bus::Region::open(streams->name(0), bus::RegionAccess::publish, directory);
    if (!region) return region.error();
    std::vector<bus::Subscriber> attached;
    for (std::uint32_t reader = 0; reader < readers; ++reader) {
        auto subscriber = bus::Subscriber::attach(*region, crowd_reader(*streams));
        if (!subscriber) return subscriber.error();
        attached.push_back(std::move(*subscriber));
    }
    auto publisher = bus::Publisher::attach(*region);
    if (!publisher) return publisher.error();
    constexpr std::uint64_t kEvents = 500'000;
    const std::array<std::uint64_t, 4> payload{};
    const std::uint64_t begin_ns = monotonic_ns();
    for (std::uint64_t event = 0; event < kEvents; ++event) {
        if (publisher->publish(payload) != bus::PublishStatus::ok)
            return bench_broken("an event could not be published");
    }
    return static_cast<double>(monotonic_ns() - begin_ns) / kEvents;
}

Result<double> run_crowd_blocked(const std::string& directory,
                                 std::uint32_t publishers,
                                 std::uint64_t duration_ms) {
    auto streams = BenchStreams::create(1, crowd_stream(), directory);
    if (!streams) return streams.error();
    bus::SubscriberOptions gate;
    gate.directory = directory;
    const auto subscriber = bus::Subscriber::attach(streams->name(0), gate);
    if (!subscriber) return subscriber.error();
    SharedPage<CrowdBoard> board;
    std::vector<BenchChild> children;
    for (std::uint32_t child = 0; child < publishers; ++child)
        children.emplace_back([&] { return wait_blocked(*board, *streams, duration_ms); });
    if (!wait_for_count(board->ready, publishers, *board))
        return bench_broken("the publishers could not attach");
    if (!join_all(children)) return bench_broken("a publisher found room");
    // Relaxed: who adds to it has ended.
    const std::uint64_t cpu_ns = board->cpu_ns.load(std::memory_order_relaxed);
    return static_cast<double>(cpu_ns) / static_cast<double>(duration_ms * kNsPerMs);
}

}  // namespace tailrace::bench
