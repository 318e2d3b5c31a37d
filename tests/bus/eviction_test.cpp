#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/stream_status.hpp>

#include <catch2/catch.hpp>

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace eviction_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint64_t kRingEvents = kMinCapacityBytes / 32;

Subscriber evictable(const TestStream& stream,
                     std::uint64_t evict_after_ns = kNsPerMs,
                     SlowPolicy policy = SlowPolicy::evict) {
    SubscriberOptions options;
    options.name = "silent";
    options.policy = policy;
    options.start = Start::oldest();
    options.directory = stream.directory();
    options.evict_after_ns = evict_after_ns;
    return expect(Subscriber::attach(stream.name(), options), "attach");
}

// Event i says i, so that a reader can tell a wrong one.
PublishStatus publish_number(Publisher& publisher, std::uint64_t number, Deadline deadline) {
    return publisher.publish(number, 0, deadline);
}

void fill(Publisher& publisher, std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t number = from; number < to; ++number) {
        REQUIRE(publish_number(publisher, number, Deadline::never()) == PublishStatus::ok);
    }
}

// What a reader got until it found nothing for a while.
struct Story {
    std::uint64_t delivered = 0;
    std::uint64_t lost = 0;
    std::uint64_t gaps = 0;
    std::uint64_t wrong = 0;
};

void read_on(Subscriber& reader, Story& story) {
    const auto take = [&](const Event& event) {
        ++story.delivered;
        if (event.as<std::uint64_t>() != event.sequence()) ++story.wrong;
    };
    for (int idle = 0; idle < kLooks; ++idle) {
        const PollResult result = reader.poll(take, 64);
        if (result.state == PollState::gap) {
            ++story.gaps;
            story.lost += reader.last_gap().count;
        }
        if (result.state != PollState::idle) idle = 0;
    }
}

SubscriberStatus reader_status(const TestStream& stream) {
    const StreamStatus status = read_status(stream.open(RegionAccess::observe));
    return status.subscribers.at(0);
}

}  // namespace

TEST_CASE("eviction: a reader that keeps up gates as others do and loses nothing",
          "[bus][eviction]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber reader = evictable(stream);
    Story story;
    for (std::uint64_t lap = 0; lap < 3; ++lap) {
        fill(publisher, lap * kRingEvents, (lap + 1) * kRingEvents);
        // A whole ring behind, and held: announcements beyond it are no loss.
        read_on(reader, story);
    }
    CHECK(story.delivered == 3 * kRingEvents);
    CHECK(story.lost == 0);
    CHECK(story.wrong == 0);
    CHECK_FALSE(reader.is_evicted());
}

TEST_CASE("eviction: one that refuses to read holds a publisher up, but not for ever",
          "[bus][eviction]") {
    const Watchdog watchdog("eviction");
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber reader = evictable(stream);
    fill(publisher, 0, kRingEvents);
    CHECK(publisher.try_publish(bytes_of("12345678")) == PublishStatus::would_block);
    CHECK(publisher.holder().find("'silent'") != std::string::npos);

    fill(publisher, kRingEvents, 2 * kRingEvents);

    SubscriberStatus status = reader_status(stream);
    CHECK(status.is_evicted);
    CHECK(status.evict_after_ns == kNsPerMs);
    CHECK(status.counts.evictions == 0);  // it doesn't know yet
    const auto region = stream.open();
    const SubscriberNotice& notice = region->subscriber_slot(0).notice;
    CHECK(notice.evictions.load() == 1);
    CHECK(notice.evicted_by.load() == 0);
    CHECK(notice.evicted_position.load() == 0);
    CHECK(notice.evicted_silence_ns.load() >= kNsPerMs);
    CHECK(read_status(region).evicted_subscribers == 1);
    CHECK(read_status(region).publishers.at(0).counts.evicted_subscribers == 1);

    Story story;
    read_on(reader, story);
    CHECK(reader.is_evicted());
    CHECK(story.gaps == 1);
    CHECK(story.lost > 0);
    CHECK(story.delivered + story.lost == 2 * kRingEvents);
    CHECK(story.wrong == 0);
    CHECK(reader.lost_events() == story.lost);
    status = reader_status(stream);
    CHECK(status.counts.evictions == 1);
    CHECK(status.lag.events == 0);
    // It goes on in its slot, and nobody waits for it.
    fill(publisher, 2 * kRingEvents, 4 * kRingEvents);
    read_on(reader, story);
    CHECK(story.delivered + story.lost == 4 * kRingEvents);
    CHECK(notice.evictions.load() == 1);
}

TEST_CASE("eviction: started anew, it gates again", "[bus][eviction]") {
    const Watchdog watchdog("eviction: anew");
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber reader = evictable(stream);
    fill(publisher, 0, 2 * kRingEvents);
    Story story;
    read_on(reader, story);
    REQUIRE(reader.is_evicted());

    CHECK_FALSE(reader.restart(Start::at(99 * kRingEvents)));
    CHECK(reader.is_evicted());
    CHECK(reader_status(stream).is_evicted);
    REQUIRE(reader.restart(Start::newest()));

    CHECK_FALSE(reader.is_evicted());
    CHECK_FALSE(reader_status(stream).is_evicted);
    fill(publisher, 2 * kRingEvents, 3 * kRingEvents);
    CHECK(publisher.try_publish(bytes_of("12345678")) == PublishStatus::would_block);
}

TEST_CASE("eviction: a gating reader is never evicted", "[bus][eviction]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    const Subscriber reader = evictable(stream, kNsPerMs, SlowPolicy::gate);
    fill(publisher, 0, kRingEvents);

    CHECK(publish_number(publisher, 0, Deadline::in_ms(30)) == PublishStatus::timed_out);

    CHECK(stream.open()->subscriber_slot(0).gate_position.load() == 0);
    CHECK(stream.open()->subscriber_slot(0).notice.evictions.load() == 0);
}

TEST_CASE("eviction: each step of the reader starts its time anew", "[bus][eviction]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber reader = evictable(stream);
    fill(publisher, 0, kRingEvents);
    // Between two refusals it reads one event, however long that takes.
    for (std::uint64_t number = kRingEvents; number < 2 * kRingEvents; ++number) {
        CHECK(publisher.try_publish(number) == PublishStatus::would_block);
        CHECK(reader.poll([](const Event&) {}, 1).events == 1);
        CHECK(publisher.try_publish(number) == PublishStatus::ok);
    }
    CHECK_FALSE(reader.is_evicted());
    CHECK(stream.open()->subscriber_slot(0).notice.evictions.load() == 0);
}

TEST_CASE("eviction: a reader that waits at an open claim isn't blamed", "[bus][eviction]") {
    const TestStream stream;
    Publisher stuck = stream.publisher("stuck");
    Publisher publisher = stream.publisher("feed");
    Subscriber reader = evictable(stream);
    Claim claim;
    REQUIRE(stuck.try_claim(claim, 8) == PublishStatus::ok);
    fill(publisher, 1, kRingEvents);
    CHECK(reader.poll([](const Event&) {}, 1).state == PollState::idle);

    CHECK(publish_number(publisher, 0, Deadline::in_ms(30)) == PublishStatus::timed_out);

    CHECK(publisher.holder().find("'stuck'") != std::string::npos);
    CHECK(stream.open()->subscriber_slot(0).notice.evictions.load() == 0);
    stuck.abort(claim);
}

TEST_CASE("eviction: a deadline that publishers couldn't keep is refused", "[bus][eviction]") {
    const TestStream stream;
    SubscriberOptions options;
    options.policy = SlowPolicy::evict;
    options.directory = stream.directory();
    options.evict_after_ns = kNsPerMs - 1;
    const auto refused = Subscriber::attach(stream.name(), options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_argument);
    CHECK(refused.error().message.find("999999 ns") != std::string::npos);
    CHECK(refused.error().hint.find("--evict-after") != std::string::npos);
}

TEST_CASE("eviction: a stopped process is evicted after its deadline, and told the exact gap",
          "[bus][eviction]") {
    const Watchdog watchdog("eviction: stopped process");
    const TestStream stream;
    struct Shared {
        std::atomic<bool> attached;
        std::atomic<std::uint64_t> end;  // it reads up to here; 0: go on
        Story story;
        std::atomic<bool> evicted;
    };
    const SharedObject<Shared> shared;
    ChildProcess child([&]() -> int {
        Subscriber reader = evictable(stream, 20 * kNsPerMs);
        shared->attached.store(true);
        while (shared->end.load() == 0 || reader.next_sequence() < shared->end.load())
            read_on(reader, shared->story);
        shared->evicted.store(reader.is_evicted());
        return 0;
    });
    wait_until([&] { return shared->attached.load(); });
    Publisher publisher = stream.publisher();
    fill(publisher, 0, 10);
    child.stop();
    fill(publisher, 10, 3 * kRingEvents);
    CHECK(read_status(stream.open()).evicted_subscribers == 1);
    CHECK(reader_status(stream).is_alive);  // stopped isn't dead: the slot stays its own
    shared->end.store(3 * kRingEvents);
    child.resume();
    CHECK(child.wait().exit_code == 0);

    CHECK(shared->evicted.load());
    CHECK(shared->story.lost > 0);
    CHECK(shared->story.delivered + shared->story.lost == 3 * kRingEvents);
    CHECK(shared->story.wrong == 0);
}

TEST_CASE("eviction: a stopped process that gates is waited for", "[bus][eviction]") {
    const Watchdog watchdog("eviction: stopped gate");
    const TestStream stream;
    struct Shared {
        std::atomic<bool> attached;
        std::atomic<std::uint64_t> end;
        Story story;
    };
    const SharedObject<Shared> shared;
    ChildProcess child([&]() -> int {
        Subscriber reader = evictable(stream, kNsPerMs, SlowPolicy::gate);
        shared->attached.store(true);
        while (shared->end.load() == 0 || reader.next_sequence() < shared->end.load())
            read_on(reader, shared->story);
        return 0;
    });
    wait_until([&] { return shared->attached.load(); });
    Publisher publisher = stream.publisher();
    child.stop();
    std::uint64_t number = 0;
    while (publish_number(publisher, number, Deadline::in_ms(30)) == PublishStatus::ok)
        ++number;
    CHECK(number <= 2 * kRingEvents);
    CHECK(read_status(stream.open()).evicted_subscribers == 0);
    shared->end.store(number + 1);
    child.resume();
    CHECK(publish_number(publisher, number, Deadline::never()) == PublishStatus::ok);
    CHECK(child.wait().exit_code == 0);
    CHECK(shared->story.delivered == number + 1);
    CHECK(shared->story.lost == 0);
}

}  // namespace eviction_test
