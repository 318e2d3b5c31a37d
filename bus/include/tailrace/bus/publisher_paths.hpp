// The inline paths of Publisher: claim, commit, and what they write for others to find. Included by
// publisher.hpp, which is their contract; the memory orders are argued in docs/memory_order.md.
#pragma once

#include <tailrace/bus/publisher.hpp>

namespace tailrace::bus {

template <bool kIsEntrusted>
[[gnu::always_inline]] inline PublishStatus Publisher::claim_place(Place& place,
                                                                   std::uint64_t size_bytes,
                                                                   std::uint32_t count) noexcept {
    if (shared_) return claim_shared(place, size_bytes, count);
    detail::PublisherCell& cell = *cell_;
    if (cell.position + size_bytes > cell.limit) [[unlikely]] {
        const PublishStatus status = make_room_alone(size_bytes);
        if (status != PublishStatus::ok) return status;
    }
    place = {cell.ticket - 1, cell.position};
    if constexpr (kIsEntrusted) cell.position = detail::kOpenPosition;
    return PublishStatus::ok;
}

[[gnu::always_inline]] inline PublishStatus Publisher::try_claim_word(
    Claim& claim,
    std::uint32_t payload_size_bytes,
    std::uint64_t word,
    std::uint64_t payload_offset_bytes,
    std::uint64_t rounding_bytes) noexcept {
    if (payload_size_bytes > max_payload_bytes_) [[unlikely]]
        return PublishStatus::too_large;
    claim.hold_.give_up();
    const std::uint64_t size_bytes = (rounding_bytes + payload_size_bytes) & alignment_mask_;
    Place place;
    const PublishStatus status = claim_place<true>(place, size_bytes, 1);
    if (status != PublishStatus::ok) [[unlikely]]
        return status;
    std::byte* const record = events_ + (place.position & offset_mask_);
    claim.payload = {record + payload_offset_bytes, payload_size_bytes};
    claim.sequence = place.sequence;
    claim.record_ = record;
    claim.header_word_ = word | payload_size_bytes;
    claim.hold_.position = place.position;
    claim.hold_.size_bytes = size_bytes;
    claim.hold_.count = 1;
    claim.hold_.open(cell_);
    return PublishStatus::ok;
}

[[gnu::always_inline]] inline PublishStatus Publisher::publish_word(
    std::span<const std::byte> payload,
    std::uint64_t word,
    std::uint64_t payload_offset_bytes,
    std::uint64_t rounding_bytes) noexcept {
    const std::uint64_t size_bytes = (rounding_bytes + payload.size()) & alignment_mask_;
    Place place;
    const PublishStatus status = claim_place<false>(place, size_bytes, 1);
    if (status != PublishStatus::ok) [[unlikely]]
        return status;
    std::byte* const record = events_ + (place.position & offset_mask_);
    if (!payload.empty())
        std::memcpy(record + payload_offset_bytes, payload.data(), payload.size());
    commit_record(
        cell_, place.sequence + 1, place.position + size_bytes, record, word | payload.size());
    return PublishStatus::ok;
}

[[gnu::always_inline]] inline PublishStatus Publisher::claim_shared(Place& place,
                                                                    std::uint64_t size_bytes,
                                                                    std::uint32_t count) noexcept {
    // Mostly nobody has claimed since this publisher's own last claim. The word is then the one
    // that it left, and needs no decoding.
    // [sync:tail_published] Acquire: part of the total order of claims.
    const std::uint64_t word = state_->tail.load(std::memory_order_acquire);
    TAILRACE_STEP("tail.word_read");
    const detail::PublisherCell& cell = *cell_;
    // While a claim of its own is open, or was aborted, this is no place: its sequence is that of
    // an earlier claim, so it packs to another word.
    const Place own_end{cell.own_end, cell.position};
    // Unless the word came round meanwhile. But the tail is never beyond the write limit, and
    // that would be far away by now.
    // [sync:write_limit_raised] Acquire: read behind the word, so at least as new.
    const bool is_own_end =
        word == pack_tail(own_end) &&
        state_->write_limit.load(std::memory_order_acquire) - own_end.position <= kFarBytes;
    TAILRACE_STEP("publisher.tail_read");
    bool is_noted = false;
    if (is_own_end && own_end.position + size_bytes <= cell.limit) [[likely]] {
        note_intent(own_end, size_bytes, count);
        if (swap_tail(word, own_end, size_bytes, count)) [[likely]] {
            place = own_end;
            return PublishStatus::ok;
        }
        is_noted = true;
    }
    const PublishStatus status = claim_shared_decoding(size_bytes, count, is_noted);
    place = {cell.ticket - count, cell.position - size_bytes};
    return status;
}

// Behind the stamp and before the note is cleared, or the tail stored: whoever finds this publisher
// dead in between finds the event by one of those.
[[gnu::always_inline]] inline void Publisher::note_own(OwnSequence own) noexcept {
    last_own_ = own;
    // Relaxed: carried by the clearing of the note, or the tail.
    identity_.slot().last_own.store(own, std::memory_order_relaxed);
    TAILRACE_STEP("publisher.own_noted");
}

[[gnu::always_inline]] inline PublishStatus Publisher::try_publish_numbered(
    std::span<const std::byte> payload, EventType type, OwnSequence own) noexcept {
    if (payload.size() > max_payload_bytes_) [[unlikely]]
        return PublishStatus::too_large;
    if (own <= last_own_) [[unlikely]]
        return refuse_own();
    constexpr std::uint64_t kWordsBytes = 2 * kExtensionWordBytes;
    constexpr std::uint64_t kAdded = (std::uint64_t{kHasPublisherId} << kHeaderFlagsShift) +
                                     (std::uint64_t{2} << kHeaderWordsShift);
    const std::uint64_t size_bytes =
        (base_rounding_bytes_ + kWordsBytes + payload.size()) & alignment_mask_;
    Place place;
    const PublishStatus status = claim_place<false>(place, size_bytes, 1);
    if (status != PublishStatus::ok) [[unlikely]]
        return status;
    std::byte* const record = events_ + (place.position & offset_mask_);
    std::byte* const words = record + base_payload_offset_bytes_;
    const std::uint64_t id = identity_.id();
    std::memcpy(words, &id, sizeof(id));
    std::memcpy(words + sizeof(id), &own, sizeof(own));
    if (!payload.empty()) std::memcpy(words + kWordsBytes, payload.data(), payload.size());
    last_own_ = own;
    commit_record<true>(
        cell_,
        place.sequence + 1,
        place.position + size_bytes,
        record,
        (base_word_ + kAdded) | (std::uint64_t{type} << kHeaderTypeShift) | payload.size());
    return PublishStatus::ok;
}

[[gnu::always_inline]] inline bool Publisher::swap_tail(std::uint64_t word,
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
    cell_->position = place.position + size_bytes;
    cell_->ticket = place.sequence + count;
    claimed_events_ += count;
    claimed_bytes_ += size_bytes;
    TAILRACE_STEP("publisher.swap_won");
    return true;
}

[[gnu::always_inline]] inline void Publisher::note_intent(Place place,
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

[[gnu::always_inline]] inline void Publisher::clear_intent() noexcept {
    // [sync:intent_cleared] Release: whoever sees the intent gone sees the stamp of what it
    // claimed.
    slot_->intent_sequence.store(kNoSequence, std::memory_order_release);
    TAILRACE_STEP("publisher.intent_cleared");
}

[[gnu::always_inline]] inline void Publisher::publish_tail(StreamState* state,
                                                           detail::PublisherCell* cell,
                                                           Place end,
                                                           std::uint32_t count) noexcept {
    cell->ticket += count;
    cell->position = end.position;
    // [sync:tail_published] Release: who reads the tail may walk the committed events below it.
    state->tail.store(pack_tail(end), std::memory_order_release);
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

[[gnu::always_inline]] inline PublishStatus Publisher::claim_batch_place(
    Place& place, std::uint64_t size_bytes, std::uint32_t count) noexcept {
    const PublishStatus status = claim_place<true>(place, size_bytes, count);
    if (status != PublishStatus::ok) [[unlikely]]
        return status;
    if (shared_) {
        // Relaxed: the stamps that it explains are stored later, with release.
        slot_->intent_size_bytes.store(static_cast<std::uint32_t>(size_bytes) | kIntentWon,
                                       std::memory_order_relaxed);
        TAILRACE_STEP("batch.marked_won");
    } else {
        // A successor must know what may hold stamps of a batch that never was (take_over_tail).
        note_intent(place, size_bytes, count);
    }
    return PublishStatus::ok;
}

[[gnu::always_inline]] inline void Publisher::open_batch(BatchClaim& batch,
                                                         Place place,
                                                         std::uint64_t size_bytes,
                                                         std::uint32_t count) noexcept {
    batch.hold_.position = place.position;
    batch.hold_.size_bytes = size_bytes;
    batch.hold_.count = count;
    batch.hold_.open(cell_);
    batch.first_sequence_ = place.sequence;
    batch.next_record_ = events_ + (place.position & offset_mask_);
    batch.end_record_ = batch.next_record_ + size_bytes;
}

[[gnu::always_inline]] inline PublishStatus Publisher::try_claim_batch(
    BatchClaim& batch,
    std::uint32_t count,
    std::uint32_t payload_size_bytes,
    EventType type) noexcept {
    if (payload_size_bytes > max_payload_bytes_) [[unlikely]]
        return PublishStatus::too_large;
    batch.hold_.give_up();
    if (count == 0) [[unlikely]] {
        batch.hold_.count = 0;
        batch.next_record_ = events_;
        batch.end_record_ = events_;
        return PublishStatus::ok;
    }
    const std::uint64_t record_bytes =
        (base_rounding_bytes_ + payload_size_bytes) & alignment_mask_;
    const std::uint64_t size_bytes = record_bytes * count;
    if (size_bytes > max_claim_bytes(capacity_bytes())) [[unlikely]]
        return PublishStatus::too_large;
    Place place;
    const PublishStatus status = claim_batch_place(place, size_bytes, count);
    if (status != PublishStatus::ok) [[unlikely]]
        return status;
    open_batch(batch, place, size_bytes, count);
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
    batch = std::move(later);
    return waited;
}

[[gnu::always_inline]] inline void Publisher::commit_even(const BatchClaim& batch) noexcept {
    const bool has_time = (base_flags_ & kHasPublishTime) != 0;
    const std::uint64_t now_ns = has_time ? clock_.now_ns() : 0;
    std::byte* const first = events_ + (batch.hold_.position & offset_mask_);
    std::byte* record = first;
    Sequence sequence = batch.first_sequence_;
    const std::uint64_t last_word = batch.header_word_;
    const std::uint64_t word = last_word | (std::uint64_t{kBatchContinues} << kHeaderFlagsShift);
    const Sequence last = sequence + batch.hold_.count - 1;
    // Copies: behind each stamp the compiler would load them anew.
    const std::uint64_t record_bytes = batch.record_bytes_;
    const std::uint64_t salt = salt_;
    const auto prepare_next = [&](std::uint64_t header) {
        ++sequence;
        record += record_bytes;
        if (has_time) std::memcpy(record + sizeof(EventHeader), &now_ns, sizeof(now_ns));
        store_header(record, header, stamp_of(sequence, salt));
        TAILRACE_STEP("batch.event_prepared");
    };
    // The first stamp waits: it makes all of them visible, and until then none exists.
    while (sequence + 1 < last)
        prepare_next(word);
    if (sequence != last) prepare_next(last_word);
    if (has_time) std::memcpy(first + sizeof(EventHeader), &now_ns, sizeof(now_ns));
    TAILRACE_STEP("batch.event_prepared");
    store_header(
        first, batch.hold_.count == 1 ? last_word : word, stamp_of(batch.first_sequence_, salt_));
}

[[gnu::always_inline]] inline void Publisher::finish_batch(BatchClaim& batch) noexcept {
    TAILRACE_STEP("batch.first_stamped");
    const detail::ClaimHold& hold = batch.hold_;
    batch.end_record_ = batch.next_record_;
    if (shared_) {
        cell_->own_end = hold.ticket;
    } else {
        publish_tail(state_,
                     cell_,
                     {batch.first_sequence_ + batch.hold_.count, hold.position + hold.size_bytes},
                     batch.hold_.count);
    }
    batch.hold_.let_go();
    clear_intent();
    wake_subscribers(state_, fences_);
}

// In a ring that caches hold the readers still have the lines of the last lap. Without this the
// first store to each waits for them to give it up, and all later stores wait behind it.
// (docs/decisions/0045-lines-are-fetched-ahead-for-writing.md)
[[gnu::always_inline]] inline void Publisher::fetch_ahead(std::uint64_t end_position,
                                                          std::uint64_t size_bytes) noexcept {
    constexpr std::uint64_t kAheadBytes = 4096;
    constexpr std::uint64_t kLineBytes = 64;
    if (!fetches_ahead_ || size_bytes > 2 * kLineBytes) return;
    // Within the double mapping, as every event.
    const std::byte* const ahead = events_ + ((end_position + kAheadBytes) & offset_mask_);
    prefetch_for_write(ahead);
    if (size_bytes > kLineBytes) prefetch_for_write(ahead + kLineBytes);
}

template <bool kIsNumbered>
[[gnu::always_inline]] inline void Publisher::commit_record(detail::PublisherCell* cell,
                                                            Sequence ticket,
                                                            std::uint64_t end_position,
                                                            std::byte* record,
                                                            std::uint64_t word) noexcept {
    if ((base_flags_ & kHasPublishTime) != 0) {
        const std::uint64_t now_ns = clock_.now_ns();
        std::memcpy(record + sizeof(EventHeader), &now_ns, sizeof(now_ns));
    }
    TAILRACE_STEP("publisher.filled");
    store_header(record, word, stamp_of(ticket - 1, salt_));
    TAILRACE_STEP("publisher.stamped");
    if constexpr (kIsNumbered) note_own(last_own_);
    StreamState* const state = state_;
    // Each way asks once what it is, and not again whether it fences.
    if (is_lone_) {
        publish_tail(state, cell, {ticket, end_position}, 1);
        wake_subscribers(state, false);
    } else if (is_among_others_) {
        cell->own_end = ticket;
        clear_intent();
        wake_subscribers(state, false);
    } else {
        commit_fenced(cell, ticket, end_position);
    }
    fetch_ahead(end_position, sizeof(EventHeader) + static_cast<std::uint32_t>(word));
}

[[gnu::always_inline]] inline PublishStatus Publisher::commit(Claim& claim) noexcept {
    detail::ClaimHold& hold = claim.hold_;
    detail::PublisherCell* const cell = cell_;
    if (!hold.is_open_at(cell)) [[unlikely]]
        return refusal(false);
    hold.let_go();
    commit_record(
        cell, hold.ticket, hold.position + hold.size_bytes, claim.record_, claim.header_word_);
    return PublishStatus::ok;
}

}  // namespace tailrace::bus
