#include "support/numbered_event.hpp"
#include "support/received_events.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/subscriber.hpp>

#include <catch2/catch.hpp>

#include <numeric>
#include <string>
#include <vector>

namespace subscriber_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

Publishing either() {
    return GENERATE(Publishing::multi, Publishing::single);
}

// Publishes the events [from, to) of publisher 1, numbered as the stream's sequences are.
void publish_numbered(Publisher& publisher, std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t number = from; number < to; ++number) {
        Claim claim;
        REQUIRE(publisher.try_claim(claim, numbered_size_bytes(1, number)) == PublishStatus::ok);
        fill_numbered(claim.payload, 1, number);
        publisher.commit(claim);
    }
}

Result<Subscriber> try_start(const TestStream& stream, SlowPolicy policy, Start start) {
    SubscriberOptions options;
    options.policy = policy;
    options.start = start;
    return Subscriber::attach(stream.open(), options);
}

// What a reader saw, as ranges: events delivered whole and in order, and gaps.
struct Coverage {
    std::uint64_t next;
    std::uint64_t delivered = 0;
    std::uint64_t lost = 0;
    std::uint64_t wrong = 0;

    void read_all(Subscriber& subscriber) {
        for (int idle = 0; idle < kLooks;) {
            const PollResult result = subscriber.poll(
                [&](const Event& event) {
                    const auto numbered = read_numbered(event.payload());
                    if (!numbered || numbered->number != event.sequence() ||
                        event.sequence() != next)
                        ++wrong;
                    next = event.sequence() + 1;
                    ++delivered;
                },
                50);
            if (result.state == PollState::gap) {
                const Gap gap = subscriber.last_gap();
                if (gap.first != next || gap.count == 0) ++wrong;
                next += gap.count;
                lost += gap.count;
                if (subscriber.next_sequence() != next) ++wrong;
            }
            idle = result.state == PollState::idle ? idle + 1 : 0;
        }
    }
};

}  // namespace

TEST_CASE("subscriber: oldest starts at the first event, newest at the next one",
          "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    publish_numbered(publisher, 0, 10);
    const SlowPolicy policy = GENERATE(SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe);

    Subscriber oldest = stream.subscriber(policy, Start::oldest());
    Subscriber newest = stream.subscriber(policy, Start::newest());
    publish_numbered(publisher, 10, 12);

    CHECK(drain(oldest).sequences().size() == 12);
    CHECK(drain(newest).sequences() == std::vector<Sequence>{10, 11});
}

TEST_CASE("subscriber: it starts exactly at the sequence that it asks for", "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    publish_numbered(publisher, 0, 100);
    const SlowPolicy policy = GENERATE(SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe);

    for (const Sequence wanted : {Sequence{0}, Sequence{1}, Sequence{57}, Sequence{99}}) {
        Subscriber subscriber = stream.subscriber(policy, Start::at(wanted));
        CHECK(subscriber.next_sequence() == wanted);
        const Drained drained = drain(subscriber);
        REQUIRE(drained.events.size() == 100 - wanted);
        CHECK(drained.events[0].sequence == wanted);
    }
    Subscriber at_end = stream.subscriber(policy, Start::at(100));
    publish_numbered(publisher, 100, 101);
    CHECK(drain(at_end).sequences() == std::vector<Sequence>{100});
}

TEST_CASE("subscriber: a sequence that is not there yet is refused", "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    publish_numbered(publisher, 0, 10);

    const auto refused =
        try_start(stream, GENERATE(SlowPolicy::gate, SlowPolicy::observe), Start::at(11));

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::sequence_ahead);
    CHECK(refused.error().message.find("10") != std::string::npos);
}

TEST_CASE("subscriber: a sequence that was overwritten is refused, with the oldest that is there",
          "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    publish_numbered(publisher, 0, 3000);
    const SlowPolicy policy = GENERATE(SlowPolicy::gate, SlowPolicy::observe);

    const auto refused = try_start(stream, policy, Start::at(3));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::sequence_gone);

    Subscriber oldest = stream.subscriber(policy, Start::oldest());
    const Sequence first = oldest.next_sequence();
    CHECK(refused.error().message.find(std::to_string(first)) != std::string::npos);
    CHECK(first > 2000);
    CHECK(first < 2800);
    Coverage coverage{first};
    coverage.read_all(oldest);
    CHECK(coverage.wrong == 0);
    CHECK(coverage.delivered == 3000 - first);
}

TEST_CASE("subscriber: a sequence before the first one of the stream is gone",
          "[bus][subscriber]") {
    StreamOptions options = small_stream(either());
    options.first_sequence = 1000;
    const TestStream stream(options);

    const auto refused = try_start(stream, SlowPolicy::gate, Start::at(999));

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::sequence_gone);
    CHECK(try_start(stream, SlowPolicy::gate, Start::at(1000)));
}

TEST_CASE("subscriber: a skipping one is told every gap exactly", "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    const SlowPolicy policy = GENERATE(SlowPolicy::skip, SlowPolicy::observe);
    Subscriber subscriber = stream.subscriber(policy);
    Coverage coverage{0};

    publish_numbered(publisher, 0, 100);
    coverage.read_all(subscriber);
    CHECK(coverage.lost == 0);
    publish_numbered(publisher, 100, 5000);  // several laps
    coverage.read_all(subscriber);
    CHECK(coverage.lost > 4000);
    publish_numbered(publisher, 5000, 5010);
    coverage.read_all(subscriber);
    publish_numbered(publisher, 5010, 9000);
    coverage.read_all(subscriber);

    CHECK(coverage.wrong == 0);
    CHECK(coverage.next == 9000);
    CHECK(coverage.delivered + coverage.lost == 9000);
    CHECK(subscriber.lost_events() == coverage.lost);
}

TEST_CASE("subscriber: a skipping one that keeps up loses nothing", "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber(SlowPolicy::skip);
    Coverage coverage{0};

    for (std::uint64_t number = 0; number < 6000; number += 100) {
        publish_numbered(publisher, number, number + 100);
        coverage.read_all(subscriber);
    }

    CHECK(coverage.wrong == 0);
    CHECK(coverage.lost == 0);
    CHECK(coverage.delivered == 6000);
}

TEST_CASE("subscriber: a poll hands over no more than its limit", "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber(GENERATE(SlowPolicy::gate, SlowPolicy::skip));
    publish_numbered(publisher, 0, 10);

    const PollResult none = subscriber.poll([](const Event&) {}, 0);
    const PollResult three = subscriber.poll([](const Event&) {}, 3);
    const PollResult rest = subscriber.poll([](const Event&) {}, 100);
    const PollResult idle = subscriber.poll([](const Event&) {}, 100);

    CHECK(none.events == 0);
    CHECK(three.events == 3);
    CHECK(rest.events == 7);
    CHECK(rest.state == PollState::ok);
    CHECK(idle.events == 0);
    CHECK(idle.state == PollState::idle);
    CHECK(subscriber.next_sequence() == 10);
}

TEST_CASE("subscriber: when its handler throws the events come again", "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    publish_numbered(publisher, 0, 3);

    const auto fails_at_one = [](const Event& event) {
        if (event.sequence() == 1) throw std::string("handler");
    };
    CHECK_THROWS_AS(static_cast<void>(subscriber.poll(fails_at_one, 10)), std::string);

    CHECK(drain(subscriber).sequences() == std::vector<Sequence>{0, 1, 2});
}

TEST_CASE("subscriber: when a handler of copies throws, the next call goes on with its event",
          "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber(SlowPolicy::skip);
    publish_numbered(publisher, 0, 5);
    const auto fails_at_one = [](const Event& event) {
        if (event.sequence() == 1) throw std::string("handler");
    };
    CHECK_THROWS_AS(static_cast<void>(subscriber.poll(fails_at_one, 10)), std::string);
    CHECK(subscriber.has_event());
    CHECK_THROWS_AS(static_cast<void>(subscriber.poll(fails_at_one, 10)), std::string);
    // The ring goes by meanwhile; what was copied is still there.
    publish_numbered(publisher, 5, 10'000);

    CHECK(subscriber.poll([](const Event& event) { CHECK(event.sequence() == 1); }, 1).events == 1);
    std::vector<Sequence> rest;
    const PollResult four =
        subscriber.poll([&](const Event& event) { rest.push_back(event.sequence()); }, 10);
    CHECK(four.state == PollState::ok);
    CHECK(rest == std::vector<Sequence>{2, 3, 4});
    CHECK(subscriber.poll([](const Event&) {}, 10).state == PollState::gap);
    CHECK(subscriber.last_gap().first == 5);

    SECTION("restarting forgets them") {
        REQUIRE(subscriber.restart(Start::newest()));
        publish_numbered(publisher, 0, 3);
        CHECK_THROWS(static_cast<void>(
            subscriber.poll([](const Event&) { throw std::string("handler"); }, 10)));
        REQUIRE(subscriber.restart(Start::newest()));
        CHECK_FALSE(subscriber.has_event());
    }
}

TEST_CASE("subscriber: runs give the bytes in place and hold them until they are released",
          "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    publish_numbered(publisher, 0, 50);

    std::uint64_t wrong = 0;
    std::uint64_t seen = 0;
    for (Run run = subscriber.next_run(4096); run.count != 0; run = subscriber.next_run(4096)) {
        CHECK(run.bytes.size() <= 4096);
        CHECK(run.first_sequence == seen);
        std::uint64_t offset = 0;
        for (std::uint64_t event = 0; event < run.count; ++event, ++seen) {
            const std::byte* const record = run.bytes.data() + offset;
            const EventHeader header = load_header(record);
            const Event view(run.first_sequence + event, header, record);
            const auto numbered = read_numbered(view.payload());
            if (!numbered || numbered->number != seen) ++wrong;
            offset += event_size_bytes(header.payload_size_bytes, header.extension_words, 16);
        }
        CHECK(offset == run.bytes.size());
    }
    CHECK(wrong == 0);
    CHECK(seen == 50);

    const std::string payload(100, 'x');
    while (publisher.try_publish(bytes_of(payload)) == PublishStatus::ok) {
    }
    CHECK_FALSE(publisher.holder().empty());
    subscriber.release(subscriber.mark());
    CHECK(publisher.try_publish(bytes_of(payload)) == PublishStatus::ok);
}

TEST_CASE("subscriber: attach is refused when all slots are taken; observers need none",
          "[bus][subscriber]") {
    StreamOptions options = small_stream();
    options.subscriber_slots = 1;
    const TestStream stream(options);
    {
        const Subscriber only = stream.subscriber();
        const auto refused = try_start(stream, SlowPolicy::skip, Start::newest());
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::busy);
        CHECK(try_start(stream, SlowPolicy::observe, Start::newest()));
    }

    CHECK(try_start(stream, SlowPolicy::skip, Start::newest()));
}

TEST_CASE("subscriber: one that spills stands where the ring has left it behind",
          "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber(SlowPolicy::spill);
    publish_numbered(publisher, 0, 5);
    REQUIRE(subscriber.poll([](const Event&) {}, 2).events == 2);
    publish_numbered(publisher, 5, 2005);

    for (int look = 0; look < 3; ++look) {
        const PollResult result = subscriber.poll([](const Event&) {}, 64);
        CHECK(result.events == 0);
        CHECK(result.state == PollState::behind);
        CHECK(subscriber.next_sequence() == 2);
    }
    // What is gone stays gone, and a try changes nothing.
    REQUIRE_FALSE(subscriber.restart(Start::at(2)));
    CHECK(subscriber.next_sequence() == 2);
    REQUIRE(subscriber.restart(Start::at(2000)));
    const Drained drained = drain(subscriber);
    REQUIRE(drained.events.size() == 5);
    CHECK(drained.events.front().sequence == 2000);
}

TEST_CASE("subscriber: one that stands aside reads nothing and holds nobody up",
          "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber(GENERATE(SlowPolicy::gate, SlowPolicy::spill));
    publish_numbered(publisher, 0, 5);

    REQUIRE(subscriber.step_aside({3, kNoPosition}));
    // More than a ring: a gate would stop it.
    publish_numbered(publisher, 5, 2005);
    CHECK(subscriber.poll([](const Event&) {}, 64).state == PollState::behind);
    REQUIRE_FALSE(subscriber.restart(Start::at(3)));
    publish_numbered(publisher, 2005, 4005);
    CHECK(subscriber.poll([](const Event&) {}, 64).state == PollState::behind);
    CHECK_FALSE(subscriber.can_return_to(3));

    REQUIRE(subscriber.can_return_to(4000));
    REQUIRE(subscriber.restart(Start::at(4000)));
    CHECK(drain(subscriber).events.size() == 5);

    // Not from inside a handler: the events in its hand are in the ring.
    publish_numbered(publisher, 4005, 4006);
    bool stepped = true;
    static_cast<void>(subscriber.poll(
        [&](const Event&) {
            stepped = subscriber.step_aside({0, kNoPosition});
        },
        1));
    CHECK_FALSE(stepped);
}

TEST_CASE("subscriber: after the stream's removal it reads the rest, then it is closed",
          "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber =
        stream.subscriber(GENERATE(SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe));
    publish_numbered(publisher, 0, 5);

    REQUIRE(Region::unlink(stream.name(), true, stream.directory()));

    const Drained drained = drain(subscriber);
    CHECK(drained.events.size() == 5);
    CHECK(drained.last == PollState::closed);
}

TEST_CASE("subscriber: a moved one goes on where it was, in the same slot", "[bus][subscriber]") {
    StreamOptions options = small_stream();
    options.subscriber_slots = 1;
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    publish_numbered(publisher, 0, 3);
    static_cast<void>(subscriber.poll([](const Event&) {}, 1));

    Subscriber moved = std::move(subscriber);
    CHECK(drain(moved).sequences() == std::vector<Sequence>{1, 2});
    CHECK_FALSE(try_start(stream, SlowPolicy::gate, Start::newest()));
}

TEST_CASE("subscriber: a place that was claimed, by nobody, and holds no event is corrupt",
          "[bus][subscriber]") {
    const Publishing publishing = GENERATE(Publishing::multi, Publishing::single);
    const SlowPolicy policy = GENERATE(SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe);
    const TestStream stream(small_stream(publishing));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber(policy);
    REQUIRE(publisher.try_publish(bytes_of("sound")) == PublishStatus::ok);
    REQUIRE(drain(subscriber).events.size() == 1);
    const auto region = stream.open();
    const Place tail = region->tail();

    region->state().tail.store(pack_tail({tail.sequence + 1, tail.position + 64}));

    CHECK(drain(subscriber).last == PollState::corrupt);
}

TEST_CASE("subscriber: its lag is what it has not read", "[bus][subscriber]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();

    publish_numbered(publisher, 0, 7);
    CHECK(subscriber.lag_events() == 7);
    static_cast<void>(drain(subscriber));
    CHECK(subscriber.lag_events() == 0);
}

TEST_CASE("subscriber: every poll state has a name", "[bus][subscriber]") {
    CHECK(poll_state_name(PollState::ok) == "ok");
    CHECK(poll_state_name(PollState::idle) == "idle");
    CHECK(poll_state_name(PollState::gap) == "gap");
    CHECK(poll_state_name(PollState::closed) == "closed");
    CHECK(poll_state_name(PollState::corrupt) == "corrupt");
}

}  // namespace subscriber_test
