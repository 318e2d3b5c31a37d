// A publisher that evicts a silent reader, while that reader goes on after all.

#include "model/interleaver.hpp"
#include "model/model_ring.hpp"
#include "registry.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/file_lock.hpp>

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace eviction_model_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint32_t kEighth = 8192 - 16;  // eight of them fill the ring to the last byte
constexpr std::uint64_t kLongNs = 60'000'000'000;

const std::vector<std::string> kForbidden = {
    "an event is torn",
    "an event is skipped without a gap",
    "a gap that isn't exact",
    "a gap without an eviction",
    "an eviction that isn't told",
    "somebody waits for ever",
    "the ring looks corrupt",
};

bool is_about_eviction(std::string_view step) {
    return step.starts_with("subscriber.") || step.starts_with("registry.evict") ||
           step == "publisher.write_limit_raised" || step == "publisher.readers_looked_at" ||
           step == "publisher.filled" || step == "publisher.stamped";
}

}  // namespace

TEST_CASE("model: of a reader's step and its eviction one wins, and the reader knows which",
          "[model][eviction]") {
    const Watchdog watchdog("model: eviction", 500);
    ModelRing ring(model_stream(GENERATE(Publishing::multi, Publishing::single)));
    Publisher& publisher = ring.keep_publisher();
    for (std::uint64_t number = 0; number < 8; ++number)
        REQUIRE(publish_even(publisher, kEighth, number) == PublishStatus::ok);
    ring.remember();
    LockFile registry = expect(LockFile::open(ring.region().lock_path()), "lock file");

    const Exploration seen = explore({.preemptions = preemptions(3)}, [&](Interleaver& run) {
        ring.reset();
        run.switch_at(is_about_eviction);
        Subscriber reader = ring.subscriber(SlowPolicy::evict, Start::oldest());
        const SubscriberSlot& slot = ring.region().subscriber_slot(0);
        Sequence next = 0;
        run.actor("publisher", [&] {
            for (std::uint64_t number = 8; number < 10;) {
                const std::uint64_t gate = slot.gate_position.load();
                if (publish_even(publisher, kEighth, number) == PublishStatus::ok) {
                    ++number;
                } else if (gate == slot.gate_position.load()) {
                    // It has been silent for a minute, for all that the publisher knows.
                    static_cast<void>(
                        evict_silent_subscriber(ring.region(),
                                                {0, gate, slot.owner.attached_ns.load(), 0},
                                                kLongNs,
                                                0,
                                                registry));
                }
            }
        });
        run.actor("reader", [&] {
            bool was_told = false;
            while (next < 10) {
                run.block_until([&] { return reader.has_event() || run.has_ended("publisher"); });
                const PollResult result = reader.poll(
                    [&](const Event& event) {
                        if (read_even(event.payload()) != event.sequence())
                            run.outcome("an event is torn");
                        if (event.sequence() != next)
                            run.outcome("an event is skipped without a gap");
                        next = event.sequence() + 1;
                    },
                    3);
                if (result.state == PollState::corrupt) run.outcome("the ring looks corrupt");
                if (result.state != PollState::gap) continue;
                const Gap gap = reader.last_gap();
                if (gap.first != next || reader.next_sequence() != next + gap.count)
                    run.outcome("a gap that isn't exact");
                if (!reader.is_evicted()) run.outcome("a gap without an eviction");
                was_told = true;
                next += gap.count;
            }
            const bool was_evicted = slot.notice.evictions.load() != 0;
            run.outcome(was_told      ? "evicted"
                        : was_evicted ? "evicted at the end"
                                      : "kept its gate");
            if (reader.is_evicted() && !was_evicted) run.outcome("an eviction that isn't told");
            if (was_told && !was_evicted) run.outcome("a gap without an eviction");
        });
        if (!run.play()) run.outcome("somebody waits for ever");
    });

    INFO(seen.example(kForbidden));
    for (const std::string& outcome : kForbidden) {
        CAPTURE(outcome);
        CHECK(seen.count(outcome) == 0);
    }
    CHECK(seen.is_complete);
    CHECK(seen.count("evicted") > 0);
    CHECK(seen.count("kept its gate") > 0);
    CHECK(seen.schedules > 100);
}

}  // namespace eviction_model_test
