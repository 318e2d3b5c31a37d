// Handles where they have no business: in a forked child, after a move, inside their own handler.

#include "support/child_process.hpp"
#include "support/numbered_event.hpp"
#include "support/received_events.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/stream_status.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <catch2/catch.hpp>

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace handle_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

using Texts = std::vector<std::string>;

void publish(Publisher& publisher, const char* text) {
    REQUIRE(publisher.try_publish(bytes_of(text)) == PublishStatus::ok);
}

// What a dead publisher and a dead subscriber must say; 0 if they do.
int refusals(Publisher& publisher, Subscriber& subscriber, Claim& open) {
    Claim claim;
    BatchClaim batch;
    if (!publisher.is_dead() || !subscriber.is_dead()) return 1;
    if (publisher.try_publish(bytes_of("child")) != PublishStatus::dead_handle) return 2;
    if (publisher.try_claim(claim, 8) != PublishStatus::dead_handle) return 3;
    if (publisher.try_claim_batch(batch, 2, 8) != PublishStatus::dead_handle) return 4;
    if (publisher.commit(open) != PublishStatus::dead_handle) return 5;
    if (publisher.abort(open) != PublishStatus::dead_handle) return 6;
    if (publisher.wait_durable(1, Deadline::in_ms(0))) return 7;
    bool was_called = false;
    const auto handler = [&](const Event&) {
        was_called = true;
    };
    if (subscriber.poll(handler, 10).state != PollState::dead_handle) return 8;
    if (subscriber.poll_until(handler, 10, Deadline::in_ms(5'000)).state != PollState::dead_handle)
        return 9;
    if (was_called || subscriber.has_event() || subscriber.lag_events() != 0) return 10;
    if (subscriber.restart(Start::oldest())) return 11;
    if (subscriber.poll_fd()) return 12;
    if (!subscriber.arm()) return 13;
    subscriber.release(Place{100, 6400});
    if (subscriber.policy() == SlowPolicy::gate && subscriber.next_run(1000).is_sound) return 14;
    return 0;
}

int run_in_child(bool raw, const std::function<int()>& body) {
    if (raw) return raw_clone(body);
    const Ending ending = ChildProcess(body).wait();
    return ending.signal != 0 ? -ending.signal : ending.exit_code;
}

SlowPolicy any_policy() {
    return GENERATE(SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::evict, SlowPolicy::observe);
}

}  // namespace

TEST_CASE("handle: in a forked child it is dead, says so and changes nothing", "[bus][handle]") {
    const Watchdog watchdog("handle: in a forked child it is dead");
    const TestStream stream(small_stream(GENERATE(Publishing::multi, Publishing::single)));
    const SlowPolicy policy = any_policy();
    const bool raw = GENERATE(false, true);
    std::optional<Publisher> publisher(stream.publisher());
    std::optional<Subscriber> subscriber(stream.subscriber(policy));
    publish(*publisher, "one");
    publish(*publisher, "two");
    Claim open;
    REQUIRE(publisher->try_claim(open, 5) == PublishStatus::ok);

    const int found = run_in_child(raw, [&] {
        if (const int refused = refusals(*publisher, *subscriber, open); refused != 0)
            return refused;
        Publisher moved = std::move(*publisher);
        Subscriber moved_too = std::move(*subscriber);
        if (const int refused = refusals(moved, moved_too, open); refused != 0) return 20 + refused;
        { const Claim ended = std::move(open); }
        publisher.reset();
        subscriber.reset();
        return 0;
    });
    CHECK(found == 0);

    const auto status = read_status(stream.open(RegionAccess::observe));
    CHECK(status.publishers.size() == 1);
    CHECK(status.subscribers.size() == (policy == SlowPolicy::observe ? 0 : 1));
    std::copy_n(bytes_of("three").begin(), 5, open.payload.begin());
    REQUIRE(publisher->commit(open) == PublishStatus::ok);
    publish(*publisher, "four");
    CHECK(drain(*subscriber).texts() == Texts{"one", "two", "three", "four"});
    // The locks are the parent's still.
    CHECK_FALSE(Region::unlink(stream.name(), false, stream.directory()));
}

TEST_CASE("handle: a child that has its parent's pid frees nothing of the parent's",
          "[bus][handle]") {
    const Watchdog watchdog("handle: a child that has its parent's pid");
    const TestStream stream;
    // Twice the first process of a new pid namespace.
    ChildProcess outer([&] {
        if (::unshare(CLONE_NEWPID) != 0) return 77;
        return raw_clone([&] {
            std::optional<Publisher> publisher(stream.publisher());
            std::optional<Subscriber> subscriber(stream.subscriber());
            if (::getpid() != 1 || ::unshare(CLONE_NEWPID) != 0) return 77;
            const pid_t inner = ::fork();
            if (inner == 0) {
                const bool has_same_pid = ::getpid() == 1;
                const bool refuses =
                    publisher->try_publish(bytes_of("child")) == PublishStatus::dead_handle;
                publisher.reset();
                subscriber.reset();
                ::_exit(has_same_pid && refuses ? 0 : 3);
            }
            int status = 0;
            if (::waitpid(inner, &status, 0) != inner || status != 0) return 4;
            const auto seen = read_status(stream.open(RegionAccess::observe));
            if (seen.publishers.size() != 1 || seen.subscribers.size() != 1) return 5;
            if (publisher->try_publish(bytes_of("parent")) != PublishStatus::ok) return 6;
            return drain(*subscriber).texts() == Texts{"parent"} ? 0 : 7;
        });
    });
    const int found = outer.wait().exit_code;
    if (found == 77) {
        WARN("SKIPPED: no new pid namespace may be made here");
        return;
    }
    CHECK(found == 0);
}

TEST_CASE("handle: a child attaches handles of its own", "[bus][handle]") {
    const Watchdog watchdog("handle: a child attaches handles of its own");
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    publish(publisher, "parent");
    const int found = run_in_child(false, [&] {
        publisher = stream.publisher();
        subscriber = stream.subscriber();
        if (publisher.try_publish(bytes_of("child")) != PublishStatus::ok) return 1;
        return drain(subscriber).texts() == Texts{"parent", "child"} ? 0 : 2;
    });
    CHECK(found == 0);
    CHECK(drain(subscriber).texts() == Texts{"parent", "child"});
}

TEST_CASE("handle: a subscriber that was moved from refuses everything", "[bus][handle]") {
    const TestStream stream;
    const SlowPolicy policy = any_policy();
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber(policy);
    publish(publisher, "one");
    Publisher owner = std::move(publisher);
    std::optional<Subscriber> reader(std::move(subscriber));
    Claim never;
    CHECK(refusals(publisher, subscriber, never) == 0);
    CHECK(drain(*reader).texts() == Texts{"one"});
    reader.reset();
    CHECK(refusals(publisher, subscriber, never) == 0);
    subscriber = stream.subscriber(policy);
    CHECK(drain(subscriber).texts() == Texts{"one"});
}

TEST_CASE("handle: inside its handler a subscriber polls and starts nowhere else",
          "[bus][handle]") {
    const TestStream stream;
    const SlowPolicy policy = any_policy();
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber(policy);
    for (const char* text : {"one", "two", "three"})
        publish(publisher, text);

    Texts texts;
    int refused = 0;
    const auto inner = [&](const Event&) {
        texts.emplace_back("inner");
    };
    const PollResult result = subscriber.poll(
        [&](const Event& event) {
            texts.push_back(text_of(event));
            if (subscriber.poll(inner, 10).state == PollState::in_handler) ++refused;
            const auto waited = subscriber.poll_until(inner, 10, Deadline::in_ms(5'000));
            if (waited.state == PollState::in_handler) ++refused;
            const auto started = subscriber.restart(Start::oldest());
            if (!started && !started.error().hint.empty()) ++refused;
            if (policy == SlowPolicy::gate && subscriber.next_run(1000).count != 0)
                texts.emplace_back("run");
        },
        2);
    CHECK(result.events == 2);
    CHECK(refused == 6);
    CHECK(texts == Texts{"one", "two"});
    REQUIRE(drain(subscriber).texts() == Texts{"three"});
    REQUIRE(subscriber.restart(Start::oldest()));
    CHECK(drain(subscriber).texts() == Texts{"one", "two", "three"});
}

TEST_CASE("handle: after a handler that threw a subscriber polls on", "[bus][handle]") {
    const TestStream stream;
    const SlowPolicy policy = any_policy();
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber(policy);
    publish(publisher, "one");
    publish(publisher, "two");
    const auto throws = [](const Event& event) {
        if (event.sequence() == 1) throw std::runtime_error("in the handler");
    };
    CHECK_THROWS(subscriber.poll(throws, 10));
    const Texts left = policy == SlowPolicy::gate ? Texts{"one", "two"} : Texts{"two"};
    CHECK(drain(subscriber).texts() == left);
}

TEST_CASE("handle: copies that are pending come before the loss that a failed restart finds",
          "[bus][handle]") {
    const TestStream stream;
    const SlowPolicy policy = GENERATE(SlowPolicy::skip, SlowPolicy::observe);
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber(policy);
    for (int event = 0; event < 10; ++event)
        publish(publisher, "early");
    CHECK_THROWS(subscriber.poll(
        [](const Event& event) {
            if (event.sequence() == 4) throw std::runtime_error("in the handler");
        },
        10));
    for (int event = 0; event < 5000; ++event)
        publish(publisher, "later");
    REQUIRE_FALSE(subscriber.restart(Start::at(1'000'000)));

    Sequence expected = 4;
    bool had_gap = false;
    bool in_order = true;
    PollResult result{1, PollState::ok};
    while (result.events != 0 || result.state == PollState::gap) {
        result = subscriber.poll(
            [&](const Event& event) {
                in_order &= event.sequence() == expected;
                expected = event.sequence() + 1;
            },
            100);
        if (result.state != PollState::gap) continue;
        had_gap = true;
        CHECK(subscriber.last_gap().first == expected);
        expected += subscriber.last_gap().count;
    }
    CHECK(in_order);
    CHECK(had_gap);
    CHECK(expected == 5010);
}

}  // namespace handle_test
