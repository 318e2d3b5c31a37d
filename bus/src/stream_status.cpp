#include "checkpoints.hpp"
#include "registry.hpp"
#include "slot_statistics.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/event.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/ring_bytes.hpp>
#include <tailrace/bus/stream_status.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <algorithm>

namespace tailrace::bus {

namespace {

std::uint64_t behind(std::uint64_t ahead, std::uint64_t position) noexcept {
    return ahead > position ? ahead - position : 0;
}

// How old the event at `place` is, if it can be known. Copies, then checks that it wasn't
// overwritten.
std::optional<std::uint64_t> age_of(const Region& region, Place place, std::uint64_t now_ns) {
    if (region.header().publish_time == PublishTime::off) return std::nullopt;
    alignas(std::uint64_t) std::array<std::byte, sizeof(EventHeader) + kExtensionWordBytes> copy{};
    const std::byte* const record = region.event_at(place.position);
    if (load_stamp(record) != stamp_of(place.sequence, region.header().salt)) return std::nullopt;
    copy_racing_words(copy.data(), record, copy.size());
    // [sync:write_limit_raised] Acquire: a clean look means a clean copy.
    const std::uint64_t limit = region.state().write_limit.load(std::memory_order_acquire);
    if (place.position + region.capacity_bytes() < limit) return std::nullopt;
    const Event event(place.sequence, load_header(copy.data()), copy.data());
    if (event.publish_time_ns() == 0) return std::nullopt;
    return behind(now_ns, event.publish_time_ns());
}

Lag lag_of(const Region& region, Place tail, Place place, std::uint64_t now_ns) {
    Lag lag;
    lag.events = behind(tail.sequence, place.sequence);
    lag.bytes = behind(tail.position, place.position);
    if (lag.events != 0) lag.age_ns = age_of(region, place, now_ns);
    return lag;
}

// Relaxed, all: declared before the slot became active.
std::string filter_text(const SubscriberDeclaration& declared) {
    std::string text;
    // Relaxed, both here and below: written before the slot became active.
    const auto list = [&](const char* what, std::size_t count, const auto& shown) {
        if (count == 0) return;
        text += (text.empty() ? "" : " ") + std::string(what);
        for (std::size_t index = 0; index < std::min(count, shown.size()); ++index) {
            text += (index == 0 ? " " : ",") +
                    std::to_string(shown[index].load(std::memory_order_relaxed));
        }
        if (count > shown.size()) text += ",…";
    };
    // Relaxed, all: as above.
    list("types", declared.type_count.load(std::memory_order_relaxed), declared.types);
    list("keys", declared.key_count.load(std::memory_order_relaxed), declared.keys);
    const std::uint64_t modulus = declared.key_modulus.load(std::memory_order_relaxed);
    if (modulus != 0) {
        text += std::string(text.empty() ? "" : " ") + "partition " +
                std::to_string(declared.key_remainder.load(std::memory_order_relaxed)) + "/" +
                std::to_string(modulus);
    }
    return text;
}

// The share of the ring that is left before who is so far behind is a whole ring behind.
double room_ratio_of(const Region& region, const Lag& lag) noexcept {
    const auto capacity = static_cast<double>(region.capacity_bytes());
    return std::max(0.0, 1.0 - static_cast<double>(lag.bytes) / capacity);
}

SubscriberStatus subscriber_status(const Region& region,
                                   std::uint32_t index,
                                   Place tail,
                                   std::uint64_t now_ns) {
    const SubscriberSlot& slot = region.subscriber_slot(index);
    SubscriberStatus status;
    status.slot_index = index;
    status.name = name_of(slot.owner);
    status.pid = slot.owner.process.read().pid;
    status.is_alive = !region.is_dead(slot.owner, kSubscriberLocks + index);
    // Relaxed, all: written by the subscriber; the picture is of slightly different instants
    // anyway.
    status.attached_ns = slot.owner.attached_ns.load(std::memory_order_relaxed);
    status.policy = slot.declared.policy.load(std::memory_order_relaxed);
    status.source = slot.source.load(std::memory_order_relaxed);
    status.sequence = slot.sequence.load(std::memory_order_relaxed);
    status.counts = counts_of(slot.statistics, passed_by(slot));
    status.lost_events = status.counts.lost_events;
    status.latency = latency_status(region.latency_histogram(index));
    // Relaxed, both: as above.
    status.evict_after_ns = slot.declared.evict_after_ns.load(std::memory_order_relaxed);
    status.is_evicted = status.policy == SlowPolicy::evict &&
                        slot.gate_position.load(std::memory_order_relaxed) == kNoPosition;
    status.filter = filter_text(slot.declared);
    const Place place{status.sequence, slot.position.load(std::memory_order_relaxed)};
    status.lag = lag_of(region, tail, place, now_ns);
    status.room_ratio = room_ratio_of(region, status.lag);
    return status;
}

JournalStatus journal_status(const Region& region, Place tail) {
    const JournalBoard& board = region.state().journal;
    JournalStatus status;
    // [sync:journal_state] Acquire: the errno and the writer's identity.
    status.state = board.state.load(std::memory_order_acquire);
    status.is_alive = has_journal_writer(region);
    status.pid = board.writer.read().pid;
    // Relaxed, all: written by the journal writer; the picture is of slightly different instants
    // anyway.
    status.os_errno = static_cast<int>(board.os_errno.load(std::memory_order_relaxed));
    status.written_sequence = board.written_sequence.load(std::memory_order_relaxed);
    status.written_bytes = board.written_bytes.load(std::memory_order_relaxed);
    status.flushes = board.flushes.load(std::memory_order_relaxed);
    status.lost_events = board.lost_events.load(std::memory_order_relaxed);
    // Another namespace's number would be somebody else's here. Relaxed: as above.
    if (board.writer.read().pid_namespace == current_process().pid_namespace)
        status.thread_id =
            region.state().journal_gaps.writer_thread.load(std::memory_order_relaxed);
    status.durable_sequence = durable_sequence(region);
    status.holds = holds_for_journal(region.header());
    // What is below the ring's first sequence isn't its journal writer's to show.
    status.lag.events =
        behind(tail.sequence, std::max(status.durable_sequence, region.header().first_sequence));
    if (status.lag.events != 0) status.lag.age_ns = std::nullopt;
    return status;
}

// Where the event `sequence` lies, found by an observer's walk; empty when it is gone or not there.
std::optional<Place> find_place(const std::shared_ptr<Region>& region, Sequence sequence) {
    SubscriberOptions options;
    options.policy = SlowPolicy::observe;
    options.start = Start::at(sequence);
    auto observer = Subscriber::attach(region, options);
    if (!observer) return std::nullopt;
    return observer->mark();
}

// A publisher's picture of itself. On a single-publisher stream its events are told by the tail.
PublisherStatus publisher_status(const Region& region, std::uint32_t index, Place tail) {
    const PublisherSlot& slot = region.publisher_slot(index);
    PublisherStatus status;
    status.slot_index = index;
    status.name = name_of(slot.owner);
    status.pid = slot.owner.process.read().pid;
    status.is_alive = !region.is_dead(slot.owner, kPublisherLocks + index);
    // Relaxed: as above.
    status.attached_ns = slot.owner.attached_ns.load(std::memory_order_relaxed);
    // [sync:intent_noted] Acquire: as any look at an intent; nothing else is read by it here.
    status.in_claim = slot.intent_sequence.load(std::memory_order_acquire) != kNoSequence;
    status.counts = counts_of(slot.statistics);
    // Relaxed, all: statistics that the publisher writes.
    const auto load = [](const std::atomic<std::uint64_t>& word) {
        return word.load(std::memory_order_relaxed);
    };
    if (region.header().publishing == Publishing::single) {
        status.counts.events = behind(tail.sequence, load(slot.statistics.attached_sequence));
        status.counts.bytes = behind(tail.position, load(slot.statistics.attached_position));
    }
    if (const std::uint64_t since_ns = load(slot.statistics.held_since_ns); since_ns != 0) {
        status.held_by = unpack_holder(load(slot.statistics.held_by));
        status.held_ns = behind(monotonic_ns(), since_ns);
    }
    return status;
}

// Who is furthest behind the tail: a gate, on a multi-publisher stream an open claim, or a journal
// that nobody records into.
std::optional<HolderStatus> find_holder(const Region& region) {
    const Place tail = region.tail();
    std::uint64_t slowest = tail.position;
    HolderStatus status;
    for (std::uint32_t index = 0; index < region.header().subscriber_slots; ++index) {
        const SubscriberSlot& slot = region.subscriber_slot(index);
        // Relaxed: a picture; nothing is written by what it shows.
        const std::uint64_t gate = slot.gate_position.load(std::memory_order_relaxed);
        if (gate >= slowest || !is_active(slot.owner)) continue;
        slowest = gate;
        status = {
            {HolderKind::subscriber, index}, name_of(slot.owner), slot.owner.process.read().pid, 0};
    }
    for (std::uint32_t index = 0; index < region.header().publisher_slots; ++index) {
        if (region.header().publishing == Publishing::single) break;
        const PublisherSlot& slot = region.publisher_slot(index);
        // Relaxed, both: a picture, as above.
        if (slot.intent_sequence.load(std::memory_order_relaxed) == kNoSequence) continue;
        const std::uint64_t claim = slot.intent_position.load(std::memory_order_relaxed);
        if (claim >= slowest || !is_active(slot.owner)) continue;
        slowest = claim;
        status = {
            {HolderKind::publisher, index}, name_of(slot.owner), slot.owner.process.read().pid, 0};
    }
    const auto hold = journal_hold(region);
    if (hold && hold->position < slowest) {
        slowest = hold->position;
        status = {{HolderKind::journal, 0}, {}, 0, 0};
    }
    if (status.holder.kind == HolderKind::nobody) return std::nullopt;
    status.room_bytes = behind(slowest + region.capacity_bytes(), tail.position);
    return status;
}

// Nobody records, and the ring has gone on: what is below its oldest place is lost to the journal.
void note_unrecorded(JournalStatus& journal, Sequence from, Sequence oldest) noexcept {
    journal.room_ratio = 0;
    journal.unrecorded_events = behind(oldest, from);
    journal.lost_events += journal.unrecorded_events;
}

// All that ever counted: the sums of those whose slots went to others, and the slots as they are.
void sum_up(const Region& region, StreamStatus& status) {
    const RegistryStatistics& registry = region.state().registry;
    status.all_publishers = counts_of(registry.earlier_publishers);
    // Relaxed, both: statistics written under the registry lock.
    const Passed earlier{
        registry.earlier_subscribers.earlier_events.load(std::memory_order_relaxed),
        registry.earlier_subscribers.earlier_bytes.load(std::memory_order_relaxed)};
    status.all_subscribers = counts_of(registry.earlier_subscribers, earlier);
    for (std::uint32_t index = 0; index < region.header().publisher_slots; ++index) {
        add_counts(status.all_publishers, counts_of(region.publisher_slot(index).statistics));
    }
    if (region.header().publishing == Publishing::single) {
        status.all_publishers.events = behind(status.end_sequence, status.first_sequence);
        status.all_publishers.bytes = status.bytes;
    }
    for (std::uint32_t index = 0; index < region.header().subscriber_slots; ++index) {
        const SubscriberSlot& slot = region.subscriber_slot(index);
        add_counts(status.all_subscribers, counts_of(slot.statistics, passed_by(slot)));
    }
}

}  // namespace

LatencyStatus latency_status(const LatencyHistogram& histogram) noexcept {
    LatencyStatus status;
    std::array<std::uint64_t, kLatencyBucketCount> samples{};
    // Relaxed, all: the subscriber writes them. The samples are summed up here, so that the
    // percentiles fit the buckets.
    for (std::size_t bucket = 0; bucket < samples.size(); ++bucket) {
        samples[bucket] = histogram.buckets[bucket].load(std::memory_order_relaxed);
        status.samples += samples[bucket];
    }
    if (status.samples == 0) return status;
    // Relaxed, all: as above.
    status.max_ns = histogram.max_ns.load(std::memory_order_relaxed);
    status.mean_ns = histogram.sum_ns.load(std::memory_order_relaxed) / status.samples;
    status.ahead_samples = histogram.ahead_count.load(std::memory_order_relaxed);
    const auto percentile = [&](std::uint64_t percent) {
        // The sample at which so many are at most as long; rounded up.
        constexpr std::uint64_t kWhole = 100;
        std::uint64_t rank = status.samples / kWhole * percent +
                             (status.samples % kWhole * percent + kWhole - 1) / kWhole;
        for (std::size_t bucket = 0; bucket < samples.size(); ++bucket) {
            if (samples[bucket] >= rank)
                return std::min(status.max_ns, latency_bucket_floor_ns(bucket + 1) - 1);
            rank -= samples[bucket];
        }
        return status.max_ns;
    };
    status.p50_ns = percentile(50);
    status.p99_ns = percentile(99);
    return status;
}

StreamStatus read_status(const std::shared_ptr<Region>& shared_region) {
    const Region& region = *shared_region;
    StreamStatus status;
    status.first_sequence = region.header().first_sequence;
    status.oldest_sequence = oldest_checkpoint(region).sequence;
    const RegistryStatistics& registry = region.state().registry;
    // Relaxed, all: statistics written under the registry lock.
    status.rescued_events = registry.rescued_events.load(std::memory_order_relaxed);
    status.rescued_publishers = registry.rescued_publishers.load(std::memory_order_relaxed);
    status.reclaimed_subscribers = registry.reclaimed_subscribers.load(std::memory_order_relaxed);
    status.evicted_subscribers = registry.evicted_subscribers.load(std::memory_order_relaxed);
    status.publisher_attaches = registry.publisher_attaches.load(std::memory_order_relaxed);
    status.subscriber_attaches = registry.subscriber_attaches.load(std::memory_order_relaxed);
    for (std::uint32_t index = 0; index < region.header().publisher_slots; ++index) {
        if (!is_active(region.publisher_slot(index).owner)) continue;
        status.publishers.push_back(publisher_status(region, index, region.tail()));
    }
    const std::uint64_t now_ns = wall_clock_ns();
    for (std::uint32_t index = 0; index < region.header().subscriber_slots; ++index) {
        if (!is_active(region.subscriber_slot(index).owner)) continue;
        // The tail is read for each anew, after nothing else, so that lag is what it was at that
        // instant.
        status.subscribers.push_back(subscriber_status(region, index, region.tail(), now_ns));
    }
    const Place tail = end_place(region);
    status.end_sequence = tail.sequence;
    status.bytes = tail.position;
    status.holder = find_holder(region);
    sum_up(region, status);
    JournalStatus journal = journal_status(region, tail);
    if (journal.state != JournalState::none || region.header().journal_directory[0] != '\0') {
        if (journal.lag.events != 0) {
            Sequence from = std::max(journal.durable_sequence, status.first_sequence);
            // What was written is recorded, though its writer died before it was durable.
            if (const auto hold = journal_hold(region)) from = std::max(from, hold->sequence);
            if (const auto place = find_place(shared_region, from)) {
                journal.lag = lag_of(region, tail, *place, wall_clock_ns());
                journal.room_ratio = room_ratio_of(region, journal.lag);
            } else if (!journal.is_alive) {
                note_unrecorded(journal, from, status.oldest_sequence);
                journal.lag.bytes = std::min(tail.position, region.capacity_bytes());
            }
        }
        status.journal = std::move(journal);
    }
    return status;
}

}  // namespace tailrace::bus
