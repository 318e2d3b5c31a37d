// A publisher with a name is killed at every step of a numbered event or batch, and whoever settles
// what it left is killed too. Whatever the step, its successor is told exactly the last number that
// readers see, so that each number is published once.

#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/seeded_random.hpp"
#include "support/shared_object.hpp"
#include "support/step_script.hpp"
#include "support/test_length.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/bus/identity.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

namespace identity_crash_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr const char* kName = "gateway";
constexpr OwnSequence kBefore = 5;  // numbers that are out when the death comes
constexpr std::uint32_t kBatch = 3;

Result<Publisher> try_attach(const TestStream& stream) {
    PublisherOptions options;
    options.directory = stream.directory();
    options.identity = kName;
    return Publisher::attach(stream.name(), options);
}

Publisher attach(const TestStream& stream) {
    return expect(try_attach(stream), "attach");
}

PublishStatus publish(Publisher& publisher, OwnSequence own, std::uint32_t count) {
    std::array<BatchEvent, kBatch> events;
    const std::string text(40, 'n');
    for (BatchEvent& event : events) {
        event.payload = bytes_of(text);
        event.fields.own_sequence = own++;
    }
    if (count == 1) {
        return publisher.publish(events[0].payload, events[0].fields, Deadline::in_ms(20'000));
    }
    return publisher.publish_mixed_batch(std::span(events).first(count), Deadline::in_ms(20'000));
}

// Publishes from where the last one had come to, up to that number.
int publish_up_to(const TestStream& stream, OwnSequence end, std::uint32_t count) {
    Publisher publisher = attach(stream);
    for (OwnSequence own = publisher.last_published() + 1; own <= end; own += count) {
        const auto now = static_cast<std::uint32_t>(std::min<OwnSequence>(count, end - own + 1));
        if (publish(publisher, own, now) != PublishStatus::ok) return 1;
    }
    return 0;
}

std::vector<OwnSequence> numbers(Subscriber& subscriber) {
    std::vector<OwnSequence> found;
    int idle_polls = 0;
    while (idle_polls < kLooks) {
        const PollResult result = subscriber.poll(
            [&](const Event& event) {
                if (event.publisher_id() == identity_id(kName))
                    found.push_back(event.publisher_sequence());
            },
            64);
        idle_polls = result.state == PollState::ok ? 0 : idle_polls + 1;
    }
    return found;
}

std::vector<OwnSequence> range(OwnSequence end) {
    std::vector<OwnSequence> all(end);
    std::iota(all.begin(), all.end(), OwnSequence{1});
    return all;
}

struct Death {
    const char* step;
    unsigned nth;
    bool is_committed;  // readers see what it published last
};

// Kills the owner at a step of what it publishes behind kBefore.
void kill_owner_at(const TestStream& stream, const Death& death, std::uint32_t count) {
    ChildProcess owner([&] {
        Publisher publisher = attach(stream);
        for (OwnSequence own = 1; own <= kBefore; ++own)
            if (publish(publisher, own, 1) != PublishStatus::ok) return 1;
        StepScript script;
        script.die_at(death.step, death.nth);
        return publish(publisher, kBefore + 1, count) == PublishStatus::ok ? 2 : 3;
    });
    REQUIRE(owner.wait().was_killed());
}

void check_death(const Death& death, Publishing publishing, std::uint32_t count) {
    CAPTURE(death.step, death.nth, count, publishing == Publishing::multi);
    const Watchdog watchdog(death.step);
    const TestStream stream(small_stream(publishing));
    Subscriber subscriber = stream.subscriber();
    kill_owner_at(stream, death, count);
    const OwnSequence last = kBefore + (death.is_committed ? count : 0);
    {
        Publisher successor = attach(stream);
        CHECK(successor.last_published() == last);
        CHECK(publish(successor, last, 1) == PublishStatus::duplicate);
        for (OwnSequence own = last + 1; own <= kBefore + 10; ++own)
            REQUIRE(publish(successor, own, 1) == PublishStatus::ok);
    }
    CHECK(numbers(subscriber) == range(kBefore + 10));
}

const std::vector<Death> kMultiEvent{{"publisher.intent_position_noted", 1, false},
                                     {"publisher.intent_noted", 1, false},
                                     {"publisher.swap_won", 1, false},
                                     {"publisher.filled", 1, false},
                                     {"event.sizes_written", 1, false},
                                     {"publisher.stamped", 1, true},
                                     {"publisher.own_noted", 1, true},
                                     {"publisher.intent_cleared", 1, true}};
const std::vector<Death> kMultiBatch{{"publisher.intent_noted", 1, false},
                                     {"publisher.swap_won", 1, false},
                                     {"batch.marked_won", 1, false},
                                     {"batch.sizes_written", 2, false},
                                     {"batch.event_prepared", 1, false},
                                     {"batch.event_prepared", 3, false},
                                     {"batch.numbered_stamped", 1, true},
                                     {"publisher.own_noted", 1, true},
                                     {"batch.first_stamped", 1, true},
                                     {"publisher.intent_cleared", 1, true}};
const std::vector<Death> kSingleEvent{{"publisher.filled", 1, false},
                                      {"event.sizes_written", 1, false},
                                      {"publisher.stamped", 1, true},
                                      {"publisher.own_noted", 1, true},
                                      {"publisher.tail_stored", 1, true}};
const std::vector<Death> kSingleBatch{{"publisher.intent_noted", 1, false},
                                      {"batch.sizes_written", 2, false},
                                      {"batch.event_prepared", 3, false},
                                      {"batch.numbered_stamped", 1, true},
                                      {"publisher.own_noted", 1, true},
                                      {"publisher.tail_stored", 1, true},
                                      {"publisher.intent_cleared", 1, true}};

}  // namespace

TEST_CASE("identity: its owner dies at any step of one event", "[crash][identity]") {
    for (const Death& death : kMultiEvent)
        check_death(death, Publishing::multi, 1);
    for (const Death& death : kSingleEvent)
        check_death(death, Publishing::single, 1);
}

TEST_CASE("identity: its owner dies at any step of a batch", "[crash][identity]") {
    for (const Death& death : kMultiBatch)
        check_death(death, Publishing::multi, kBatch);
    for (const Death& death : kSingleBatch)
        check_death(death, Publishing::single, kBatch);
}

// Each dies at its step, and each takes over what the one before has left.
TEST_CASE("identity: whoever settles it dies at any step too", "[crash][identity]") {
    for (const Publishing publishing : {Publishing::multi, Publishing::single}) {
        const bool is_multi = publishing == Publishing::multi;
        std::vector<const char*> steps{"rescue.identity_settled",
                                       "registry.slot_locked",
                                       "registry.slot_occupied",
                                       "identity.locked",
                                       "identity.taken"};
        steps.push_back(is_multi ? "rescue.note_of_committed_cleared" : "registry.tail_taken_over");
        for (const char* const step : steps) {
            CAPTURE(step, is_multi);
            const Watchdog watchdog(step);
            const TestStream stream(small_stream(publishing));
            Subscriber subscriber = stream.subscriber();
            kill_owner_at(stream, {"publisher.stamped", 1, true}, 1);
            ChildProcess rescuer([&] {
                StepScript script;
                script.die_at(step);
                static_cast<void>(try_attach(stream));
                return 0;
            });
            REQUIRE(rescuer.wait().was_killed());
            CHECK(attach(stream).last_published() == kBefore + 1);
            REQUIRE(publish_up_to(stream, kBefore + 4, 1) == 0);
            CHECK(numbers(subscriber) == range(kBefore + 4));
        }
    }
}

// A note that lost: the winner's event stands there, and says nothing of the loser.
TEST_CASE("identity: a place that somebody else won says nothing", "[crash][identity]") {
    const Watchdog watchdog("identity: lost place");
    const TestStream stream;
    Subscriber subscriber = stream.subscriber();
    SharedObject<StepPause> noted;
    ChildProcess owner([&] {
        Publisher publisher = attach(stream);
        if (publish(publisher, 1, 1) != PublishStatus::ok) return 1;
        StepScript script;
        script.pause_at("publisher.intent_noted", *noted);
        return publish(publisher, 2, 1) == PublishStatus::ok ? 2 : 3;
    });
    noted->wait_until_reached();
    {
        PublisherOptions options;
        options.directory = stream.directory();
        options.identity = "another";
        Publisher another = expect(Publisher::attach(stream.name(), options), "attach");
        for (OwnSequence own = 100; own < 110; ++own)
            REQUIRE(publish(another, own, 1) == PublishStatus::ok);
    }
    owner.kill();
    CHECK(attach(stream).last_published() == 1);
    CHECK(numbers(subscriber) == range(1));
}

// Without an owner and before anybody attaches: what `tailrace publisher` finds is settled too.
TEST_CASE("identity: who sets or removes it settles it first", "[crash][identity]") {
    for (const Publishing publishing : {Publishing::multi, Publishing::single}) {
        const Watchdog watchdog("identity: set");
        const TestStream stream(small_stream(publishing));
        kill_owner_at(stream, {"publisher.stamped", 1, true}, 1);
        REQUIRE(set_identity(*stream.open(), kName, 2));
        CHECK(attach(stream).last_published() == 2);
        const TestStream other(small_stream(publishing));
        kill_owner_at(other, {"publisher.stamped", 1, true}, 1);
        REQUIRE(remove_identity(*other.open(), kName));
        CHECK(attach(other).last_published() == 0);
    }
}

TEST_CASE("identity: killed at random instants, every number comes exactly once",
          "[crash][identity]") {
    SeededRandom random("identity kills");
    const std::uint64_t rounds = test_length(60, 1500, "TAILRACE_KILLS");
    const Publishing publishing = random.one_in(2) ? Publishing::multi : Publishing::single;
    const Watchdog watchdog("identity kills", 300);
    const TestStream stream(small_stream(publishing));
    Subscriber subscriber = stream.subscriber();
    ChildProcess other;
    SharedObject<std::atomic<bool>> stop;
    if (publishing == Publishing::multi) {
        other = ChildProcess([&] {
            Publisher publisher = stream.publisher("other");
            while (!stop->load())
                static_cast<void>(publisher.publish(bytes_of("noise"), 1, Deadline::in_ms(100)));
            return 0;
        });
    }
    std::vector<OwnSequence> seen;
    const auto look = [&] {
        static_cast<void>(subscriber.poll(
            [&](const Event& event) {
                if (event.publisher_id() == identity_id(kName))
                    seen.push_back(event.publisher_sequence());
            },
            256));
    };
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const auto count = static_cast<std::uint32_t>(1 + random.below(kBatch));
        ChildProcess owner([&] { return publish_up_to(stream, ~OwnSequence{0} - 10, count); });
        const std::size_t target = seen.size() + 1 + random.below(300);
        while (seen.size() < target)
            look();
        for (std::uint64_t spin = random.below(20'000); spin > 0; --spin)
            cpu_relax();
        REQUIRE(owner.kill().was_killed());
    }
    stop->store(true);
    while (other.is_running() && !other.has_ended())
        look();
    const OwnSequence last = attach(stream).last_published();
    for (OwnSequence before = 0; before != seen.size();) {
        before = seen.size();
        for (int idle = 0; idle < kLooks; ++idle)
            look();
    }
    CHECK(seen == range(last));
}

}  // namespace identity_crash_test
