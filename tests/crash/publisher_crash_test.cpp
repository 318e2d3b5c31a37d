// A publisher is killed at every step of its work, while a second publisher and two subscribers
// run.

#include "crash_story.hpp"
#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/step_script.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/stream_status.hpp>

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace publisher_crash_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

// What must have become of the operation in which the publisher died.
enum class Fate {
    unborn,     // it took no sequence, and nobody saw it
    tombstone,  // it took its sequences, and nobody saw it
    committed,  // everybody saw it
};

struct Death {
    const char* step;
    unsigned nth;
    Fate fate;
};

constexpr std::uint32_t kVictim = 0;
constexpr std::uint32_t kOther = 1;
constexpr std::uint32_t kSuccessor = 2;
constexpr std::uint32_t kBatch = 3;

// Whatever is left behind must be passed by several laps of the ring.
constexpr std::uint64_t kEventsAfterwards = 1500;

struct Scene {
    explicit Scene(Publishing publishing) : stream(small_stream(publishing)) {
        for (std::size_t reader = 0; reader < 2; ++reader) {
            readers.emplace_back([this, reader] { return run_subscriber(stream, *story, reader); });
            wait_until([this, reader] { return story->logs[reader].attached.load() == 1; });
        }
    }

    // Runs the victim until it dies, then lets others go on for some laps, then stops everybody.
    Ending play(const Death& death, std::uint32_t batch_count, bool single) {
        ChildProcess other;
        if (!single) {
            other = ChildProcess([this] { return run_publisher(stream, *story, kOther); });
            wait_until([this] { return story->lives[kOther].committed.load() > 50; });
        }
        ChildProcess victim([&] {
            StepScript script;
            script.die_at(death.step, death.nth);
            if (std::string(death.step) == "publisher.swap_lost") lose_every_swap(script);
            return run_publisher(stream, *story, kVictim, batch_count);
        });
        const Ending ending = victim.wait();
        const std::uint32_t survivor = single ? kSuccessor : kOther;
        if (single)
            other = ChildProcess([this] { return run_publisher(stream, *story, kSuccessor); });
        const std::uint64_t target = story->lives[survivor].committed.load() + kEventsAfterwards;
        wait_until([&] { return story->lives[survivor].committed.load() >= target; });
        story->stop_publishing.store(true);
        survivor_exit_code = other.wait().exit_code;
        end_sequence = stream.open(RegionAccess::observe)->tail().sequence;
        for (std::size_t reader = 0; reader < 2; ++reader) {
            wait_until([&] { return story->logs[reader].next_sequence.load() == end_sequence; });
        }
        story->stop_reading.store(true);
        for (ChildProcess& reader : readers)
            reader_exit_codes += reader.wait().exit_code;
        return ending;
    }

    // Between the note and the swap, waits until the other publisher has gone on.
    void lose_every_swap(StepScript& script) {
        auto region = stream.open(RegionAccess::observe);
        script.at("publisher.intent_noted", 1, [region] {
            const Place seen = region->tail();
            wait_until([&] { return region->tail() != seen; });
        });
    }

    TestStream stream;
    SharedObject<CrashStory> story;
    std::vector<ChildProcess> readers;
    Sequence end_sequence = 0;
    int survivor_exit_code = -1;
    int reader_exit_codes = 0;
};

void check_death(const Death& death, Publishing publishing, std::uint32_t batch_count) {
    CAPTURE(death.step, death.nth, batch_count, publishing == Publishing::multi);
    const Watchdog watchdog(death.step);
    Scene scene(publishing);

    const Ending ending = scene.play(death, batch_count, publishing == Publishing::single);

    REQUIRE(ending.was_killed());  // the fault fired
    CHECK(scene.survivor_exit_code == 0);
    CHECK(scene.reader_exit_codes == 0);
    const StoryFacts facts = judge_story(*scene.story, 2, {batch_count, 1, 1});
    CHECK(facts.faults == std::vector<std::string>{});
    const Life& victim = scene.story->lives[kVictim];
    REQUIRE(victim.attempted.load() == victim.committed.load() + batch_count);
    REQUIRE(facts.received.size() == kMostLives);
    CHECK(facts.received[kVictim] ==
          (death.fate == Fate::committed ? victim.attempted.load() : victim.committed.load()));
    CHECK(scene.end_sequence == facts.arrivals + (death.fate == Fate::tombstone ? batch_count : 0));
}

}  // namespace

TEST_CASE("crash: a publisher of a shared stream dies at any step of one event",
          "[crash][publisher]") {
    const std::vector<Death> deaths = {
        {"publisher.tail_read", 1, Fate::unborn},
        {"publisher.tail_read", 40, Fate::unborn},
        {"publisher.room_wanted", 3, Fate::unborn},
        {"publisher.write_limit_raised", 3, Fate::unborn},
        {"publisher.checkpoint_noted", 3, Fate::unborn},
        {"publisher.gates_looked_at", 3, Fate::unborn},
        {"publisher.readers_looked_at", 3, Fate::unborn},
        {"publisher.intent_position_noted", 40, Fate::unborn},
        {"publisher.intent_noted", 40, Fate::unborn},
        {"publisher.swap_lost", 1, Fate::unborn},
        {"publisher.swap_won", 1, Fate::tombstone},
        {"publisher.swap_won", 40, Fate::tombstone},
        {"publisher.filled", 40, Fate::tombstone},
        {"event.sizes_written", 40, Fate::tombstone},
        {"publisher.stamped", 40, Fate::committed},
        {"publisher.intent_cleared", 40, Fate::committed},
    };
    for (const Death& death : deaths)
        check_death(death, Publishing::multi, 1);
}

TEST_CASE("crash: a publisher of a shared stream dies at any step of a batch",
          "[crash][publisher]") {
    const std::vector<Death> deaths = {
        {"publisher.intent_noted", 20, Fate::unborn},
        {"publisher.swap_won", 20, Fate::tombstone},
        {"batch.marked_won", 20, Fate::tombstone},
        {"batch.sizes_written", 61, Fate::tombstone},
        {"batch.sizes_written", 63, Fate::tombstone},
        {"batch.event_prepared", 61, Fate::tombstone},
        {"batch.event_prepared", 62, Fate::tombstone},
        {"batch.event_prepared", 63, Fate::tombstone},
        {"event.sizes_written", 63, Fate::tombstone},
        {"batch.first_stamped", 20, Fate::committed},
        {"publisher.intent_cleared", 20, Fate::committed},
    };
    for (const Death& death : deaths)
        check_death(death, Publishing::multi, kBatch);
}

TEST_CASE("crash: the publisher of a single-publisher stream dies at any step of one event",
          "[crash][publisher]") {
    const std::vector<Death> deaths = {
        {"publisher.room_wanted", 3, Fate::unborn},
        {"publisher.write_limit_raised", 3, Fate::unborn},
        {"publisher.checkpoint_noted", 3, Fate::unborn},
        {"publisher.readers_looked_at", 3, Fate::unborn},
        {"publisher.filled", 1, Fate::unborn},
        {"publisher.filled", 40, Fate::unborn},
        {"event.sizes_written", 40, Fate::unborn},
        {"publisher.stamped", 40, Fate::committed},
        {"publisher.tail_stored", 40, Fate::committed},
    };
    for (const Death& death : deaths)
        check_death(death, Publishing::single, 1);
}

TEST_CASE("crash: the publisher of a single-publisher stream dies at any step of a batch",
          "[crash][publisher]") {
    const std::vector<Death> deaths = {
        {"publisher.intent_noted", 20, Fate::unborn},
        {"batch.sizes_written", 61, Fate::unborn},
        {"batch.sizes_written", 63, Fate::unborn},
        {"batch.event_prepared", 61, Fate::unborn},
        {"batch.event_prepared", 62, Fate::unborn},
        {"batch.event_prepared", 63, Fate::unborn},
        {"event.sizes_written", 63, Fate::unborn},
        {"batch.first_stamped", 20, Fate::committed},
        {"publisher.tail_stored", 20, Fate::committed},
        {"publisher.intent_cleared", 20, Fate::committed},
    };
    for (const Death& death : deaths)
        check_death(death, Publishing::single, kBatch);
}

TEST_CASE(
    "crash: what a single publisher stamped before it died counts, though its tail doesn't show it",
    "[crash][publisher]") {
    const Watchdog watchdog("crash: what a single publisher stamped before it died counts");
    const TestStream stream(small_stream(Publishing::single));
    SharedObject<CrashStory> story;
    ChildProcess victim([&] {
        StepScript script;
        script.die_at("publisher.stamped", 3);
        return run_publisher(stream, *story, kVictim);
    });
    REQUIRE(victim.wait().was_killed());
    REQUIRE(stream.open()->tail().sequence == 2);

    Subscriber oldest = stream.subscriber();
    CHECK(drain(oldest).sequences() == std::vector<Sequence>{0, 1, 2});
    CHECK(oldest.lag_events() == 0);
    CHECK(read_status(stream.open()).end_sequence == 3);
    Subscriber next = stream.subscriber(SlowPolicy::gate, Start::at(3));
    Subscriber newest = stream.subscriber(SlowPolicy::observe, Start::newest());
    CHECK(newest.next_sequence() == 3);

    Publisher successor = stream.publisher();
    REQUIRE(successor.try_publish(bytes_of("after")) == PublishStatus::ok);
    CHECK(drain(oldest).sequences() == std::vector<Sequence>{3});
    CHECK(drain(next).sequences() == std::vector<Sequence>{3});
    CHECK(drain(newest).sequences() == std::vector<Sequence>{3});
}

TEST_CASE("crash: a publisher dies at any step of a batch of one size", "[crash][publisher]") {
    const Watchdog watchdog("crash: a publisher dies at any step of a batch of one size");
    struct BatchDeath {
        const char* step;
        unsigned nth;
        bool committed;
    };
    const std::vector<BatchDeath> deaths = {
        {"publisher.intent_noted", 1, false},
        {"event.sizes_written", 1, false},
        {"batch.event_prepared", 1, false},
        {"batch.event_prepared", 2, false},
        {"batch.event_prepared", 3, false},
        {"event.sizes_written", 3, false},
        {"batch.first_stamped", 1, true},
        {"publisher.intent_cleared", 1, true},
    };
    constexpr std::uint32_t kCount = 3;
    for (const Publishing publishing : {Publishing::multi, Publishing::single}) {
        for (const BatchDeath& death : deaths) {
            CAPTURE(death.step, death.nth, publishing == Publishing::multi);
            const TestStream stream(small_stream(publishing));
            Subscriber reader = stream.subscriber();
            ChildProcess victim([&] {
                Publisher publisher = stream.publisher("victim");
                StepScript script;
                script.die_at(death.step, death.nth);
                BatchClaim batch;
                if (publisher.try_claim_batch(batch, kCount, 4) != PublishStatus::ok) return 1;
                for (std::uint32_t index = 0; index < kCount; ++index)
                    std::copy_n(bytes_of("same").begin(), 4, batch.next().begin());
                publisher.commit(batch);
                return 0;
            });
            REQUIRE(victim.wait().was_killed());
            Publisher successor = stream.publisher();
            REQUIRE(successor.try_publish(bytes_of("after")) == PublishStatus::ok);

            const Drained drained = drain(reader);
            std::vector<std::string> expected(death.committed ? kCount : 0, "same");
            expected.emplace_back("after");
            CHECK(drained.texts() == expected);
        }
    }
}

TEST_CASE("crash: a publisher dies while it gives a claim up", "[crash][publisher]") {
    const Watchdog watchdog("crash: a publisher dies while it gives a claim up");
    struct AbortDeath {
        const char* step;
        unsigned nth;
    };
    const std::vector<AbortDeath> deaths = {
        {"publisher.aborting", 1},
        {"event.sizes_written", 1},
        {"tombstone.written", 1},
        {"tombstone.written", 2},
        {"tombstone.written", 3},
        {"publisher.intent_cleared", 1},
    };
    for (const std::uint32_t count : {1U, 3U}) {
        for (const AbortDeath& death : deaths) {
            if (count == 1 && death.nth > 1) continue;
            if (count == 3 && std::string(death.step) == "publisher.aborting") continue;
            CAPTURE(death.step, death.nth, count);
            const TestStream stream;
            Publisher other = stream.publisher();
            Subscriber reader = stream.subscriber();
            REQUIRE(other.try_publish(bytes_of("before")) == PublishStatus::ok);
            ChildProcess victim([&] {
                Publisher publisher = stream.publisher("victim");
                Claim claim;
                BatchClaim batch;
                const PublishStatus status = count == 1
                                                 ? publisher.try_claim(claim, 200)
                                                 : publisher.try_claim_batch(batch, count, 200);
                StepScript script;
                script.die_at(death.step, death.nth);
                if (count == 1) publisher.abort(claim);
                if (count != 1) publisher.abort(batch);
                return status == PublishStatus::ok ? 0 : 1;
            });
            REQUIRE(victim.wait().was_killed());
            REQUIRE(other.try_publish(bytes_of("after")) == PublishStatus::ok);

            const Drained drained = drain(reader);
            REQUIRE(drained.texts() == std::vector<std::string>{"before", "after"});
            CHECK(drained.events[1].sequence == 1 + count);
            const Publisher rescuer = stream.publisher("rescuer");
            Subscriber late = stream.subscriber();
            CHECK(drain(late).sequences() == std::vector<Sequence>{0, 1 + count});
        }
    }
}

TEST_CASE("crash: a publisher dies while it waits for room, and the others don't wait for it",
          "[crash][publisher]") {
    const Watchdog watchdog("crash: a publisher dies while it waits for room");
    for (const Publishing publishing : {Publishing::multi, Publishing::single}) {
        for (const char* const step : {"sleep.wakes_read", "sleep.announced", "sleep.not_ready"}) {
            CAPTURE(step, publishing == Publishing::multi);
            const TestStream stream(small_stream(publishing));
            SharedObject<CrashStory> story;
            Subscriber reader = stream.subscriber();
            ChildProcess victim([&] {
                StepScript script;
                script.die_at(step);
                return run_publisher(stream, *story, kVictim);
            });
            REQUIRE(victim.wait().was_killed());
            const std::uint64_t published = story->lives[kVictim].committed.load();
            REQUIRE(published > 100);

            Publisher successor = stream.publisher();
            CHECK(drain(reader).events.size() == published);
            CHECK(successor.try_publish(bytes_of("after")) == PublishStatus::ok);
            CHECK(drain(reader).sequences() == std::vector<Sequence>{published});
        }
    }
}

}  // namespace publisher_crash_test
