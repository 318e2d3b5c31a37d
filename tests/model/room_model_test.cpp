// Publishers that need room, and the readers whose place it is.

#include "model/forbidden.hpp"
#include "model/interleaver.hpp"
#include "model/joining_step.hpp"
#include "model/model_ring.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <optional>
#include <string>
#include <vector>

namespace room_model_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint32_t kEighth = 8192 - 16;  // eight of them fill the ring to the last byte
constexpr std::uint32_t kSixteenth = 4096 - 16;

// Steps that matter to room: the fewer, the further the exploration goes.
bool is_about_room(std::string_view step) {
    return step == "reading" || step.starts_with("subscriber.") ||
           step == "publisher.write_limit_raised" || step == "publisher.gates_looked_at" ||
           step == "publisher.readers_looked_at" || step == "publisher.room_asked" ||
           step == "publisher.swap_won" || step == "publisher.filled" ||
           step == "publisher.stamped" || step == "publisher.tail_read" ||
           step == "publisher.intent_noted";
}

// Reads with a step in the middle of each event: others may run while it is in hand.
class Reading {
public:
    Reading(Interleaver& run, Subscriber& subscriber) : run_(run), subscriber_(subscriber) {
        next = subscriber.next_sequence();
    }

    PollState poll(std::uint64_t limit) {
        const PollResult result = subscriber_.poll(
            [&](const Event& event) {
                const auto before = read_even(event.payload());
                if (before != event.sequence()) run_.outcome("an event is torn");
                run_.step("reading");
                if (read_even(event.payload()) != before)
                    run_.outcome("an event changes while it is read");
                if (event.sequence() != next) run_.outcome("a gating reader misses an event");
                next = event.sequence() + 1;
            },
            limit);
        if (result.state == PollState::corrupt) run_.outcome("the ring looks corrupt");
        if (result.state == PollState::gap) {
            const Gap gap = subscriber_.last_gap();
            if (gap.first != next || gap.count == 0 ||
                subscriber_.next_sequence() != next + gap.count) {
                run_.outcome("a gap that isn't exact");
            }
            next += gap.count;
        }
        return result.state;
    }

    Sequence next = 0;

private:
    Interleaver& run_;
    Subscriber& subscriber_;
};

// Publishes the event whose number is its sequence, waiting for the gates to move when there is no
// room.
void publish_waiting(Interleaver& run,
                     const ModelRing& ring,
                     Publisher& publisher,
                     std::uint32_t size_bytes,
                     std::uint64_t number) {
    const auto gates = [&] {
        std::uint64_t sum = 0;
        for (std::uint32_t slot = 0; slot < ring.region().header().subscriber_slots; ++slot) {
            sum += ring.region().subscriber_slot(slot).gate_position.load();
        }
        return sum;
    };
    for (;;) {
        const std::uint64_t seen = gates();
        if (publish_even(publisher, size_bytes, number) == PublishStatus::ok) return;
        run.block_until([&] { return gates() != seen; });
    }
}

void fill(Publisher& publisher, std::uint32_t size_bytes, std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t number = from; number < to; ++number) {
        REQUIRE(publish_even(publisher, size_bytes, number) == PublishStatus::ok);
    }
}

}  // namespace

TEST_CASE("model: a full ring is written again only where the gate has gone", "[model][room]") {
    const Watchdog watchdog("model: a full ring is written again", 500);
    ModelRing ring(model_stream(GENERATE(Publishing::multi, Publishing::single)));
    Publisher& publisher = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    fill(publisher, kEighth, 0, 8);
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(3)}, [&](Interleaver& run) {
        ring.reset();
        run.switch_at(is_about_room);
        Reading reading(run, reader);
        run.actor("publisher", [&] {
            publish_waiting(run, ring, publisher, kEighth, 8);
            publish_waiting(run, ring, publisher, kEighth, 9);
        });
        run.actor("reader", [&] {
            while (reading.next < 10) {
                run.block_until([&] { return reader.has_event(); });
                reading.poll(reading.next < 2 ? 1 : 10);
            }
        });
        if (!run.play()) run.outcome("somebody waits for ever");
    });

    check_forbidden(seen);
    CHECK(seen.schedules > 100);
}

TEST_CASE("model: a gating reader that joins late and a publisher that goes round",
          "[model][room]") {
    const Watchdog watchdog("model: a gating reader that joins late", 500);
    ModelRing ring(model_stream(GENERATE(Publishing::multi, Publishing::single)));
    // More than a lap, so that the oldest place is the next one to be written again.
    Publisher& publisher = ring.keep_publisher();
    fill(publisher, kSixteenth, 0, 20);
    ring.remember();

    const Exploration seen =
        explore(sampled({.preemptions = preemptions(3)}, 4), [&](Interleaver& run) {
            ring.reset();
            run.switch_at(is_about_room);
            let_askers_answer(run, ring.region());
            std::optional<Subscriber> joiner;
            bool has_read = false;
            run.actor("publisher", [&] {
                for (std::uint64_t number = 20; number < 22; ++number) {
                    publish_waiting(run, ring, publisher, kSixteenth, number);
                }
            });
            run.actor("joiner", [&] {
                joiner.emplace(ring.subscriber());
                Reading reading(run, *joiner);
                if (reading.next <= 5) run.outcome("joined at the very end");
                while (reading.next < 22) {
                    run.block_until([&] { return joiner->has_event(); });
                    reading.poll(2);
                }
                has_read = true;
            });
            if (!run.play()) run.outcome("somebody waits for ever");
            if (has_read) run.outcome("read to the end");
        });

    check_forbidden(seen);
    CHECK(seen.count("read to the end") == seen.schedules);
    CHECK(seen.count("joined at the very end") > 0);
    CHECK(seen.schedules > 500);
}

TEST_CASE("model: two publishers need room while a gating reader joins", "[model][room]") {
    const Watchdog watchdog("model: two publishers need room while a gating reader joins", 500);
    ModelRing ring;
    Publisher& first = ring.keep_publisher();
    Publisher& second = ring.keep_publisher();
    fill(first, kSixteenth, 0, 20);
    ring.remember();

    const Exploration seen =
        explore(sampled({.preemptions = preemptions(2)}, 4), [&](Interleaver& run) {
            ring.reset();
            std::optional<Subscriber> joiner;
            run.switch_at(is_about_room);
            let_askers_answer(run, ring.region());
            // Each writes numbers of its own, so the reader checks that events stay as they are.
            const auto publish = [&](Publisher& publisher) {
                Claim claim;
                for (;;) {
                    const auto gate = [&] {
                        return ring.region().subscriber_slot(0).gate_position.load();
                    };
                    const std::uint64_t seen_gate = gate();
                    const Place seen_tail = ring.region().tail();
                    if (publisher.try_claim(claim, kSixteenth) == PublishStatus::ok) break;
                    run.block_until(
                        [&] { return gate() != seen_gate || ring.region().tail() != seen_tail; });
                }
                fill_even(claim.payload, claim.sequence);
                publisher.commit(claim);
            };
            run.actor("first", [&] {
                publish(first);
                publish(first);
            });
            run.actor("second", [&] { publish(second); });
            run.actor("joiner", [&] {
                joiner.emplace(ring.subscriber());
                Reading reading(run, *joiner);
                while (reading.next < 23) {
                    run.block_until([&] { return joiner->has_event(); });
                    reading.poll(4);
                }
            });
            if (!run.play()) run.outcome("somebody waits for ever");
        });

    check_forbidden(seen);
    CHECK(seen.schedules > 500);
}

TEST_CASE("model: a reader that is lapped hands over nothing torn and tells the gap",
          "[model][room]") {
    const Watchdog watchdog("model: a reader that is lapped", 500);
    ModelRing ring(model_stream(GENERATE(Publishing::multi, Publishing::single)));
    Publisher& publisher = ring.keep_publisher();
    fill(publisher, kSixteenth, 0, 16);
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(2)}, [&](Interleaver& run) {
        ring.reset();
        run.switch_at(is_about_room);
        Subscriber reader = ring.subscriber(SlowPolicy::skip, Start::oldest());
        Reading reading(run, reader);
        run.actor("publisher", [&] {
            for (std::uint64_t number = 16; number < 20; ++number) {
                static_cast<void>(publish_even(publisher, kSixteenth, number));
            }
        });
        run.actor("reader", [&] {
            bool had_gap = false;
            while (reading.next < 20) {
                run.block_until([&] {
                    return reader.has_event() || reading.next + 16 < ring.region().tail().sequence;
                });
                had_gap |= reading.poll(2) == PollState::gap;
            }
            run.outcome(had_gap ? "had a gap" : "kept up");
        });
        if (!run.play()) run.outcome("somebody waits for ever");
    });

    check_forbidden(seen);
    CHECK(seen.count("had a gap") > 0);
    CHECK(seen.count("had a gap") + seen.count("kept up") == seen.schedules);
}

}  // namespace room_model_test
