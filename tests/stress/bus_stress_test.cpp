// Publishers and subscribers as threads that share one region, at full speed, checked by content.
//
// $TAILRACE_STRESS_EVENTS: how many events each publisher publishes.

#include "stress_events.hpp"
#include "support/numbered_event.hpp"
#include "support/seeded_random.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace bus_stress_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

// What a subscriber's thread found; the main thread judges it after the end.
struct Findings {
    std::vector<std::uint64_t> next_number;  // of each publisher
    std::uint64_t torn = 0;
    std::uint64_t out_of_order = 0;
    std::uint64_t lost = 0;
    std::uint64_t sequence_digest =
        0;  // equal for readers that saw the same events in the same order
    PollState last = PollState::ok;
};

struct Crew {
    unsigned publishers;
    unsigned subscribers;
    WaitStrategy wait;
    std::uint32_t batch_count;  // 1: single events
    Publishing publishing = Publishing::multi;
};

void publish_all(Publisher& publisher,
                 std::uint32_t id,
                 std::uint32_t batch_count,
                 std::uint64_t events,
                 std::uint64_t seed,
                 std::atomic<std::uint64_t>& failures) {
    SeededRandom random(seed);
    std::vector<std::uint32_t> sizes_bytes(batch_count);
    for (std::uint64_t number = 0; number < events;) {
        if (batch_count == 1) {
            Claim claim;
            if (publisher.claim(claim, numbered_size_bytes(id, number), 0, Deadline::never()) !=
                PublishStatus::ok) {
                failures.fetch_add(1);
                return;
            }
            if (random.one_in(50)) {
                publisher.abort(claim);
                continue;
            }
            fill_numbered(claim.payload, id, number++);
            publisher.commit(claim);
            continue;
        }
        for (std::uint32_t index = 0; index < batch_count; ++index) {
            sizes_bytes[index] = numbered_size_bytes(id, number + index);
        }
        BatchClaim batch;
        const PublishStatus status = publisher.try_claim_batch(batch, sizes_bytes);
        if (status == PublishStatus::would_block) {
            std::this_thread::yield();
            continue;
        }
        for (std::uint32_t index = 0; index < batch_count; ++index)
            fill_numbered(batch.next(), id, number++);
        publisher.commit(batch);
    }
}

void read_all(Subscriber& subscriber, const std::atomic<unsigned>& publishing, Findings& findings) {
    Sequence next = subscriber.next_sequence();
    for (;;) {
        const bool is_over = publishing.load() == 0;
        const PollResult result = subscriber.poll_until(
            [&](const Event& event) {
                const auto numbered = read_numbered(event.payload());
                if (event.sequence() < next) ++findings.out_of_order;
                next = event.sequence() + 1;
                if (!numbered || numbered->publisher >= findings.next_number.size()) {
                    ++findings.torn;
                    return;
                }
                if (numbered->number != findings.next_number[numbered->publisher]++)
                    ++findings.lost;
                findings.sequence_digest =
                    numbered_hash(findings.sequence_digest ^ event.sequence()) + numbered->number;
            },
            64,
            Deadline::in_ms(50));
        findings.last = result.state;
        if (result.state != PollState::ok && result.state != PollState::idle) return;
        if (is_over && subscriber.lag_events() == 0) return;
    }
}

void check_crew(const Crew& crew) {
    CAPTURE(crew.publishers, crew.subscribers, static_cast<int>(crew.wait), crew.batch_count);
    SeededRandom random("bus stress");
    const TestStream stream(small_stream(crew.publishing));
    const std::shared_ptr<Region> region = stream.open();
    const std::uint64_t events = stress_events() - stress_events() % crew.batch_count;
    std::vector<Subscriber> subscribers;
    std::vector<Publisher> publishers;
    for (unsigned index = 0; index < crew.subscribers; ++index) {
        SubscriberOptions options;
        options.start = Start::oldest();
        options.wait = crew.wait;
        subscribers.push_back(expect(Subscriber::attach(region, options), "attach"));
    }
    for (unsigned index = 0; index < crew.publishers; ++index) {
        PublisherOptions options;
        options.wait = crew.wait;
        publishers.push_back(expect(Publisher::attach(region, options), "attach"));
    }

    std::atomic<unsigned> publishing{crew.publishers};
    std::atomic<std::uint64_t> failures{0};
    std::vector<Findings> findings(crew.subscribers);
    std::vector<std::thread> threads;
    for (unsigned index = 0; index < crew.subscribers; ++index) {
        findings[index].next_number.resize(crew.publishers);
        threads.emplace_back(
            [&, index] { read_all(subscribers[index], publishing, findings[index]); });
    }
    for (unsigned index = 0; index < crew.publishers; ++index) {
        threads.emplace_back([&, index, seed = random.next()] {
            publish_all(publishers[index], index, crew.batch_count, events, seed, failures);
            publishing.fetch_sub(1);
        });
    }
    for (std::thread& thread : threads)
        thread.join();

    CHECK(failures.load() == 0);
    for (const Findings& found : findings) {
        CHECK(found.torn == 0);
        CHECK(found.out_of_order == 0);
        CHECK(found.lost == 0);
        CHECK(found.next_number == std::vector<std::uint64_t>(crew.publishers, events));
        CHECK(found.sequence_digest == findings[0].sequence_digest);
    }
}

}  // namespace

TEST_CASE("stress: publishers and gating subscribers that sleep", "[stress]") {
    const Watchdog watchdog("stress: publishers and gating subscribers that sleep", 110);

    check_crew({2, 2, WaitStrategy::futex, 1});
    check_crew({1, 1, WaitStrategy::futex, 1});
    check_crew({3, 1, WaitStrategy::futex, 1});
}

TEST_CASE("stress: publishers and gating subscribers that yield", "[stress]") {
    const Watchdog watchdog("stress: publishers and gating subscribers that yield", 110);

    check_crew({2, 2, WaitStrategy::yield, 1});
}

TEST_CASE("stress: batches", "[stress]") {
    const Watchdog watchdog("stress: batches", 110);

    check_crew({2, 2, WaitStrategy::futex, 5});
}

TEST_CASE("stress: a single-publisher stream", "[stress]") {
    const Watchdog watchdog("stress: a single-publisher stream", 110);

    check_crew({1, 3, WaitStrategy::futex, 1, Publishing::single});
    check_crew({1, 2, WaitStrategy::futex, 5, Publishing::single});
}

TEST_CASE("stress: gating subscribers that come and go", "[stress]") {
    const Watchdog watchdog("stress: gating subscribers that come and go", 110);
    const TestStream stream;
    const std::shared_ptr<Region> region = stream.open();
    Publisher first = expect(Publisher::attach(region), "attach");
    Publisher second = expect(Publisher::attach(region), "attach");
    std::atomic<unsigned> publishing{2};
    std::atomic<std::uint64_t> failures{0};
    std::atomic<std::uint64_t> wrong{0};
    std::vector<std::thread> threads;
    const auto begin_publishing = [&] {
        threads.emplace_back([&] {
            publish_all(first, 0, 1, stress_events(), 1, failures);
            publishing.fetch_sub(1);
        });
        threads.emplace_back([&] {
            publish_all(second, 1, 1, stress_events(), 2, failures);
            publishing.fetch_sub(1);
        });
    };
    std::uint64_t joins = 0;
    std::uint64_t read = 0;
    while (publishing.load() != 0) {
        SubscriberOptions options;
        options.start = Start::newest();
        auto joiner = Subscriber::attach(region, options);
        if (!joiner) {
            wrong.fetch_add(1);
            break;
        }
        // Else they might be done before anybody has joined.
        if (++joins == 1) begin_publishing();
        Sequence last = 0;
        for (int poll = 0; poll < 5 || read == 0; ++poll) {
            static_cast<void>(joiner->poll_until(
                [&](const Event& event) {
                    if (!read_numbered(event.payload()) ||
                        (last != 0 && event.sequence() <= last)) {
                        wrong.fetch_add(1);
                    }
                    last = event.sequence();
                    ++read;
                },
                32,
                Deadline::in_ms(20)));
        }
    }
    for (std::thread& thread : threads)
        thread.join();

    CHECK(failures.load() == 0);
    CHECK(wrong.load() == 0);
    CHECK(read > 0);
}

}  // namespace bus_stress_test
