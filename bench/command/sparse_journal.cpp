#include "sparse_journal.hpp"

#include "bench_runs.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <span>

namespace tailrace::bench {

namespace {

using journal::BatchHeader;
using journal::CatalogueEntry;
using journal::CatalogueHeader;
using journal::IndexEntry;
using journal::IndexHeader;
using journal::kBlockSizeBytes;
using journal::SegmentHeader;
using journal::SuperBlock;

constexpr std::uint64_t kBatchEvents = 32;
constexpr std::uint64_t kSparsePayloadBytes = 2000;
constexpr std::uint64_t kSparseEventBytes =
    event_size_bytes(kSparsePayloadBytes, 1, kEventAlignmentBytes);
constexpr std::uint64_t kBatches =
    (SparseJournal::kSegmentBytes - 2 * kBlockSizeBytes) / SparseJournal::kBatchBytes;
constexpr std::uint64_t kEvents = kBatches * kBatchEvents;
constexpr std::uint64_t kEndOffset = kBlockSizeBytes + kBatches * SparseJournal::kBatchBytes;
constexpr std::array<std::uint64_t, 2> kRealBatches = {kBatches / 3, kBatches - 1};
constexpr std::uint64_t kSparseStepNs = 1000;
constexpr std::uint64_t kRecordSalt = 0x5EED;

constexpr std::uint64_t time_of(Sequence sequence) {
    return (sequence + 1) * kSparseStepNs;
}

// Of all that stands before it.
constexpr std::uint64_t floor_time_of(Sequence sequence) {
    return sequence == 0 ? 0 : time_of(sequence - 1);
}

template <typename Block>
std::span<const std::byte> bytes_of(const Block& block, std::size_t from = 0) {
    return std::as_bytes(std::span(&block, 1)).subspan(from);
}

Result<void> put(const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    const auto written =
        fd.is_open() ? ::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset))
                     : -1;
    if (written == static_cast<ssize_t>(bytes.size())) return {};
    return bench_broken("'" + path + "' can't be written");
}

SegmentHeader segment_header(std::uint64_t number, const SegmentHeader& before) {
    SegmentHeader header{};
    header.magic = journal::kSegmentMagic;
    header.format_major = journal::kFormatMajor;
    header.format_minor = journal::kFormatMinor;
    header.header_size_bytes = kBlockSizeBytes;
    header.block_size_bytes = kBlockSizeBytes;
    header.journal_id.fill(7);
    header.segment_number = number;
    header.salt = 0xABCD'0000 + number;
    header.first_sequence = (number - 1) * kEvents;
    header.durable_sequence = header.first_sequence;
    header.segment_size_bytes = SparseJournal::kSegmentBytes;
    header.event_alignment_bytes = kEventAlignmentBytes;
    header.floor_time_ns = floor_time_of(header.first_sequence);
    if (number > 1) {
        header.previous = {number - 1, before.salt, kEndOffset, header.first_sequence, 0};
    }
    header.checksum = checksum64(bytes_of(header, 16), journal::kSegmentMagic);
    return header;
}

CatalogueEntry catalogue_entry(const SegmentHeader& segment, const SegmentHeader& successor) {
    std::uint64_t id_word = 0;
    std::memcpy(&id_word, segment.journal_id.data(), sizeof(id_word));
    CatalogueEntry entry{0,
                         segment.salt,
                         segment.first_sequence,
                         successor.first_sequence,
                         segment.floor_time_ns,
                         successor.floor_time_ns,
                         kEndOffset,
                         SparseJournal::kSegmentBytes};
    entry.checksum = checksum64(bytes_of(entry, 8), id_word ^ segment.segment_number);
    return entry;
}

std::vector<std::byte> batch(const SegmentHeader& segment, std::uint64_t nth) {
    std::vector<std::byte> block(SparseJournal::kBatchBytes);
    const Sequence first = segment.first_sequence + nth * kBatchEvents;
    for (std::uint64_t event = 0; event < kBatchEvents; ++event) {
        std::byte* const at = block.data() + sizeof(BatchHeader) + event * kSparseEventBytes;
        const EventHeader header{
            stamp_of(first + event, kRecordSalt), kSparsePayloadBytes, 0, kHasPublishTime, 1};
        const std::uint64_t time_ns = time_of(first + event);
        std::memcpy(at, &header, sizeof(header));
        std::memcpy(at + sizeof(header), &time_ns, sizeof(time_ns));
        fill_words({at + sizeof(header) + sizeof(time_ns), kSparsePayloadBytes}, first + event);
    }
    BatchHeader header{};
    header.magic = journal::kBatchMagic;
    header.salt = segment.salt;
    header.first_sequence = first;
    header.record_salt = kRecordSalt;
    header.first_time_ns = time_of(first);
    header.max_time_ns = time_of(first + kBatchEvents - 1);
    header.segment_number = segment.segment_number;
    header.event_count = kBatchEvents;
    header.body_size_bytes = kBatchEvents * kSparseEventBytes;
    header.version = journal::kBatchVersion;
    header.header_size_words = sizeof(BatchHeader) / sizeof(std::uint64_t);
    const std::uint64_t seed = segment.salt ^ (kBlockSizeBytes + nth * SparseJournal::kBatchBytes);
    const auto body = std::span(block).subspan(sizeof(header), header.body_size_bytes);
    header.body_checksum = checksum64(body, seed);
    header.header_checksum = checksum64(bytes_of(header, 16), seed);
    std::memcpy(block.data(), &header, sizeof(header));
    return block;
}

std::vector<std::byte> index_of(const SegmentHeader& segment) {
    std::vector<IndexEntry> entries;
    for (std::uint64_t nth = 0; nth < kBatches; ++nth) {
        const Sequence first = segment.first_sequence + nth * kBatchEvents;
        entries.push_back(
            {first, floor_time_of(first), kBlockSizeBytes + nth * SparseJournal::kBatchBytes});
    }
    IndexHeader header{};
    header.magic = journal::kIndexMagic;
    header.segment_number = segment.segment_number;
    header.salt = segment.salt;
    header.entry_count = entries.size();
    header.end_offset = kEndOffset;
    header.end_sequence = segment.first_sequence + kEvents;
    header.max_time_ns = time_of(header.end_sequence - 1);
    const auto listed = std::as_bytes(std::span(entries));
    std::vector<std::byte> bytes(sizeof(header) + listed.size());
    std::memcpy(bytes.data(), &header, sizeof(header));
    std::memcpy(bytes.data() + sizeof(header), listed.data(), listed.size());
    header.checksum = checksum64(std::span(bytes).subspan(16), segment.salt);
    std::memcpy(bytes.data(), &header, sizeof(header));
    return bytes;
}

}  // namespace

SparseJournal::~SparseJournal() {
    if (directory_.empty()) return;
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

std::string SparseJournal::numbered(std::uint64_t number, const char* suffix) const {
    std::array<char, 17> digits{};
    static_cast<void>(std::snprintf(
        digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(number)));
    return directory_ + "/" + digits.data() + suffix;
}

std::uint64_t SparseJournal::index_bytes() const noexcept {
    return sizeof(IndexHeader) + kBatches * sizeof(IndexEntry);
}

std::uint64_t SparseJournal::catalogue_bytes() const noexcept {
    return sizeof(CatalogueHeader) + segments_ * sizeof(CatalogueEntry);
}

SparseJournal::Place SparseJournal::place(std::uint64_t nth, std::uint64_t round) const {
    const std::uint64_t real = kRealBatches.at(round % kRealBatches.size());
    Place place;
    place.sequence = nth * kEvents + real * kBatchEvents + round * 7 % kBatchEvents;
    place.time_ns = time_of(place.sequence);
    place.batch_offset = kBlockSizeBytes + real * kBatchBytes;
    place.segment_path = numbered(nth + 1, ".seg");
    place.index_path = numbered(nth + 1, ".idx");
    return place;
}

Result<void> SparseJournal::write_content(const SegmentHeader& header) const {
    const std::string path = numbered(header.segment_number, ".seg");
    for (const std::uint64_t nth : kRealBatches) {
        if (auto done = put(path, kBlockSizeBytes + nth * kBatchBytes, batch(header, nth)); !done)
            return done;
    }
    return put(numbered(header.segment_number, ".idx"), 0, index_of(header));
}

Result<void> SparseJournal::write_catalogue(const journal::JournalId& journal_id,
                                            const std::vector<CatalogueEntry>& entries) const {
    CatalogueHeader catalogue{};
    catalogue.magic = journal::kCatalogueMagic;
    catalogue.journal_id = journal_id;
    catalogue.first_number = 1;
    catalogue.checksum = checksum64(bytes_of(catalogue, 16), journal::kCatalogueMagic);
    std::vector<std::byte> bytes(catalogue_bytes());
    std::memcpy(bytes.data(), &catalogue, sizeof(catalogue));
    std::memcpy(
        bytes.data() + sizeof(catalogue), entries.data(), entries.size() * sizeof(CatalogueEntry));
    return put(catalogue_path(), 0, bytes);
}

Result<void> SparseJournal::write() const {
    std::error_code failed;
    std::filesystem::create_directories(directory_, failed);
    std::vector<CatalogueEntry> entries;
    SegmentHeader header{};
    for (std::uint64_t number = 1; number <= segments_ + 1; ++number) {
        const SegmentHeader before = header;
        header = segment_header(number, before);
        if (number > 1) entries.push_back(catalogue_entry(before, header));
        const std::string path = numbered(number, ".seg");
        if (auto done = put(path, 0, bytes_of(header)); !done) return done;
        if (::truncate(path.c_str(), static_cast<off_t>(kSegmentBytes)) != 0) {
            return bench_broken("'" + path + "' can't get its size");
        }
        if (number > segments_) break;
        if ((number - 1) % filled_step_ != 0) continue;
        if (auto done = write_content(header); !done) return done;
    }
    if (auto done = write_catalogue(header.journal_id, entries); !done) return done;
    SuperBlock super{};
    super.magic = journal::kSuperMagic;
    super.format_major = journal::kFormatMajor;
    super.block_size_bytes = kBlockSizeBytes;
    super.features_compat = journal::kSuperNamesFirst;
    super.journal_id = header.journal_id;
    super.generation = 1;
    super.oldest_segment_number = 1;
    super.newest_segment_number = header.segment_number;
    super.checksum = checksum64(bytes_of(super, 16), journal::kSuperMagic);
    return put(directory_ + "/SUPER", kBlockSizeBytes, bytes_of(super));
}

Result<SparseJournal> SparseJournal::make(const std::string& directory,
                                          std::uint64_t segments,
                                          std::uint64_t filled_step) {
    SparseJournal made(directory, segments, filled_step);
    if (auto written = made.write(); !written) return written.error();
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.is_open()) static_cast<void>(::syncfs(fd.get()));  // so that its pages can be dropped
    return made;
}

}  // namespace tailrace::bench
