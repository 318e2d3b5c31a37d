// StreamStatus: who publishes, who reads, how far behind. For tools; reads shared memory only,
// writes nothing.
//
// The values are of slightly different instants: a stream doesn't stop for its picture. Lag never
// goes negative.
#pragma once

#include <tailrace/bus/region.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::bus {

struct Lag {
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    // Age of the oldest unread event; 0 when there is none; empty when it can't be known (no
    // publish time in the stream, or the event was overwritten).
    std::optional<std::uint64_t> age_ns = 0;
};

// Of one publisher since it attached, or of all that ever did. What each word counts:
// statistics.hpp.
struct PublisherCounts {
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    std::uint64_t aborted_events = 0;
    std::uint64_t room_looks = 0;
    std::uint64_t refused_claims = 0;
    std::uint64_t waits = 0;
    std::uint64_t wait_ns = 0;
    std::uint64_t longest_wait_ns = 0;
    std::uint64_t sleeps = 0;
    std::uint64_t wakes = 0;
    std::uint64_t rescued_events = 0;
    std::uint64_t evicted_subscribers = 0;
};

// The same of subscribers; `events` were handed over.
struct SubscriberCounts {
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;  // of the ring, that it has passed
    std::uint64_t lost_events = 0;
    std::uint64_t gaps = 0;
    std::uint64_t tombstones = 0;
    std::uint64_t filtered_events = 0;
    std::uint64_t idle_looks = 0;
    std::uint64_t sleeps = 0;
    std::uint64_t sleep_ns = 0;
    std::uint64_t holes = 0;
    std::uint64_t wakes = 0;
    std::uint64_t evictions = 0;
};

// From publish to read, of one subscriber: one sample for each call that handed events over.
struct LatencyStatus {
    std::uint64_t samples = 0;
    std::uint64_t p50_ns = 0;  // percentiles are the ends of their buckets: up to an eighth more
    std::uint64_t p99_ns = 0;
    std::uint64_t max_ns = 0;
    std::uint64_t mean_ns = 0;
    std::uint64_t ahead_samples = 0;  // published by a clock that was ahead of the reader's
};

[[nodiscard]] LatencyStatus latency_status(const LatencyHistogram& histogram) noexcept;

// Whoever is furthest behind, if anybody is: publishers can't go beyond a ring ahead of it.
struct HolderStatus {
    Holder holder;
    std::string name;  // empty: the journal, which nobody records into
    std::uint32_t pid = 0;
    std::uint64_t room_bytes = 0;  // what publishers may still write before they wait for it
};

struct PublisherStatus {
    std::uint32_t slot_index = 0;
    std::string name;
    std::uint32_t pid = 0;
    bool is_alive = false;
    std::uint64_t attached_ns = 0;
    bool in_claim = false;
    PublisherCounts counts;
    // By whom, and for how long, it has been held up; nobody: it isn't. One that tries and drops
    // counts as held up until it tries again.
    Holder held_by;
    std::uint64_t held_ns = 0;
};

struct SubscriberStatus {
    std::uint32_t slot_index = 0;
    std::string name;
    std::uint32_t pid = 0;
    bool is_alive = false;
    SlowPolicy policy = SlowPolicy::gate;
    ReadSource source = ReadSource::ring;
    std::uint64_t attached_ns = 0;
    Sequence sequence = 0;  // read next
    Lag lag;
    std::uint64_t lost_events = 0;
    SubscriberCounts counts;
    LatencyStatus latency;             // no samples: no publish times, or nothing was read
    std::uint64_t evict_after_ns = 0;  // policy evict
    bool is_evicted = false;           // policy evict: publishers don't wait for it any more
    std::string filter;                // "types 1,2 keys 7 partition 1/4"; empty: all
    double room_ratio = 1.0;           // share of the ring left before it is a whole ring behind
};

struct JournalStatus {
    JournalState state = JournalState::none;
    bool is_alive = false;
    std::uint32_t pid = 0;
    std::uint32_t thread_id = 0;  // that writes; 0: of another pid namespace, or not told
    int os_errno = 0;
    Sequence durable_sequence = 0;
    Sequence written_sequence = 0;
    std::uint64_t written_bytes = 0;
    std::uint64_t flushes = 0;
    std::uint64_t lost_events = 0;
    // Of these, what left the ring while nobody recorded; no journal knows of it yet.
    std::uint64_t unrecorded_events = 0;
    double room_ratio = 1.0;  // share of the ring left before what isn't durable is overwritten
    // Publishers wait rather than overwrite what nobody has recorded (--journal-missing hold).
    bool holds = false;
    Lag lag;  // of durability behind publishing
};

struct StreamStatus {
    Sequence first_sequence = 0;   // of this ring
    Sequence oldest_sequence = 0;  // a subscriber may still start there
    Sequence end_sequence = 0;     // the next to be claimed
    std::uint64_t bytes = 0;       // of the ring, claimed since it was made
    std::uint64_t rescued_events = 0;
    std::uint64_t rescued_publishers = 0;
    std::uint64_t reclaimed_subscribers = 0;
    std::uint64_t evicted_subscribers = 0;
    std::uint64_t publisher_attaches = 0;
    std::uint64_t subscriber_attaches = 0;
    PublisherCounts all_publishers;    // those that have left included
    SubscriberCounts all_subscribers;  // the same
    std::optional<HolderStatus> holder;
    std::vector<PublisherStatus> publishers;  // active slots only
    std::vector<SubscriberStatus>
        subscribers;                       // active slots only; the journal's own is among them
    std::optional<JournalStatus> journal;  // when the stream names a journal or had a writer
};

// One or two system calls per active slot.
[[nodiscard]] StreamStatus read_status(const std::shared_ptr<Region>& region);

}  // namespace tailrace::bus
