// What publishers and subscribers count in their slots, for tools.
//
// Law: docs/ring_protocol.md, "Statistics". Each word has one writer, the slot's owner, which
// writes it where it waits, sleeps, asks for room or leaves; never on the way of an event. How many
// events went by follows from the places that the hot path keeps anyway.
#pragma once

#include <tailrace/base/event_header.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tailrace::bus {

// Since the slot's owner attached. As of its last look for room, wait, wake-up or end; so `events`
// and `bytes` are behind by at most a sixteenth of the ring.
struct PublisherStatistics {
    std::atomic<Sequence> attached_sequence;  // the tail when it attached
    std::atomic<std::uint64_t> attached_position;
    std::atomic<std::uint64_t> events;          // claimed; multi: aborted ones included
    std::atomic<std::uint64_t> bytes;           // of the ring: with headers and padding
    std::atomic<std::uint64_t> aborted_events;  // given up
    std::atomic<std::uint64_t> room_looks;      // times that it asked for room
    std::atomic<std::uint64_t> refused_claims;  // of these, found none: would_block
    std::atomic<std::uint64_t>
        waits;  // times that it was held up: from a refusal to the next grant
    std::atomic<std::uint64_t> wait_ns;          // in all of these
    std::atomic<std::uint64_t> longest_wait_ns;  // in one of these
    std::atomic<std::uint64_t> sleeps;           // of its thread, waiting for room
    std::atomic<std::uint64_t> wakes;            // wake-ups that it gave
    std::atomic<std::uint64_t> rescued_events;   // tombstones that it wrote for the dead
    std::atomic<std::uint64_t> evicted_subscribers;
    std::atomic<std::uint64_t> held_since_ns;  // CLOCK_MONOTONIC; 0: isn't held up
    std::atomic<std::uint64_t> held_by;        // pack_holder()
};
static_assert(sizeof(PublisherStatistics) == 128);
static_assert(offsetof(PublisherStatistics, wakes) == 88);

// Since the slot's owner attached. What it has read in all: `earlier_events` plus its sequence
// (SubscriberSlot) less `started_sequence`, and the same in bytes; gaps count there, so
// `lost_events` has to be taken off.
struct SubscriberStatistics {
    std::atomic<Sequence> started_sequence;  // where it started, or started anew
    std::atomic<std::uint64_t> started_position;
    std::atomic<std::uint64_t> earlier_events;  // passed before it started anew
    std::atomic<std::uint64_t> earlier_bytes;
    std::atomic<std::uint64_t> lost_events;  // sequences that it was told as gaps
    std::atomic<std::uint64_t> lost_bytes;
    std::atomic<std::uint64_t> gaps;             // times that it was told one
    std::atomic<std::uint64_t> tombstones;       // passed; claims given up or rescued
    std::atomic<std::uint64_t> filtered_events;  // passed, and not asked for
    std::atomic<std::uint64_t> idle_looks;       // times that it had found nothing for a while
    std::atomic<std::uint64_t> sleeps;
    std::atomic<std::uint64_t> sleep_ns;
    std::atomic<std::uint64_t> holes;      // claims of dead publishers that it stepped over
    std::atomic<std::uint64_t> wakes;      // wake-ups that it gave to publishers
    std::atomic<std::uint64_t> evictions;  // that it was told of
};
static_assert(sizeof(SubscriberStatistics) == 120);
static_assert(offsetof(SubscriberStatistics, evictions) == 112);

// Who holds a publisher up: a subscriber that hasn't read, a publisher's open claim, or that nobody
// has recorded what it would write over.
enum class HolderKind : std::uint32_t { nobody = 0, subscriber = 1, publisher = 2, journal = 3 };

struct Holder {
    HolderKind kind = HolderKind::nobody;
    std::uint32_t slot_index = 0;  // of a subscriber or a publisher

    friend bool operator==(const Holder&, const Holder&) = default;
};

[[nodiscard]] constexpr std::uint64_t pack_holder(Holder holder) noexcept {
    return std::uint64_t{static_cast<std::uint32_t>(holder.kind)} << 32U | holder.slot_index;
}
[[nodiscard]] constexpr Holder unpack_holder(std::uint64_t word) noexcept {
    return {static_cast<HolderKind>(word >> 32U), static_cast<std::uint32_t>(word)};
}

// Adds to a word of one's own. Not for words that others write.
inline void count_up(std::atomic<std::uint64_t>& word, std::uint64_t count = 1) noexcept {
    // Relaxed, both: a statistic with one writer, so it needs no locked instruction.
    word.store(word.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
}

}  // namespace tailrace::bus
