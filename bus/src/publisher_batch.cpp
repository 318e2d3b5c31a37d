// Batches: several events that become visible at once, because the first one's stamp is stored
// last.

#include "hole.hpp"

#include <tailrace/bus/publisher.hpp>

#include <algorithm>

namespace tailrace::bus {

PublishStatus Publisher::try_claim_batch(BatchClaim& batch,
                                         std::span<const std::uint32_t> payload_sizes_bytes,
                                         EventType type) noexcept {
    if (payload_sizes_bytes.size() > UINT32_MAX) return PublishStatus::too_large;
    const auto shape_at = [&](std::uint32_t index) {
        return EventShape{payload_sizes_bytes[index], type, base_flags_};
    };
    return claim_mixed(batch, static_cast<std::uint32_t>(payload_sizes_bytes.size()), shape_at);
}

template <typename ShapeAt>
PublishStatus Publisher::claim_mixed(BatchClaim& batch,
                                     std::uint32_t count,
                                     ShapeAt&& shape_at) noexcept {
    batch.hold_.give_up();
    if (count == 0) return try_claim_batch(batch, 0, 0, 0);
    const auto record_bytes = [this](const EventShape& shape) {
        return event_size_bytes(
            shape.payload_size_bytes, extension_words_of(shape.flags), alignment_bytes_);
    };
    std::uint64_t size_bytes = 0;
    for (std::uint32_t index = 0; index < count; ++index) {
        const EventShape shape = shape_at(index);
        if (shape.payload_size_bytes > max_payload_bytes_) return PublishStatus::too_large;
        size_bytes += record_bytes(shape);
    }
    if (size_bytes > max_claim_bytes(capacity_bytes())) return PublishStatus::too_large;
    Place place;
    const PublishStatus status = claim_batch_place(place, size_bytes, count);
    if (status != PublishStatus::ok) return status;

    std::uint64_t position = place.position;
    for (std::uint32_t index = 0; index < count; ++index) {
        const bool is_last = index + 1 == count;
        const EventShape shape = shape_at(index);
        const auto flags =
            static_cast<std::uint8_t>(shape.flags | (is_last ? 0U : kBatchContinues));
        const std::uint64_t word = header_word(
            shape.payload_size_bytes, shape.type, flags, extension_words_of(shape.flags));
        std::memcpy(region_->event_at(position) + sizeof(std::uint64_t), &word, sizeof(word));
        TAILRACE_STEP("batch.sizes_written");
        position += record_bytes(shape);
    }
    open_batch(batch, place, size_bytes, count);
    batch.record_bytes_ = 0;
    batch.alignment_bytes_ = alignment_bytes_;
    return PublishStatus::ok;
}

PublishStatus Publisher::claim_waiting(BatchClaim& batch,
                                       std::uint32_t count,
                                       std::uint32_t payload_size_bytes,
                                       EventType type,
                                       Deadline deadline) noexcept {
    return retry_until(deadline,
                       [&] { return try_claim_batch(batch, count, payload_size_bytes, type); });
}

PublishStatus Publisher::commit_mixed(Place place,
                                      std::uint64_t size_bytes,
                                      std::uint32_t count) noexcept {
    const bool has_time = (base_flags_ & kHasPublishTime) != 0;
    const std::uint64_t now_ns = has_time ? clock_.now_ns() : 0;
    std::uint64_t position = place.position;
    const std::uint64_t end = position + size_bytes;
    EventHeader first{};
    for (std::uint32_t index = 0; index < count; ++index) {
        std::byte* const record = region_->event_at(position);
        const EventHeader header = load_header(record);
        const std::uint64_t record_bytes =
            event_size_bytes(header.payload_size_bytes, header.extension_words, alignment_bytes_);
        const bool is_last = index + 1 == count;
        // The sizes were written by this publisher, but into memory that others may scribble on: a
        // batch that doesn't fill its claim exactly is given up, before it can lead anybody
        // outside.
        const bool fits = is_last ? record_bytes == end - position : record_bytes < end - position;
        if (!fits || (has_time && header.extension_words == 0)) [[unlikely]] {
            write_tombstones(*region_, place, count, size_bytes);
            return PublishStatus::corrupt;
        }
        if (has_time) std::memcpy(record + sizeof(EventHeader), &now_ns, sizeof(now_ns));
        // The first stamp waits: it makes all of them visible, and until then none exists.
        if (index == 0) {
            first = header;
        } else {
            store_header(record, header, stamp_of(place.sequence + index, salt_));
        }
        TAILRACE_STEP("batch.event_prepared");
        position += record_bytes;
    }
    // The header that was looked at, whatever has become of it in the ring.
    store_header(region_->event_at(place.position), first, stamp_of(place.sequence, salt_));
    return PublishStatus::ok;
}

PublishStatus Publisher::publish_batch(std::span<const std::span<const std::byte>> payloads,
                                       EventType type,
                                       Deadline deadline) noexcept {
    if (payloads.empty()) return PublishStatus::ok;
    if (payloads.size() > UINT32_MAX) return PublishStatus::too_large;
    for (const auto payload : payloads) {
        if (payload.size() > max_payload_bytes_) return PublishStatus::too_large;
    }
    const auto shape_at = [&](std::uint32_t index) {
        return EventShape{static_cast<std::uint32_t>(payloads[index].size()), type, base_flags_};
    };
    BatchClaim batch;
    const auto count = static_cast<std::uint32_t>(payloads.size());
    const PublishStatus status =
        retry_until(deadline, [&] { return claim_mixed(batch, count, shape_at); });
    if (status != PublishStatus::ok) return status;
    // By the sizes that were claimed, not by those that stand in the ring, where others may
    // scribble.
    std::byte* record = batch.next_record_;
    for (const auto payload : payloads) {
        if (!payload.empty())
            std::memcpy(record + base_payload_offset_bytes_, payload.data(), payload.size());
        record += event_size_bytes(static_cast<std::uint32_t>(payload.size()),
                                   extension_words_of(base_flags_),
                                   alignment_bytes_);
    }
    return commit(batch);
}

PublishStatus Publisher::publish_mixed_batch(std::span<const BatchEvent> events,
                                             Deadline deadline) noexcept {
    if (events.empty()) return PublishStatus::ok;
    if (events.size() > UINT32_MAX) return PublishStatus::too_large;
    OwnSequence last_own = 0;
    for (const BatchEvent& event : events) {
        if (event.payload.size() > max_payload_bytes_) return PublishStatus::too_large;
        last_own = std::max(last_own, event.fields.own_sequence);
    }
    if (last_own != 0) {
        const PublishStatus status = drop_published(events);
        if (status != PublishStatus::ok) return status;
    }
    const auto shape_at = [&](std::uint32_t index) {
        const BatchEvent& event = events[index];
        return EventShape{static_cast<std::uint32_t>(event.payload.size()),
                          event.fields.type,
                          flags_of(event.fields)};
    };
    BatchClaim batch;
    const auto count = static_cast<std::uint32_t>(events.size());
    const PublishStatus status =
        retry_until(deadline, [&] { return claim_mixed(batch, count, shape_at); });
    if (status != PublishStatus::ok) return status;
    // By the sizes that were claimed, as above.
    std::byte* record = batch.next_record_;
    for (std::uint32_t index = 0; index < count; ++index) {
        const EventShape shape = shape_at(index);
        const BatchEvent& event = events[index];
        std::byte* const to = write_words(record + sizeof(EventHeader), shape.flags, event.fields);
        if (!event.payload.empty()) std::memcpy(to, event.payload.data(), event.payload.size());
        record += event_size_bytes(
            shape.payload_size_bytes, extension_words_of(shape.flags), alignment_bytes_);
    }
    if (last_own == 0) return commit(batch);
    // As commit(), with the number behind the first stamp and before the note is cleared.
    const PublishStatus committed = commit_mixed(
        {batch.first_sequence_, batch.hold_.position}, batch.hold_.size_bytes, batch.count());
    TAILRACE_STEP("batch.numbered_stamped");
    if (committed == PublishStatus::ok) note_own(last_own);
    finish_batch(batch);
    return committed;
}

}  // namespace tailrace::bus
