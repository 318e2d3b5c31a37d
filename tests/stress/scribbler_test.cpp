// Readers beside a process that writes whatever it likes over the state page, the tables and the
// events, while they read: wrong events and errors, but never a crash, a hang or a look outside the
// mapping.

#include "support/child_process.hpp"
#include "support/seeded_random.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/layout.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/stream_status.hpp>
#include <tailrace/bus/subscriber.hpp>
#include <tailrace/bus/tail_word.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <optional>
#include <string>

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

struct Scribbling {
    std::atomic<bool> stop;
    std::atomic<std::uint64_t> strokes;
};

void write_word(std::byte* to, std::uint64_t value) noexcept {
    const std::atomic_ref<std::uint64_t> word(*reinterpret_cast<std::uint64_t*>(to));
    word.store(value, std::memory_order_relaxed);  // anybody may be reading it
}

// A number that may lead somebody astray: near what is true, near a power of two, or any.
std::uint64_t bad_number(SeededRandom& random, std::uint64_t near) {
    switch (random.below(4)) {
        case 0:
            return near + random.below(256) * 16;
        case 1:
            return near - random.below(256) * 16;
        case 2:
            return (std::uint64_t{1} << random.below(64)) - random.below(3);
        default:
            return random.next();
    }
}

// One piece of damage. The words that end a stream (`life`) and the journal's board stay as they
// are: a removed stream or a durable sequence far away are no damage but orders.
void scribble(const Region& region, SeededRandom& random) {
    StreamState& state = region.state();
    const std::uint64_t limit = state.write_limit.load();
    const std::uint64_t sequence = region.tail().sequence;
    switch (random.below(6)) {
        case 0: {  // an event that counts, of any size
            const std::uint64_t position = bad_number(random, limit) / 16 * 16;
            std::byte* const record = region.event_at(position);
            write_word(record + 8, random.next() >> random.below(64));
            write_word(record, bad_number(random, sequence) ^ region.header().salt);
            break;
        }
        case 1:
            write_word(region.event_at(0) + random.below(region.capacity_bytes()) / 8 * 8,
                       random.next());
            break;
        case 2:
            state.tail.store(random.one_in(2) ? random.next()
                                              : pack_tail({bad_number(random, sequence),
                                                           bad_number(random, limit)}));
            break;
        case 3:
            (random.one_in(2) ? state.write_limit : state.reference_sequence)
                .store(bad_number(random, random.one_in(2) ? limit : sequence));
            break;
        case 4: {
            auto* const slot = reinterpret_cast<std::byte*>(
                &region.publisher_slot(static_cast<std::uint32_t>(random.below(8))));
            write_word(slot + random.below(sizeof(PublisherSlot)) / 8 * 8,
                       bad_number(random, random.one_in(2) ? limit : sequence));
            break;
        }
        default:
            state.checkpoints[random.below(kCheckpointCount)].store(bad_number(random, sequence));
    }
}

int run_scribbler(const TestStream& stream, Scribbling& scribbling, std::uint64_t seed) {
    SeededRandom random(seed);
    const auto region = stream.open();
    const std::string payload(300, 's');
    while (!scribbling.stop.load()) {
        // An honest publisher now and then, so that there is something to read.
        PublisherOptions options;
        options.directory = stream.directory();
        if (auto publisher = Publisher::attach(stream.name(), options)) {
            for (int event = 0; event < 40; ++event) {
                static_cast<void>(publisher->try_publish(std::as_bytes(std::span(payload))));
            }
        }
        for (std::uint64_t stroke = random.below(60); stroke > 0; --stroke) {
            scribble(*region, random);
            scribbling.strokes.fetch_add(1);
        }
    }
    return 0;
}

}  // namespace

TEST_CASE("scribbler: readers of every policy beside one get errors, and go on", "[stress]") {
    const Watchdog watchdog("scribbler: readers of every policy beside one", 110);
    SeededRandom random("scribbler");
    const Publishing publishing = GENERATE(Publishing::multi, Publishing::single);
    const TestStream stream(small_stream(publishing));
    SharedObject<Scribbling> scribbling;
    ChildProcess scribbler(
        [&, seed = random.next()] { return run_scribbler(stream, *scribbling, seed); });
    std::map<std::string, std::uint64_t> states;
    std::uint64_t sum = 0;
    constexpr std::uint64_t kStrokes = 60'000;

    while (scribbling->strokes.load() < kStrokes && !scribbler.has_ended()) {
        SubscriberOptions options;
        options.directory = stream.directory();
        constexpr std::array kPolicies = {SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe};
        options.policy = kPolicies[random.below(kPolicies.size())];
        options.start = random.one_in(2) ? Start::oldest() : Start::newest();
        auto subscriber = Subscriber::attach(stream.name(), options);
        if (!subscriber) {
            ++states["attach: " + std::string(error_code_name(subscriber.error().code))];
            continue;
        }
        for (int poll = 0; poll < 400; ++poll) {
            const PollResult result = subscriber->poll(
                [&](const Event& event) {
                    for (const std::byte byte : event.payload())
                        sum += std::to_integer<std::uint64_t>(byte);
                    sum += event.publish_time_ns() + event.key();
                },
                100);
            ++states[std::string(poll_state_name(result.state))];
            if (result.state == PollState::corrupt) break;
        }
        if (random.one_in(20)) {
            const auto region = stream.open(RegionAccess::observe);
            sum += read_status(region).publishers.size();
        }
    }
    scribbling->stop.store(true);

    CHECK(scribbler.wait().exit_code == 0);
    CHECK(scribbling->strokes.load() >= kStrokes);
    // Which of events, gaps and errors it met is the scheduler's choice; that it met none would
    // mean that nothing was scribbled on.
    std::uint64_t met = 0;
    std::string told;
    for (const auto& [state, count] : states) {
        if (state != poll_state_name(PollState::idle)) met += count;
        told += " " + state + " " + std::to_string(count);
    }
    CHECK(met > 0);
    WARN("strokes " << scribbling->strokes.load() << ", polls:" << told << ", sum " << sum);
}
