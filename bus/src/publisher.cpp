// The cold half of Publisher: attaching, waiting for room, batches. The fast path is in the header.
//
// Why a publisher may write below `limit_` without looking:
//   I1  Before it looks at the readers it announces how far it may go (write_limit). A reader that
//   registers after
//       that look sees the announcement and starts no further back than a ring behind it
//       (Subscriber::hold).
//   I2  limit_ is at most a ring ahead of the slowest gate and of every open claim that the look
//   found; claims
//       that the look missed begin at or after the tail that was read before it.

#include "hole.hpp"
#include "poll_descriptor.hpp"
#include "registry.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/publisher.hpp>

#include <unistd.h>

#include <algorithm>

namespace tailrace::bus {

namespace {

// A few hundred ns: a run of claims of the other publisher, little beside a turn of the line.
constexpr int kPausesAfterLostSwap = 16;

// The word only grows: a late writer must not take back what a faster one announced.
template <typename T>
void raise_to(std::atomic<T>& word, T value) noexcept {
    // [sync:write_limit_raised] Acquire, also when the exchange fails: another publisher has
    // announced as much, and this one's look at the gates and its bytes come behind that
    // announcement, as if it were its own.
    T current = word.load(std::memory_order_acquire);
    while (current < value) {
        // [sync:write_limit_raised] Release: a reader that finds bytes of the new lap finds this
        // limit too. [sync:gate_registered] And before the look at the gates that follows, in one
        // total order with the reader's own store and look.
        if (word.compare_exchange_weak(
                current, value, std::memory_order_seq_cst, std::memory_order_acquire)) {
            return;
        }
    }
}

}  // namespace

std::string_view publish_status_name(PublishStatus status) noexcept {
    switch (status) {
        case PublishStatus::ok:
            return "ok";
        case PublishStatus::would_block:
            return "would_block";
        case PublishStatus::timed_out:
            return "timed_out";
        case PublishStatus::too_large:
            return "too_large";
        case PublishStatus::closed:
            return "closed";
    }
    return "unknown";
}

Publisher::Publisher(std::shared_ptr<Region> region,
                     FileLock slot_lock,
                     std::uint32_t slot_index,
                     const PublisherOptions& options)
    : region_(std::move(region)),
      slot_lock_(std::move(slot_lock)),
      events_(region_->event_at(0)),
      state_(&region_->state()),
      slot_(&region_->publisher_slot(slot_index)),
      offset_mask_(region_->capacity_bytes() - 1),
      alignment_bytes_(region_->header().alignment_bytes),
      salt_(region_->header().salt),
      max_payload_bytes_(region_->header().max_payload_bytes),
      slot_index_(slot_index),
      owner_pid_(::getpid()),
      base_flags_(region_->header().publish_time == PublishTime::off ? std::uint8_t{0}
                                                                     : kHasPublishTime),
      base_word_(header_word(0, 0, base_flags_, extension_words_of(base_flags_))),
      base_payload_offset_bytes_(sizeof(EventHeader) +
                                 extension_words_of(base_flags_) * kExtensionWordBytes),
      shared_(region_->header().publishing == Publishing::multi),
      fences_(!register_for_membarrier()),
      waiter_(options.wait, is_crowded(*region_)),
      next_(region_->tail()),
      own_end_(next_),
      told_durable_(next_.sequence) {
    // Relaxed, both: statistics of an own slot.
    slot_->statistics.attached_sequence.store(next_.sequence, std::memory_order_relaxed);
    slot_->statistics.attached_position.store(next_.position, std::memory_order_relaxed);
}

Publisher::Publisher(Publisher&&) noexcept = default;

Publisher& Publisher::operator=(Publisher&& other) noexcept {
    if (this != &other) {
        release_slot();
        // Field by field is what `= default` does; only the slot had to be given back first.
        std::destroy_at(this);
        std::construct_at(this, std::move(other));
    }
    return *this;
}

Publisher::~Publisher() {
    release_slot();
}

// An exception between claim and commit leads here. Relaxed, all: this publisher's own words.
void Publisher::give_up_open_claim() noexcept {
    const Sequence sequence = slot_->intent_sequence.load(std::memory_order_relaxed);
    if (sequence == kNoSequence) return;
    const Place place{sequence, slot_->intent_position.load(std::memory_order_relaxed)};
    const std::uint64_t size_bytes =
        slot_->intent_size_bytes.load(std::memory_order_relaxed) & ~kIntentWon;
    const std::uint32_t count = slot_->intent_count.load(std::memory_order_relaxed);
    // The note lies in memory that others may scribble on; it counts if it is the claim that this
    // publisher remembers.
    const bool is_own = place == next_ && size_bytes <= max_claim_bytes(capacity_bytes()) &&
                        count * alignment_bytes_ <= size_bytes && count != 0;
    if (shared_ && is_own) write_tombstones(*region_, place, count, size_bytes);
    if (is_own) count_up(slot_->statistics.aborted_events, count);
    clear_intent();
    wake_subscribers();
}

void Publisher::release_slot() noexcept {
    // After a move there is nothing to give back; in a forked child the slot is the parent's.
    if (region_ == nullptr || owner_pid_ != ::getpid()) return;
    give_up_open_claim();
    note_progress();
    // Relaxed, both: who has left isn't held up.
    slot_->statistics.held_since_ns.store(0, std::memory_order_relaxed);
    slot_->statistics.held_by.store(0, std::memory_order_relaxed);
    free_publisher_slot(*region_, slot_index_);
    TAILRACE_STEP("publisher.slot_freed");
    slot_lock_.unlock();
    region_.reset();
}

Result<Publisher> Publisher::attach(const std::string& stream, const PublisherOptions& options) {
    auto region = Region::open(stream, RegionAccess::publish, options.directory);
    if (!region) return region.error();
    return attach(std::move(*region), options);
}

Result<Publisher> Publisher::attach(std::shared_ptr<Region> region,
                                    const PublisherOptions& options) {
    TAILRACE_CHECK(region != nullptr && region->access() == RegionAccess::publish);
    auto lease = take_publisher_slot(*region, options.name);
    if (!lease) return lease.error();
    auto registry = LockFile::open(region->lock_path());
    Publisher publisher(std::move(region), std::move(lease->lock), lease->index, options);
    // Without a descriptor left, the publisher gives its slot back on the way out.
    if (!registry) return registry.error();
    publisher.registry_ = std::move(*registry);
    return publisher;
}

PublishStatus Publisher::try_claim(Claim& claim,
                                   std::uint32_t payload_size_bytes,
                                   const EventFields& fields) noexcept {
    std::uint8_t flags = base_flags_;
    if (fields.event_time_ns != 0) flags = static_cast<std::uint8_t>(flags | kHasEventTime);
    if (fields.has_key) flags = static_cast<std::uint8_t>(flags | kHasKey);
    const std::uint8_t words = extension_words_of(flags);
    const PublishStatus status = try_claim_word(claim,
                                                payload_size_bytes,
                                                header_word(0, fields.type, flags, words),
                                                sizeof(EventHeader) + words * kExtensionWordBytes);
    if (status != PublishStatus::ok) return status;
    std::byte* word = events_ + (claim.position & offset_mask_) + sizeof(EventHeader);
    if ((flags & kHasPublishTime) != 0) word += kExtensionWordBytes;
    if ((flags & kHasEventTime) != 0) {
        std::memcpy(word, &fields.event_time_ns, kExtensionWordBytes);
        word += kExtensionWordBytes;
    }
    if (fields.has_key) std::memcpy(word, &fields.key, kExtensionWordBytes);
    return PublishStatus::ok;
}

PublishStatus Publisher::claim_shared_decoding(std::uint64_t size_bytes,
                                               std::uint32_t count,
                                               bool noted) noexcept {
    for (;;) {
        // Acquire, by Region::tail: part of the total order of claims.
        const Place place = region_->tail();
        TAILRACE_STEP("publisher.tail_read");
        if (noted) {
            // The swap was lost. The note must go before this publisher may wait for room (readers
            // would wait for it while it waits for them), and before the next one is written
            // (load_intent).
            clear_intent();
            noted = false;
            // Whoever won goes on for a while with the line in its own cache; asking for it at once
            // would only slow both down.
            for (int pause = 0; pause < kPausesAfterLostSwap; ++pause)
                cpu_relax();
            continue;  // the place is old by now
        }
        if (place.position + size_bytes > limit_) [[unlikely]] {
            const PublishStatus status = make_room(place.position + size_bytes);
            if (status != PublishStatus::ok) return status;
            continue;  // others went on meanwhile
        }
        note_intent(place, size_bytes, count);
        noted = true;
        if (swap_tail(pack_tail(place), place, size_bytes, count)) return PublishStatus::ok;
    }
}

PublishStatus Publisher::make_room(std::uint64_t end_position) noexcept {
    // [sync:stream_removed] Acquire: nothing hangs on it but the refusal.
    if (state_->life.load(std::memory_order_acquire) == StreamLife::removed) {
        return PublishStatus::closed;
    }
    const std::uint64_t capacity = offset_mask_ + 1;
    const Place tail = shared_ ? region_->tail() : next_;
    const std::uint64_t announced =
        std::max(tail.position + grant_step_bytes(capacity), end_position);
    TAILRACE_STEP("publisher.room_wanted");
    raise_to(state_->reference_sequence, tail.sequence);
    raise_to(state_->write_limit, announced);
    TAILRACE_STEP("publisher.write_limit_raised");
    note_checkpoint(tail);
    TAILRACE_STEP("publisher.checkpoint_noted");
    limit_ = std::min(announced, slowest_position(tail.position) + capacity);
    TAILRACE_STEP("publisher.readers_looked_at");
    count_up(slot_->statistics.room_looks);
    note_progress();
    if (end_position <= limit_) {
        note_grant();
        return PublishStatus::ok;
    }
    blocked_end_ = end_position;
    check_holder();
    return PublishStatus::would_block;
}

void Publisher::note_checkpoint(Place tail) noexcept {
    const std::uint64_t step = grant_step_bytes(offset_mask_ + 1);
    // [sync:checkpoint_noted] Release: a place in the order of claims; what lies there is judged by
    // its stamp.
    state_->checkpoints[(tail.position / step) % kCheckpointCount].store(pack_tail(tail),
                                                                         std::memory_order_release);
}

std::uint64_t Publisher::slowest_position(std::uint64_t at_most) noexcept {
    std::uint64_t slowest = at_most;
    for (std::uint32_t index = 0; index < region_->header().subscriber_slots; ++index) {
        // [sync:gate_registered] One total order with the announcement before and with a reader
        // that registers. [sync:gate_released] Acquire: the reader was done with what lies below.
        const std::uint64_t gate =
            region_->subscriber_slot(index).gate_position.load(std::memory_order_seq_cst);
        if (gate < slowest) {
            slowest = gate;
            holder_ = {HolderKind::subscriber, index};
        }
    }
    if (!shared_) return slowest;
    TAILRACE_STEP("publisher.gates_looked_at");
    for (std::uint32_t index = 0; index < region_->header().publisher_slots; ++index) {
        const PublisherSlot& slot = region_->publisher_slot(index);
        // [sync:intent_cleared] Acquire: a claim that isn't open any more is committed.
        if (slot.intent_sequence.load(std::memory_order_acquire) == kNoSequence) continue;
        // [sync:intent_noted] Acquire: at least as new as the sequence; a newer one lies further
        // on.
        const std::uint64_t open_claim = slot.intent_position.load(std::memory_order_acquire);
        // A reader that stands at an open claim waits for it as everybody does: the claim is named.
        if (open_claim <= slowest) {
            slowest = open_claim;
            holder_ = {HolderKind::publisher, index};
        }
    }
    return slowest;
}

void Publisher::wake_all_subscribers() noexcept {
    bus::wake_subscribers(*region_);
    count_up(slot_->statistics.wakes);
    note_progress();
}

PublishStatus Publisher::claim_waiting(Claim& claim,
                                       std::uint32_t payload_size_bytes,
                                       EventType type,
                                       Deadline deadline) noexcept {
    return retry_until(deadline, [&] { return try_claim(claim, payload_size_bytes, type); });
}

PublishStatus Publisher::publish(std::span<const std::byte> payload,
                                 EventType type,
                                 Deadline deadline) noexcept {
    const PublishStatus status = try_publish(payload, type);
    if (status != PublishStatus::would_block) [[likely]]
        return status;
    return retry_until(deadline, [&] { return try_publish(payload, type); });
}

PublishStatus Publisher::publish(std::span<const std::byte> payload,
                                 const EventFields& fields,
                                 Deadline deadline) noexcept {
    if (payload.size() > max_payload_bytes_) return PublishStatus::too_large;
    return retry_until(deadline, [&] {
        Claim claim;
        const PublishStatus status =
            try_claim(claim, static_cast<std::uint32_t>(payload.size()), fields);
        if (status != PublishStatus::ok) return status;
        if (!payload.empty()) std::memcpy(claim.payload.data(), payload.data(), payload.size());
        commit(claim);
        return PublishStatus::ok;
    });
}

void Publisher::abort(Claim& claim) noexcept {
    count_up(slot_->statistics.aborted_events);
    if (!shared_) return;  // the next claim begins at the same place
    TAILRACE_STEP("publisher.aborting");
    write_tombstones(*region_, {claim.sequence, claim.position}, 1, claim.size_bytes);
    clear_intent();
    wake_subscribers();
}

Result<void> Publisher::wait_durable(Sequence sequence, Deadline deadline) {
    return wait_durable_behind(*region_, told_durable_, sequence, deadline);
}

}  // namespace tailrace::bus
