#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/stream_status.hpp>

#include <catch2/catch.hpp>

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>

namespace statistics_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

StreamStatus status_of(const TestStream& stream) {
    return read_status(stream.open(RegionAccess::observe));
}

PublisherCounts publisher_counts(const TestStream& stream, std::size_t which = 0) {
    const StreamStatus status = status_of(stream);
    REQUIRE(status.publishers.size() > which);
    return status.publishers[which].counts;
}

SubscriberCounts subscriber_counts(const TestStream& stream, std::size_t which = 0) {
    const StreamStatus status = status_of(stream);
    REQUIRE(status.subscribers.size() > which);
    return status.subscribers[which].counts;
}

constexpr std::uint64_t kEventBytes = 32;  // of the ring, for eight bytes of payload
constexpr std::uint64_t kRingEvents = kMinCapacityBytes / kEventBytes;

void publish(Publisher& publisher, std::uint64_t events) {
    for (std::uint64_t event = 0; event < events; ++event) {
        REQUIRE(publisher.try_publish(bytes_of("12345678")) == PublishStatus::ok);
    }
}

}  // namespace

TEST_CASE("statistics: a single publisher's events are exact at any time", "[bus][statistics]") {
    const TestStream stream(small_stream(Publishing::single));
    {
        Publisher first = stream.publisher();
        publish(first, 3);
        CHECK(publisher_counts(stream).events == 3);
    }
    Publisher publisher = stream.publisher();
    publish(publisher, 5);
    Claim claim;
    REQUIRE(publisher.try_claim(claim, 8) == PublishStatus::ok);
    publisher.abort(claim);

    const PublisherCounts counts = publisher_counts(stream);
    CHECK(counts.events == 5);
    CHECK(counts.bytes == 5 * kEventBytes);
    CHECK(counts.aborted_events == 1);
    const StreamStatus status = status_of(stream);
    CHECK(status.all_publishers.events == 8);
    CHECK(status.all_publishers.bytes == 8 * kEventBytes);
    CHECK(status.all_publishers.aborted_events == 1);
    CHECK(status.bytes == 8 * kEventBytes);
    CHECK(status.publisher_attaches == 2);
}

TEST_CASE("statistics: of several publishers each counts its own events", "[bus][statistics]") {
    const TestStream stream;
    {
        Publisher first = stream.publisher("first");
        Publisher second = stream.publisher("second");
        for (int event = 0; event < 7; ++event) {
            publish(first, 1);
            publish(second, 2);
        }
        BatchClaim batch;
        REQUIRE(second.try_claim_batch(batch, 5, 8) == PublishStatus::ok);
        second.abort(batch);
        // What they have counted is written when they next ask for room.
        Subscriber reader = stream.subscriber(SlowPolicy::skip);
        publish(first, kRingEvents / 8);
        publish(second, kRingEvents / 8);
        CHECK(publisher_counts(stream, 0).events >= 7);
        CHECK(publisher_counts(stream, 1).events >= 14 + 5);
        CHECK(publisher_counts(stream, 1).aborted_events == 5);
    }
    const PublisherCounts all = status_of(stream).all_publishers;
    CHECK(all.events == 7 + 14 + 5 + kRingEvents / 4);
    CHECK(all.bytes == status_of(stream).bytes);
    CHECK(all.events == status_of(stream).end_sequence);
}

TEST_CASE("statistics: a publisher without room counts looks, refusals and its wait",
          "[bus][statistics]") {
    const TestStream stream;
    Publisher publisher = stream.publisher("feed");
    Subscriber reader = stream.subscriber();
    publish(publisher, kRingEvents);
    const PublisherCounts before = publisher_counts(stream);
    CHECK(before.room_looks >= 16);
    CHECK(before.refused_claims == 0);
    CHECK(before.waits == 0);

    CHECK(publisher.try_publish(bytes_of("12345678")) == PublishStatus::would_block);
    CHECK(publisher.try_publish(bytes_of("12345678")) == PublishStatus::would_block);

    StreamStatus status = status_of(stream);
    REQUIRE(status.publishers.size() == 1);
    CHECK(status.publishers[0].counts.refused_claims == 2);
    CHECK(status.publishers[0].counts.waits == 0);  // it goes on
    CHECK(status.publishers[0].held_by == Holder{HolderKind::subscriber, 0});
    CHECK(status.publishers[0].held_ns > 0);

    static_cast<void>(drain(reader));
    publish(publisher, 1);

    status = status_of(stream);
    const PublisherCounts& counts = status.publishers[0].counts;
    CHECK(counts.refused_claims == 2);
    CHECK(counts.waits == 1);
    CHECK(counts.wait_ns > 0);
    CHECK(counts.longest_wait_ns == counts.wait_ns);
    CHECK(status.publishers[0].held_by == Holder{});
    CHECK(status.publishers[0].held_ns == 0);
}

TEST_CASE("statistics: a publisher that sleeps for room, and a reader that wakes it",
          "[bus][statistics]") {
    const Watchdog watchdog("statistics");
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber reader = stream.subscriber();
    publish(publisher, kRingEvents);
    std::atomic<bool> published = false;
    std::thread writer([&] {
        static_cast<void>(publisher.publish(bytes_of("12345678")));
        published.store(true);
    });
    // The reader goes on once the publisher sleeps; a sleep that ends by itself is followed by
    // another.
    const auto region = stream.open();
    wait_until([&] { return region->state().publishers_wait.sleeping.load() != 0; });
    static_cast<void>(drain(reader));
    writer.join();

    CHECK(published.load());
    CHECK(publisher_counts(stream).sleeps >= 1);
    CHECK(publisher_counts(stream).waits == 1);
    CHECK(subscriber_counts(stream).wakes >= 1);
}

TEST_CASE("statistics: a reader that sleeps, and a publisher that wakes it", "[bus][statistics]") {
    const Watchdog watchdog("statistics");
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber reader = stream.subscriber();
    std::thread sleeper(
        [&] { static_cast<void>(reader.poll_until([](const Event&) {}, 1, Deadline::never())); });
    const auto region = stream.open();
    wait_until([&] { return region->state().subscribers_wait.sleeping.load() != 0; });
    publish(publisher, 1);
    sleeper.join();

    CHECK(publisher_counts(stream).wakes >= 1);
    const SubscriberCounts counts = subscriber_counts(stream);
    CHECK(counts.sleeps >= 1);
    CHECK(counts.sleep_ns > 0);
}

TEST_CASE("statistics: what a reader was handed, and what it passed without", "[bus][statistics]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    for (const SlowPolicy policy : {SlowPolicy::gate, SlowPolicy::skip}) {
        Subscriber reader = stream.subscriber(policy, Start::newest());
        publish(publisher, 4);
        Claim claim;
        REQUIRE(publisher.try_claim(claim, 8) == PublishStatus::ok);
        publisher.abort(claim);
        publish(publisher, 2);
        CHECK(drain(reader).events.size() == 6);

        const SubscriberCounts counts = subscriber_counts(stream);
        CHECK(counts.events == 6);
        CHECK(counts.bytes == 7 * kEventBytes);
        CHECK(counts.tombstones == 1);
        CHECK(counts.lost_events == 0);
        CHECK(counts.gaps == 0);
    }
    const StreamStatus status = status_of(stream);
    CHECK(status.all_subscribers.events == 12);
    CHECK(status.all_subscribers.bytes == 14 * kEventBytes);
    CHECK(status.all_subscribers.tombstones == 2);
    CHECK(status.subscriber_attaches == 2);
}

TEST_CASE("statistics: what was lost isn't counted as handed over", "[bus][statistics]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber reader = stream.subscriber(SlowPolicy::skip);
    publish(publisher, 3 * kRingEvents);

    std::size_t events = drain(reader).events.size();
    CHECK(events == 0);  // it is told the gap first
    events = drain(reader).events.size();

    const SubscriberCounts counts = subscriber_counts(stream);
    CHECK(counts.events == events);
    CHECK(counts.events + counts.lost_events == 3 * kRingEvents);
    CHECK(counts.bytes == events * kEventBytes);
    CHECK(counts.lost_events == reader.lost_events());
    CHECK(counts.gaps == 1);
}

TEST_CASE("statistics: a reader that starts anew goes on counting", "[bus][statistics]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber reader = stream.subscriber();
    publish(publisher, 10);
    CHECK(drain(reader).events.size() == 10);

    REQUIRE(reader.restart(Start::at(7)));
    CHECK(drain(reader).events.size() == 3);

    CHECK(subscriber_counts(stream).events == 13);
    CHECK(subscriber_counts(stream).bytes == 13 * kEventBytes);
    CHECK_FALSE(reader.restart(Start::at(99)));
    CHECK(subscriber_counts(stream).events == 13);
}

TEST_CASE("statistics: a reader that finds nothing says so now and then", "[bus][statistics]") {
    const TestStream stream;
    Subscriber reader = stream.subscriber();
    constexpr int kPolls = 1024;
    for (int poll = 0; poll < kPolls; ++poll)
        CHECK(reader.poll([](const Event&) {}, 1).state == PollState::idle);

    CHECK(subscriber_counts(stream).idle_looks >= kPolls / 256 - 1);
}

TEST_CASE("statistics: a slot's next owner begins at zero, and the sums keep the last one's",
          "[bus][statistics]") {
    const TestStream stream;
    Publisher feed = stream.publisher();
    {
        Subscriber reader = stream.subscriber();
        publish(feed, 5);
        CHECK(drain(reader).events.size() == 5);
    }
    CHECK(status_of(stream).all_subscribers.events == 5);

    Subscriber reader = stream.subscriber();
    CHECK(subscriber_counts(stream).events == 0);
    CHECK(subscriber_counts(stream).bytes == 0);
    CHECK(status_of(stream).all_subscribers.events == 5);
    CHECK(drain(reader).events.size() == 5);
    CHECK(status_of(stream).all_subscribers.events == 10);
}

TEST_CASE("statistics: the rescue of a dead claimant is told by all sides", "[bus][statistics]") {
    const Watchdog watchdog("statistics: rescue");
    const TestStream stream;
    Publisher publisher = stream.publisher("rescuer");
    Subscriber reader = stream.subscriber();
    SharedObject<std::atomic<bool>> claimed;
    ChildProcess claimant([&] {
        Publisher doomed = stream.publisher("doomed");
        BatchClaim batch;
        if (doomed.try_claim_batch(batch, 3, 8) != PublishStatus::ok) return 1;
        claimed->store(true);
        ::_exit(0);
    });
    claimant.wait();
    REQUIRE(claimed->load());
    publish(publisher, kRingEvents / 2);
    // The reader steps over the hole by itself.
    CHECK(drain(reader).events.size() == kRingEvents / 2);
    CHECK(subscriber_counts(stream).holes == 1);
    CHECK(subscriber_counts(stream).tombstones == 3);
    CHECK(subscriber_counts(stream).events == kRingEvents / 2);

    // The publisher meets the dead claim a ring later.
    wait_until([&] {
        static_cast<void>(publisher.try_publish(bytes_of("12345678")));
        static_cast<void>(reader.poll([](const Event&) {}, kRingEvents));
        return status_of(stream).rescued_events != 0;
    });
    const StreamStatus status = status_of(stream);
    CHECK(status.rescued_events == 3);
    CHECK(status.rescued_publishers == 1);
    CHECK(status.all_publishers.rescued_events == 3);
    REQUIRE(status.publishers.size() == 1);
    CHECK(status.publishers[0].counts.rescued_events == 3);
}

TEST_CASE("statistics: whoever is furthest behind holds publishers back", "[bus][statistics]") {
    const TestStream stream;
    Publisher publisher = stream.publisher("feed");
    CHECK_FALSE(status_of(stream).holder);
    Subscriber fast = stream.subscriber(SlowPolicy::gate, Start::oldest(), "fast");
    const Subscriber slow = stream.subscriber(SlowPolicy::gate, Start::oldest(), "slow");
    const Subscriber skipper = stream.subscriber(SlowPolicy::skip, Start::oldest(), "skipper");
    CHECK_FALSE(status_of(stream).holder);
    publish(publisher, 10);
    static_cast<void>(drain(fast));

    StreamStatus status = status_of(stream);
    REQUIRE(status.holder);
    CHECK(status.holder->holder == Holder{HolderKind::subscriber, 1});
    CHECK(status.holder->name == "slow");
    CHECK(status.holder->room_bytes == kMinCapacityBytes - 10 * kEventBytes);

    publish(publisher, kRingEvents - 10);
    CHECK(status_of(stream).holder->room_bytes == 0);
}

TEST_CASE("statistics: an open claim holds publishers back too", "[bus][statistics]") {
    const TestStream stream;
    Publisher feed = stream.publisher("feed");
    Publisher stuck = stream.publisher("stuck");
    Claim claim;
    REQUIRE(stuck.try_claim(claim, 8) == PublishStatus::ok);
    publish(feed, 3);

    const StreamStatus status = status_of(stream);
    REQUIRE(status.holder);
    CHECK(status.holder->holder == Holder{HolderKind::publisher, 1});
    CHECK(status.holder->name == "stuck");
    CHECK(status.holder->room_bytes == kMinCapacityBytes - 4 * kEventBytes);
    stuck.commit(claim);
}

}  // namespace statistics_test
