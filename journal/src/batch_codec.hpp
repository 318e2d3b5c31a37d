// Encoding and checking one batch. Pure functions, any thread. Law: docs/journal_format.md, "The
// batch".
#pragma once

#include <tailrace/journal/format.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tailrace::journal {

// Where a batch stands: what its checksums are bound to.
struct BatchPlace {
    std::uint64_t segment_number = 0;
    std::uint64_t salt = 0;
    std::uint64_t offset = 0;  // in the file
    std::uint64_t segment_size_bytes = 0;
    std::uint32_t event_alignment_bytes = 16;
};

enum class BatchVerdict : std::uint8_t {
    valid,
    absent,         // no batch begins here: the magic isn't there
    foreign,        // a header of another segment or place: salt, segment number or checksum differ
    unknown,        // a sound header of a newer version, or with unknown flags
    inconsistent,   // a sound header whose fields contradict each other
    cut,            // the batch runs over the end of the segment or of the file
    damaged_body,   // the body's checksum differs
    damaged_event,  // the checksum holds, but an event's stamp or size is wrong
};

[[nodiscard]] std::string_view batch_verdict_text(BatchVerdict verdict) noexcept;

// What of the file a batch occupies.
[[nodiscard]] constexpr std::uint64_t batch_slot_bytes(std::uint64_t body_size_bytes) noexcept {
    return align_up(sizeof(BatchHeader) + body_size_bytes, kBlockSizeBytes);
}

// From the beginning of a batch to that of the next one.
[[nodiscard]] constexpr std::uint64_t batch_extent_bytes(const BatchHeader& header) noexcept {
    return (header.flags & kBatchMended) != 0 ? header.mended_blocks * kBlockSizeBytes
                                              : batch_slot_bytes(header.body_size_bytes);
}

[[nodiscard]] std::uint64_t batch_seed(std::uint64_t salt, std::uint64_t offset) noexcept;

// Fills in the fixed fields, place and checksums of `header`, writes it in front of the body that
// already stands at block[128...], and zeroes the padding. Returns the header's checksum, which the
// next batch chains to. Requires: block.size() == batch_slot_bytes(header.body_size_bytes).
std::uint64_t seal_batch(std::span<std::byte> block,
                         BatchHeader header,
                         const BatchPlace& place) noexcept;

// Checks the header at the front of `block` (at least 128 bytes; fewer is `absent`) and copies it
// to `header`, which is meaningful only for `valid`.
[[nodiscard]] BatchVerdict check_batch_header(std::span<const std::byte> block,
                                              const BatchPlace& place,
                                              BatchHeader& header) noexcept;

// Requires: `header` was found valid, and body.size() == header.body_size_bytes.
[[nodiscard]] BatchVerdict check_batch_body(const BatchHeader& header,
                                            std::span<const std::byte> body,
                                            const BatchPlace& place) noexcept;

// Where a walk over the batches of a segment stands.
struct LogPosition {
    std::uint64_t offset = kBlockSizeBytes;
    Sequence sequence = 0;            // that the next batch begins with, unless it states a gap
    std::uint64_t last_checksum = 0;  // that it chains to
    std::uint64_t max_time_ns = 0;    // running maximum so far
    std::uint64_t sealed_ns = 0;
    bool sealed = false;  // a seal was the last: nothing follows
    // What was lost before this place has no stated end: a gap that follows here is of it.
    bool follows_loss = false;

    // Whether the gap that this batch states, or would, was journaled once.
    [[nodiscard]] bool is_loss(const BatchHeader& header) const noexcept {
        return follows_loss || (header.flags & kBatchMended) != 0;
    }
};

[[nodiscard]] LogPosition first_position(const SegmentHeader& header) noexcept;
// Whether a batch ends where the log in its segment does, or before: one that crosses that place is
// no part of it.
[[nodiscard]] constexpr bool lies_within(const LogPosition& position,
                                         const BatchHeader& header,
                                         std::uint64_t end_offset) noexcept {
    return position.offset + batch_extent_bytes(header) <= end_offset;
}
// Whether a valid batch may follow here: chain, sequence, times.
[[nodiscard]] bool continues(const LogPosition& position, const BatchHeader& header) noexcept;
void advance(LogPosition& position, const BatchHeader& header) noexcept;

[[nodiscard]] bool is_zero(std::span<const std::byte> bytes) noexcept;

}  // namespace tailrace::journal
