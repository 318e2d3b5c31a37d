// Readers that begin while publishers claim, commit and ask for room.

#include "model/forbidden.hpp"
#include "model/interleaver.hpp"
#include "model/joining_step.hpp"
#include "model/model_ring.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <optional>
#include <string_view>

namespace joining_model_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint32_t kSmall = 64 - 16;
constexpr std::uint32_t kEighth = 8192 - 16;  // eight of them fill the ring to the last byte

bool is_about_claims(std::string_view step) {
    return step.starts_with("joining.") || step.starts_with("subscriber.place") ||
           step == "publisher.tail_read" || step == "publisher.intent_noted" ||
           step == "publisher.swap_won" || step == "publisher.stamped" ||
           step == "publisher.intent_cleared" || step == "hole.intent_sequence_read";
}

bool is_about_asking(std::string_view step) {
    return step.starts_with("subscriber.") || step == "publisher.room_wanted" ||
           step == "publisher.room_asked" || step == "publisher.gates_looked_at" ||
           step == "publisher.readers_looked_at" || step == "publisher.write_limit_raised" ||
           step == "publisher.room_answered" || step == "publisher.filled";
}

bool is_there(const Region& region, Sequence sequence) {
    const std::uint64_t position = sequence * (kSmall + 16);
    return load_stamp(region.event_at(position)) == stamp_of(sequence, region.header().salt);
}

}  // namespace

TEST_CASE("model: whoever begins while claims are open passes none of them over",
          "[model][joining]") {
    const Watchdog watchdog("model: whoever begins while claims are open", 110);
    ModelRing ring;
    Publisher& first = ring.keep_publisher();
    Publisher& second = ring.keep_publisher();
    ring.remember();
    const Start start = GENERATE(Start::oldest(), Start::newest());

    const Exploration seen = explore({.preemptions = preemptions(2)}, [&](Interleaver& run) {
        ring.reset();
        run.switch_at(is_about_claims);
        std::optional<Subscriber> joiner;
        run.actor("first", [&] {
            static_cast<void>(publish_even(first, kSmall, 1));
            static_cast<void>(publish_even(first, kSmall, 2));
        });
        run.actor("second", [&] { static_cast<void>(publish_even(second, kSmall, 3)); });
        run.actor("joiner", [&] {
            joiner.emplace(ring.subscriber(SlowPolicy::gate, start));
            const Sequence next = joiner->next_sequence();
            if (start.kind == Start::Kind::oldest && next != 0)
                run.outcome("an event is passed over");
            for (Sequence sequence = 0; sequence < next; ++sequence) {
                if (!is_there(ring.region(), sequence)) run.outcome("an open claim is passed over");
            }
            if (next != 0 && next != 3) run.outcome("began in the middle");
        });
        if (!run.play()) run.outcome("somebody waits for ever");
        Sequence delivered = joiner->next_sequence();
        static_cast<void>(joiner->poll(
            [&](const Event& event) {
                if (event.sequence() != delivered++) run.outcome("an event is missing");
            },
            10));
        if (delivered != 3) run.outcome("an event is missing");
    });

    check_forbidden(seen);
    CHECK(seen.count("an event is passed over") == 0);
    CHECK(seen.count("an open claim is passed over") == 0);
    CHECK(seen.count("an event is missing") == 0);
    CHECK((start.kind == Start::Kind::oldest || seen.count("began in the middle") > 0));
    CHECK(seen.schedules > 500);
}

TEST_CASE("model: what a gate holds is there for who joins beside it, whoever asks for room",
          "[model][joining]") {
    const Watchdog watchdog("model: what a gate holds is there", 110);
    ModelRing ring(model_stream(GENERATE(Publishing::multi, Publishing::single)));
    Publisher& publisher = ring.keep_publisher();
    Subscriber& holder = ring.keep_subscriber();
    for (std::uint64_t number = 0; number < 8; ++number)
        REQUIRE(publish_even(publisher, kEighth, number) == PublishStatus::ok);
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(3)}, [&](Interleaver& run) {
        ring.reset();
        run.switch_at(is_about_asking);
        let_askers_answer(run, ring.region());
        bool has_joined = false;
        run.actor("publisher", [&] {
            if (publish_even(publisher, kEighth, 8) != PublishStatus::would_block)
                run.outcome("a gate is run over");
            if (publish_even(publisher, kSmall, 9) != PublishStatus::would_block)
                run.outcome("a gate is run over");
        });
        run.actor("joiner", [&] {
            const auto joined = Subscriber::attach(
                ring.stream(), {.policy = SlowPolicy::gate, .start = Start::at(0)});
            has_joined = joined && joined->next_sequence() == 0;
        });
        if (!run.play()) run.outcome("somebody waits for ever");
        if (!has_joined) run.outcome("what is there is called gone");
        if (ring.region().state().write_limit.load() > ring.region().capacity_bytes())
            run.outcome("more is granted than there is room for");
    });

    check_forbidden(seen);
    CHECK(holder.next_sequence() == 0);
    CHECK(seen.count("a gate is run over") == 0);
    CHECK(seen.count("what is there is called gone") == 0);
    CHECK(seen.count("more is granted than there is room for") == 0);
    CHECK(seen.schedules > 100);
}

}  // namespace joining_model_test
