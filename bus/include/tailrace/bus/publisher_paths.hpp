// The inline paths of Publisher: claim, commit, and what they write for others to find. Included by
// publisher.hpp, which is their contract; the memory orders are argued in docs/memory_order.md.
#pragma once

#include <tailrace/bus/publisher.hpp>

namespace tailrace::bus {

inline PublishStatus Publisher::try_claim_word(Claim& claim,
                                               std::uint32_t payload_size_bytes,
                                               std::uint64_t word,
                                               std::uint64_t payload_offset_bytes) noexcept {
    if (payload_size_bytes > max_payload_bytes_) [[unlikely]]
        return PublishStatus::too_large;
    const std::uint64_t size_bytes =
        align_up(payload_offset_bytes + payload_size_bytes, alignment_bytes_);
    if (!shared_) {
        if (next_.position + size_bytes > limit_) [[unlikely]] {
            const PublishStatus status = make_room(next_.position + size_bytes);
            if (status != PublishStatus::ok) return status;
        }
    } else {
        const PublishStatus status = claim_shared(size_bytes, 1);
        if (status != PublishStatus::ok) [[unlikely]]
            return status;
    }
    std::byte* const record = events_ + (next_.position & offset_mask_);
    claim.payload = {record + payload_offset_bytes, payload_size_bytes};
    claim.sequence = next_.sequence;
    claim.position = next_.position;
    claim.size_bytes = size_bytes;
    claim.header_word = word | payload_size_bytes;
    return PublishStatus::ok;
}

inline PublishStatus Publisher::claim_shared(std::uint64_t size_bytes,
                                             std::uint32_t count) noexcept {
    // Mostly nobody has claimed since this publisher's own last claim. The word is then the one
    // that it left, and needs no decoding.
    // [sync:tail_published] Acquire: part of the total order of claims.
    const std::uint64_t word = state_->tail.load(std::memory_order_acquire);
    TAILRACE_STEP("tail.word_read");
    // Unless the word came round meanwhile. But the tail is never beyond the write limit, and
    // that would be far away by now.
    // [sync:write_limit_raised] Acquire: read behind the word, so at least as new.
    const bool is_own_end =
        word == pack_tail(own_end_) &&
        state_->write_limit.load(std::memory_order_acquire) - own_end_.position <= kFarBytes;
    TAILRACE_STEP("publisher.tail_read");
    if (!is_own_end || own_end_.position + size_bytes > limit_) [[unlikely]]
        return claim_shared_decoding(size_bytes, count, false);
    note_intent(own_end_, size_bytes, count);
    if (!swap_tail(word, own_end_, size_bytes, count)) [[unlikely]]
        return claim_shared_decoding(size_bytes, count, true);
    return PublishStatus::ok;
}

inline bool Publisher::swap_tail(std::uint64_t word,
                                 Place place,
                                 std::uint64_t size_bytes,
                                 std::uint32_t count) noexcept {
    // [sync:tail_published] Release: the intent is seen by whoever sees that this was claimed.
    // A failure starts over with an acquire load.
    if (!state_->tail.compare_exchange_strong(word,
                                              word + tail_step(count, size_bytes),
                                              std::memory_order_acq_rel,
                                              std::memory_order_relaxed)) {
        TAILRACE_STEP("publisher.swap_lost");
        return false;
    }
    next_ = place;
    own_end_ = {place.sequence + count, place.position + size_bytes};
    claimed_events_ += count;
    claimed_bytes_ += size_bytes;
    TAILRACE_STEP("publisher.swap_won");
    return true;
}

inline void Publisher::note_intent(Place place,
                                   std::uint64_t size_bytes,
                                   std::uint32_t count) noexcept {
    // [sync:intent_noted] Release: behind the clearing of the last intent (load_intent's second
    // look).
    slot_->intent_position.store(place.position, std::memory_order_release);
    TAILRACE_STEP("publisher.intent_position_noted");
    // Relaxed, both: carried by the sequence.
    slot_->intent_size_bytes.store(static_cast<std::uint32_t>(size_bytes),
                                   std::memory_order_relaxed);
    slot_->intent_count.store(count, std::memory_order_relaxed);
    // [sync:intent_noted] Release: the intent is whole once its sequence is seen.
    slot_->intent_sequence.store(place.sequence, std::memory_order_release);
    TAILRACE_STEP("publisher.intent_noted");
}

inline void Publisher::clear_intent() noexcept {
    // [sync:intent_cleared] Release: whoever sees the intent gone sees the stamp of what it
    // claimed.
    slot_->intent_sequence.store(kNoSequence, std::memory_order_release);
    TAILRACE_STEP("publisher.intent_cleared");
}

inline void Publisher::publish_tail(Place end) noexcept {
    next_ = end;
    // [sync:tail_published] Release: who reads the tail may walk the committed events below it.
    state_->tail.store(pack_tail(end), std::memory_order_release);
    TAILRACE_STEP("publisher.tail_stored");
}

template <typename Attempt>
PublishStatus Publisher::retry_until(Deadline deadline, Attempt&& attempt) noexcept {
    waiter_.reset();
    for (;;) {
        const PublishStatus status = attempt();
        if (status != PublishStatus::would_block) return status;
        if (deadline.has_passed()) return PublishStatus::timed_out;
        wait_for_room(deadline);
    }
}

inline PublishStatus Publisher::claim_batch_place(std::uint64_t size_bytes,
                                                  std::uint32_t count) noexcept {
    if (shared_) {
        const PublishStatus status = claim_shared(size_bytes, count);
        if (status != PublishStatus::ok) [[unlikely]]
            return status;
        // Relaxed: the stamps that it explains are stored later, with release.
        slot_->intent_size_bytes.store(static_cast<std::uint32_t>(size_bytes) | kIntentWon,
                                       std::memory_order_relaxed);
        TAILRACE_STEP("batch.marked_won");
        return PublishStatus::ok;
    }
    if (next_.position + size_bytes > limit_) [[unlikely]] {
        const PublishStatus status = make_room(next_.position + size_bytes);
        if (status != PublishStatus::ok) return status;
    }
    // A successor must know what may hold stamps of a batch that never was (take_over_tail).
    note_intent(next_, size_bytes, count);
    return PublishStatus::ok;
}

inline void Publisher::open_batch(BatchClaim& batch,
                                  std::uint64_t size_bytes,
                                  std::uint32_t count) noexcept {
    batch.place_ = next_;
    batch.size_bytes_ = size_bytes;
    batch.count_ = count;
    batch.handed_out_ = 0;
    batch.next_record_ = events_ + (next_.position & offset_mask_);
}

inline PublishStatus Publisher::try_claim_batch(BatchClaim& batch,
                                                std::uint32_t count,
                                                std::uint32_t payload_size_bytes,
                                                EventType type) noexcept {
    TAILRACE_CHECK(count != 0);
    if (payload_size_bytes > max_payload_bytes_) [[unlikely]]
        return PublishStatus::too_large;
    const std::uint64_t record_bytes =
        align_up(base_payload_offset_bytes_ + payload_size_bytes, alignment_bytes_);
    const std::uint64_t size_bytes = record_bytes * count;
    if (size_bytes > max_claim_bytes(capacity_bytes())) [[unlikely]]
        return PublishStatus::too_large;
    const PublishStatus status = claim_batch_place(size_bytes, count);
    if (status != PublishStatus::ok) [[unlikely]]
        return status;
    open_batch(batch, size_bytes, count);
    batch.record_bytes_ = record_bytes;
    batch.header_word_ =
        base_word_ | (std::uint64_t{type} << kHeaderTypeShift) | payload_size_bytes;
    batch.payload_offset_bytes_ = base_payload_offset_bytes_;
    return PublishStatus::ok;
}

inline PublishStatus Publisher::claim(BatchClaim& batch,
                                      std::uint32_t count,
                                      std::uint32_t payload_size_bytes,
                                      EventType type,
                                      Deadline deadline) noexcept {
    const PublishStatus status = try_claim_batch(batch, count, payload_size_bytes, type);
    if (status != PublishStatus::would_block) [[likely]]
        return status;
    BatchClaim later;
    const PublishStatus waited = claim_waiting(later, count, payload_size_bytes, type, deadline);
    batch = later;
    return waited;
}

inline void Publisher::commit_even(BatchClaim& batch) noexcept {
    const bool has_time = (base_flags_ & kHasPublishTime) != 0;
    const std::uint64_t now_ns = has_time ? clock_.now_ns() : 0;
    std::byte* const first = events_ + (batch.place_.position & offset_mask_);
    std::byte* record = first;
    Sequence sequence = batch.place_.sequence;
    const std::uint64_t last_word = batch.header_word_;
    const std::uint64_t word = last_word | (std::uint64_t{kBatchContinues} << kHeaderFlagsShift);
    const Sequence last = sequence + batch.count_ - 1;
    // The first stamp waits: it makes all of them visible, and until then none exists.
    while (sequence != last) {
        ++sequence;
        record += batch.record_bytes_;
        if (has_time) std::memcpy(record + sizeof(EventHeader), &now_ns, sizeof(now_ns));
        store_header(record, sequence == last ? last_word : word, stamp_of(sequence, salt_));
        TAILRACE_STEP("batch.event_prepared");
    }
    if (has_time) std::memcpy(first + sizeof(EventHeader), &now_ns, sizeof(now_ns));
    TAILRACE_STEP("batch.event_prepared");
    store_header(
        first, batch.count_ == 1 ? last_word : word, stamp_of(batch.place_.sequence, salt_));
    finish_batch(batch);
}

inline void Publisher::finish_batch(const BatchClaim& batch) noexcept {
    TAILRACE_STEP("batch.first_stamped");
    next_own_sequence_ = batch.place_.sequence + batch.count_;
    if (!shared_) publish_tail({next_own_sequence_, batch.place_.position + batch.size_bytes_});
    clear_intent();
    wake_subscribers();
}

inline void Publisher::commit(Claim& claim) noexcept {
    std::byte* const record = events_ + (claim.position & offset_mask_);
    if ((base_flags_ & kHasPublishTime) != 0) {
        const std::uint64_t now_ns = clock_.now_ns();
        std::memcpy(record + sizeof(EventHeader), &now_ns, sizeof(now_ns));
    }
    TAILRACE_STEP("publisher.filled");
    store_header(record, claim.header_word, stamp_of(claim.sequence, salt_));
    TAILRACE_STEP("publisher.stamped");
    next_own_sequence_ = claim.sequence + 1;
    if (shared_) {
        clear_intent();
    } else {
        publish_tail({claim.sequence + 1, claim.position + claim.size_bytes});
    }
    wake_subscribers();
}

}  // namespace tailrace::bus
