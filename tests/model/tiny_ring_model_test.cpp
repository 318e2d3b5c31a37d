// Whole histories of a tiny ring: every schedule of two claimants and a reader, deaths within a
// batch, a hole that one reader passes while a rescuer fills it and a third publisher goes on, and
// a note that is a lap old.

#include "model/forbidden.hpp"
#include "model/interleaver.hpp"
#include "model/model_ring.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace tiny_ring_model_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint32_t kSmall = 24;
constexpr std::uint32_t kSixteenth = 4096 - 16;

// What a reader was handed and what it was told to have lost; every sequence is accounted for.
class Account {
public:
    Account(Interleaver& run, Subscriber& subscriber)
        : run_(run),
          subscriber_(subscriber),
          next_(subscriber.next_sequence()) {}

    // One look at the ring that includes a look for a dead publisher's hole.
    void look_hard() {
        constexpr int kPollsUntilItLooks = 300;
        for (int poll = 0; poll < kPollsUntilItLooks; ++poll) {
            const PollState state = look();
            if (state == PollState::ok || state == PollState::gap) return;
        }
    }
    PollState look() {
        const PollResult result = subscriber_.poll([&](const Event& event) { add(event); }, 20);
        if (result.state == PollState::corrupt) run_.outcome("the ring looks corrupt");
        if (result.state == PollState::gap) {
            const Gap gap = subscriber_.last_gap();
            if (gap.first < next_ || gap.count == 0) run_.outcome("a gap that isn't exact");
            pass(gap.first);
            next_ = gap.first + gap.count;
        }
        return result.state;
    }
    // Sequences that were stepped over without a word: a dead publisher's, at best.
    [[nodiscard]] const std::vector<Sequence>& passed() const { return passed_; }
    [[nodiscard]] const std::vector<std::uint64_t>& numbers() const { return numbers_; }
    [[nodiscard]] std::ptrdiff_t count(std::uint64_t number) const {
        return std::count(numbers_.begin(), numbers_.end(), number);
    }
    // After the last look.
    void close() { pass(subscriber_.next_sequence()); }

private:
    void add(const Event& event) {
        const auto number = read_even(event.payload());
        if (!number) run_.outcome("an event is torn");
        if (event.sequence() < next_) run_.outcome("a sequence is missing or comes twice");
        pass(event.sequence());
        next_ = event.sequence() + 1;
        numbers_.push_back(number.value_or(0));
    }
    void pass(Sequence until) {
        for (; next_ < until; ++next_)
            passed_.push_back(next_);
    }

    Interleaver& run_;
    Subscriber& subscriber_;
    Sequence next_;
    std::vector<Sequence> passed_;
    std::vector<std::uint64_t> numbers_;
};

bool is_about_claiming(std::string_view step) {
    return step == "publisher.tail_read" || step == "publisher.intent_noted" ||
           step == "publisher.swap_won" || step == "publisher.stamped";
}

}  // namespace

TEST_CASE("model: every schedule of two claimants and a reader", "[model][tiny]") {
    const Watchdog watchdog("model: every schedule of two claimants and a reader", 500);
    ModelRing ring;
    Publisher& first = ring.keep_publisher();
    Publisher& second = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    // Room was asked for before, so that what follows is the claims alone.
    REQUIRE(publish_even(first, kSmall, 1) == PublishStatus::ok);
    REQUIRE(publish_even(second, kSmall, 2) == PublishStatus::ok);
    ring.remember();
    const Limits limits{.preemptions = kAnyPreemptions, .schedules = 3'000'000};

    const Exploration seen = explore(limits, [&](Interleaver& run) {
        ring.reset();
        Account account(run, reader);
        run.switch_at(is_about_claiming);
        run.actor("first", [&] { static_cast<void>(publish_even(first, kSmall, 10)); });
        run.actor("second", [&] { static_cast<void>(publish_even(second, kSmall * 2, 20)); });
        run.actor("reader", [&] {
            static_cast<void>(account.look());
            run.step("reader.between");
            static_cast<void>(account.look());
        });
        if (!run.play()) run.outcome("somebody waits for ever");
        while (account.look() == PollState::ok) {
        }
        account.close();
        if (!account.passed().empty()) run.outcome("a sequence is missing or comes twice");
        for (const std::uint64_t number : {1U, 2U, 10U, 20U}) {
            if (account.count(number) != 1) run.outcome("an event is missing or comes twice");
        }
        run.outcome(account.numbers()[2] == 10 ? "first first" : "second first");
    });

    check_forbidden(seen);
    CHECK(seen.count("first first") > 0);
    CHECK(seen.count("second first") > 0);
}

TEST_CASE("model: a batch's publisher dies at any step, beside another and a reader",
          "[model][tiny]") {
    const Watchdog watchdog("model: a batch's publisher dies at any step", 500);
    ModelRing ring;
    Publisher& mortal = ring.keep_publisher();
    Publisher& other = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(2)}, [&](Interleaver& run) {
        ring.reset();
        Account account(run, reader);
        run.switch_at([](std::string_view step) {
            return is_about_claiming(step) || step.starts_with("batch.") ||
                   step == "hole.claimant_dead" || step == "hole.not_committed" ||
                   step == "publisher.intent_cleared";
        });
        run.actor(
            "mortal",
            [&] {
                BatchClaim batch;
                static_cast<void>(mortal.try_claim_batch(batch, 3, kSmall));
                for (std::uint64_t event = 0; event < 3; ++event)
                    fill_even(batch.next(), 10 + event);
                mortal.commit(batch);
            },
            [&] { ring.bury_publisher(0); });
        // As long as the batch's first event, and no longer: it might pass for a shorter claim.
        run.actor("other", [&] {
            static_cast<void>(publish_even(other, kSmall, 20));
            static_cast<void>(publish_even(other, kSmall, 21));
        });
        run.actor("reader", [&] {
            account.look_hard();
            if (account.count(10) != account.count(12)) run.outcome("half a batch");
            run.block_until([&] {
                return run.has_ended("other") &&
                       (run.has_ended("mortal") || run.has_died("mortal"));
            });
            for (int look = 0; look < 4; ++look)
                account.look_hard();
        });
        if (!run.play()) run.outcome("somebody waits for ever");
        account.close();
        if (reader.next_sequence() != ring.region().tail().sequence)
            run.outcome("the reader is stuck");
        if (account.count(20) != 1 || account.count(21) != 1)
            run.outcome("an event is missing or comes twice");
        const std::ptrdiff_t batch = account.count(10);
        if (account.count(11) != batch || account.count(12) != batch) run.outcome("half a batch");
        if (account.passed().size() % 3 != 0 || (batch == 1 && !account.passed().empty()))
            run.outcome("a loss that nobody told");
        run.outcome(batch == 1                 ? "committed"
                    : account.passed().empty() ? "unborn"
                                               : "a hole of three");
    });

    check_forbidden(seen);
    CHECK(seen.count("committed") > 0);
    CHECK(seen.count("unborn") > 0);
    CHECK(seen.count("a hole of three") > 0);
}

TEST_CASE("model: a hole, a reader, a rescuer, and a third publisher that goes on",
          "[model][tiny]") {
    const Watchdog watchdog("model: a hole, a reader, a rescuer, and a third publisher", 500);
    ModelRing ring;
    Publisher& victim = ring.keep_publisher();
    Publisher& third = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    BatchClaim batch;
    REQUIRE(victim.try_claim_batch(batch, 2, kSmall) == PublishStatus::ok);
    ring.bury_publisher(0);
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(2)}, [&](Interleaver& run) {
        ring.reset();
        Account account(run, reader);
        run.switch_at([](std::string_view step) {
            return is_about_claiming(step) || step == "hole.claimant_dead" ||
                   step == "hole.not_committed" || step.starts_with("tombstone.") ||
                   step.starts_with("rescue.") || step == "registry.slot_occupied";
        });
        std::optional<Publisher> rescuer;
        run.actor("rescuer", [&] {
            rescuer.emplace(ring.publisher());
            static_cast<void>(publish_even(*rescuer, kSmall, 30));
        });
        run.actor("third", [&] {
            static_cast<void>(publish_even(third, kSmall * 2, 20));
            static_cast<void>(publish_even(third, kSmall, 21));
        });
        run.actor("reader", [&] {
            account.look_hard();
            run.block_until([&] { return run.has_ended("third"); });
            account.look_hard();
            run.block_until([&] { return run.has_ended("rescuer"); });
            for (int look = 0; look < 4; ++look)
                account.look_hard();
        });
        if (!run.play()) run.outcome("somebody waits for ever");
        account.close();
        if (reader.next_sequence() != ring.region().tail().sequence)
            run.outcome("the reader is stuck");
        if (account.passed() != std::vector<Sequence>{0, 1})
            run.outcome("a sequence is missing or comes twice");
        for (const std::uint64_t number : {20U, 21U, 30U}) {
            if (account.count(number) != 1) run.outcome("an event is missing or comes twice");
        }
        run.outcome(ring.region().state().registry.rescued_events.load() == 2 ? "rescued"
                                                                              : "not rescued");
    });

    check_forbidden(seen);
    CHECK(seen.count("rescued") > 0);
}

TEST_CASE("model: a reader that is lapped beside a dead publisher's note of a lap ago",
          "[model][tiny]") {
    const Watchdog watchdog("model: a reader that is lapped beside a dead note", 500);
    ModelRing ring;
    Publisher& mortal = ring.keep_publisher();
    Publisher& other = ring.keep_publisher();
    ring.remember();

    const Exploration seen = explore(
        sampled({.preemptions = preemptions(2), .schedules = 2'000'000}, 6), [&](Interleaver& run) {
            ring.reset();
            Subscriber reader = ring.subscriber(SlowPolicy::skip, Start::oldest());
            Account account(run, reader);
            run.switch_at([](std::string_view step) {
                return step == "publisher.tail_read" || step == "publisher.intent_noted" ||
                       step == "publisher.swap_won" || step == "publisher.stamped" ||
                       step == "hole.claimant_found" || step == "hole.not_committed";
            });
            run.actor(
                "mortal",
                [&] { static_cast<void>(publish_even(mortal, kSixteenth, 500)); },
                [&] { ring.bury_publisher(0); });
            // A lap and more, if nothing holds it up.
            std::uint64_t published = 0;
            run.actor("other", [&] {
                constexpr std::uint64_t kLapAndMore = 18;
                while (published < kLapAndMore &&
                       publish_even(other, kSixteenth, published) == PublishStatus::ok) {
                    ++published;
                }
            });
            run.actor("reader", [&] {
                account.look_hard();
                run.block_until([&] { return run.has_ended("other"); });
                run.block_until([&] { return run.has_ended("mortal") || run.has_died("mortal"); });
                for (int look = 0; look < 4; ++look)
                    account.look_hard();
            });
            if (!run.play()) run.outcome("somebody waits for ever");
            account.close();
            if (reader.next_sequence() != ring.region().tail().sequence)
                run.outcome("the reader is stuck");
            // A sequence that was passed without a word is the dead publisher's, if it had won one.
            const std::uint64_t claimed = ring.region().tail().sequence - published;
            const bool is_hole = run.has_died("mortal") && claimed == 1 && account.count(500) == 0;
            if (account.passed().size() > (is_hole ? 1U : 0U))
                run.outcome("a loss that nobody told");
            run.outcome(published < 18              ? "held up"
                        : reader.lost_events() != 0 ? "lapped"
                                                    : "kept up");
        });

    check_forbidden(seen);
    CHECK(seen.count("lapped") > 0);
    CHECK(seen.count("kept up") > 0);
}

}  // namespace tiny_ring_model_test
