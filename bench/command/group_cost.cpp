// Question: what does it cost to share a stream's events among processes, and to lose one of them?
//
// Load: two members that do nothing but compare each event, as fast as they can; a publisher at
// full speed beside a slow member; members that are killed with an event in their hands. Doesn't
// show: more members than cores, windows that are full.

#include "group_cost.hpp"

#include "bench_runs.hpp"
#include "journal_recording.hpp"
#include "machine.hpp"
#include "samples.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/stream/group_layout.hpp>
#include <tailrace/stream/group_member.hpp>

#include <unistd.h>

#include <atomic>
#include <functional>
#include <utility>

namespace tailrace::bench {

namespace {

constexpr std::uint32_t kGroupPayloadBytes = 32;
constexpr std::uint32_t kRecordedPayloadBytes = 64;
constexpr std::uint32_t kMembers = 2;
constexpr std::uint64_t kSlowNs = 1'000'000;

struct GroupStage {
    std::atomic<std::uint32_t> joined;
    std::atomic<bool> begin;
    std::atomic<bool> stop;
    std::atomic<bool> holds;
    std::atomic<std::uint64_t> handled;
    std::atomic<std::uint64_t> ended_ns;
};

stream::GroupOptions group_of(const std::string& directory) {
    stream::GroupOptions options;
    options.group = "bench";
    options.window_events = stream::kMaxGroupWindow;
    options.bus_directory = directory;
    return options;
}

bool wait_for_group(BenchChild& child, const std::function<bool()>& condition) {
    const auto deadline = bus::Deadline::in_ms(kStallMs);
    while (!condition()) {
        if (child.has_ended() || deadline.has_passed()) return false;
        ::usleep(100);
    }
    return true;
}

// Handles what it gets until everything is done.
int share(GroupStage& stage,
          const BenchStreams& streams,
          std::uint64_t events,
          std::uint64_t prefetch) {
    auto member = stream::GroupMember::join(streams.name(0), group_of(streams.directory()));
    if (!member) return 1;
    // [sync:bench_ready] Release: joined.
    stage.joined.fetch_add(1, std::memory_order_release);
    // [sync:bench_inside] Acquire: every event was published before.
    while (!stage.begin.load(std::memory_order_acquire))
        bus::cpu_relax();
    std::uint64_t handled = 0;
    std::uint64_t mismatches = 0;
    const auto handler = [&](const stream::Delivery& delivery) {
        const Event& event = delivery.event();
        if (!words_match(event.payload(), event.sequence()) || delivery.tries() != 1) ++mismatches;
        ++handled;
        return stream::Verdict::done;
    };
    while (member->floor() < events) {
        if (member->poll(handler, prefetch).state > stream::GroupState::full) return 1;
    }
    // Relaxed, both: read when this process has ended.
    stage.ended_ns.store(monotonic_ns(), std::memory_order_relaxed);
    stage.handled.fetch_add(handled, std::memory_order_relaxed);
    return mismatches == 0 ? 0 : 1;
}

// A slow one: it reads on, far behind its publisher, until it is told to stop.
int work_slowly(GroupStage& stage, const Recording& recording, const std::string& directory) {
    auto member = stream::GroupMember::join(recording.stream(), group_of(directory));
    if (!member) return 1;
    // [sync:bench_ready] Release: joined.
    stage.joined.fetch_add(1, std::memory_order_release);
    std::uint64_t mismatches = 0;
    const auto handler = [&](const stream::Delivery& delivery) {
        if (!words_match(delivery.event().payload(), delivery.event().sequence())) ++mismatches;
        ::usleep(kSlowNs / 1000);
        return stream::Verdict::done;
    };
    // Relaxed: it only ends the loop.
    while (!stage.stop.load(std::memory_order_relaxed)) {
        const auto result = member->poll_until(handler, 16, bus::Deadline::in_ms(10));
        if (result.state > stream::GroupState::lost) return 1;
    }
    return mismatches == 0 ? 0 : 1;
}

Result<double> group_publish_rate(const SlidingOptions& options, bool with_group) {
    RecordingOptions recording_options;
    recording_options.bus_directory = options.directory;
    recording_options.journal_directory = options.journal_directory;
    recording_options.publish_time = bus::PublishTime::off;
    auto recording = Recording::start(recording_options);
    if (!recording) return recording.error();
    SharedPage<GroupStage> stage;
    BenchChild member;
    if (with_group) {
        member = BenchChild([&] { return work_slowly(*stage, *recording, options.directory); });
        // [sync:bench_ready] Acquire: joined.
        const auto has_joined = [&] {
            return stage->joined.load(std::memory_order_acquire) == 1;
        };
        if (!wait_for_group(member, has_joined)) return bench_broken("the member did not join");
    }
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    const std::uint64_t begin_ns = monotonic_ns();
    auto published = publish_numbers(*publisher, 0, options.events, kRecordedPayloadBytes);
    if (!published) return published.error();
    const std::uint64_t took_ns = monotonic_ns() - begin_ns;
    // Relaxed: as above.
    stage->stop.store(true, std::memory_order_relaxed);
    if (with_group && !member.join()) return bench_broken("the member lost or changed an event");
    return static_cast<double>(options.events) * 1e9 / static_cast<double>(took_ns);
}

// The victim: it holds its first event for good.
int hold_for_good(GroupStage& stage, const BenchStreams& streams) {
    auto member = stream::GroupMember::join(streams.name(0), group_of(streams.directory()));
    if (!member) return 1;
    // [sync:bench_ready] Release: joined.
    stage.joined.fetch_add(1, std::memory_order_release);
    static_cast<void>(member->poll_until(
        [&](const stream::Delivery&) {
            // [sync:bench_inside] Release: nothing hangs on it but the kill.
            stage.holds.store(true, std::memory_order_release);
            for (;;)
                ::pause();
            return stream::Verdict::done;
        },
        1,
        bus::Deadline::in_ms(kStallMs)));
    return 1;
}

// Milliseconds until this process has what the victim had.
Result<double> time_member_death(const std::string& directory, std::uint64_t delay_us) {
    bus::StreamOptions stream_options;
    stream_options.capacity_bytes = std::uint64_t{1} << 20U;
    auto streams = BenchStreams::create(1, stream_options, directory);
    if (!streams) return streams.error();
    SharedPage<GroupStage> stage;
    BenchChild victim([&] { return hold_for_good(*stage, *streams); });
    // [sync:bench_ready] Acquire: joined.
    const auto has_joined = [&] {
        return stage->joined.load(std::memory_order_acquire) == 1;
    };
    if (!wait_for_group(victim, has_joined)) return bench_broken("the victim did not join");
    auto publisher =
        bus::Publisher::attach(streams->name(0), {"lives", bus::WaitStrategy::futex, directory});
    if (!publisher) return publisher.error();
    constexpr std::uint64_t kNumber = 0x5eed;
    if (publisher->publish(kNumber) != bus::PublishStatus::ok)
        return bench_broken("the event was not published");
    // [sync:bench_inside] Acquire: nothing hangs on it but the kill.
    const auto holds = [&] {
        return stage->holds.load(std::memory_order_acquire);
    };
    if (!wait_for_group(victim, holds)) return bench_broken("the victim got no event");
    auto member = stream::GroupMember::join(streams->name(0), group_of(directory));
    if (!member) return member.error();
    std::uint64_t got = 0;
    std::uint64_t got_ns = 0;
    const auto handler = [&](const stream::Delivery& delivery) {
        got_ns = monotonic_ns();
        got = delivery.event().as<std::uint64_t>();
        return stream::Verdict::done;
    };
    if (member->poll_until(handler, 1, bus::Deadline::in_ns(delay_us * 1000)).events != 0)
        return bench_broken("a living member's event was taken away");
    const std::uint64_t killed_ns = monotonic_ns();
    victim.kill();
    while (got == 0 && monotonic_ns() - killed_ns < kStallMs * kNsPerMs)
        static_cast<void>(member->poll_until(handler, 1, bus::Deadline::in_ms(kStallMs)));
    if (got != kNumber) return bench_broken("the dead member's event never came");
    return static_cast<double>(got_ns - killed_ns) / 1e6;
}

}  // namespace

Result<double> run_group_rate(const SlidingOptions& options, std::uint64_t prefetch) {
    bus::StreamOptions stream_options;
    stream_options.publishing = bus::Publishing::single;
    stream_options.publisher_slots = 1;
    stream_options.publish_time = bus::PublishTime::off;
    auto streams = BenchStreams::create(1, stream_options, options.directory);
    if (!streams) return streams.error();
    SharedPage<GroupStage> stage;
    std::vector<BenchChild> members;
    for (std::uint32_t index = 0; index < kMembers; ++index) {
        members.emplace_back([&] { return share(*stage, *streams, options.events, prefetch); });
        // [sync:bench_ready] Acquire: joined.
        const auto has_joined = [&] {
            return stage->joined.load(std::memory_order_acquire) == index + 1;
        };
        if (!wait_for_group(members.back(), has_joined))
            return bench_broken("a member did not join");
    }
    auto publisher = bus::Publisher::attach(streams->name(0),
                                            {"bench", bus::WaitStrategy::futex, options.directory});
    if (!publisher) return publisher.error();
    auto published = publish_numbers(*publisher, 0, options.events, kGroupPayloadBytes);
    if (!published) return published.error();
    const std::uint64_t begin_ns = monotonic_ns();
    // [sync:bench_inside] Release: all was published before.
    stage->begin.store(true, std::memory_order_release);
    for (BenchChild& member : members) {
        if (!member.join()) return bench_broken("a member lost or changed an event");
    }
    // Relaxed, both: the members have ended.
    if (stage->handled.load(std::memory_order_relaxed) != options.events)
        return bench_broken("an event was handed out twice, or never");
    const std::uint64_t took_ns = stage->ended_ns.load(std::memory_order_relaxed) - begin_ns;
    return static_cast<double>(options.events) * 1e9 / static_cast<double>(took_ns);
}

Result<LivePair> run_group_publisher(const SlidingOptions& options) {
    std::vector<double> alone;
    std::vector<double> beside;
    for (std::uint32_t round = 0; round < options.rounds; ++round) {
        for (const bool with_group : {false, true}) {
            auto rate = group_publish_rate(options, with_group);
            if (!rate) return rate.error();
            (with_group ? beside : alone).push_back(*rate);
        }
    }
    return LivePair{spread_of(std::move(alone)).median, spread_of(std::move(beside)).median};
}

Result<std::vector<double>> run_member_deaths(const SlidingOptions& options) {
    std::vector<double> times_ms;
    for (std::uint32_t death = 0; death < options.rounds; ++death) {
        // Not in step with the looks of the one that lives.
        constexpr std::uint64_t kStepUs = 1'370;
        constexpr std::uint64_t kMostUs = 20'000;
        auto time_ms = time_member_death(options.directory, 1'000 + death * kStepUs % kMostUs);
        if (!time_ms) return time_ms.error();
        times_ms.push_back(*time_ms);
    }
    return times_ms;
}

}  // namespace tailrace::bench
