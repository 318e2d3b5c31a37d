// Where a reader may begin: nothing that is still there is passed over or called gone.

#include "support/numbered_event.hpp"
#include "support/received_events.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/subscriber.hpp>

#include <catch2/catch.hpp>

#include <numeric>
#include <optional>
#include <thread>
#include <vector>

namespace joining_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint32_t kSizeBytes = 200;

void publish_some(Publisher& publisher, int count) {
    for (int event = 0; event < count; ++event) {
        Claim claim;
        REQUIRE(publisher.try_claim(claim, kSizeBytes) == PublishStatus::ok);
        publisher.commit(claim);
    }
}

// As many as there is room for. Returns the sequence that comes next.
Sequence fill_up(Publisher& publisher) {
    for (;;) {
        const Sequence next = publisher.region().tail().sequence;
        // Sizes that never fall together with a sixteenth of the ring.
        const auto size_bytes = static_cast<std::uint32_t>(40 + 8 * (next % 29));
        Claim claim;
        const PublishStatus status = publisher.try_claim(claim, size_bytes);
        if (status == PublishStatus::would_block) return next;
        REQUIRE(status == PublishStatus::ok);
        publisher.commit(claim);
    }
}

std::vector<Sequence> range(Sequence from, Sequence to) {
    std::vector<Sequence> sequences(to - from);
    std::iota(sequences.begin(), sequences.end(), from);
    return sequences;
}

}  // namespace

TEST_CASE("joining: whoever begins while a claim is open gets its event too", "[bus][joining]") {
    const TestStream stream;
    Publisher slow = stream.publisher();
    Publisher quick = stream.publisher();
    const int before = GENERATE(0, 7, 1000);
    publish_some(quick, before);
    const auto first = static_cast<Sequence>(before);
    Claim open;
    REQUIRE(slow.try_claim(open, kSizeBytes) == PublishStatus::ok);
    publish_some(quick, 5);
    const SlowPolicy policy = GENERATE(SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe);

    Subscriber oldest = stream.subscriber(policy, Start::oldest());
    Subscriber newest = stream.subscriber(policy, Start::newest());
    Subscriber there = stream.subscriber(policy, Start::at(first));
    CHECK(oldest.next_sequence() <= first);
    CHECK(newest.next_sequence() == first);
    static_cast<void>(drain(oldest));
    CHECK(drain(newest).events.empty());
    CHECK(drain(there).events.empty());
    slow.commit(open);

    CHECK(drain(oldest).sequences() == range(first, first + 6));
    CHECK(drain(newest).sequences() == range(first, first + 6));
    CHECK(drain(there).sequences() == range(first, first + 6));
}

TEST_CASE("joining: a sequence behind an open claim is waited for", "[bus][joining]") {
    const Watchdog watchdog("joining: a sequence behind an open claim", 60);
    const TestStream stream;
    Publisher slow = stream.publisher();
    Publisher quick = stream.publisher();
    // Both have room, so that no place behind the claim is known as one to start at.
    publish_some(slow, 1);
    publish_some(quick, 1);
    const auto region = stream.open();
    const std::uint64_t open_position = region->tail().position;
    Claim open;
    REQUIRE(slow.try_claim(open, kSizeBytes) == PublishStatus::ok);
    publish_some(quick, 5);

    std::optional<Sequence> begun;
    std::thread joiner([&] {
        const Subscriber subscriber = stream.subscriber(SlowPolicy::gate, Start::at(5));
        begun = subscriber.next_sequence();
    });
    while (region->subscriber_slot(0).gate_position.load() != open_position)
        std::this_thread::yield();
    slow.commit(open);
    joiner.join();

    CHECK(begun == Sequence{5});
}

TEST_CASE("joining: an open claim a ring ago is still the oldest event", "[bus][joining]") {
    const TestStream stream;
    Publisher slow = stream.publisher();
    Publisher quick = stream.publisher();
    publish_some(quick, GENERATE(3, 1003));
    Claim open;
    REQUIRE(slow.try_claim(open, kSizeBytes) == PublishStatus::ok);
    const Sequence end = fill_up(quick);
    const SlowPolicy policy = GENERATE(SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe);

    Subscriber oldest = stream.subscriber(policy, Start::oldest());
    Subscriber newest = stream.subscriber(policy, Start::newest());
    slow.commit(open);

    CHECK(drain(oldest).sequences() == range(open.sequence, end));
    CHECK(drain(newest).sequences() == range(open.sequence, end));
}

TEST_CASE("joining: whoever held a full ring finds everything where it stood", "[bus][joining]") {
    const TestStream stream(small_stream(GENERATE(Publishing::multi, Publishing::single)));
    Publisher publisher = stream.publisher();
    const SlowPolicy policy = GENERATE(SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe);
    std::optional<Subscriber> holder = stream.subscriber();
    for (int round = 0; round < 40; ++round) {
        const Sequence end = fill_up(publisher);
        const Sequence stood = holder->next_sequence();
        holder.reset();
        {
            const auto successor =
                Subscriber::attach(stream.open(), {.policy = policy, .start = Start::at(stood)});
            REQUIRE(successor);
            CHECK(successor->next_sequence() == stood);
        }
        holder = stream.subscriber(SlowPolicy::gate, Start::at(stood));
        const std::uint64_t some = 1 + static_cast<std::uint64_t>(round) * 7 % (end - stood);
        const PollResult read = holder->poll([](const Event&) {}, some);
        REQUIRE(read.events == some);
        REQUIRE(holder->next_sequence() == stood + some);
    }
}

}  // namespace joining_test
