// Readers beside a process that writes whatever it likes over the header, the state page, the
// tables and the events, while they read: wrong events and errors, but never a crash, a hang or a
// look outside the mapping.

#include "scribbled_ground.hpp"
#include "support/child_process.hpp"
#include "support/seeded_random.hpp"
#include "support/shared_object.hpp"
#include "support/test_length.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/layout.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/stream_status.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace scribbler_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint64_t kStrokesPerLife = 10;

std::uint64_t lives_wanted() {
    return test_length(300, 3'000, "TAILRACE_LIVES");
}

constexpr std::array kPolicies = {
    SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe, SlowPolicy::evict};

struct Scribbling {
    std::atomic<bool> stop;
    std::atomic<std::uint64_t> strokes;
};

int run_scribbler(const TestStream& stream, Scribbling& scribbling, std::uint64_t seed) {
    SeededRandom random(seed);
    const auto region = stream.open();
    const ScribbledGround ground(*region);
    const std::string payload(300, 's');
    while (!scribbling.stop.load()) {
        if (random.one_in(2)) ground.mend();
        // An honest publisher now and then, so that there is something to read.
        PublisherOptions options;
        options.directory = stream.directory();
        if (auto publisher = Publisher::attach(stream.name(), options)) {
            for (int event = 0; event < 40; ++event) {
                static_cast<void>(publisher->try_publish(std::as_bytes(std::span(payload))));
            }
        }
        for (std::uint64_t stroke = random.below(60); stroke > 0; --stroke) {
            ground.scribble(random);
            scribbling.strokes.fetch_add(1);
        }
    }
    return 0;
}

// What readers met, by name.
using Met = std::map<std::string, std::uint64_t>;

class Reading {
public:
    Reading(const TestStream& stream, SeededRandom& random, Met& met)
        : stream_(stream),
          random_(random),
          met_(met) {}

    // A reader's life, of any policy.
    void read_on() {
        SubscriberOptions options;
        options.directory = stream_.directory();
        options.policy = kPolicies[random_.below(kPolicies.size())];
        options.start = random_.one_in(2) ? Start::oldest() : Start::newest();
        const bool filters = random_.one_in(4);
        if (filters) options.filter.add_type(0);
        auto subscriber = Subscriber::attach(stream_.name(), options);
        if (!subscriber) {
            ++met_["attach: " + std::string(error_code_name(subscriber.error().code))];
            return;
        }
        const bool copies_on = options.policy == SlowPolicy::gate && !filters && random_.one_in(3);
        for (int look = 0; look < 400; ++look) {
            const PollState state = copies_on ? run(*subscriber) : poll(*subscriber);
            ++met_[std::string(poll_state_name(state))];
            if (state == PollState::corrupt) break;
        }
        if (random_.one_in(2)) return;
        // As a tool does, while this reader still has its slot.
        const StreamStatus status = read_status(subscriber->shared_region());
        sum_ += status.publishers.size() + status.subscribers.size();
        ++met_["status"];
    }

    [[nodiscard]] std::uint64_t sum() const noexcept { return sum_; }

private:
    PollState poll(Subscriber& subscriber) {
        const auto take = [&](const Event& event) {
            add(event.payload());
            sum_ += event.publish_time_ns() + event.key();
        };
        if (random_.one_in(100)) return subscriber.poll_until(take, 100, Deadline::in_ms(1)).state;
        return subscriber.poll(take, 100).state;
    }

    // As the journal reads.
    PollState run(Subscriber& subscriber) {
        const Run run = subscriber.next_run(16 * 1024);
        add(run.bytes);
        subscriber.release(subscriber.mark());
        if (!run.is_sound) return PollState::corrupt;
        return run.count != 0 ? PollState::ok : PollState::idle;
    }

    void add(std::span<const std::byte> bytes) noexcept {
        for (const std::byte byte : bytes)
            sum_ += std::to_integer<std::uint64_t>(byte);
    }

    const TestStream& stream_;
    SeededRandom& random_;
    Met& met_;
    std::uint64_t sum_ = 0;
};

}  // namespace

TEST_CASE("scribbler: readers of every policy beside one get errors, and go on", "[stress]") {
    const Watchdog watchdog("scribbler: readers of every policy beside one", 280);
    SeededRandom random("scribbler");
    const Publishing publishing = GENERATE(Publishing::multi, Publishing::single);
    StreamOptions stream_options = small_stream(publishing);
    // With publish times, readers write their histograms.
    if (publishing == Publishing::multi) stream_options.publish_time = PublishTime::per_event;
    const TestStream stream(stream_options);
    SharedObject<Scribbling> scribbling;
    ChildProcess scribbler(
        [&, seed = random.next()] { return run_scribbler(stream, *scribbling, seed); });
    Met met;
    Reading reading(stream, random, met);

    std::uint64_t lives = 0;
    while (
        (lives < lives_wanted() || scribbling->strokes.load() < lives_wanted() * kStrokesPerLife) &&
        !scribbler.has_ended()) {
        reading.read_on();
        ++lives;
    }
    scribbling->stop.store(true);

    CHECK(scribbler.wait().exit_code == 0);
    CHECK(lives >= lives_wanted());
    CHECK(scribbling->strokes.load() >= lives_wanted() * kStrokesPerLife);
    // How often it met what is the scheduler's choice. But without a scribbler every reader can
    // attach and no ring is corrupt, and without events nothing was there to be read wrongly.
    std::uint64_t refused = 0;
    std::string told;
    for (const auto& [state, count] : met) {
        if (state.starts_with("attach: ")) refused += count;
        told += " " + state + " " + std::to_string(count);
    }
    INFO(told);
    CHECK(refused > 0);
    CHECK(met[std::string(poll_state_name(PollState::corrupt))] > 0);
    CHECK(met[std::string(poll_state_name(PollState::ok))] > 0);
    CHECK(met["status"] > 0);
    WARN("lives " << lives << ", strokes " << scribbling->strokes.load() << ", met:" << told
                  << ", sum " << reading.sum());
}

TEST_CASE("scribbler: known damage is met as what it is, where it was done", "[stress]") {
    const Watchdog watchdog("scribbler: known damage");
    const SlowPolicy policy = GENERATE(from_range(kPolicies));
    INFO("policy " << static_cast<std::uint32_t>(policy));
    StreamOptions options = small_stream();
    options.publish_time = PublishTime::per_event;
    const TestStream stream(options);
    const auto region = stream.open();
    const ScribbledGround ground(*region);
    Publisher publisher = stream.publisher();
    Subscriber reader = stream.subscriber(policy);
    std::uint64_t wrong = 0;
    const auto take = [&](const Event& event) {
        if (event.as<std::uint64_t>() != event.sequence()) ++wrong;
    };
    const auto publish = [&](std::uint64_t number) {
        return publisher.try_publish(number);
    };
    REQUIRE(publish(0) == PublishStatus::ok);

    SECTION("an event that is too large for the ring") {
        std::byte* const record = region->event_at(region->tail().position);
        REQUIRE(publish(1) == PublishStatus::ok);
        REQUIRE(publish(2) == PublishStatus::ok);
        write_word(record + sizeof(std::uint64_t), ~std::uint64_t{0});
        PollResult result = reader.poll(take, 100);
        CHECK(result.events == 1);
        if (result.state == PollState::ok) result = reader.poll(take, 100);
        CHECK(result.state == PollState::corrupt);
        CHECK(reader.poll(take, 100).events == 0);
        CHECK(reader.next_sequence() == 1);
    }
    SECTION("a header that begins with other bytes") {
        write_word(ground.control(offsetof(StreamHeader, magic)), 1);
        const auto refused = Subscriber::attach(stream.name(), {.directory = stream.directory()});
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::not_tailrace);
        // Who is there already has a header of its own.
        CHECK(reader.poll(take, 100).events == 1);
        ground.mend();
        CHECK(Subscriber::attach(stream.name(), {.directory = stream.directory()}));
    }
    SECTION("a subscriber's slot") {
        CHECK(reader.poll(take, 100).events == 1);
        SubscriberSlot& slot = region->subscriber_slot(0);
        write_word(reinterpret_cast<std::byte*>(&slot.gate_position), 0);
        std::uint64_t number = 1;
        while (number < kMinCapacityBytes && publish(number) == PublishStatus::ok)
            ++number;
        CHECK(publisher.holder().find("subscriber 0 ") != std::string::npos);
        write_word(reinterpret_cast<std::byte*>(&slot.gate_position), kNoPosition);
        CHECK(publish(number) == PublishStatus::ok);
    }
    SECTION("a histogram") {
        LatencyHistogram& histogram = region->latency_histogram(0);
        for (std::size_t at = 0; at < sizeof(histogram); at += 8)
            write_word(reinterpret_cast<std::byte*>(&histogram) + at, ~std::uint64_t{0});
        const LatencyStatus before = latency_status(histogram);
        CHECK(before.samples == 0 - kLatencyBucketCount);
        CHECK(before.p50_ns <= before.p99_ns);
        CHECK(reader.poll(take, 100).events == 1);
        if (policy != SlowPolicy::observe) {
            CHECK(latency_status(histogram).samples == before.samples + 1);
        }
    }
    CHECK(wrong == 0);
}

}  // namespace scribbler_test
