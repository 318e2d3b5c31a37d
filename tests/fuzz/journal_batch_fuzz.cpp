// A batch: any header and body, with magic, salt and checksums set right as far as the input says,
// so that what stands behind the checksums is met too.

#include "batch_codec.hpp"
#include "fuzz_input.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/journal/reader.hpp>

#include <vector>

namespace {

using namespace tailrace;
using namespace tailrace::journal;

constexpr std::size_t kCheckedFrom = 16;

void set_right(std::vector<std::byte>& block, std::uint8_t fixes, const BatchPlace& place) {
    if (block.size() < sizeof(BatchHeader)) return;
    BatchHeader header{};
    std::memcpy(&header, block.data(), sizeof(header));
    if ((fixes & 1U) != 0) header.magic = kBatchMagic;
    if ((fixes & 2U) != 0) {
        header.salt = place.salt;
        header.segment_number = place.segment_number;
        header.version = kBatchVersion;
        header.header_size_words = sizeof(BatchHeader) / 8;
    }
    if ((fixes & 4U) != 0) {
        header.body_size_bytes =
            static_cast<std::uint32_t>(align_down(block.size() - sizeof(header), 64));
    }
    if ((fixes & 8U) != 0) {
        const auto body = std::span(block).subspan(sizeof(header));
        const auto size = std::min<std::size_t>(header.body_size_bytes, body.size());
        header.body_checksum = checksum64(body.first(size), batch_seed(place.salt, place.offset));
    }
    if ((fixes & 16U) != 0) {
        const auto bytes = std::as_bytes(std::span(&header, 1));
        header.header_checksum =
            checksum64(bytes.subspan(kCheckedFrom), batch_seed(place.salt, place.offset));
    }
    std::memcpy(block.data(), &header, sizeof(header));
}

// Stamps that fit, so that sizes alone decide.
void set_stamps(std::vector<std::byte>& block) {
    BatchHeader header{};
    std::memcpy(&header, block.data(), sizeof(header));
    std::size_t at = sizeof(header);
    for (Sequence sequence = header.first_sequence;
         at + sizeof(EventHeader) <= block.size() && sequence - header.first_sequence < 4096;
         ++sequence) {
        EventHeader event{};
        std::memcpy(&event, block.data() + at, sizeof(event));
        event.stamp = stamp_of(sequence, header.record_salt);
        std::memcpy(block.data() + at, &event, sizeof(event));
        at += event_size_bytes(event.payload_size_bytes, event.extension_words, 16);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    fuzz::FuzzInput input(data, size_bytes);
    const auto fixes = input.take<std::uint8_t>();
    BatchPlace place;
    place.segment_number = 1;
    place.salt = 99;
    place.offset = kBlockSizeBytes * (1U + input.take<std::uint8_t>() % 15U);
    place.segment_size_bytes = kMinSegmentSizeBytes;
    place.event_alignment_bytes = input.take<std::uint8_t>() % 2 == 0 ? 16 : 64;
    const auto rest = input.rest();
    std::vector<std::byte> block(rest.begin(), rest.end());
    if ((fixes & 32U) != 0 && block.size() >= sizeof(BatchHeader)) set_stamps(block);
    set_right(block, fixes, place);

    BatchHeader header{};
    if (check_batch_header(block, place, header) != BatchVerdict::valid) return 0;
    const std::uint64_t slot = batch_slot_bytes(header.body_size_bytes);
    fuzz::require(place.offset + slot <= place.segment_size_bytes);
    fuzz::require(header.durable_sequence <= header.first_sequence);
    LogPosition position;
    position.sequence = header.first_sequence;
    position.last_checksum = header.previous_checksum;
    if (continues(position, header)) advance(position, header);
    if (block.size() < sizeof(header) + header.body_size_bytes) return 0;
    const auto body =
        std::span<const std::byte>(block).subspan(sizeof(header), header.body_size_bytes);
    if (check_batch_body(header, body, place) != BatchVerdict::valid) return 0;
    BatchView view;
    view.first_sequence = header.first_sequence;
    view.event_count = header.event_count;
    view.bytes = body;
    view.event_alignment_bytes = place.event_alignment_bytes;
    std::uint64_t count = 0;
    std::uint64_t sum = 0;
    for (const Event& event : view) {
        ++count;
        for (const std::byte byte : event.payload())
            sum += static_cast<std::uint64_t>(byte);
        sum += event.publish_time_ns();
    }
    fuzz::require(count == header.event_count);
    fuzz::keep(sum);
    return 0;
}
