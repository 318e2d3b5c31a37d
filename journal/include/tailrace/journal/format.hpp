// The bytes of a journal on disk: structs, magics and limits, without behaviour.
//
// Law: docs/journal_format.md. A journal is a directory: SUPER (two slots), LOCK, segments named by
// their number, an index beside every sealed segment, a catalogue of them all, and one spare. A
// segment is a 4 KiB header and then batches, each starting on a 4 KiB block and padded with
// zeroes. A block that holds acknowledged events is never written again. The body of a batch is
// events exactly as they stood in the ring (base/event_header.hpp). Everything is little endian.
// Foreign bytes: a reader copies a struct out and checks it (src/batch_codec, src/segment_codec)
// before it uses a field.
#pragma once

#include <tailrace/base/event_header.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace tailrace::journal {

inline constexpr std::uint16_t kFormatMajor = 1;  // another major version is refused
inline constexpr std::uint16_t kFormatMinor =
    1;  // a newer minor version is read as far as the features allow

// A segment header that was made anew: its first batch chains to mended_checksum.
inline constexpr std::uint64_t kFeatureMended = 1U << 0;
// Its content stands in compressed frames; set with kFeatureMended.
inline constexpr std::uint64_t kFeatureCompressed = 1U << 1;

// A set bit that isn't known here: incompat refuses, ro_compat allows reading only, compat means
// nothing.
inline constexpr std::uint64_t kKnownIncompatFeatures = kFeatureMended | kFeatureCompressed;
inline constexpr std::uint64_t kKnownReadOnlyCompatFeatures = 0;

// SegmentHeader::features_compat. Recycled: the file held an earlier segment, so that what was
// never written in this one holds batches of another salt instead of zeroes.
inline constexpr std::uint64_t kSegmentRecycled = 1U << 0;
// `oldest_segment_number` is filled in.
inline constexpr std::uint64_t kSegmentNamesOldest = 1U << 1;

inline constexpr std::uint64_t kBlockSizeBytes = 4096;
inline constexpr std::uint64_t kMaxBatchSizeBytes = 1U << 20;  // also the largest single write
inline constexpr std::uint64_t kMinSegmentSizeBytes = 64U << 10;
inline constexpr std::uint64_t kMaxSegmentSizeBytes = std::uint64_t{1} << 36;
inline constexpr std::uint64_t kDefaultSegmentSizeBytes = 256U << 20;
inline constexpr std::size_t kMaxStreamNameBytes = 128;
inline constexpr std::uint64_t kMinIndexSpacingBytes = 64U << 10;
inline constexpr std::uint64_t kMaxIndexSpacingBytes = kMaxBatchSizeBytes;

// The first eight bytes of each kind of block, as a little-endian word.
inline constexpr std::uint64_t kSegmentMagic = 0x0100004745535254;  // "TRSEG\0\0\1"
inline constexpr std::uint64_t kBatchMagic = 0x0100004843425254;    // "TRBCH\0\0\1"
inline constexpr std::uint64_t kSuperMagic = 0x0100005055535254;    // "TRSUP\0\0\1"
inline constexpr std::uint64_t kIndexMagic = 0x0100005844495254;    // "TRIDX\0\0\1"

using JournalId = std::array<std::uint8_t, 16>;  // random, the same in every file of one journal

// Where the log ended in the segment before; everything behind `end_offset` there is not part of
// the log.
struct PreviousSegment {
    std::uint64_t segment_number;  // 0: this is the first
    std::uint64_t salt;
    std::uint64_t end_offset;
    std::uint64_t end_sequence;
    std::uint64_t last_checksum;  // header checksum of its last batch, or of its segment header
};
static_assert(sizeof(PreviousSegment) == 40);

// Block 0 of a segment. Flushed before the segment gets its name.
struct SegmentHeader {
    std::uint64_t magic;
    std::uint64_t checksum;  // XXH3-64 of bytes [16, 4096), seed kSegmentMagic
    std::uint16_t format_major;
    std::uint16_t format_minor;
    std::uint32_t header_size_bytes;  // 4096
    std::uint64_t features_incompat;
    std::uint64_t features_ro_compat;
    std::uint64_t features_compat;
    JournalId journal_id;
    std::uint64_t segment_number;  // from 1, dense
    std::uint64_t
        salt;  // random for every incarnation: no stale block can pass for one of this segment
    Sequence first_sequence;     // == previous.end_sequence
    Sequence durable_sequence;   // promised when this header was made
    std::uint64_t writer_epoch;  // one more for every writer that opened the journal
    std::uint64_t segment_size_bytes;
    std::uint32_t block_size_bytes;       // 4096
    std::uint32_t event_alignment_bytes;  // 16 or 64
    std::uint64_t created_ns;
    std::uint64_t floor_time_ns;  // largest publish time before this segment
    PreviousSegment previous;
    std::uint32_t stream_name_bytes;
    std::uint32_t reserved0;
    std::array<char, kMaxStreamNameBytes> stream_name;
    std::uint64_t
        oldest_segment_number;      // with kSegmentNamesOldest: as in SUPER, for when that is lost
    std::uint64_t mended_checksum;  // with kFeatureMended: what its first batch chains to
    // With kFeatureCompressed, else zero.
    std::uint64_t stored_size_bytes;   // of the file
    std::uint64_t content_end_offset;  // where the log ends in the segment
    std::uint64_t frame_count;
    std::uint64_t frame_table_offset;      // in the file
    std::uint64_t frame_table_checksum;    // XXH3-64 of the table, seed salt
    std::uint64_t age_clock_ns;            // the journal's age when this began; 0: unknown
    std::array<std::byte, 3720> reserved;  // zero
};
static_assert(sizeof(SegmentHeader) == kBlockSizeBytes);
static_assert(std::is_trivially_copyable_v<SegmentHeader> &&
              std::is_standard_layout_v<SegmentHeader>);
static_assert(offsetof(SegmentHeader, format_major) == 16);
static_assert(offsetof(SegmentHeader, features_incompat) == 24);
static_assert(offsetof(SegmentHeader, journal_id) == 48);
static_assert(offsetof(SegmentHeader, segment_number) == 64);
static_assert(offsetof(SegmentHeader, salt) == 72);
static_assert(offsetof(SegmentHeader, first_sequence) == 80);
static_assert(offsetof(SegmentHeader, durable_sequence) == 88);
static_assert(offsetof(SegmentHeader, writer_epoch) == 96);
static_assert(offsetof(SegmentHeader, segment_size_bytes) == 104);
static_assert(offsetof(SegmentHeader, block_size_bytes) == 112);
static_assert(offsetof(SegmentHeader, event_alignment_bytes) == 116);
static_assert(offsetof(SegmentHeader, created_ns) == 120);
static_assert(offsetof(SegmentHeader, floor_time_ns) == 128);
static_assert(offsetof(SegmentHeader, previous) == 136);
static_assert(offsetof(SegmentHeader, stream_name_bytes) == 176);
static_assert(offsetof(SegmentHeader, stream_name) == 184);
static_assert(offsetof(SegmentHeader, oldest_segment_number) == 312);
static_assert(offsetof(SegmentHeader, mended_checksum) == 320);
static_assert(offsetof(SegmentHeader, stored_size_bytes) == 328);
static_assert(offsetof(SegmentHeader, frame_table_checksum) == 360);
static_assert(offsetof(SegmentHeader, age_clock_ns) == 368);
static_assert(offsetof(SegmentHeader, reserved) == 376);

// BatchHeader::flags.
inline constexpr std::uint16_t kBatchSeal = 1U << 0;    // the last batch of its segment; no events
inline constexpr std::uint16_t kBatchMarker = 1U << 1;  // carries a promise, no events
// [end of the batch before, first_sequence) is a gap: never to be read
inline constexpr std::uint16_t kBatchGapBefore = 1U << 2;
// with kBatchSeal: the writer closed the journal here
inline constexpr std::uint16_t kBatchCleanClose = 1U << 3;
// with kBatchMarker: it stands for mended_blocks blocks that can't be read any more
inline constexpr std::uint16_t kBatchMended = 1U << 4;
inline constexpr std::uint16_t kKnownBatchFlags =
    kBatchSeal | kBatchMarker | kBatchGapBefore | kBatchCleanClose | kBatchMended;

// The head of a batch; the body follows at once.
struct BatchHeader {
    std::uint64_t magic;
    std::uint64_t header_checksum;  // XXH3-64 of bytes [16, 128), seed salt xor file offset
    std::uint64_t body_checksum;    // XXH3-64 of the body, same seed
    std::uint64_t salt;             // of the segment
    Sequence first_sequence;
    Sequence durable_sequence;    // the promise: everything below was flushed when this was sealed
    std::uint64_t record_salt;    // event i has the stamp (first_sequence + i) xor record_salt
    std::uint64_t first_time_ns;  // running maximum of publish times at the first event
    std::uint64_t max_time_ns;    // and at the last one: never goes back
    std::uint64_t sealed_ns;      // wall clock when sealed, never goes back
    std::uint64_t
        previous_checksum;  // header checksum of the batch before, or of the segment header
    std::uint64_t segment_number;
    std::uint32_t event_count;
    std::uint32_t body_size_bytes;   // without the padding
    std::uint16_t flags;             // kBatch...; unknown bits refuse
    std::uint8_t version;            // 1
    std::uint8_t header_size_words;  // 16: the header's size in 8-byte words
    std::uint32_t mended_blocks;     // with kBatchMended: the next batch stands so many blocks on
    std::uint64_t mended_checksum;   // with kBatchMended: the next batch chains to this
    std::uint64_t reserved;
};
static_assert(sizeof(BatchHeader) == 128);
static_assert(std::is_trivially_copyable_v<BatchHeader> && std::is_standard_layout_v<BatchHeader>);
static_assert(offsetof(BatchHeader, body_checksum) == 16);
static_assert(offsetof(BatchHeader, salt) == 24);
static_assert(offsetof(BatchHeader, first_sequence) == 32);
static_assert(offsetof(BatchHeader, durable_sequence) == 40);
static_assert(offsetof(BatchHeader, record_salt) == 48);
static_assert(offsetof(BatchHeader, first_time_ns) == 56);
static_assert(offsetof(BatchHeader, max_time_ns) == 64);
static_assert(offsetof(BatchHeader, sealed_ns) == 72);
static_assert(offsetof(BatchHeader, previous_checksum) == 80);
static_assert(offsetof(BatchHeader, segment_number) == 88);
static_assert(offsetof(BatchHeader, event_count) == 96);
static_assert(offsetof(BatchHeader, body_size_bytes) == 100);
static_assert(offsetof(BatchHeader, flags) == 104);
static_assert(offsetof(BatchHeader, version) == 106);
static_assert(offsetof(BatchHeader, header_size_words) == 107);
static_assert(offsetof(BatchHeader, mended_blocks) == 108);
static_assert(offsetof(BatchHeader, mended_checksum) == 112);
inline constexpr std::uint8_t kBatchVersion = 1;

inline constexpr std::uint64_t kMaxBodySizeBytes = kMaxBatchSizeBytes - sizeof(BatchHeader);

// SuperBlock::flags: nobody wrote since the journal was closed.
inline constexpr std::uint64_t kSuperCleanClose = 1U << 0;
// A backup, which may keep more than its source: no header says where it begins.
inline constexpr std::uint64_t kSuperCopy = 1U << 1;

// SuperBlock::features_compat: `first_sequence` is filled in.
inline constexpr std::uint64_t kSuperNamesFirst = 1U << 0;

// One slot of SUPER; the slot is generation mod 2, so a torn write leaves the other one. The newest
// valid slot counts.
struct SuperBlock {
    std::uint64_t magic;
    std::uint64_t checksum;  // XXH3-64 of bytes [16, 4096), seed kSuperMagic
    std::uint16_t format_major;
    std::uint16_t format_minor;
    std::uint32_t block_size_bytes;  // 4096
    std::uint64_t features_incompat;
    std::uint64_t features_ro_compat;
    std::uint64_t features_compat;
    JournalId journal_id;
    std::uint64_t generation;
    std::uint64_t writer_epoch;
    std::uint64_t oldest_segment_number;  // 0: none yet; what is below is no part of the journal
    std::uint64_t newest_segment_number;  // at least this one must exist
    Sequence durable_sequence;            // a promise, like a batch's
    std::uint64_t flags;                  // kSuper...
    std::uint64_t written_ns;
    std::uint64_t clean_end_offset;  // with kSuperCleanClose: where the newest segment ends
    // With kSuperNamesFirst: that of the oldest segment, so that its loss has a range.
    Sequence first_sequence;
    std::uint64_t age_mark_ns;             // the age clock, at a moment when
    std::uint64_t age_mark_wall_ns;        // the wall clock said this; 0: unknown
    std::array<std::byte, 3944> reserved;  // zero
};
static_assert(sizeof(SuperBlock) == kBlockSizeBytes);
static_assert(std::is_trivially_copyable_v<SuperBlock> && std::is_standard_layout_v<SuperBlock>);
static_assert(offsetof(SuperBlock, journal_id) == 48);
static_assert(offsetof(SuperBlock, generation) == 64);
static_assert(offsetof(SuperBlock, writer_epoch) == 72);
static_assert(offsetof(SuperBlock, oldest_segment_number) == 80);
static_assert(offsetof(SuperBlock, newest_segment_number) == 88);
static_assert(offsetof(SuperBlock, durable_sequence) == 96);
static_assert(offsetof(SuperBlock, flags) == 104);
static_assert(offsetof(SuperBlock, written_ns) == 112);
static_assert(offsetof(SuperBlock, clean_end_offset) == 120);
static_assert(offsetof(SuperBlock, first_sequence) == 128);
static_assert(offsetof(SuperBlock, age_mark_ns) == 136);
static_assert(offsetof(SuperBlock, age_mark_wall_ns) == 144);

// TRIM: somebody asks the writer that segments below that one go.
inline constexpr std::uint64_t kTrimMagic = 0x0100004952545254;  // "TRTRI\0\0\1"
struct TrimRequest {
    std::uint64_t magic;
    std::uint64_t checksum;  // XXH3-64 of bytes [16, 64), seed kTrimMagic
    JournalId journal_id;
    std::uint64_t kept_segment_number;
    std::array<std::byte, 24> reserved;  // zero
};
static_assert(sizeof(TrimRequest) == 64 && std::is_trivially_copyable_v<TrimRequest>);
static_assert(offsetof(TrimRequest, journal_id) == 16);
static_assert(offsetof(TrimRequest, kept_segment_number) == 32);

// The index of a sealed segment: derived, never trusted over the segment, rebuilt on doubt.
struct IndexHeader {
    std::uint64_t magic;
    std::uint64_t checksum;  // XXH3-64 of everything behind it, entries included, seed salt
    std::uint64_t segment_number;
    std::uint64_t salt;
    std::uint64_t entry_count;
    std::uint64_t end_offset;
    Sequence end_sequence;
    std::uint64_t max_time_ns;
};
static_assert(sizeof(IndexHeader) == 64 && std::is_trivially_copyable_v<IndexHeader>);

// A batch that starts at `offset`. All events before it have a sequence below `first_sequence` and
// a running maximum of publish times of `floor_time_ns`.
struct IndexEntry {
    Sequence first_sequence;
    std::uint64_t floor_time_ns;
    std::uint64_t offset;
};
static_assert(sizeof(IndexEntry) == 24 && std::is_trivially_copyable_v<IndexEntry>);

// What lies from one entry to the next, or to the end: one batch, or several of together no more
// than this. So one read of at most kMaxBatchSizeBytes at an entry brings the batch that is looked
// for, and the index of a segment of up to 4 GiB takes less than 200 KiB.
[[nodiscard]] constexpr std::uint64_t index_spacing_bytes(
    std::uint64_t segment_size_bytes) noexcept {
    constexpr std::uint64_t kSpacingsPerSegment = 4096;
    const std::uint64_t share = segment_size_bytes / kSpacingsPerSegment;
    return share < kMinIndexSpacingBytes   ? kMinIndexSpacingBytes
           : share > kMaxIndexSpacingBytes ? kMaxIndexSpacingBytes
                                           : share;
}
// Two neighbours are together longer than the spacing, or they would be one.
[[nodiscard]] constexpr std::uint64_t max_index_entries(std::uint64_t segment_size_bytes) noexcept {
    return 2 * (segment_size_bytes / index_spacing_bytes(segment_size_bytes)) + 2;
}

// The catalogue: where every sealed segment begins and ends, so that a seek needs no header of
// theirs. Derived like an index. Entry n is that of segment first_number + n, and counts only
// there.
inline constexpr std::uint64_t kCatalogueMagic = 0x0100005441435254;  // "TRCAT\0\0\1"
struct CatalogueHeader {
    std::uint64_t magic;
    std::uint64_t checksum;  // XXH3-64 of bytes [16, 64), seed kCatalogueMagic
    JournalId journal_id;
    std::uint64_t first_number;  // of the segment that the first entry is for
    std::array<std::uint64_t, 3> reserved;
};
static_assert(sizeof(CatalogueHeader) == 64 && std::is_trivially_copyable_v<CatalogueHeader>);
static_assert(offsetof(CatalogueHeader, journal_id) == 16);
static_assert(offsetof(CatalogueHeader, first_number) == 32);

struct CatalogueEntry {
    std::uint64_t checksum;  // XXH3-64 of bytes [8, 64), seed: the id's first word xor the number
    std::uint64_t salt;
    Sequence first_sequence;
    Sequence end_sequence;
    std::uint64_t floor_time_ns;
    std::uint64_t max_time_ns;
    std::uint64_t end_offset;
    std::uint64_t segment_size_bytes;
};
static_assert(sizeof(CatalogueEntry) == 64 && std::is_trivially_copyable_v<CatalogueEntry>);
static_assert(offsetof(CatalogueEntry, salt) == 8);
static_assert(offsetof(CatalogueEntry, end_offset) == 48);
// One read brings all of it. A journal of more segments has the newest of them catalogued.
inline constexpr std::uint64_t kMaxCatalogueEntries = 1U << 17;

// One frame of a compressed segment: the content of kFrameSizeBytes from 4096 + nth * that on.
inline constexpr std::uint64_t kFrameSizeBytes = 1U << 20;
struct FrameEntry {
    std::uint64_t offset;  // in the file
    std::uint64_t stored_bytes;
    std::uint64_t checksum;  // XXH3-64 of the stored bytes, seed salt xor offset in the segment
};
static_assert(sizeof(FrameEntry) == 24 && std::is_trivially_copyable_v<FrameEntry>);

}  // namespace tailrace::journal
