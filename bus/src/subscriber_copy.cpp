// The reader that nobody waits for: it copies first and checks afterwards, and hands nothing over
// before the check.

#include "checkpoints.hpp"

#include <tailrace/bus/subscriber.hpp>

#include <algorithm>
#include <array>

namespace tailrace::bus {

namespace {

// Copied and checked in one go. Small enough to stay in a core's own cache.
constexpr std::uint64_t kCopyBatchBytes = 64 * 1024;

// A reader that is always behind would be lapped during each copy of a ring's size, and never come
// back to stay.
constexpr std::uint64_t copy_share_bytes(std::uint64_t capacity_bytes, SlowPolicy policy) noexcept {
    if (policy != SlowPolicy::spill) return kCopyBatchBytes;
    return std::min(kCopyBatchBytes, capacity_bytes / kCheckpointCount);
}

}  // namespace

template <bool kFilters>
Subscriber::CopyResult Subscriber::copy_batch(std::uint64_t limit) {
    if (is_dead()) [[unlikely]]
        return {0, PollState::dead_handle};
    if (loss_untold_) [[unlikely]] {
        loss_untold_ = false;
        return {0, jump_forward()};
    }
    if (eviction_untold_) [[unlikely]] {
        eviction_untold_ = false;
        if (was_lapped(next_.position)) return {0, jump_forward()};
        last_gap_ = {next_.sequence, 0};
        return {0, PollState::gap};
    }
    if (copies_buffer_.empty()) copies_buffer_.resize(kCopyBatchBytes);
    const std::uint64_t share_bytes = copy_share_bytes(offset_mask_ + 1, policy_);
    const Place first = next_;
    Place next = next_;
    std::uint64_t copied_bytes = 0;
    std::uint64_t filtered = 0;
    std::uint64_t tombstones = 0;
    bool sound = true;
    if (next.sequence >= pace_.bound()) pace_.ask(next, state_->tail);
    for (std::uint64_t count = 0;
         count + tombstones < limit && filtered + tombstones < kPassedPerPoll;) {
        if (next.sequence != first.sequence && !pace_.goes_on(next, state_->tail)) break;
        const std::byte* const record = events_ + (next.position & offset_mask_);
        if (load_stamp(record) != stamp_of(next.sequence, cell_->salt)) break;
        const EventHeader header = load_header(record);
        const std::uint64_t size_bytes = record_bytes(header);
        if (size_bytes > max_event_bytes_) {
            sound = false;
            break;
        }
        TAILRACE_STEP("subscriber.header_read");
        const bool is_tombstone = (header.flags & kTombstone) != 0;
        if (is_tombstone || (kFilters && !wants(header, record))) {
            ++(is_tombstone ? tombstones : filtered);
            next = {next.sequence + 1, next.position + size_bytes};
            continue;
        }
        if (copied_bytes != 0 && copied_bytes + size_bytes > share_bytes) break;
        if (size_bytes > copies_buffer_.size()) {
            // A size that somebody's payload showed in passing is no reason to take memory: it
            // counts once nothing of a later lap can have stood there.
            if (was_overtaken(first.position)) break;
            copies_buffer_.resize(size_bytes);
        }
        copy_racing_words(copies_buffer_.data() + copied_bytes, record, size_bytes);
        // The header that was checked is the one that is used, whatever the copy caught.
        store_header(
            copies_buffer_.data() + copied_bytes, header, stamp_of(next.sequence, cell_->salt));
        copied_bytes += size_bytes;
        next = {next.sequence + 1, next.position + size_bytes};
        ++count;
    }
    TAILRACE_STEP("subscriber.copied");
    // A gate that was moved from where it stood held what was copied. Without one, or if it had
    // been dropped, the write limit tells.
    const bool held = holds_gate_ && move_gate(next);
    if (!held && was_lapped(first.position)) {
        eviction_untold_ = false;
        if (policy_ == SlowPolicy::spill) return {0, PollState::behind};
        return {0, jump_forward()};
    }
    if (next.position != first.position) {
        next_ = next;
        if (kFilters) this->count(&SubscriberStatistics::filtered_events, filtered);
        if (tombstones != 0) this->count(&SubscriberStatistics::tombstones, tombstones);
        move_cursor(next);
        return {copied_bytes, sound ? PollState::ok : PollState::corrupt};
    }
    if (!sound) return {0, PollState::corrupt};
    pace_.caught_up(next.sequence);
    return {0, idle_poll()};
}

template Subscriber::CopyResult Subscriber::copy_batch<false>(std::uint64_t);
template Subscriber::CopyResult Subscriber::copy_batch<true>(std::uint64_t);

// Looks at words that a publisher may be overwriting; the caller checks afterwards.
bool Subscriber::wants(const EventHeader& header, const std::byte* record) const noexcept {
    constexpr std::size_t kMostWords = 5;  // all that the flags of this version name
    alignas(std::uint64_t)
        std::array<std::byte, sizeof(EventHeader) + kMostWords * kExtensionWordBytes>
            copy{};
    const std::size_t words = std::min<std::size_t>(header.extension_words, kMostWords);
    copy_racing_words(copy.data() + sizeof(EventHeader),
                      record + sizeof(EventHeader),
                      words * kExtensionWordBytes);
    return filter_.accepts(Event(0, header, copy.data()));
}

bool Subscriber::can_return_to(Sequence sequence) const noexcept {
    return oldest_lasting_sequence() <= sequence;
}

Sequence Subscriber::oldest_lasting_sequence() const noexcept {
    return oldest_lasting_place().sequence;
}

Place Subscriber::oldest_lasting_place() const noexcept {
    return oldest_checkpoint(*region_, (offset_mask_ + 1) / 4);
}

PollState Subscriber::jump_forward() noexcept {
    // A quarter of the ring ahead of the oldest place, so that the next lap doesn't catch it at
    // once.
    const Place place = oldest_lasting_place();
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
