#include "catalogue_codec.hpp"

#include <tailrace/base/checksum.hpp>

#include <cstring>

namespace tailrace::journal {

namespace {

constexpr std::size_t kHeaderCheckedFrom = offsetof(CatalogueHeader, journal_id);
constexpr std::size_t kEntryCheckedFrom = offsetof(CatalogueEntry, salt);

std::uint64_t checksum_of(const CatalogueHeader& header) noexcept {
    return checksum64(std::as_bytes(std::span(&header, 1)).subspan(kHeaderCheckedFrom),
                      kCatalogueMagic);
}

std::uint64_t checksum_of(const CatalogueEntry& entry,
                          const JournalId& journal_id,
                          std::uint64_t number) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, journal_id.data(), sizeof(word));
    return checksum64(std::as_bytes(std::span(&entry, 1)).subspan(kEntryCheckedFrom),
                      word ^ number);
}

bool is_sane(const CatalogueEntry& entry) noexcept {
    return entry.first_sequence <= entry.end_sequence && entry.floor_time_ns <= entry.max_time_ns &&
           entry.segment_size_bytes >= kMinSegmentSizeBytes &&
           entry.segment_size_bytes <= kMaxSegmentSizeBytes &&
           entry.segment_size_bytes % kBlockSizeBytes == 0 && entry.end_offset >= kBlockSizeBytes &&
           entry.end_offset <= entry.segment_size_bytes && entry.end_offset % kBlockSizeBytes == 0;
}

// What stands in order can be searched.
bool may_follow(const std::vector<CataloguedSegment>& segments,
                const CatalogueEntry& entry) noexcept {
    if (segments.empty()) return true;
    const CatalogueEntry& last = segments.back().entry;
    return entry.first_sequence >= last.end_sequence && entry.floor_time_ns >= last.max_time_ns;
}

}  // namespace

CataloguedSegment catalogued(const SegmentHeader& segment, const LogPosition& end) noexcept {
    CataloguedSegment found;
    found.number = segment.segment_number;
    found.entry.salt = segment.salt;
    found.entry.first_sequence = segment.first_sequence;
    found.entry.end_sequence = end.sequence;
    found.entry.floor_time_ns = segment.floor_time_ns;
    found.entry.max_time_ns = end.max_time_ns;
    found.entry.end_offset = end.offset;
    found.entry.segment_size_bytes = segment.segment_size_bytes;
    return found;
}

CataloguedSegment catalogued(const SegmentHeader& segment,
                             const SegmentHeader& successor) noexcept {
    LogPosition end;
    end.sequence = successor.previous.end_sequence;
    end.max_time_ns = successor.floor_time_ns;
    end.offset = successor.previous.end_offset;
    return catalogued(segment, end);
}

CatalogueHeader make_catalogue_header(const JournalId& journal_id,
                                      std::uint64_t first_number) noexcept {
    CatalogueHeader header{};
    header.magic = kCatalogueMagic;
    header.journal_id = journal_id;
    header.first_number = first_number;
    header.checksum = checksum_of(header);
    return header;
}

CatalogueEntry sealed_entry(const JournalId& journal_id,
                            const CataloguedSegment& segment) noexcept {
    CatalogueEntry entry = segment.entry;
    entry.checksum = checksum_of(entry, journal_id, segment.number);
    return entry;
}

Result<Catalogue> decode_catalogue(std::span<const std::byte> bytes, const std::string& path) {
    const auto refuse = [&path](const char* why) {
        return make_error(ErrorCode::corrupt,
                          "the catalogue '" + path + "' " + why,
                          "no harm: without it a seek takes longer, and the next writer makes it "
                          "anew");
    };
    Catalogue catalogue;
    if (bytes.size() < sizeof(CatalogueHeader)) return refuse("is cut short");
    std::memcpy(&catalogue.header, bytes.data(), sizeof(CatalogueHeader));
    const CatalogueHeader& header = catalogue.header;
    if (header.magic != kCatalogueMagic) return refuse("isn't a catalogue");
    if (header.checksum != checksum_of(header)) return refuse("is damaged: its checksum differs");
    if (header.first_number == 0) return refuse("begins before the first segment");
    // Or the numbers would begin anew at 0.
    if (header.first_number > ~std::uint64_t{0} - kMaxCatalogueEntries)
        return refuse("begins behind the last segment that can be");
    bytes = bytes.subspan(sizeof(CatalogueHeader));
    catalogue.slot_count =
        std::min<std::uint64_t>(bytes.size() / sizeof(CatalogueEntry), kMaxCatalogueEntries);
    catalogue.segments.reserve(catalogue.slot_count);
    for (std::uint64_t slot = 0; slot < catalogue.slot_count; ++slot) {
        const auto at = bytes.subspan(slot * sizeof(CatalogueEntry), sizeof(CatalogueEntry));
        CataloguedSegment segment;
        segment.number = header.first_number + slot;
        std::memcpy(&segment.entry, at.data(), at.size());
        const bool counts = checksum_of(segment.entry, header.journal_id, segment.number) ==
                                segment.entry.checksum &&
                            is_sane(segment.entry) && may_follow(catalogue.segments, segment.entry);
        if (counts) {
            catalogue.segments.push_back(segment);
        } else if (!is_zero(at)) {
            ++catalogue.damaged_entries;
        }
    }
    return catalogue;
}

}  // namespace tailrace::journal
