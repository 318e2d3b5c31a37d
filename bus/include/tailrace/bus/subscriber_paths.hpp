// The inline paths of Subscriber: reading in place, handing over copies, moving on. Included by
// subscriber.hpp, which is their contract; the memory orders are argued in docs/memory_order.md.
#pragma once

#include <tailrace/bus/subscriber.hpp>

namespace tailrace::bus {

template <bool kFilters, typename Handler>
[[gnu::always_inline]] inline PollResult Subscriber::poll_in_place(Handler& handler,
                                                                   std::uint64_t limit,
                                                                   Mode mode) {
    Place next = next_;
    // Where it doesn't filter, what it delivers is what it passes, less the tombstones: few words
    // for the loop to keep. Where it does, no number of events that pass is the end.
    const Sequence last = next.sequence + (kFilters ? UINT64_MAX : limit);
    [[maybe_unused]] Sequence uncounted = next.sequence;
    [[maybe_unused]] std::uint64_t delivered = 0;
    [[maybe_unused]] std::uint64_t filtered = 0;
    bool sound = true;
    // Copies, since the compiler can't know that the handler leaves them alone. What an instruction
    // takes from memory is not copied: the loop has no register for it.
    const std::byte* const events = events_;
    const std::uint64_t salt = cell_->salt;
    const std::byte* record = events + (next.position & offset_mask_);
    if (limit == 0 || load_stamp(record) != stamp_of(next.sequence, salt)) {
        TAILRACE_STEP("subscriber.read");
        pace_.caught_up(next.sequence);
        return {0, idle_poll()};
    }
    if (next.sequence >= pace_.bound()) [[unlikely]]
        pace_.ask(next, state_->tail);
    {
        const HandlerScope scope(mode_, mode);
        Sequence stop = pace_.stop(next.sequence, last);
        for (;;) {
            const EventHeader header = load_header(record);
            const std::uint64_t size_bytes = record_bytes(header);
            if (size_bytes > max_event_bytes_) [[unlikely]] {
                sound = false;
                break;
            }
            if ((header.flags & kTombstone) == 0) [[likely]] {
                const Event event(next.sequence, header, record);
                if constexpr (kFilters) {
                    if (filter_.accepts(event)) {
                        if (delivered == 0) sample(event);
                        handler(event);
                        ++delivered;
                    } else {
                        ++filtered;
                    }
                } else {
                    handler(event);
                }
            } else {
                ++uncounted;
                count(&SubscriberStatistics::tombstones);
            }
            ++next.sequence;
            next.position += size_bytes;
            record = events + (next.position & offset_mask_);
            if constexpr (kFilters) {
                if (delivered == limit || filtered == kPassedPerPoll) break;
            }
            if (next.sequence == stop) [[unlikely]] {
                if (stop == last || !pace_.goes_on(next, state_->tail)) break;
                stop = pace_.stop(next.sequence, last);
            }
            if (load_stamp(record) != stamp_of(next.sequence, salt)) break;
        }
    }
    TAILRACE_STEP("subscriber.read");
    if constexpr (kFilters) count(&SubscriberStatistics::filtered_events, filtered);
    if (next.sequence != next_.sequence) [[likely]] {
        next_ = next;
        if (mode == Mode::plain) {
            move_own_gate(next);
        } else {
            move_cursor(next);
        }
    }
    if constexpr (!kFilters) delivered = next.sequence - uncounted;
    return {delivered, sound ? PollState::ok : PollState::corrupt};
}

template <typename Handler>
[[gnu::noinline]] PollResult Subscriber::poll_otherwise(Handler& handler, std::uint64_t limit) {
    if (mode_ == Mode::in_handler) return {0, PollState::in_handler};
    if (mode_ == Mode::aside) return {0, is_dead() ? PollState::dead_handle : PollState::behind};
    if (copies_) return poll_copies(handler, limit);
    if (filters_) return poll_in_place<true>(handler, limit, Mode::other);
    if (limit != 0 && has_event()) sample_next();
    return poll_in_place<false>(handler, limit, Mode::other);
}

template <typename Handler>
PollResult Subscriber::poll_copies(Handler& handler, std::uint64_t limit) {
    PollState state = PollState::ok;
    if (!has_copies()) {
        const CopyResult copied = filters_ ? copy_batch<true>(limit) : copy_batch<false>(limit);
        state = copied.state;
        handed_bytes_ = 0;
        copied_bytes_ = copied.size_bytes;
    } else if (is_dead()) [[unlikely]] {
        return {0, PollState::dead_handle};
    }
    const HandlerScope scope(mode_, Mode::other);
    std::uint64_t delivered = 0;
    // A member, so that what a handler that throws has left is still known.
    while (handed_bytes_ < copied_bytes_ && delivered < limit) {
        const std::byte* const record = copies_buffer_.data() + handed_bytes_;
        const EventHeader header = load_header(record);
        const Event event(load_stamp(record) ^ cell_->salt, header, record);
        if (delivered == 0) sample(event);
        handler(event);
        ++delivered;
        handed_bytes_ += record_bytes(header);
    }
    return {delivered, state};
}

inline void Subscriber::move_cursor(Place place) noexcept {
    if (slot_ == nullptr) return;
    if (policy_ == SlowPolicy::gate) return move_own_gate(place);
    // Relaxed: for tools; only this subscriber writes them.
    slot_->sequence.store(place.sequence, std::memory_order_relaxed);
    slot_->position.store(place.position, std::memory_order_relaxed);
    if (holds_gate_) static_cast<void>(move_gate(place));
}

[[gnu::always_inline]] inline void Subscriber::move_own_gate(Place place) noexcept {
    // Relaxed: for tools; only this subscriber writes them.
    slot_->sequence.store(place.sequence, std::memory_order_relaxed);
    slot_->position.store(place.position, std::memory_order_relaxed);
    // [sync:gate_released] Release: this reader is done with every byte below. Pairs with the
    // publisher's look at the gates before it writes there again.
    slot_->gate_position.store(place.position, std::memory_order_release);
    TAILRACE_STEP("subscriber.gate_moved");
    if (wake_sleepers(state_->publishers_wait, fences_)) [[unlikely]]
        count(&SubscriberStatistics::wakes);
}

}  // namespace tailrace::bus
