// Claims, commits, deaths and readers in all orders.

#include "model/forbidden.hpp"
#include "model/interleaver.hpp"
#include "model/model_ring.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace publishing_model_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint32_t kSmall = 24;

// What a reader was handed, and what is wrong with it.
struct Seen {
    std::vector<Sequence> sequences;
    std::vector<std::uint64_t> numbers;
    bool is_torn = false;

    void add(const Event& event) {
        const auto number = read_even(event.payload());
        if (!number) is_torn = true;
        sequences.push_back(event.sequence());
        numbers.push_back(number.value_or(0));
    }
    [[nodiscard]] bool has(std::uint64_t number) const { return count(number) != 0; }
    [[nodiscard]] std::ptrdiff_t count(std::uint64_t number) const {
        return std::count(numbers.begin(), numbers.end(), number);
    }
    [[nodiscard]] bool grows() const {
        return std::adjacent_find(sequences.begin(), sequences.end(), std::greater_equal<>{}) ==
               sequences.end();
    }
};

// One look at the ring that includes a look for a dead publisher's hole.
void look_hard(Subscriber& subscriber, Seen& seen) {
    constexpr int kPollsUntilItLooks = 300;
    for (int poll = 0; poll < kPollsUntilItLooks; ++poll) {
        const PollResult result = subscriber.poll([&](const Event& event) { seen.add(event); }, 10);
        if (result.state == PollState::ok) return;
    }
}

// How often a reader looks before it is taken to be stuck.
constexpr int kMostLooks = 20;

void judge_order(Interleaver& run, const Seen& seen) {
    if (seen.is_torn) run.outcome("an event is torn");
    if (!seen.grows()) run.outcome("a sequence is missing or comes twice");
}

// Steps that matter to claims, and those that matter to holes: the fewer, the further the
// exploration goes.
bool is_about_claims(std::string_view step) {
    return step != "subscriber.read" && !step.starts_with("wake.") && !step.starts_with("tail.");
}
bool is_about_holes(std::string_view step) {
    return step.starts_with("hole.") || step.starts_with("tombstone.") ||
           step.starts_with("rescue.") || step.starts_with("publisher.intent") ||
           step == "publisher.swap_won" || step == "publisher.stamped";
}

}  // namespace

TEST_CASE("model: two publishers and a reader keep one dense order", "[model][publishing]") {
    const Watchdog watchdog("model: two publishers and a reader", 500);
    ModelRing ring;
    Publisher& first = ring.keep_publisher();
    Publisher& second = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    ring.remember();
    const int events_each = GENERATE(1, 2);

    const Exploration seen = explore(
        sampled({.preemptions = preemptions(events_each == 1 ? 3 : 2)}, 3), [&](Interleaver& run) {
            ring.reset();
            Seen got;
            run.switch_at(is_about_claims);
            run.actor("first", [&] {
                for (int event = 0; event < events_each; ++event) {
                    static_cast<void>(
                        publish_even(first, kSmall, 10 + static_cast<std::uint64_t>(event)));
                }
            });
            run.actor("second", [&] {
                for (int event = 0; event < events_each; ++event) {
                    static_cast<void>(
                        publish_even(second, kSmall * 2, 20 + static_cast<std::uint64_t>(event)));
                }
            });
            run.actor("reader", [&] {
                while (got.numbers.size() < 2 * static_cast<std::size_t>(events_each)) {
                    run.block_until([&] { return reader.has_event(); });
                    static_cast<void>(reader.poll([&](const Event& event) { got.add(event); }, 10));
                }
            });
            if (!run.play()) run.outcome("the reader is stuck");
            judge_order(run, got);
            for (std::size_t index = 0; index < got.sequences.size(); ++index) {
                if (got.sequences[index] != index)
                    run.outcome("a sequence is missing or comes twice");
            }
            for (std::uint64_t event = 0; event < static_cast<std::uint64_t>(events_each);
                 ++event) {
                if (got.count(10 + event) != 1 || got.count(20 + event) != 1) {
                    run.outcome("an event is missing or comes twice");
                }
            }
            if (!got.numbers.empty())
                run.outcome(got.numbers[0] == 10 ? "first first" : "second first");
        });

    check_forbidden(seen);
    CHECK(seen.count("first first") > 0);
    CHECK(seen.count("second first") > 0);
    CHECK(seen.schedules > 500);
}

TEST_CASE("model: a publisher's death at any step, beside another and a reader",
          "[model][publishing]") {
    const Watchdog watchdog("model: a publisher's death at any step", 500);
    ModelRing ring;
    Publisher& mortal = ring.keep_publisher();
    Publisher& other = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    ring.remember();

    const Exploration seen =
        explore(sampled({.preemptions = preemptions(2)}, 4), [&](Interleaver& run) {
            ring.reset();
            Seen got;
            run.switch_at(is_about_claims);
            run.actor(
                "mortal",
                [&] { static_cast<void>(publish_even(mortal, kSmall, 10)); },
                [&] { ring.bury_publisher(0); });
            run.actor("other", [&] {
                static_cast<void>(publish_even(other, kSmall * 2, 20));
                static_cast<void>(publish_even(other, kSmall * 2, 21));
            });
            run.actor("reader", [&] {
                look_hard(reader, got);
                run.block_until([&] { return run.has_ended("other"); });
                look_hard(reader, got);
                run.block_until([&] { return run.has_ended("mortal") || run.has_died("mortal"); });
                for (int look = 0; look < 4; ++look)
                    look_hard(reader, got);
            });
            run.play();
            judge_order(run, got);
            if (got.count(20) != 1 || got.count(21) != 1)
                run.outcome("an event is missing or comes twice");
            if (reader.next_sequence() != ring.region().tail().sequence)
                run.outcome("the reader is stuck");
            if (!run.has_died("mortal")) {
                if (!got.has(10)) run.outcome("an event is missing or comes twice");
                run.outcome("lived");
            } else {
                run.outcome(got.has(10)                          ? "died, committed"
                            : ring.region().tail().sequence == 2 ? "died, unborn"
                                                                 : "died, a hole");
            }
        });

    check_forbidden(seen);
    CHECK(seen.count("lived") > 0);
    CHECK(seen.count("died, committed") > 0);
    CHECK(seen.count("died, unborn") > 0);
    CHECK(seen.count("died, a hole") > 0);
}

TEST_CASE("model: a reader goes by proof while a rescuer writes tombstones",
          "[model][publishing]") {
    const Watchdog watchdog("model: a reader goes by proof while a rescuer writes", 500);
    ModelRing ring;
    Publisher& victim = ring.keep_publisher();
    Publisher& other = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    // The victim died in a batch of three; an event was committed behind it.
    BatchClaim batch;
    REQUIRE(victim.try_claim_batch(batch, 3, kSmall) == PublishStatus::ok);
    ring.bury_publisher(0);
    REQUIRE(publish_even(other, kSmall, 20) == PublishStatus::ok);
    ring.remember();

    const Exploration seen =
        explore(sampled({.preemptions = preemptions(2)}, 4), [&](Interleaver& run) {
            ring.reset();
            Subscriber observer = ring.subscriber(SlowPolicy::observe);
            Seen got;
            Seen observed;
            run.switch_at(is_about_holes);
            std::optional<Publisher> rescuer;
            run.actor("rescuer", [&] { rescuer.emplace(ring.publisher()); });
            run.actor("reader", [&] {
                for (int look = 0; look < kMostLooks && !got.has(20); ++look)
                    look_hard(reader, got);
            });
            run.actor("observer", [&] {
                for (int look = 0; look < kMostLooks && !observed.has(20); ++look)
                    look_hard(observer, observed);
            });
            if (!run.play()) run.outcome("the reader is stuck");
            for (const Seen& one : {got, observed}) {
                judge_order(run, one);
                if (one.sequences != std::vector<Sequence>{3})
                    run.outcome("an event that was never committed");
            }
            run.outcome(ring.region().state().registry.rescued_events.load() == 3 ? "rescued"
                                                                                  : "not rescued");
        });

    check_forbidden(seen);
    CHECK(seen.count("rescued") > 0);
}

TEST_CASE("model: who joins while a batch commits sees all of it or nothing",
          "[model][publishing]") {
    const Watchdog watchdog("model: who joins while a batch commits", 500);
    const Publishing publishing = GENERATE(Publishing::multi, Publishing::single);
    const bool from_newest = GENERATE(false, true);
    ModelRing ring(model_stream(publishing));
    Publisher& publisher = ring.keep_publisher();
    REQUIRE(publish_even(publisher, kSmall, 10) == PublishStatus::ok);
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(3)}, [&](Interleaver& run) {
        ring.reset();
        Seen got;
        std::optional<Subscriber> joiner;
        run.actor("publisher", [&] {
            BatchClaim batch;
            static_cast<void>(publisher.try_claim_batch(batch, 3, kSmall));
            for (std::uint64_t event = 0; event < 3; ++event)
                fill_even(batch.next(), 20 + event);
            publisher.commit(batch);
        });
        run.actor("joiner", [&] {
            joiner.emplace(ring.subscriber(SlowPolicy::observe,
                                           from_newest ? Start::newest() : Start::oldest()));
            static_cast<void>(joiner->poll([&](const Event& event) { got.add(event); }, 10));
            if (got.count(20) != got.count(21) || got.count(20) != got.count(22))
                run.outcome("half a batch");
            run.outcome(got.has(20) ? "all of it at once" : "nothing yet");
            run.block_until([&] { return run.has_ended("publisher"); });
            static_cast<void>(joiner->poll([&](const Event& event) { got.add(event); }, 10));
        });
        if (!run.play()) run.outcome("the reader is stuck");
        judge_order(run, got);
        if (got.count(20) != got.count(21) || got.count(20) != got.count(22))
            run.outcome("half a batch");
        if (!from_newest && (got.count(20) != 1 || got.count(10) != 1)) {
            run.outcome("an event is missing or comes twice");
        }
    });

    check_forbidden(seen);
    CHECK(seen.count("nothing yet") > 0);
    if (!from_newest) CHECK(seen.count("all of it at once") > 0);
}

TEST_CASE("model: notes that change under a look don't decide between two dead claimants",
          "[model][publishing]") {
    const Watchdog watchdog("model: notes that change under a look", 500);
    ModelRing ring;
    const std::uint64_t winner_bytes = GENERATE(64U, 128U);
    const std::uint64_t loser_bytes = winner_bytes == 64 ? 128 : 64;
    static_cast<void>(ring.keep_publisher());
    static_cast<void>(ring.keep_publisher());
    Publisher& living = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    // The first two died right behind their notes of the first place; one of them had won it.
    for (const std::uint32_t slot : {0U, 1U}) {
        PublisherSlot& dead = ring.region().publisher_slot(slot);
        dead.intent_position.store(0);
        dead.intent_size_bytes.store(
            static_cast<std::uint32_t>(slot == 0 ? winner_bytes : loser_bytes));
        dead.intent_count.store(1);
        dead.intent_sequence.store(0);
        ring.bury_publisher(slot);
    }
    ring.region().state().tail.store(pack_tail({1, winner_bytes}));
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(3)}, [&](Interleaver& run) {
        ring.reset();
        Seen got;
        run.switch_at(is_about_holes);
        run.actor("living", [&] {
            for (std::uint64_t event = 0; event < 3; ++event) {
                static_cast<void>(publish_even(living, 48, 20 + event));
            }
        });
        run.actor("reader", [&] {
            look_hard(reader, got);
            run.block_until([&] { return run.has_ended("living"); });
            for (int look = 0; look < 4; ++look)
                look_hard(reader, got);
        });
        if (!run.play()) run.outcome("the reader is stuck");
        judge_order(run, got);
        if (got.sequences != std::vector<Sequence>{1, 2, 3})
            run.outcome("an event is missing or comes twice");
    });

    check_forbidden(seen);
    CHECK(seen.schedules > 500);
}

}  // namespace publishing_model_test
