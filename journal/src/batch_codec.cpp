#include "batch_codec.hpp"

#include "event_walk.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/checksum.hpp>

#include <cstring>

namespace tailrace::journal {

namespace {

constexpr std::size_t kBatchCheckedFrom = offsetof(BatchHeader, body_checksum);

std::uint64_t header_checksum(const BatchHeader& header, const BatchPlace& place) noexcept {
    const auto bytes = std::as_bytes(std::span(&header, 1)).subspan(kBatchCheckedFrom);
    return checksum64(bytes, batch_seed(place.salt, place.offset));
}

// The fields of a header whose checksum holds. The writer never makes one that fails here.
bool is_consistent(const BatchHeader& header, const BatchPlace& place) noexcept {
    if (header.body_size_bytes > kMaxBodySizeBytes) return false;
    if (header.body_size_bytes % place.event_alignment_bytes != 0) return false;
    const std::uint64_t smallest = std::uint64_t{header.event_count} * place.event_alignment_bytes;
    if (smallest > header.body_size_bytes) return false;
    if ((header.event_count == 0) != (header.body_size_bytes == 0)) return false;
    const bool bare = (header.flags & (kBatchSeal | kBatchMarker)) != 0;
    if (bare != (header.event_count == 0)) return false;
    if ((header.flags & kBatchCleanClose) != 0 && (header.flags & kBatchSeal) == 0) return false;
    const bool mended = (header.flags & kBatchMended) != 0;
    if (mended && ((header.flags & kBatchMarker) == 0 || header.mended_blocks == 0)) return false;
    if (header.first_sequence > kNoSequence - header.event_count) return false;
    if (header.durable_sequence > header.first_sequence) return false;
    return header.first_time_ns <= header.max_time_ns;
}

}  // namespace

std::string_view batch_verdict_text(BatchVerdict verdict) noexcept {
    switch (verdict) {
        case BatchVerdict::valid:
            return "valid";
        case BatchVerdict::absent:
            return "no batch begins here";
        case BatchVerdict::foreign:
            return "the header's checksum differs, or it belongs elsewhere";
        case BatchVerdict::unknown:
            return "a newer version wrote it";
        case BatchVerdict::inconsistent:
            return "the header contradicts itself";
        case BatchVerdict::cut:
            return "it runs over the end of the segment";
        case BatchVerdict::damaged_body:
            return "the body's checksum differs";
        case BatchVerdict::damaged_event:
            return "an event's stamp or size is wrong";
    }
    return "unknown";
}

std::uint64_t batch_seed(std::uint64_t salt, std::uint64_t offset) noexcept {
    return salt ^ offset;
}

std::uint64_t seal_batch(std::span<std::byte> block,
                         BatchHeader header,
                         const BatchPlace& place) noexcept {
    TAILRACE_CHECK(block.size() == batch_slot_bytes(header.body_size_bytes));
    const std::uint64_t used = sizeof(BatchHeader) + header.body_size_bytes;
    std::memset(block.data() + used, 0, block.size() - used);

    const auto body = block.subspan(sizeof(BatchHeader), header.body_size_bytes);
    header.magic = kBatchMagic;
    header.salt = place.salt;
    header.segment_number = place.segment_number;
    header.version = kBatchVersion;
    header.header_size_words = sizeof(BatchHeader) / sizeof(std::uint64_t);
    header.body_checksum = checksum64(body, batch_seed(place.salt, place.offset));
    header.header_checksum = header_checksum(header, place);
    TAILRACE_CHECK(is_consistent(header, place));
    std::memcpy(block.data(), &header, sizeof(header));
    return header.header_checksum;
}

BatchVerdict check_batch_header(std::span<const std::byte> block,
                                const BatchPlace& place,
                                BatchHeader& header) noexcept {
    if (block.size() < sizeof(BatchHeader)) return BatchVerdict::absent;
    std::memcpy(&header, block.data(), sizeof(header));
    if (header.magic != kBatchMagic) return BatchVerdict::absent;
    if (header.salt != place.salt) return BatchVerdict::foreign;
    if (header.header_checksum != header_checksum(header, place)) return BatchVerdict::foreign;
    if (header.segment_number != place.segment_number) return BatchVerdict::foreign;
    if (header.version != kBatchVersion) return BatchVerdict::unknown;
    if (header.header_size_words != sizeof(BatchHeader) / sizeof(std::uint64_t)) {
        return BatchVerdict::unknown;
    }
    if ((header.flags & ~kKnownBatchFlags) != 0) return BatchVerdict::unknown;
    if (!is_consistent(header, place)) return BatchVerdict::inconsistent;
    if (place.offset + batch_extent_bytes(header) > place.segment_size_bytes) {
        return BatchVerdict::cut;
    }
    return BatchVerdict::valid;
}

BatchVerdict check_batch_body(const BatchHeader& header,
                              std::span<const std::byte> body,
                              const BatchPlace& place) noexcept {
    if (checksum64(body, batch_seed(place.salt, place.offset)) != header.body_checksum) {
        return BatchVerdict::damaged_body;
    }
    const EventWalk walk = walk_events(body,
                                       header.first_sequence,
                                       header.record_salt,
                                       place.event_alignment_bytes,
                                       header.event_count);
    const bool whole = walk.stop == WalkStop::done && walk.event_count == header.event_count &&
                       walk.size_bytes == body.size();
    return whole ? BatchVerdict::valid : BatchVerdict::damaged_event;
}

LogPosition first_position(const SegmentHeader& header) noexcept {
    LogPosition position;
    position.sequence = header.first_sequence;
    const bool mended = (header.features_incompat & kFeatureMended) != 0;
    position.last_checksum = mended ? header.mended_checksum : header.checksum;
    position.max_time_ns = header.floor_time_ns;
    position.sealed_ns = header.created_ns;
    // The predecessor ended in a mended batch behind which nobody knows what stood.
    position.follows_loss =
        header.previous.segment_number != 0 && header.previous.last_checksum == 0;
    return position;
}

bool continues(const LogPosition& position, const BatchHeader& header) noexcept {
    if (position.sealed) return false;
    if (header.previous_checksum != position.last_checksum) return false;
    const bool states_gap = (header.flags & kBatchGapBefore) != 0;
    if (header.first_sequence < position.sequence) return false;
    if ((header.first_sequence > position.sequence) != states_gap) return false;
    return header.first_time_ns >= position.max_time_ns;
}

void advance(LogPosition& position, const BatchHeader& header) noexcept {
    const bool mended = (header.flags & kBatchMended) != 0;
    position.offset += batch_extent_bytes(header);
    position.sequence = header.first_sequence + header.event_count;
    position.last_checksum = mended ? header.mended_checksum : header.header_checksum;
    position.max_time_ns = header.max_time_ns;
    position.sealed_ns = header.sealed_ns;
    position.sealed = (header.flags & kBatchSeal) != 0;
    position.follows_loss = mended && (header.flags & kBatchGapBefore) == 0;
}

bool is_zero(std::span<const std::byte> bytes) noexcept {
    if (bytes.empty()) return true;
    // Zero at the front, and each byte equal to the one before it.
    return bytes.front() == std::byte{0} &&
           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace tailrace::journal
