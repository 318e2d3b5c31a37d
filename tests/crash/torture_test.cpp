// Four publishers and five subscribers of mixed policies, each a process of its own on whatever
// cores there are; at random instants one is killed and started anew, or stopped for a while and
// resumed. A witness in this process gates the ring and reads everything; each subscriber's log is
// compared with the witness's, sequence by sequence.
//
// $TAILRACE_TORTURE_ROUNDS: how many kills and stops (default 300, 2000 at full length).

#include "support/arrival_log.hpp"
#include "support/child_process.hpp"
#include "support/numbered_event.hpp"
#include "support/pause.hpp"
#include "support/seeded_random.hpp"
#include "support/shared_object.hpp"
#include "support/test_length.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/step.hpp>

#include <catch2/catch.hpp>

#include <sched.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace torture_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::size_t kPublishers = 4;
constexpr std::size_t kSubscribers = 5;
constexpr std::size_t kWitness = kSubscribers;
constexpr std::size_t kMostEntries = std::size_t{1} << 22U;
constexpr std::size_t kMostLives = 1U << 14U;
constexpr std::uint32_t kBatch = 3;
constexpr std::uint64_t kMostPauseNs = 5'000'000;

// Entries that are no arrivals: a gap of `number` sequences, and an attachment that begins there.
constexpr std::uint32_t kGapEntry = UINT32_MAX;
constexpr std::uint32_t kAttachedEntry = UINT32_MAX - 1;

constexpr std::array<SlowPolicy, kSubscribers> kPolicies = {
    SlowPolicy::gate, SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe, SlowPolicy::evict};
constexpr std::uint64_t kEvictAfterNs = 1'000'000;
constexpr std::uint64_t kMostEvictionPauseNs = 20'000'000;
constexpr std::uint64_t kMoreThanARing = kMinCapacityBytes / kNumberedOverheadBytes;

std::uint64_t rounds() {
    return test_length(300, 2000, "TAILRACE_TORTURE_ROUNDS");
}

struct PublisherLife {
    std::atomic<std::uint64_t> attempted;  // events that it had begun to publish
    std::atomic<std::uint64_t> committed;  // events whose commit had returned
    bool was_killed;                       // the parent's own
    std::uint32_t batch_count;
};

using EntryLog = ArrivalLog<kMostEntries>;

struct TortureStory {
    std::atomic<std::uint64_t> allowance;  // publishers rest when so many events were published
    std::atomic<std::uint64_t> published;
    std::atomic<bool> stop_publishing;
    std::atomic<bool> stop_reading;
    PublisherLife lives[kMostLives];
    EntryLog logs[kSubscribers + 1];
};

void add_entry(EntryLog& log, const Arrival& entry) noexcept {
    const std::uint64_t index = log.count.load();
    if (index == kMostEntries) {
        log.overflow.fetch_add(1);
        return;
    }
    log.arrivals[index] = entry;
    log.count.store(index + 1);
}

// Tarries at steps of the protocol now and then, so that many a death is one within a claim.
void tarry(const char* /*step*/, void* random) noexcept {
    auto& chance = *static_cast<SeededRandom*>(random);
    if (!chance.one_in(128)) return;
    for (std::uint64_t spin = chance.below(3000); spin > 0; --spin)
        cpu_relax();
}

PublishStatus publish_some(Publisher& publisher, PublisherLife& life, std::uint32_t id) {
    const std::uint64_t number = life.committed.load();
    const std::uint32_t count = life.batch_count;
    life.attempted.store(number + count);
    PublishStatus status = PublishStatus::would_block;
    if (count == 1) {
        Claim claim;
        status = publisher.claim(claim, numbered_size_bytes(id, number), 0, Deadline::never());
        if (status != PublishStatus::ok) return status;
        fill_numbered(claim.payload, id, number);
        publisher.commit(claim);
    } else {
        std::array<std::uint32_t, kBatch> sizes_bytes{};
        for (std::uint32_t index = 0; index < count; ++index)
            sizes_bytes[index] = numbered_size_bytes(id, number + index);
        BatchClaim batch;
        while (status == PublishStatus::would_block) {
            status = publisher.try_claim_batch(batch, sizes_bytes);
            if (status == PublishStatus::would_block) ::sched_yield();
        }
        if (status != PublishStatus::ok) return status;
        for (std::uint32_t index = 0; index < count; ++index)
            fill_numbered(batch.next(), id, number + index);
        publisher.commit(batch);
    }
    life.committed.store(number + count);
    return status;
}

int run_publisher(const TestStream& stream, TortureStory& story, std::uint32_t id) {
    Publisher publisher = stream.publisher("life " + std::to_string(id));
    PublisherLife& life = story.lives[id];
    while (!story.stop_publishing.load()) {
        if (story.published.load() >= story.allowance.load()) {
            ::sched_yield();
            continue;
        }
        if (publish_some(publisher, life, id) != PublishStatus::ok) return 2;
        story.published.fetch_add(life.batch_count);
    }
    return 0;
}

Subscriber attach_reader(const TestStream& stream, std::size_t reader) {
    SubscriberOptions options;
    options.name = "reader " + std::to_string(reader);
    options.policy = kPolicies[reader];
    options.directory = stream.directory();
    options.evict_after_ns = kEvictAfterNs;
    return expect(Subscriber::attach(stream.name(), options), "attach");
}

// One that gates, as far as it knows, may be told of a gap only together with its eviction. Then it
// gates again from where it stands, if that is still there. False: not as it should be.
bool stand_gap(Subscriber& subscriber) {
    if (subscriber.policy() != SlowPolicy::evict) return true;
    if (!subscriber.is_evicted()) return false;
    const Sequence next = subscriber.next_sequence();
    const bool gates = subscriber.restart(Start::at(next)).has_value();
    // It may have been evicted again meanwhile.
    return (gates || subscriber.is_evicted()) && subscriber.next_sequence() == next;
}

int run_subscriber(const TestStream& stream, TortureStory& story, std::size_t reader) {
    Subscriber subscriber = attach_reader(stream, reader);
    EntryLog& log = story.logs[reader];
    add_entry(log, {subscriber.next_sequence(), 0, kAttachedEntry});
    log.attached.fetch_add(1);
    while (!story.stop_reading.load()) {
        const PollResult result = subscriber.poll_until(
            [&](const Event& event) { log.add(event); }, 20, Deadline::in_ms(10));
        if (result.state == PollState::gap) {
            add_entry(log, {subscriber.last_gap().first, subscriber.last_gap().count, kGapEntry});
            if (!stand_gap(subscriber)) return 4;
        } else if (result.state != PollState::ok && result.state != PollState::idle) {
            return 3;
        }
        log.next_sequence.store(subscriber.next_sequence());
    }
    return 0;
}

class Torture {
public:
    explicit Torture(SeededRandom& random)
        : random_(random),
          stream_(make_options()),
          witness_(stream_.subscriber(SlowPolicy::gate, Start::oldest(), "witness")) {
        for (std::size_t reader = 0; reader < kSubscribers; ++reader)
            start_subscriber(reader);
        for (std::size_t slot = 0; slot < kPublishers; ++slot)
            start_publisher(slot);
    }

    void run(std::uint64_t most) {
        const std::uint64_t events_per_round =
            std::min<std::uint64_t>(700, (kMostEntries - kMostEntries / 4) / most);
        for (std::uint64_t round = 0; round < most; ++round) {
            story_->allowance.fetch_add(events_per_round);
            pass_time(20 + random_.below(200));
            const bool stops = random_.one_in(3);
            const std::size_t whom = random_.below(kPublishers + kSubscribers);
            const bool is_publisher = whom < kPublishers;
            ChildProcess& victim =
                is_publisher ? publishers_[whom] : subscribers_[whom - kPublishers];
            if (stops) {
                stop_for_a_while(
                    victim, !is_publisher && kPolicies[whom - kPublishers] == SlowPolicy::evict);
            } else if (is_publisher) {
                kill_publisher(whom);
            } else {
                kill_subscriber(whom - kPublishers);
            }
        }
    }

    void finish() {
        story_->stop_publishing.store(true);
        for (ChildProcess& publisher : publishers_) {
            while (!publisher.has_ended())
                look();
            exit_codes_ += publisher.wait().exit_code;
        }
        {
            const Publisher cleaner =
                stream_.publisher("cleaner");  // clears up after the last dead
        }
        const Sequence end = witness_.region().tail().sequence;
        wait_until([&] {
            look();
            for (std::size_t reader = 0; reader <= kWitness; ++reader) {
                if (story_->logs[reader].next_sequence.load() == end) continue;
                // One that has given up says why by its exit code.
                if (reader == kWitness || !subscribers_[reader].has_ended()) return false;
            }
            return true;
        });
        story_->stop_reading.store(true);
        for (ChildProcess& subscriber : subscribers_)
            exit_codes_ += subscriber.wait().exit_code;
    }

    void judge() {
        judge_witness();
        for (std::size_t reader = 0; reader < kSubscribers; ++reader)
            judge_reader(reader);
        CHECK(faults_ == std::vector<std::string>{});
        CHECK(exit_codes_ == 0);
        CHECK(taken_for_dead_ == 0);
        CHECK(kills_ > rounds() / 3);
        CHECK(stops_ > rounds() / 8);
        CHECK(evictions() > 0);
        CHECK(witness_.region().tail().position > 10 * witness_.region().capacity_bytes());
        WARN("kills " << kills_ << ", stops " << stops_ << ", events "
                      << story_->logs[kWitness].count.load() << ", arrivals compared " << compared_
                      << ", gaps " << gaps_ << " of " << lost_ << " events, evictions "
                      << evictions() << ", tombstones for the dead "
                      << witness_.region().state().registry.rescued_events.load());
    }

private:
    static StreamOptions make_options() {
        StreamOptions options = small_stream();
        options.publisher_slots = kPublishers + 1;
        return options;
    }

    void start_publisher(std::size_t slot) {
        const std::uint32_t id = next_life_++;
        story_->lives[id].batch_count = id % 3 == 2 ? kBatch : 1;
        life_of_[slot] = id;
        publishers_[slot] = ChildProcess([this, id, seed = random_.next()] {
            SeededRandom chance(seed);
            set_step_hook(tarry, &chance);
            return run_publisher(stream_, *story_, id);
        });
    }

    void start_subscriber(std::size_t reader) {
        subscribers_[reader] = ChildProcess([this, reader, seed = random_.next()] {
            SeededRandom chance(seed);
            set_step_hook(tarry, &chance);
            return run_subscriber(stream_, *story_, reader);
        });
    }

    void kill_publisher(std::size_t slot) {
        if (!publishers_[slot].kill().was_killed()) ++exit_codes_;
        story_->lives[life_of_[slot]].was_killed = true;
        ++kills_;
        start_publisher(slot);
    }

    void kill_subscriber(std::size_t reader) {
        if (!subscribers_[reader].kill().was_killed()) ++exit_codes_;
        ++kills_;
        start_subscriber(reader);
    }

    // Whoever is stopped is alive: nobody may take its slot for a dead one's, however long it
    // takes.
    void stop_for_a_while(ChildProcess& victim, bool is_evictable) {
        victim.stop();
        ++stops_;
        pass_time(20 + random_.below(400));
        if (is_evictable) await_eviction();
        const Region& region = witness_.region();
        const auto pid = static_cast<std::uint32_t>(victim.pid());
        const auto is_taken_for_dead = [&](const SlotOwner& owner, std::uint64_t lock) {
            return owner.state.load() == SlotState::active && owner.process.read().pid == pid &&
                   region.is_dead(owner, lock);
        };
        for (std::uint32_t slot = 0; slot < region.header().publisher_slots; ++slot) {
            const SlotOwner& owner = region.publisher_slot(slot).owner;
            if (is_taken_for_dead(owner, kPublisherLocks + slot)) ++taken_for_dead_;
        }
        for (std::uint32_t slot = 0; slot < region.header().subscriber_slots; ++slot) {
            const SlotOwner& owner = region.subscriber_slot(slot).owner;
            if (is_taken_for_dead(owner, kSubscriberLocks + slot)) ++taken_for_dead_;
        }
        victim.resume();
    }

    // It need not come: the reader may not gate just now, and others may hold publishers up.
    void await_eviction() {
        const std::uint64_t before = evictions();
        story_->allowance.fetch_add(kMoreThanARing);
        for (Pause pause(UINT64_MAX, kMostEvictionPauseNs);
             evictions() == before && pause.goes_on();)
            look();
    }

    [[nodiscard]] std::uint64_t evictions() const {
        return witness_.region().state().registry.evicted_subscribers.load();
    }

    void pass_time(std::uint64_t looks) {
        for (Pause pause(looks, kMostPauseNs); pause.goes_on();)
            look();
    }

    void look() {
        const PollResult result =
            witness_.poll([&](const Event& event) { story_->logs[kWitness].add(event); }, 100);
        story_->logs[kWitness].next_sequence.store(witness_.next_sequence());
        if (result.events == 0) ::sched_yield();
    }

    void fault(std::size_t reader, std::uint64_t index, const char* what) {
        constexpr std::size_t kMostFaults = 20;
        if (faults_.size() < kMostFaults) {
            faults_.push_back("reader " + std::to_string(reader) + ", entry " +
                              std::to_string(index) + ": " + what);
        }
    }

    // Each life's events are there in order from the first to at least the last committed; a life
    // that was not killed has lost none, though it may have been stopped inside a claim.
    void judge_witness() {
        const EntryLog& log = story_->logs[kWitness];
        std::vector<std::uint64_t> received(next_life_, 0);
        if (log.torn.load() != 0) fault(kWitness, 0, "torn events");
        if (log.overflow.load() != 0) fault(kWitness, 0, "too many events for the log");
        for (std::uint64_t index = 0; index < log.count.load(); ++index) {
            const Arrival& arrival = log.arrivals[index];
            if (index > 0 && arrival.sequence <= log.arrivals[index - 1].sequence)
                fault(kWitness, index, "the sequence doesn't grow");
            if (arrival.publisher >= next_life_ ||
                arrival.number != received[arrival.publisher]++) {
                fault(kWitness, index, "not the next event of its publisher");
                return;
            }
        }
        for (std::uint32_t id = 0; id < next_life_; ++id) {
            const PublisherLife& life = story_->lives[id];
            if (received[id] < life.committed.load())
                fault(kWitness, id, "committed events of this life are missing");
            if (received[id] > life.attempted.load() ||
                (!life.was_killed && received[id] != life.committed.load())) {
                fault(kWitness, id, "events of this life that it never committed");
            }
            if (received[id] % life.batch_count != 0) fault(kWitness, id, "half a batch");
        }
    }

    // What the witness saw between an attachment and its end, the reader saw too, or was told as a
    // gap; and a gating one has no gaps.
    void judge_reader(std::size_t reader) {
        const EntryLog& log = story_->logs[reader];
        const EntryLog& truth = story_->logs[kWitness];
        const Arrival* const end = truth.arrivals + truth.count.load();
        const auto next_of = [&](Sequence sequence) {
            return std::lower_bound(
                truth.arrivals, end, sequence, [](const Arrival& arrival, Sequence s) {
                    return arrival.sequence < s;
                });
        };
        if (log.torn.load() != 0) fault(reader, 0, "torn events");
        if (log.overflow.load() != 0) fault(reader, 0, "too many events for the log");
        const Arrival* expected = truth.arrivals;
        for (std::uint64_t index = 0; index < log.count.load(); ++index) {
            const Arrival& entry = log.arrivals[index];
            if (entry.publisher == kAttachedEntry) {
                expected = next_of(entry.sequence);
            } else if (entry.publisher == kGapEntry) {
                if (kPolicies[reader] == SlowPolicy::gate) fault(reader, index, "a gap at a gate");
                if (expected != end && expected->sequence < entry.sequence)
                    fault(reader, index, "an event before the gap is missing");
                expected = next_of(entry.sequence + entry.number);
                ++gaps_;
                lost_ += entry.number;
            } else if (expected == end || !(*expected == entry)) {
                fault(reader, index, "not the event that the witness saw next");
                return;
            } else {
                ++expected;
                ++compared_;
            }
        }
        if (expected != end) fault(reader, log.count.load(), "the last events are missing");
    }

    SeededRandom& random_;
    TestStream stream_;
    SharedObject<TortureStory> story_;
    Subscriber witness_;
    std::array<ChildProcess, kPublishers> publishers_;
    std::array<ChildProcess, kSubscribers> subscribers_;
    std::array<std::uint32_t, kPublishers> life_of_{};
    std::uint32_t next_life_ = 0;
    std::uint64_t kills_ = 0;
    std::uint64_t stops_ = 0;
    std::uint64_t taken_for_dead_ = 0;
    std::uint64_t compared_ = 0;
    std::uint64_t gaps_ = 0;
    std::uint64_t lost_ = 0;
    std::vector<std::string> faults_;
    int exit_codes_ = 0;
};

}  // namespace

TEST_CASE("torture: kills and stops at random instants, publishers and readers of every policy",
          "[crash][torture]") {
    const Watchdog watchdog("torture", rounds() > 2000 ? 3000 : 280);
    SeededRandom random("torture");
    REQUIRE(rounds() < kMostLives);
    Torture torture(random);

    torture.run(rounds());
    torture.finish();

    torture.judge();
}

}  // namespace torture_test
