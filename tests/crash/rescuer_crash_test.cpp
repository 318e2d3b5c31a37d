// The one who clears up after a dead publisher may itself be stopped or killed at any step.

#include "claimant.hpp"
#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/step_script.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace rescuer_crash_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

// A stream with a batch of four whose publisher died in it, between two events that were committed.
struct Wreck {
    Wreck() : reader(stream.subscriber()), publisher(stream.publisher("publisher")) {
        Claimant victim(stream, {8, 300, 0, 100}, "batch.event_prepared", 3, true);
        REQUIRE(publisher.try_publish(bytes_of("before")) == PublishStatus::ok);
        victim.run_to_its_death();
        REQUIRE(victim.was_killed());
        REQUIRE(publisher.try_publish(bytes_of("after")) == PublishStatus::ok);
    }

    [[nodiscard]] StreamState& state() const { return publisher.region().state(); }

    TestStream stream;
    Subscriber reader;
    Publisher publisher;
};

// Clears up by attaching, pauses or dies at a step of it.
ChildProcess make_rescuer(const Wreck& wreck, const char* step, unsigned nth, StepPause* pause) {
    return ChildProcess([&wreck, step, nth, pause] {
        StepScript script;
        if (pause != nullptr) script.pause_at(step, *pause, nth);
        if (pause == nullptr) script.die_at(step, nth);
        const Publisher rescuer = wreck.stream.publisher("rescuer");
        return 0;
    });
}

const std::vector<std::string> kExpected = {"before", "after"};

}  // namespace

TEST_CASE("rescuer: killed at any step, the next one finishes its work", "[crash][rescuer]") {
    const Watchdog watchdog("rescuer: killed at any step");
    struct Death {
        const char* step;
        unsigned nth;
    };
    const std::vector<Death> deaths = {
        {"registry.locked", 1},
        {"hole.claimant_found", 1},
        {"hole.claimant_dead", 1},
        {"hole.not_committed", 1},
        {"rescue.judged_dead", 1},
        {"tombstone.written", 1},
        {"tombstone.written", 2},
        {"tombstone.written", 3},
        {"tombstone.written", 4},
        {"event.sizes_written", 4},
        {"rescue.tombstones_written", 1},
        {"rescue.intent_cleared", 1},
        {"registry.slot_locked", 1},
        {"registry.slot_occupied", 1},
    };
    for (const Death& death : deaths) {
        CAPTURE(death.step, death.nth);
        Wreck wreck;
        Subscriber observer = wreck.stream.subscriber(SlowPolicy::observe);

        REQUIRE(make_rescuer(wreck, death.step, death.nth, nullptr).wait().was_killed());

        CHECK(drain(wreck.reader).texts() == kExpected);
        CHECK(drain(observer).texts() == kExpected);
        { const Publisher second = wreck.stream.publisher("second rescuer"); }
        CHECK(wreck.state().registry.rescued_events.load() <= 4);  // it is counted last
        Subscriber late = wreck.stream.subscriber();
        CHECK(drain(late).texts() == kExpected);
        CHECK(late.next_sequence() == 6);
        CHECK(publish_laps(wreck.publisher, 1) == 1);
        static_cast<void>(drain(wreck.reader));
        static_cast<void>(drain(late));
        CHECK(publish_laps(wreck.publisher, 10'000) > 400);
    }
}

TEST_CASE("rescuer: while one is stopped the ring waits for it and readers don't",
          "[crash][rescuer]") {
    const Watchdog watchdog("rescuer: while one is stopped");
    for (const char* const step :
         {"rescue.judged_dead", "tombstone.written", "rescue.tombstones_written"}) {
        CAPTURE(step);
        Wreck wreck;
        SharedObject<StepPause> pause;
        ChildProcess rescuer = make_rescuer(wreck, step, 1, &*pause);
        pause->wait_until_reached();

        CHECK(drain(wreck.reader).texts() == kExpected);
        const std::uint64_t published = publish_laps(wreck.publisher, 10'000);
        CHECK(published < 600);  // not beyond the place that the rescuer may still write
        CHECK(wreck.publisher.holder().find("claimant") != std::string::npos);
        CHECK(drain(wreck.reader).events.size() == published);
        CHECK(publish_laps(wreck.publisher, 1) == 0);

        pause->let_go();
        CHECK(rescuer.wait().exit_code == 0);
        // Nothing that it wrote late hit anything: the next laps are whole.
        std::uint64_t sound = 0;
        for (int lap = 0; lap < 4; ++lap) {
            const std::uint64_t more = publish_laps(wreck.publisher, 10'000);
            sound += more;
            for (const std::string& text : drain(wreck.reader).texts()) {
                if (text == std::string(100, 'l')) --sound;
            }
        }
        CHECK(sound == 0);
    }
}

TEST_CASE("rescuer: stopped, then killed, it is replaced by a publisher that waits for room",
          "[crash][rescuer]") {
    const Watchdog watchdog("rescuer: stopped, then killed");
    Wreck wreck;
    SharedObject<StepPause> pause;
    ChildProcess rescuer = make_rescuer(wreck, "tombstone.written", 2, &*pause);
    pause->wait_until_reached();
    static_cast<void>(drain(wreck.reader));
    const std::uint64_t published = publish_laps(wreck.publisher, 10'000);
    CHECK(drain(wreck.reader).events.size() == published);
    CHECK(wreck.state().registry.rescued_events.load() == 0);

    REQUIRE(rescuer.kill().was_killed());

    const std::string payload(100, 'l');
    CHECK(wreck.publisher.publish(bytes_of(payload), 0, Deadline::in_ms(30'000)) ==
          PublishStatus::ok);
    CHECK(wreck.state().registry.rescued_events.load() == 4);
    CHECK(drain(wreck.reader).texts() == std::vector<std::string>{payload});
}

TEST_CASE("rescuer: of a single-publisher stream, killed at any step, the next one takes over",
          "[crash][rescuer]") {
    const Watchdog watchdog("rescuer: of a single-publisher stream");
    for (const char* const step : {"registry.locked",
                                   "registry.slot_locked",
                                   "registry.slot_occupied",
                                   "registry.batch_wiped",
                                   "registry.batch_note_cleared"}) {
        for (const unsigned prepared : {1U, 3U}) {
            CAPTURE(step, prepared);
            const TestStream stream(small_stream(Publishing::single));
            Subscriber reader = stream.subscriber();
            {
                Publisher first = stream.publisher();
                REQUIRE(first.try_publish(bytes_of("before")) == PublishStatus::ok);
            }
            Claimant victim(stream, {8, 300, 0, 100}, "batch.event_prepared", prepared, true);
            victim.run_to_its_death();
            REQUIRE(victim.was_killed());
            ChildProcess successor([&] {
                StepScript script;
                script.die_at(step);
                const Publisher publisher = stream.publisher();
                return 0;
            });
            REQUIRE(successor.wait().was_killed());

            Publisher publisher = stream.publisher();
            for (int event = 0; event < 30; ++event) {
                REQUIRE(publisher.try_publish(bytes_of(event == 0 ? "after" : "")) ==
                        PublishStatus::ok);
            }
            const Drained drained = drain(reader);
            REQUIRE(drained.events.size() == 31);
            CHECK(drained.texts()[1] == "after");
            CHECK(drained.events.back().sequence == 30);
        }
    }
}

}  // namespace rescuer_crash_test
