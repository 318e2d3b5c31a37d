// Relaxed, throughout: statistics. What is written here is written under the registry lock, when
// the slot has no owner; what is only read may be of slightly different instants.

#include "slot_statistics.hpp"

#include <algorithm>
#include <array>

namespace tailrace::bus {

namespace {

// A counter in shared memory and where tools find it. The longest wait isn't here: it doesn't add
// up.
struct PublisherWord {
    std::atomic<std::uint64_t> PublisherStatistics::*shared;
    std::uint64_t PublisherCounts::*shown;
};
constexpr std::array kPublisherWords = {
    PublisherWord{&PublisherStatistics::events, &PublisherCounts::events},
    PublisherWord{&PublisherStatistics::bytes, &PublisherCounts::bytes},
    PublisherWord{&PublisherStatistics::aborted_events, &PublisherCounts::aborted_events},
    PublisherWord{&PublisherStatistics::room_looks, &PublisherCounts::room_looks},
    PublisherWord{&PublisherStatistics::refused_claims, &PublisherCounts::refused_claims},
    PublisherWord{&PublisherStatistics::waits, &PublisherCounts::waits},
    PublisherWord{&PublisherStatistics::wait_ns, &PublisherCounts::wait_ns},
    PublisherWord{&PublisherStatistics::sleeps, &PublisherCounts::sleeps},
    PublisherWord{&PublisherStatistics::wakes, &PublisherCounts::wakes},
    PublisherWord{&PublisherStatistics::rescued_events, &PublisherCounts::rescued_events},
    PublisherWord{&PublisherStatistics::evicted_subscribers, &PublisherCounts::evicted_subscribers},
};

// The same of subscribers. What they passed isn't here: it follows from their places.
struct SubscriberWord {
    std::atomic<std::uint64_t> SubscriberStatistics::*shared;
    std::uint64_t SubscriberCounts::*shown;
};
constexpr std::array kSubscriberWords = {
    SubscriberWord{&SubscriberStatistics::lost_events, &SubscriberCounts::lost_events},
    SubscriberWord{&SubscriberStatistics::gaps, &SubscriberCounts::gaps},
    SubscriberWord{&SubscriberStatistics::tombstones, &SubscriberCounts::tombstones},
    SubscriberWord{&SubscriberStatistics::filtered_events, &SubscriberCounts::filtered_events},
    SubscriberWord{&SubscriberStatistics::idle_looks, &SubscriberCounts::idle_looks},
    SubscriberWord{&SubscriberStatistics::sleeps, &SubscriberCounts::sleeps},
    SubscriberWord{&SubscriberStatistics::sleep_ns, &SubscriberCounts::sleep_ns},
    SubscriberWord{&SubscriberStatistics::holes, &SubscriberCounts::holes},
    SubscriberWord{&SubscriberStatistics::wakes, &SubscriberCounts::wakes},
    SubscriberWord{&SubscriberStatistics::evictions, &SubscriberCounts::evictions},
};

void clear(std::atomic<std::uint64_t>& word) noexcept {
    word.store(0, std::memory_order_relaxed);  // no owner, and the caller holds the registry lock
}

void move_to(std::atomic<std::uint64_t>& total, std::atomic<std::uint64_t>& word) noexcept {
    count_up(total, word.load(std::memory_order_relaxed));  // no owner
    clear(word);
}

}  // namespace

Passed passed_by(const SubscriberSlot& slot) noexcept {
    const SubscriberStatistics& statistics = slot.statistics;
    const auto sum = [](std::uint64_t earlier, std::uint64_t now, std::uint64_t started) {
        return earlier + (now > started ? now - started : 0);
    };
    // Relaxed, all: the owner writes them; a tool's picture is of slightly different instants.
    return {sum(statistics.earlier_events.load(std::memory_order_relaxed),
                slot.sequence.load(std::memory_order_relaxed),
                statistics.started_sequence.load(std::memory_order_relaxed)),
            sum(statistics.earlier_bytes.load(std::memory_order_relaxed),
                slot.position.load(std::memory_order_relaxed),
                statistics.started_position.load(std::memory_order_relaxed))};
}

PublisherCounts counts_of(const PublisherStatistics& statistics) noexcept {
    PublisherCounts counts;
    // Relaxed, all: the slot's owner writes them.
    for (const PublisherWord& word : kPublisherWords)
        counts.*word.shown = (statistics.*word.shared).load(std::memory_order_relaxed);
    counts.longest_wait_ns = statistics.longest_wait_ns.load(std::memory_order_relaxed);
    return counts;
}

SubscriberCounts counts_of(const SubscriberStatistics& statistics, Passed passed) noexcept {
    SubscriberCounts counts;
    // Relaxed, all, to the end: the slot's owner writes them.
    for (const SubscriberWord& word : kSubscriberWords)
        counts.*word.shown = (statistics.*word.shared).load(std::memory_order_relaxed);
    const auto take_off = [](std::uint64_t& rest, std::uint64_t part) {
        rest -= std::min(rest, part);
    };
    counts.events = passed.events;
    take_off(counts.events, counts.lost_events);
    take_off(counts.events, counts.tombstones);
    take_off(counts.events, counts.filtered_events);
    counts.bytes = passed.bytes;
    take_off(counts.bytes, statistics.lost_bytes.load(std::memory_order_relaxed));  // its owner's
    return counts;
}

void add_counts(PublisherCounts& sum, const PublisherCounts& counts) noexcept {
    for (const PublisherWord& word : kPublisherWords)
        sum.*word.shown += counts.*word.shown;
    sum.longest_wait_ns = std::max(sum.longest_wait_ns, counts.longest_wait_ns);
}

void add_counts(SubscriberCounts& sum, const SubscriberCounts& counts) noexcept {
    for (const SubscriberWord& word : kSubscriberWords)
        sum.*word.shown += counts.*word.shown;
    sum.events += counts.events;
    sum.bytes += counts.bytes;
}

void renew_statistics(const Region& region, PublisherSlot& slot) noexcept {
    PublisherStatistics& total = region.state().registry.earlier_publishers;
    PublisherStatistics& last = slot.statistics;
    for (const PublisherWord& word : kPublisherWords)
        move_to(total.*word.shared, last.*word.shared);
    // Relaxed, all: nobody else writes them while the slot is free.
    const std::uint64_t longest_ns = last.longest_wait_ns.load(std::memory_order_relaxed);
    if (longest_ns > total.longest_wait_ns.load(std::memory_order_relaxed)) {
        total.longest_wait_ns.store(longest_ns, std::memory_order_relaxed);
    }
    clear(last.longest_wait_ns);
    clear(last.held_since_ns);
    clear(last.held_by);
}

void renew_statistics(const Region& region,
                      SubscriberSlot& slot,
                      LatencyHistogram& latencies) noexcept {
    SubscriberStatistics& total = region.state().registry.earlier_subscribers;
    SubscriberStatistics& last = slot.statistics;
    const Passed passed = passed_by(slot);
    count_up(total.earlier_events, passed.events);
    count_up(total.earlier_bytes, passed.bytes);
    clear(last.earlier_events);
    clear(last.earlier_bytes);
    // Relaxed, all: nobody else writes them while the slot is free. Until the next owner has
    // started, it has passed nothing.
    last.started_sequence.store(slot.sequence.load(std::memory_order_relaxed),
                                std::memory_order_relaxed);
    last.started_position.store(slot.position.load(std::memory_order_relaxed),
                                std::memory_order_relaxed);
    for (const SubscriberWord& word : kSubscriberWords)
        move_to(total.*word.shared, last.*word.shared);
    move_to(total.lost_bytes, last.lost_bytes);
    clear(latencies.count);
    clear(latencies.sum_ns);
    clear(latencies.max_ns);
    clear(latencies.ahead_count);
    for (auto& bucket : latencies.buckets)
        clear(bucket);
}

}  // namespace tailrace::bus
