// Segment header, SUPER, index and catalogue: any bytes, with their checksum set right or left
// wrong.
//
// Input: kind, what to set right, then the block.

#include "catalogue_codec.hpp"
#include "fuzz_input.hpp"
#include "segment_codec.hpp"

#include <tailrace/base/checksum.hpp>

#include <vector>

namespace {

using namespace tailrace;
using namespace tailrace::journal;

constexpr std::size_t kCheckedFrom = 16;

template <typename Block>
std::vector<std::byte> block_bytes(fuzz::FuzzInput& input,
                                   std::uint8_t fixes,
                                   std::uint64_t magic) {
    Block block{};
    const auto given = input.take_bytes(sizeof(block));
    if (!given.empty()) std::memcpy(&block, given.data(), given.size());
    if ((fixes & 1U) != 0) block.magic = magic;
    if ((fixes & 2U) != 0) block.format_major = kFormatMajor;
    const auto bytes = std::as_bytes(std::span(&block, 1));
    if ((fixes & 4U) != 0) block.checksum = checksum64(bytes.subspan(kCheckedFrom), magic);
    std::vector<std::byte> all(bytes.begin(), bytes.end());
    if ((fixes & 8U) != 0) all.resize(given.size());  // cut short
    return all;
}

void decode_as_segment(fuzz::FuzzInput& input, std::uint8_t fixes) {
    const auto bytes = block_bytes<SegmentHeader>(input, fixes, kSegmentMagic);
    for (const Access access : {Access::reading, Access::writing}) {
        const auto header = decode_segment_header(bytes, "/j/0000000000000001.seg", access);
        if (!header) continue;
        fuzz::require(header->segment_size_bytes >= kMinSegmentSizeBytes);
        fuzz::require(header->segment_size_bytes <= kMaxSegmentSizeBytes);
        fuzz::require(header->event_alignment_bytes == 16 || header->event_alignment_bytes == 64);
        fuzz::require(header->durable_sequence <= header->first_sequence);
        fuzz::require(stream_name_of(*header).size() <= kMaxStreamNameBytes);
    }
}

void decode_as_super(fuzz::FuzzInput& input, std::uint8_t fixes) {
    const auto bytes = block_bytes<SuperBlock>(input, fixes, kSuperMagic);
    const auto super = decode_super(bytes, "/j/SUPER", Access::writing);
    fuzz::require(!super || super->magic == kSuperMagic);
}

void decode_as_index(fuzz::FuzzInput& input, std::uint8_t fixes) {
    SegmentHeader segment{};
    segment.segment_number = 3;
    segment.salt = 77;
    segment.segment_size_bytes = kMinSegmentSizeBytes;
    const auto rest = input.rest();
    std::vector<std::byte> bytes(rest.begin(), rest.end());
    if (bytes.size() >= sizeof(IndexHeader)) {
        IndexHeader header{};
        std::memcpy(&header, bytes.data(), sizeof(header));
        if ((fixes & 1U) != 0) header.magic = kIndexMagic;
        if ((fixes & 2U) != 0) {
            header.salt = segment.salt;
            header.segment_number = segment.segment_number;
        }
        if ((fixes & 8U) != 0) {
            header.entry_count = (bytes.size() - sizeof(header)) / sizeof(IndexEntry);
            bytes.resize(sizeof(header) + header.entry_count * sizeof(IndexEntry));
        }
        std::memcpy(bytes.data(), &header, sizeof(header));
        if ((fixes & 4U) != 0) {
            header.checksum = checksum64(std::span(bytes).subspan(kCheckedFrom), header.salt);
            std::memcpy(bytes.data(), &header, sizeof(header));
        }
    }
    const auto index = decode_index(bytes, "/j/0000000000000003.idx", segment);
    if (!index) return;
    for (const IndexEntry& entry : index->entries) {
        fuzz::require(entry.offset >= kBlockSizeBytes);
        fuzz::require(entry.offset < segment.segment_size_bytes);
    }
}

void decode_as_catalogue(fuzz::FuzzInput& input, std::uint8_t fixes) {
    const auto rest = input.rest();
    std::vector<std::byte> bytes(rest.begin(), rest.end());
    if (bytes.size() >= sizeof(CatalogueHeader) && (fixes & 1U) != 0) {
        CatalogueHeader header{};
        std::memcpy(&header, bytes.data(), sizeof(header));
        header = make_catalogue_header(header.journal_id, header.first_number);
        std::memcpy(bytes.data(), &header, sizeof(header));
        for (std::uint64_t slot = 0; catalogue_entry_offset(slot + 1) <= bytes.size(); ++slot) {
            if ((unsigned{fixes} >> (1 + slot % 7) & 1U) == 0) continue;
            CataloguedSegment segment;
            segment.number = header.first_number + slot;
            std::byte* const at = bytes.data() + catalogue_entry_offset(slot);
            std::memcpy(&segment.entry, at, sizeof(segment.entry));
            segment.entry = sealed_entry(header.journal_id, segment);
            std::memcpy(at, &segment.entry, sizeof(segment.entry));
        }
    }
    const auto catalogue = decode_catalogue(bytes, "/j/CATALOGUE");
    if (!catalogue) return;
    fuzz::require(catalogue->segments.size() <= catalogue->slot_count);
    CataloguedSegment before;
    for (const CataloguedSegment& segment : catalogue->segments) {
        fuzz::require(segment.number > before.number);
        fuzz::require(segment.entry.first_sequence >= before.entry.end_sequence);
        fuzz::require(segment.entry.end_sequence >= segment.entry.first_sequence);
        fuzz::require(segment.entry.floor_time_ns >= before.entry.max_time_ns);
        fuzz::require(segment.entry.end_offset >= kBlockSizeBytes);
        fuzz::require(segment.entry.end_offset <= segment.entry.segment_size_bytes);
        before = segment;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    fuzz::FuzzInput input(data, size_bytes);
    const auto kind = input.take<std::uint8_t>();
    const auto fixes = input.take<std::uint8_t>();
    switch (kind % 4) {
        case 0:
            decode_as_segment(input, fixes);
            break;
        case 1:
            decode_as_super(input, fixes);
            break;
        case 2:
            decode_as_index(input, fixes);
            break;
        default:
            decode_as_catalogue(input, fixes);
    }
    return 0;
}
