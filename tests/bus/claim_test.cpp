// Who owns a claim, and what becomes of it when its owner forgets it.

#include "support/child_process.hpp"
#include "support/numbered_event.hpp"
#include "support/received_events.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/stream_status.hpp>

#include <catch2/catch.hpp>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace claim_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

using Texts = std::vector<std::string>;

Publishing either() {
    return GENERATE(Publishing::multi, Publishing::single);
}

void write(std::span<std::byte> payload, const std::string& text) {
    std::copy_n(bytes_of(text).begin(), std::min(text.size(), payload.size()), payload.begin());
}

void claim(Publisher& publisher, Claim& claim, const std::string& text) {
    REQUIRE(publisher.try_claim(claim, static_cast<std::uint32_t>(text.size())) ==
            PublishStatus::ok);
    write(claim.payload, text);
}

void publish(Publisher& publisher, const char* text) {
    REQUIRE(publisher.try_publish(bytes_of(text)) == PublishStatus::ok);
}

}  // namespace

TEST_CASE("claim: an exception before the commit aborts it, and the stream goes on",
          "[bus][claim]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    const bool is_batch = GENERATE(false, true);

    try {
        Claim one;
        BatchClaim many;
        if (is_batch) {
            REQUIRE(publisher.try_claim_batch(many, 3, 8) == PublishStatus::ok);
        } else {
            claim(publisher, one, "never");
        }
        throw std::runtime_error("between claim and commit");
    } catch (const std::runtime_error&) {
    }

    const auto status = read_status(stream.open(RegionAccess::observe));
    CHECK_FALSE(status.publishers[0].in_claim);
    publish(publisher, "after");
    CHECK(drain(subscriber).texts() == Texts{"after"});
}

TEST_CASE("claim: one that is dropped holds up nobody else", "[bus][claim]") {
    const TestStream stream;
    Publisher careless = stream.publisher();
    Publisher other = stream.publisher();
    Subscriber subscriber = stream.subscriber();

    {
        Claim dropped;
        claim(careless, dropped, "never");
    }
    publish(other, "other");

    const Drained drained = drain(subscriber);
    CHECK(drained.texts() == Texts{"other"});
    CHECK(drained.sequences() == std::vector<Sequence>{1});
}

TEST_CASE("claim: a second one aborts the first, and the first is refused", "[bus][claim]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    Claim first;
    Claim second;
    claim(publisher, first, "first");
    claim(publisher, second, "second");
    CHECK(second.sequence == first.sequence + 1);

    const bool first_comes_first = GENERATE(true, false);
    if (first_comes_first) CHECK(publisher.commit(first) == PublishStatus::no_claim);
    CHECK(publisher.commit(second) == PublishStatus::ok);
    CHECK(publisher.commit(first) == PublishStatus::no_claim);
    CHECK(publisher.abort(first) == PublishStatus::no_claim);
    publish(publisher, "third");

    const Drained drained = drain(subscriber);
    CHECK(drained.texts() == Texts{"second", "third"});
    CHECK(drained.sequences() == std::vector<Sequence>{1, 2});
}

TEST_CASE("claim: a publish aborts the claim that is open", "[bus][claim]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    {
        Claim stray;
        BatchClaim batch;
        claim(publisher, stray, "never");
        publish(publisher, "one");
        REQUIRE(publisher.try_claim_batch(batch, 3, 4) == PublishStatus::ok);
        publish(publisher, "two");
        CHECK(publisher.commit(batch) == PublishStatus::no_claim);
        CHECK(publisher.commit(stray) == PublishStatus::no_claim);
    }
    publish(publisher, "three");

    CHECK(drain(subscriber).texts() == Texts{"one", "two", "three"});
}

TEST_CASE("claim: one that has ended can't be used again", "[bus][claim]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    Claim once;
    BatchClaim batch;
    claim(publisher, once, "once");
    CHECK(publisher.commit(once) == PublishStatus::ok);
    CHECK_FALSE(once.is_open());
    publish(publisher, "two");
    publish(publisher, "three");
    CHECK(publisher.commit(once) == PublishStatus::no_claim);
    CHECK(publisher.abort(once) == PublishStatus::no_claim);

    REQUIRE(publisher.try_claim_batch(batch, 2, 1) == PublishStatus::ok);
    write(batch.next(), "a");
    write(batch.next(), "b");
    CHECK(publisher.commit(batch) == PublishStatus::ok);
    CHECK(publisher.abort(batch) == PublishStatus::no_claim);
    CHECK(publisher.commit(batch) == PublishStatus::no_claim);
    CHECK(batch.next().empty());

    // Handed out in part: the rest isn't the caller's any more.
    REQUIRE(publisher.try_claim_batch(batch, 3, 1) == PublishStatus::ok);
    write(batch.next(), "x");
    CHECK(publisher.abort(batch) == PublishStatus::ok);
    CHECK(batch.next().empty());

    claim(publisher, once, "never");
    CHECK(publisher.abort(once) == PublishStatus::ok);
    CHECK(publisher.commit(once) == PublishStatus::no_claim);
    Claim never_opened;
    CHECK(publisher.commit(never_opened) == PublishStatus::no_claim);
    publish(publisher, "last");

    CHECK(drain(subscriber).texts() == Texts{"once", "two", "three", "a", "b", "last"});
}

TEST_CASE("claim: another publisher's is refused, and stays open", "[bus][claim]") {
    const Publishing publishing = either();
    const TestStream one(small_stream(publishing));
    const TestStream two(small_stream(publishing));
    Publisher first = one.publisher();
    Publisher second = two.publisher();
    Subscriber subscriber = one.subscriber();
    Subscriber other_subscriber = two.subscriber();
    Claim mine;
    Claim other;
    claim(first, mine, "mine");
    claim(second, other, "other");

    CHECK(second.commit(mine) == PublishStatus::no_claim);
    CHECK(second.abort(mine) == PublishStatus::no_claim);
    CHECK(first.commit(mine) == PublishStatus::ok);
    CHECK(second.commit(other) == PublishStatus::ok);

    // An object that still holds one stream's claim gives it up for another's.
    claim(first, mine, "never");
    claim(second, mine, "next");
    CHECK_FALSE(read_status(one.open(RegionAccess::observe)).publishers[0].in_claim);
    CHECK(second.commit(mine) == PublishStatus::ok);
    CHECK(drain(subscriber).texts() == Texts{"mine"});
    CHECK(drain(other_subscriber).texts() == Texts{"other", "next"});
}

TEST_CASE("claim: it moves, and goes along with its publisher", "[bus][claim]") {
    const TestStream stream(small_stream(either()));
    std::optional<Publisher> publisher(stream.publisher());
    Subscriber subscriber = stream.subscriber();
    Claim open;
    claim(*publisher, open, "moved");
    Claim moved = std::move(open);
    Publisher later = std::move(*publisher);

    CHECK(publisher->commit(moved) == PublishStatus::dead_handle);
    publisher.reset();
    CHECK(later.commit(open) == PublishStatus::no_claim);
    CHECK(later.commit(moved) == PublishStatus::ok);

    {
        Claim dropped;
        claim(later, dropped, "never");
        Publisher last = std::move(later);
        publish(last, "last");
    }
    CHECK(drain(subscriber).texts() == Texts{"moved", "last"});
}

TEST_CASE("claim: one that outlives its publisher is nobody's", "[bus][claim]") {
    const TestStream stream(small_stream(either()));
    Subscriber subscriber = stream.subscriber();
    auto stray = std::make_unique<Claim>();
    auto batch = std::make_unique<BatchClaim>();
    for (int round = 0; round < 3; ++round) {
        Publisher publisher = stream.publisher();
        if (round % 2 == 0) {
            claim(publisher, *stray, "never");
        } else {
            REQUIRE(publisher.try_claim_batch(*batch, 2, 8) == PublishStatus::ok);
        }
    }
    Publisher publisher = stream.publisher();
    Claim own;
    claim(publisher, own, "own");

    CHECK(publisher.commit(*stray) == PublishStatus::no_claim);
    stray.reset();
    batch.reset();
    CHECK(publisher.commit(own) == PublishStatus::ok);
    CHECK(drain(subscriber).texts() == Texts{"own"});
}

TEST_CASE("claim: a batch of nothing is nothing", "[bus][claim]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    BatchClaim batch;

    CHECK(publisher.try_claim_batch(batch, 0, 8) == PublishStatus::ok);
    CHECK(batch.next().empty());
    CHECK(publisher.commit(batch) == PublishStatus::ok);
    CHECK(publisher.try_claim_batch(batch, std::span<const std::uint32_t>{}) == PublishStatus::ok);
    CHECK(batch.count() == 0);
    CHECK(publisher.commit(batch) == PublishStatus::ok);
    publish(publisher, "after");

    CHECK(drain(subscriber).sequences() == std::vector<Sequence>{0});
}

TEST_CASE("claim: a publisher that was moved from refuses everything", "[bus][claim]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    std::optional<Publisher> owner(std::move(publisher));
    publish(*owner, "one");
    Claim refused;
    BatchClaim batch;
    const std::array<std::span<const std::byte>, 1> payloads{bytes_of("never")};

    const auto refuses = [&] {
        CHECK(publisher.is_dead());
        CHECK(publisher.try_publish(bytes_of("never")) == PublishStatus::dead_handle);
        CHECK(publisher.publish(bytes_of("never")) == PublishStatus::dead_handle);
        CHECK(publisher.publish(bytes_of("never"), EventFields{}) == PublishStatus::dead_handle);
        CHECK(publisher.publish_batch(payloads) == PublishStatus::dead_handle);
        CHECK(publisher.try_claim(refused, 8) == PublishStatus::dead_handle);
        CHECK(publisher.try_claim_batch(batch, 2, 8) == PublishStatus::dead_handle);
        CHECK(publisher.commit(refused) == PublishStatus::dead_handle);
        CHECK_FALSE(publisher.wait_durable(1, Deadline::in_ms(0)));
        CHECK(publisher.next_own_sequence() == kNoSequence);
        CHECK(publisher.holder().empty());
    };
    refuses();
    publish(*owner, "two");
    owner.reset();
    refuses();

    CHECK(drain(subscriber).texts() == Texts{"one", "two"});
    publisher = stream.publisher();
    publish(publisher, "three");
    CHECK(drain(subscriber).texts() == Texts{"three"});
}

TEST_CASE("claim: who takes a stream over wipes nothing that was committed", "[bus][claim]") {
    const Watchdog watchdog("claim: who takes a stream over");
    const TestStream stream(small_stream(Publishing::single));
    // A lap and a half: the place of the batch holds other events by then.
    constexpr std::uint64_t kEvents = 3000;
    ChildProcess dying([&] {
        Publisher publisher = stream.publisher();
        BatchClaim dropped;
        if (publisher.try_claim_batch(dropped, 252, 40) != PublishStatus::ok) return 1;
        if (publisher.abort(dropped) != PublishStatus::ok) return 1;
        // As if the note had stayed, which is all that a careless publisher could leave.
        PublisherSlot& slot = publisher.region().publisher_slot(0);
        for (std::uint64_t event = 0; event < kEvents; ++event) {
            if (publisher.try_publish(bytes_of("12345678")) != PublishStatus::ok) return 1;
        }
        slot.intent_sequence.store(0);
        ::kill(::getpid(), SIGKILL);
        return 1;
    });
    REQUIRE(dying.wait().was_killed());

    Publisher successor = stream.publisher();
    Subscriber reader = stream.subscriber(SlowPolicy::skip);
    const Sequence oldest = reader.next_sequence();
    const Drained drained = drain(reader);
    CHECK(successor.region().tail().sequence == kEvents);
    REQUIRE(drained.events.size() == kEvents - oldest);
    CHECK(drained.events.size() > 1000);
}

}  // namespace claim_test
