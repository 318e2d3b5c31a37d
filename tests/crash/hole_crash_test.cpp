// Holes with more than one possible owner: who has claimed a place is decided by what the stream's
// history went through, never by an intent alone.

#include "claimant.hpp"
#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/step_script.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hole_crash_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

struct Winner {
    std::vector<std::uint32_t> sizes_bytes;
    const char* step;
    unsigned nth;
};

enum class Afterwards { nothing, open_claim, committed };

struct TwoDead {
    Winner winner;
    std::vector<std::uint32_t> loser_sizes_bytes;
    bool loser_has_first_slot;
    Afterwards afterwards;
};

void check_two_dead(const TwoDead& two) {
    CAPTURE(two.winner.step,
            two.winner.nth,
            two.winner.sizes_bytes.size(),
            two.loser_sizes_bytes,
            two.loser_has_first_slot,
            two.afterwards == Afterwards::nothing,
            two.afterwards == Afterwards::committed);
    StreamOptions options = small_stream();
    options.publish_time = PublishTime::off;
    const TestStream stream(options);
    std::optional<Claimant> loser;
    const auto make_loser = [&] {
        loser.emplace(stream, two.loser_sizes_bytes, "publisher.intent_noted", 1U, false);
    };
    if (two.loser_has_first_slot) make_loser();
    Claimant winner(stream, two.winner.sizes_bytes, two.winner.step, two.winner.nth, true);
    if (!two.loser_has_first_slot) make_loser();
    Publisher third = stream.publisher("third");
    REQUIRE(third.try_publish(bytes_of("before")) == PublishStatus::ok);

    loser->run_to_its_pause();
    winner.run_to_its_death();
    Claim claim;
    if (two.afterwards != Afterwards::nothing) {
        REQUIRE(third.try_claim(claim, 5) == PublishStatus::ok);
        std::copy_n(bytes_of("after").begin(), 5, claim.payload.begin());
        if (two.afterwards == Afterwards::committed) third.commit(claim);
    }
    loser->kill();
    REQUIRE(winner.was_killed());
    REQUIRE(loser->was_killed());

    std::vector<std::string> expected = {"before"};
    Subscriber gating = stream.subscriber();
    Subscriber observer = stream.subscriber(SlowPolicy::observe);
    if (two.afterwards == Afterwards::committed) expected.emplace_back("after");
    CHECK(drain(gating).texts() == expected);
    CHECK(drain(observer).texts() == expected);
    if (two.afterwards == Afterwards::open_claim) third.commit(claim);
    const Publisher rescuer = stream.publisher("rescuer");
    REQUIRE(third.try_publish(bytes_of("last")) == PublishStatus::ok);
    if (two.afterwards == Afterwards::open_claim) expected.emplace_back("after");
    expected.emplace_back("last");

    // Whoever comes after the rescue sees the same as those who went by proof.
    Subscriber late = stream.subscriber();
    const Drained drained = drain(late);
    CHECK(drained.texts() == expected);
    const std::size_t taken = two.winner.sizes_bytes.size();
    CHECK(drained.events.back().sequence == expected.size() - 1 + taken);
    CHECK(drain(gating).events.back().payload == "last");
    CHECK(drain(observer).events.back().payload == "last");
    CHECK(publish_laps(third, 5000) > 100);
}

}  // namespace

TEST_CASE("hole: of two dead claimants of one place the one that history went through is believed",
          "[crash][hole]") {
    const Watchdog watchdog("hole: two dead claimants");
    const std::vector<Winner> winners = {
        {{48}, "publisher.swap_won", 1},
        {{48, 48, 48}, "publisher.swap_won", 1},
        {{48, 48, 48}, "batch.event_prepared", 2},
        {{48, 48, 48}, "batch.event_prepared", 3},
        {{0, 0}, "batch.event_prepared", 2},
    };
    for (const Winner& winner : winners) {
        for (const std::uint32_t loser_bytes : {0U, 48U, 112U, 1000U}) {
            for (const bool loser_first : {true, false}) {
                for (const Afterwards afterwards :
                     {Afterwards::nothing, Afterwards::open_claim, Afterwards::committed}) {
                    const std::vector<std::uint32_t> loser_sizes_bytes = {loser_bytes};
                    check_two_dead({winner, loser_sizes_bytes, loser_first, afterwards});
                }
            }
        }
    }
}

TEST_CASE("hole: a dead loser's batch that ends where history went through later is not believed",
          "[crash][hole]") {
    const Watchdog watchdog("hole: a loser's batch in history");
    // The winner's event and the one that a third publisher commits behind it take together just
    // what the loser noted for its batch of two.
    const Winner winner{{5}, "publisher.swap_won", 1};
    const std::vector<std::uint32_t> loser_sizes_bytes = {5, 5};
    for (const bool loser_first : {true, false}) {
        for (const Afterwards afterwards : {Afterwards::committed, Afterwards::open_claim}) {
            check_two_dead({winner, loser_sizes_bytes, loser_first, afterwards});
        }
    }
}

TEST_CASE("hole: an intent that a whole lap overtook before it was noted is not a claim",
          "[crash][hole]") {
    const Watchdog watchdog("hole: an overtaken intent");
    const TestStream stream;
    Publisher publisher = stream.publisher("publisher");
    // It reads the tail, then sleeps while the ring laps, then notes what it read, and dies.
    SharedObject<StepPause> after_read;
    ChildProcess sleeper([&] {
        Publisher late = stream.publisher("late");
        StepScript script;
        script.pause_at(
            "publisher.tail_read", *after_read, 2);  // the first one finds no room granted yet
        script.die_at("publisher.intent_noted");
        return late.try_publish(bytes_of("never")) == PublishStatus::ok ? 0 : 1;
    });
    after_read->wait_until_reached();
    REQUIRE(publish_laps(publisher, 1200) == 1200);
    Subscriber reader = stream.subscriber();
    const Sequence first = reader.next_sequence();
    REQUIRE(first > 600);
    after_read->let_go();
    REQUIRE(sleeper.wait().was_killed());

    // Whoever resolves what it left must not touch the events that stand there now.
    const Publisher rescuer = stream.publisher("rescuer");
    const Drained drained = drain(reader);
    CHECK(drained.last == PollState::idle);
    CHECK(drained.events.size() == 1200 - first);
    CHECK(stream.open()->state().registry.rescued_events.load() == 0);
    CHECK(publish_laps(publisher, 5) == 5);
}

TEST_CASE("hole: a claimant that lost and waits for room isn't waited for", "[crash][hole]") {
    const Watchdog watchdog("hole: a claimant that lost and waits for room");
    const TestStream stream;
    Publisher publisher = stream.publisher("publisher");
    Subscriber reader = stream.subscriber();
    // Both note the place that the reader stands at; the one that wins it dies; then the ring
    // fills up, so that nobody gets room before the reader has passed the hole.
    Claimant waiter(stream, {2000}, "publisher.intent_noted", 1, false);
    Claimant winner(stream, {2500}, "publisher.swap_won", 1, true);
    waiter.run_to_its_pause();
    winner.run_to_its_death();
    REQUIRE(winner.was_killed());
    const std::uint64_t published = publish_laps(publisher, 10'000);
    REQUIRE(published > 400);
    CHECK(drain(reader).events.empty());  // the waiter may still win, for all that one can tell
    waiter.go_on();

    const Deadline deadline = Deadline::in_ms(10'000);
    std::vector<std::string> texts;
    while ((texts.empty() || texts.back().size() != 2000) && !deadline.has_passed()) {
        for (std::string& text : drain(reader).texts())
            texts.push_back(std::move(text));
    }
    REQUIRE(texts.size() == published + 1);
    CHECK(texts.back() == std::string(2000, 'c'));
    CHECK(waiter.wait() == 0);
}

TEST_CASE("hole: readers pass it by proof when no publisher is left to fill it", "[crash][hole]") {
    const Watchdog watchdog("hole: no publisher is left");
    const TestStream stream;
    Claimant victim(stream, {100}, "publisher.filled", 1, true);
    Subscriber gating = stream.subscriber();
    Subscriber skipping = stream.subscriber(SlowPolicy::skip);
    Subscriber observing = stream.subscriber(SlowPolicy::observe);
    {
        Publisher other = stream.publisher("other");
        REQUIRE(other.try_publish(bytes_of("before")) == PublishStatus::ok);
        victim.run_to_its_death();
        REQUIRE(victim.was_killed());
        REQUIRE(other.try_publish(bytes_of("after")) == PublishStatus::ok);
    }

    const std::vector<std::string> expected = {"before", "after"};
    CHECK(drain(gating).texts() == expected);
    CHECK(drain(skipping).texts() == expected);
    CHECK(drain(observing).texts() == expected);
    CHECK(gating.next_sequence() == 3);
    CHECK(skipping.lost_events() == 0);
    CHECK(stream.open(RegionAccess::observe)->state().registry.rescued_events.load() == 0);

    // A run of a dead claim has sequences and no bytes.
    Subscriber runs = stream.subscriber();
    std::uint64_t counted = 0;
    bool bytes_missing = false;
    for (int look = 0; look < kLooks && counted < 3; ++look) {
        const Run run = runs.next_run(4096);
        counted += run.count;
        if (run.count != 0 && run.bytes.empty()) bytes_missing = true;
    }
    CHECK(counted == 3);
    CHECK(bytes_missing);
}

TEST_CASE("hole: a stopped publisher isn't taken for dead", "[crash][hole]") {
    const Watchdog watchdog("hole: a stopped publisher");
    const TestStream stream;
    Claimant stopped(stream, {8}, "publisher.swap_won", 1, false);
    Publisher other = stream.publisher("other");
    Subscriber reader = stream.subscriber();
    stopped.run_to_its_pause();
    stopped.stop();

    const std::uint64_t published = publish_laps(other, 5000);
    CHECK(published < 5000);  // its claim holds the ring
    CHECK(drain(reader).events.empty());
    CHECK(other.publish(bytes_of(std::string(100, 'x')), 0, Deadline::in_ms(20)) ==
          PublishStatus::timed_out);
    CHECK(stream.open()->state().registry.rescued_events.load() == 0);

    stopped.go_on();
    stopped.resume();
    CHECK(stopped.wait() == 0);
    const Drained drained = drain(reader);
    REQUIRE(drained.events.size() == published + 1);
    CHECK(drained.events[0].payload == std::string(8, 'c'));
    CHECK(publish_laps(other, 10) == 10);
}

}  // namespace hole_crash_test
