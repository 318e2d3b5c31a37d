// A subscriber is killed at every step of its work, while two publishers and a second subscriber
// run.

#include "claimant.hpp"
#include "crash_story.hpp"
#include "support/child_process.hpp"
#include "support/step_script.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace subscriber_crash_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::size_t kWitness = 0;
constexpr std::size_t kVictim = 1;
constexpr std::uint64_t kEventsAfterwards = 1500;

struct Death {
    const char* step;
    unsigned nth;
    bool has_read;  // it had been reading before
};

void check_death(const Death& death) {
    CAPTURE(death.step, death.nth);
    const Watchdog watchdog(death.step);
    const TestStream stream;
    SharedObject<CrashStory> story;
    ChildProcess witness([&] { return run_subscriber(stream, *story, kWitness); });
    wait_until([&] { return story->logs[kWitness].attached.load() == 1; });
    ChildProcess victim([&] {
        StepScript script;
        script.die_at(death.step, death.nth);
        return run_subscriber(stream, *story, kVictim);
    });
    std::vector<ChildProcess> publishers;
    for (std::uint32_t life = 0; life < 2; ++life) {
        publishers.emplace_back([&, life] { return run_publisher(stream, *story, life); });
    }

    REQUIRE(victim.wait().was_killed());
    std::vector<std::uint64_t> targets;
    for (std::uint32_t life = 0; life < 2; ++life) {
        targets.push_back(story->lives[life].committed.load() + kEventsAfterwards);
    }
    wait_until([&] {
        return story->lives[0].committed.load() >= targets[0] &&
               story->lives[1].committed.load() >= targets[1];
    });
    story->stop_publishing.store(true);
    for (ChildProcess& publisher : publishers)
        CHECK(publisher.wait().exit_code == 0);
    const auto region = stream.open();
    wait_until(
        [&] { return story->logs[kWitness].next_sequence.load() == region->tail().sequence; });
    story->stop_reading.store(true);
    CHECK(witness.wait().exit_code == 0);

    const StoryFacts facts = judge_story(*story, 1, {1, 1});
    CHECK(facts.faults == std::vector<std::string>{});
    CHECK(facts.arrivals == region->tail().sequence);
    // What the victim saw is a run of what the witness saw.
    const auto& seen = story->logs[kVictim];
    CHECK(seen.torn.load() == 0);
    CHECK((seen.count.load() > 0) == death.has_read);
    std::uint64_t different = 0;
    for (std::uint64_t index = 0; index < seen.count.load(); ++index) {
        const Arrival& arrival = seen.arrivals[index];
        if (!(arrival == story->logs[kWitness].arrivals[arrival.sequence])) ++different;
        if (index > 0 && arrival.sequence != seen.arrivals[index - 1].sequence + 1) ++different;
    }
    CHECK(different == 0);
}

}  // namespace

TEST_CASE("crash: a gating subscriber dies at any step, and the others go on",
          "[crash][subscriber]") {
    const std::vector<Death> deaths = {
        {"registry.locked", 1, false},
        {"registry.slot_locked", 1, false},
        {"registry.slot_occupied", 1, false},
        {"subscriber.starting", 1, false},
        {"subscriber.place_found", 1, false},
        {"subscriber.gate_registered", 1, false},
        {"subscriber.place_held", 1, false},
        {"subscriber.gate_moved", 1, false},
        {"subscriber.read", 100, true},
        {"subscriber.gate_moved", 30, true},
    };
    for (const Death& death : deaths)
        check_death(death);
}

TEST_CASE("crash: a dead gate is dropped once, and its slot is free again", "[crash][subscriber]") {
    const Watchdog watchdog("crash: a dead gate is dropped once");
    StreamOptions options = small_stream(GENERATE(Publishing::multi, Publishing::single));
    options.subscriber_slots = 1;
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    SharedObject<StepPause> attached;
    ChildProcess victim([&]() -> int {
        const Subscriber subscriber = stream.subscriber(SlowPolicy::gate, Start::oldest(), "risk");
        attached->pause_here();
        return 1;
    });
    attached->wait_until_reached();
    static_cast<void>(publish_laps(publisher, 10'000));
    CHECK(publisher.holder().find("'risk'") != std::string::npos);
    CHECK(publisher.publish(bytes_of(std::string(100, 'x')), 0, Deadline::in_ms(5)) ==
          PublishStatus::timed_out);

    REQUIRE(victim.kill().was_killed());

    CHECK(publisher.publish(bytes_of(std::string(100, 'x')), 0, Deadline::in_ms(30'000)) ==
          PublishStatus::ok);
    CHECK(publish_laps(publisher, 3000) == 3000);
    CHECK(stream.open()->state().registry.reclaimed_subscribers.load() == 1);
    Subscriber next = stream.subscriber();
    CHECK(drain(next).events.size() > 100);
}

TEST_CASE("crash: a stopped gating subscriber isn't taken for dead", "[crash][subscriber]") {
    const Watchdog watchdog("crash: a stopped gating subscriber");
    const TestStream stream;
    Publisher publisher = stream.publisher();
    SharedObject<CrashStory> story;
    ChildProcess reader([&] { return run_subscriber(stream, *story, kVictim); });
    wait_until([&] { return story->logs[kVictim].attached.load() == 1; });
    reader.stop();

    Life& life = story->lives[0];
    PublishStatus status = PublishStatus::ok;
    while (status == PublishStatus::ok)
        status = publish_next(publisher, life, 0, Deadline::in_ms(20));
    CHECK(status == PublishStatus::timed_out);
    CHECK(stream.open()->state().registry.reclaimed_subscribers.load() == 0);

    reader.resume();
    const std::uint64_t target = life.committed.load() + 2000;
    while (life.committed.load() < target) {
        REQUIRE(publish_next(publisher, life, 0, Deadline::in_ms(30'000)) == PublishStatus::ok);
    }
    wait_until([&] { return story->logs[kVictim].count.load() == target; });
    CHECK(story->logs[kVictim].torn.load() == 0);
}

TEST_CASE("crash: a sleeping subscriber's death leaves the publisher's wake-ups harmless",
          "[crash][subscriber]") {
    const Watchdog watchdog("crash: a sleeping subscriber's death");
    for (const char* const step : {"sleep.wakes_read", "sleep.announced", "sleep.not_ready"}) {
        CAPTURE(step);
        const TestStream stream;
        Publisher publisher = stream.publisher();
        SharedObject<CrashStory> story;
        ChildProcess victim([&] {
            StepScript script;
            script.die_at(step);
            return run_subscriber(stream, *story, kVictim);
        });
        REQUIRE(victim.wait().was_killed());
        ChildProcess reader([&] { return run_subscriber(stream, *story, kWitness); });
        wait_until([&] { return story->logs[kWitness].attached.load() == 1; });

        for (int event = 0; event < 1000; ++event) {
            REQUIRE(publish_next(publisher, story->lives[0], 0, Deadline::in_ms(30'000)) ==
                    PublishStatus::ok);
        }

        wait_until([&] { return story->logs[kWitness].count.load() == 1000; });
        story->stop_reading.store(true);
        CHECK(reader.wait().exit_code == 0);
    }
}

TEST_CASE("crash: a publisher that dies while it wakes others leaves no sleeper behind",
          "[crash][subscriber]") {
    const Watchdog watchdog("crash: a publisher that dies while it wakes others");
    for (const char* const step : {"wake.looking", "wake.flag_lowered", "wake.counted"}) {
        CAPTURE(step);
        const TestStream stream;
        SharedObject<CrashStory> story;
        ChildProcess reader([&] { return run_subscriber(stream, *story, kWitness); });
        const auto region = stream.open();
        wait_until([&] { return region->state().subscribers_wait.sleeping.load() != 0; });
        ChildProcess victim([&] {
            StepScript script;
            script.die_at(step);
            return run_publisher(stream, *story, 0);
        });
        REQUIRE(victim.wait().was_killed());

        wait_until([&] { return story->logs[kWitness].count.load() == 1; });
        Publisher publisher = stream.publisher();
        REQUIRE(publish_next(publisher, story->lives[1], 1) == PublishStatus::ok);
        wait_until([&] { return story->logs[kWitness].count.load() == 2; });
        story->stop_reading.store(true);
        CHECK(reader.wait().exit_code == 0);
    }
}

}  // namespace subscriber_crash_test
