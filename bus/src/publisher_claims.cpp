// How a claim ends without a commit: aborted by its owner, by its owner's end, or by the next
// claim.

#include "hole.hpp"

#include <tailrace/bus/publisher.hpp>

namespace tailrace::bus {

void detail::give_up_claim(PublisherCell* cell,
                           Sequence ticket,
                           std::uint64_t position,
                           std::uint64_t size_bytes,
                           std::uint32_t count) noexcept {
    // The publisher may be gone, or in this process never have been.
    Publisher* const publisher = cell->owner;
    if (publisher != nullptr && cell->ticket == ticket)
        publisher->abort_open(ticket, position, size_bytes, count);
}

void Publisher::commit_fenced(detail::PublisherCell* cell,
                              Sequence ticket,
                              std::uint64_t end_position) noexcept {
    if (shared_) {
        cell->own_end = ticket;
        clear_intent();
    } else {
        publish_tail(state_, cell, {ticket, end_position}, 1);
    }
    wake_subscribers(state_, true);
}

PublishStatus Publisher::refusal(bool is_empty) const noexcept {
    if (is_dead()) return PublishStatus::dead_handle;
    return is_empty ? PublishStatus::ok : PublishStatus::no_claim;
}

void Publisher::abort_open(Sequence ticket,
                           std::uint64_t position,
                           std::uint64_t size_bytes,
                           std::uint32_t count) noexcept {
    count_up(slot_->statistics.aborted_events, count);
    if (!shared_) {
        // The next claim begins at the same place; of a batch there is a note.
        cell_->position = position;
        clear_intent();
        return;
    }
    TAILRACE_STEP("publisher.aborting");
    write_tombstones(*region_, {ticket - count, position}, count, size_bytes);
    cell_->ticket = 0;
    clear_intent();
    wake_subscribers(state_, fences_);
}

// Relaxed, all: this publisher's own words.
void Publisher::give_up_open_claim() noexcept {
    cell_->has_stray_claims = true;
    if (!shared_) {
        // A tombstone takes the sequence, so that the stray claim's ticket is never another's. Room
        // for it was granted with the claim. The tail is this publisher's own word.
        const std::uint64_t position = region_->tail().position;
        const bool is_batch = slot_->intent_sequence.load(std::memory_order_relaxed) != kNoSequence;
        const Place place{cell_->ticket - 1, position};
        write_tombstones(*region_, place, 1, alignment_bytes_);
        publish_tail(state_, cell_, {place.sequence + 1, position + alignment_bytes_}, 1);
        count_up(slot_->statistics.aborted_events,
                 is_batch ? slot_->intent_count.load(std::memory_order_relaxed) : 1);
        if (first_own_sequence_ == place.sequence) ++first_own_sequence_;
    } else {
        const Place place{slot_->intent_sequence.load(std::memory_order_relaxed),
                          slot_->intent_position.load(std::memory_order_relaxed)};
        const std::uint64_t size_bytes =
            slot_->intent_size_bytes.load(std::memory_order_relaxed) & ~kIntentWon;
        const std::uint32_t count = slot_->intent_count.load(std::memory_order_relaxed);
        // The note lies in memory that others may scribble on; it counts if it ends where the claim
        // does that this publisher remembers.
        const bool is_own = place.position + size_bytes == cell_->position &&
                            place.sequence + count == cell_->ticket &&
                            size_bytes <= max_claim_bytes(capacity_bytes()) &&
                            count * alignment_bytes_ <= size_bytes && count != 0;
        if (is_own) {
            write_tombstones(*region_, place, count, size_bytes);
            count_up(slot_->statistics.aborted_events, count);
        }
        cell_->ticket = 0;
    }
    clear_intent();
    wake_subscribers(state_, fences_);
}

}  // namespace tailrace::bus
