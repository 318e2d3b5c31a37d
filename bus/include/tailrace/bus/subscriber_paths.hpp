// The inline paths of Subscriber: reading in place, handing over copies, moving on. Included by
// subscriber.hpp, which is their contract; the memory orders are argued in docs/memory_order.md.
#pragma once

#include <tailrace/bus/subscriber.hpp>

namespace tailrace::bus {

template <bool kFilters, typename Handler>
PollResult Subscriber::poll_in_place(Handler& handler, std::uint64_t limit, Mode mode) {
    Place next = next_;
    std::uint64_t delivered = 0;
    std::uint64_t seen = 0;
    [[maybe_unused]] std::uint64_t filtered = 0;
    bool sound = true;
    // Copies, since the compiler can't know that the handler leaves the members alone.
    const std::byte* const events = events_;
    const std::uint64_t offset_mask = offset_mask_;
    const std::uint64_t salt = cell_->salt;
    const std::uint64_t alignment_bytes = alignment_bytes_;
    const std::uint64_t max_event_bytes = max_event_bytes_;
    const std::byte* record = events + (next.position & offset_mask);
    if (limit == 0 || load_stamp(record) != stamp_of(next.sequence, salt)) {
        TAILRACE_STEP("subscriber.read");
        return {0, idle_poll()};
    }
    {
        const HandlerScope scope(mode_, mode);
        do {
            const EventHeader header = load_header(record);
            const std::uint64_t size_bytes = event_size_bytes(
                header.payload_size_bytes, header.extension_words, alignment_bytes);
            if (size_bytes > max_event_bytes) [[unlikely]] {
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
                    ++delivered;
                }
            } else {
                count(&SubscriberStatistics::tombstones);
            }
            ++seen;
            ++next.sequence;
            next.position += size_bytes;
            record = events + (next.position & offset_mask);
        } while ((kFilters ? delivered < limit && filtered < kPassedPerPoll : seen < limit) &&
                 load_stamp(record) == stamp_of(next.sequence, salt));
    }
    TAILRACE_STEP("subscriber.read");
    if constexpr (kFilters) count(&SubscriberStatistics::filtered_events, filtered);
    if (seen != 0) [[likely]] {
        next_ = next;
        move_cursor(next);
    }
    return {delivered, sound ? PollState::ok : PollState::corrupt};
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
        handed_bytes_ +=
            event_size_bytes(header.payload_size_bytes, header.extension_words, alignment_bytes_);
    }
    return {delivered, state};
}

inline void Subscriber::move_cursor(Place place) noexcept {
    if (slot_ == nullptr) return;
    // Relaxed: for tools; only this subscriber writes them.
    slot_->sequence.store(place.sequence, std::memory_order_relaxed);
    slot_->position.store(place.position, std::memory_order_relaxed);
    if (policy_ != SlowPolicy::gate) {
        if (holds_gate_) static_cast<void>(move_gate(place));
        return;
    }
    // [sync:gate_released] Release: this reader is done with every byte below. Pairs with the
    // publisher's look at the gates before it writes there again.
    slot_->gate_position.store(place.position, std::memory_order_release);
    TAILRACE_STEP("subscriber.gate_moved");
    if (wake_sleepers(state_->publishers_wait, fences_)) [[unlikely]]
        count(&SubscriberStatistics::wakes);
}

}  // namespace tailrace::bus
