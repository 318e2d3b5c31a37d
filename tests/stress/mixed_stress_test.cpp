// Publishers and readers of every policy at full speed: as threads on one region, where a race
// detector sees both sides of each edge, and as processes. Every sequence is accounted for: an
// event, whole and in order, or a gap that was told.
//
// $TAILRACE_STRESS_EVENTS: how many events each publisher publishes.

#include "stress_events.hpp"
#include "support/child_process.hpp"
#include "support/numbered_event.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace mixed_stress_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint32_t kPublishers = 2;
constexpr std::array kPolicies = {
    SlowPolicy::gate, SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe};

struct Account {
    std::uint64_t events;
    std::uint64_t gap_events;
    std::uint64_t torn;
    std::uint64_t unaccounted;  // neither an event nor told as lost
    std::uint64_t number_jumps;
    PollState last;
};

struct Ledger {
    std::atomic<std::uint32_t> publishing;
    std::atomic<std::uint32_t> failures;
    Account accounts[kPolicies.size()];
};

void publish_numbers(Publisher& publisher, Ledger& ledger, std::uint32_t id, std::uint64_t events) {
    for (std::uint64_t number = 0; number < events; ++number) {
        Claim claim;
        const PublishStatus status =
            publisher.claim(claim, numbered_size_bytes(id, number), 0, Deadline::never());
        if (status != PublishStatus::ok) {
            ledger.failures.fetch_add(1);
            break;
        }
        fill_numbered(claim.payload, id, number);
        publisher.commit(claim);
    }
    ledger.publishing.fetch_sub(1);
}

void read_numbers(Subscriber& subscriber, const Ledger& ledger, Account& account) {
    std::array<std::uint64_t, kPublishers> next_number{};
    bool had_gap = false;
    Sequence next = subscriber.next_sequence();
    for (;;) {
        const bool is_over = ledger.publishing.load() == 0;
        const PollResult result = subscriber.poll_until(
            [&](const Event& event) {
                if (event.sequence() != next) ++account.unaccounted;
                next = event.sequence() + 1;
                ++account.events;
                const auto numbered = read_numbered(event.payload());
                if (!numbered || numbered->publisher >= kPublishers) {
                    ++account.torn;
                    return;
                }
                std::uint64_t& expected = next_number[numbered->publisher];
                if (had_gap ? numbered->number < expected : numbered->number != expected)
                    ++account.number_jumps;
                expected = numbered->number + 1;
            },
            64,
            Deadline::in_ms(20));
        account.last = result.state;
        if (result.state == PollState::gap) {
            if (subscriber.last_gap().first != next) ++account.unaccounted;
            next += subscriber.last_gap().count;
            account.gap_events += subscriber.last_gap().count;
            had_gap = true;
        } else if (result.state != PollState::ok && result.state != PollState::idle) {
            return;
        }
        if (is_over && subscriber.lag_events() == 0) return;
    }
}

// Named in the suppressions below: a copying reader loads bytes that may be written at that moment,
// and throws the copy away if they were (docs/memory_order.md, "Why a copying reader needs
// x86-64").
[[gnu::noinline]] void read_by_copies(Subscriber& subscriber,
                                      const Ledger& ledger,
                                      Account& account) {
    read_numbers(subscriber, ledger, account);
}

void check_ledger(const Ledger& ledger, std::uint64_t events) {
    CHECK(ledger.failures.load() == 0);
    for (std::size_t reader = 0; reader < kPolicies.size(); ++reader) {
        CAPTURE(reader);
        const Account& account = ledger.accounts[reader];
        CHECK(account.torn == 0);
        CHECK(account.unaccounted == 0);
        CHECK(account.number_jumps == 0);
        CHECK(account.events + account.gap_events == kPublishers * events);
        if (kPolicies[reader] == SlowPolicy::gate) CHECK(account.gap_events == 0);
        CHECK((account.last == PollState::ok || account.last == PollState::idle ||
               account.last == PollState::gap));
    }
}

SubscriberOptions options_for(SlowPolicy policy) {
    SubscriberOptions options;
    options.policy = policy;
    options.start = Start::oldest();
    return options;
}

}  // namespace

#if defined(TAILRACE_THREAD_SANITIZER)
// is_committed: who joins follows the notes of publishers. One of them may have been overtaken, and
// then a payload is being written where its stamp would be (docs/memory_order.md, "A look at a
// place that was noted").
extern "C" const char* __tsan_default_suppressions() {
    return "race:read_by_copies\nrace:is_committed\n";
}
// A suppression goes by the reader's stack, which a short history has forgotten by the time that
// the publisher writes there again.
extern "C" const char* __tsan_default_options() {
    return "history_size=7";
}
#endif

TEST_CASE("stress: readers of every policy as threads on one region", "[stress]") {
    const Watchdog watchdog("stress: readers of every policy as threads", 110);
    const Publishing publishing = GENERATE(Publishing::multi, Publishing::single);
    const std::uint32_t publishers = publishing == Publishing::multi ? kPublishers : 1;
    const TestStream stream(small_stream(publishing));
    const std::shared_ptr<Region> region = stream.open();
    const std::uint64_t events = stress_events() * kPublishers / publishers;
    Ledger ledger{};
    ledger.publishing.store(publishers);
    std::vector<Subscriber> readers;
    std::vector<Publisher> writers;
    for (const SlowPolicy policy : kPolicies)
        readers.push_back(expect(Subscriber::attach(region, options_for(policy)), "attach"));
    for (std::uint32_t id = 0; id < publishers; ++id)
        writers.push_back(expect(Publisher::attach(region), "attach"));

    std::vector<std::thread> threads;
    for (std::size_t reader = 0; reader < kPolicies.size(); ++reader) {
        threads.emplace_back([&, reader] {
            Account& account = ledger.accounts[reader];
            if (kPolicies[reader] == SlowPolicy::gate) {
                read_numbers(readers[reader], ledger, account);
            } else {
                read_by_copies(readers[reader], ledger, account);
            }
        });
    }
    for (std::uint32_t id = 0; id < publishers; ++id)
        threads.emplace_back([&, id] { publish_numbers(writers[id], ledger, id, events); });
    for (std::thread& thread : threads)
        thread.join();

    check_ledger(ledger, stress_events());
}

TEST_CASE("stress: readers of every policy as processes", "[stress]") {
    const Watchdog watchdog("stress: readers of every policy as processes", 110);
    const TestStream stream;
    const std::uint64_t events = stress_events();
    const SharedObject<Ledger> ledger;
    SharedObject<std::atomic<std::uint32_t>> attached;
    ledger->publishing.store(kPublishers);
    std::vector<ChildProcess> children;

    for (std::size_t reader = 0; reader < kPolicies.size(); ++reader) {
        children.emplace_back([&, reader] {
            Subscriber subscriber = stream.subscriber(kPolicies[reader], Start::oldest());
            attached->fetch_add(1);
            read_numbers(subscriber, *ledger, ledger->accounts[reader]);
            return 0;
        });
    }
    wait_until([&] { return attached->load() == kPolicies.size(); });
    for (std::uint32_t id = 0; id < kPublishers; ++id) {
        children.emplace_back([&, id] {
            Publisher publisher = stream.publisher();
            publish_numbers(publisher, *ledger, id, events);
            return 0;
        });
    }
    for (ChildProcess& child : children)
        CHECK(child.wait().exit_code == 0);

    check_ledger(*ledger, events);
}

}  // namespace mixed_stress_test
