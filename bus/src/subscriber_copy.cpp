// The reader that nobody waits for: it copies first and checks afterwards, and hands nothing over
// before the check.

#include "checkpoints.hpp"

#include <tailrace/bus/subscriber.hpp>

#include <algorithm>

namespace tailrace::bus {

namespace {

// Copied and checked in one go. Small enough to stay in a core's own cache.
constexpr std::uint64_t kCopyBytes = 64 * 1024;

}  // namespace

Subscriber::CopyResult Subscriber::copy_batch(std::uint64_t limit) {
    if (copies_buffer_.empty()) copies_buffer_.resize(kCopyBytes);
    const Place first = next_;
    Place next = next_;
    std::uint64_t copied_bytes = 0;
    bool sound = true;
    for (std::uint64_t count = 0; count < limit; ++count) {
        const std::byte* const record = events_ + (next.position & offset_mask_);
        if (load_stamp(record) != stamp_of(next.sequence, salt_)) break;
        const EventHeader header = load_header(record);
        const std::uint64_t size_bytes =
            event_size_bytes(header.payload_size_bytes, header.extension_words, alignment_bytes_);
        if (size_bytes > max_event_bytes_) {
            sound = false;
            break;
        }
        if (copied_bytes + size_bytes > copies_buffer_.size()) {
            if (copied_bytes != 0) break;
            copies_buffer_.resize(size_bytes);
        }
        TAILRACE_STEP("subscriber.header_read");
        copy_racing_words(copies_buffer_.data() + copied_bytes, record, size_bytes);
        // The header that was checked is the one that is used, whatever the copy caught.
        std::memcpy(copies_buffer_.data() + copied_bytes + sizeof(std::uint64_t),
                    &header.payload_size_bytes,
                    sizeof(EventHeader) - sizeof(std::uint64_t));
        copied_bytes += size_bytes;
        next = {next.sequence + 1, next.position + size_bytes};
    }
    TAILRACE_STEP("subscriber.copied");
    if (was_lapped(first.position)) return {first.sequence, 0, jump_forward()};
    if (copied_bytes != 0) {
        next_ = next;
        empty_polls_ = 0;
        move_cursor(next);
        return {first.sequence, copied_bytes, sound ? PollState::ok : PollState::corrupt};
    }
    if (!sound) return {first.sequence, 0, PollState::corrupt};
    return {first.sequence, 0, idle_poll()};
}

PollState Subscriber::jump_forward() noexcept {
    // A quarter of the ring ahead of the oldest place, so that the next lap doesn't catch it at
    // once.
    const Place place = oldest_checkpoint(*region_, (offset_mask_ + 1) / 4);
    // A lapped reader is behind every place that can still be read; anything else would be going
    // back.
    const std::uint64_t lost =
        place.sequence > next_.sequence ? place.sequence - next_.sequence : 0;
    last_gap_ = {next_.sequence, lost};
    lost_events_ += lost;
    count(&SubscriberStatistics::gaps);
    count(&SubscriberStatistics::lost_events, lost);
    if (lost != 0) {
        count(&SubscriberStatistics::lost_bytes, place.position - next_.position);
    } else {
        begin_counting(place);
    }
    next_ = place;
    move_cursor(place);
    return PollState::gap;
}

}  // namespace tailrace::bus
