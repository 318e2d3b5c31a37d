#include "segment_codec.hpp"

#include "compression.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/checksum.hpp>

#include <algorithm>
#include <cstring>

namespace tailrace::journal {

namespace {

constexpr std::size_t kBlockCheckedFrom = 16;  // behind magic and checksum
static_assert(offsetof(SegmentHeader, format_major) == kBlockCheckedFrom);
static_assert(offsetof(SuperBlock, format_major) == kBlockCheckedFrom);
static_assert(offsetof(IndexHeader, segment_number) == kBlockCheckedFrom);

// The directory of a file of ours, for hints.
std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string verify_hint(const std::string& path) {
    return "'tailrace verify " + directory_of(path) +
           "' lists all damage; nothing has been changed";
}

template <typename Block>
std::uint64_t block_checksum(const Block& block, std::uint64_t seed) noexcept {
    return checksum64(std::as_bytes(std::span(&block, 1)).subspan(kBlockCheckedFrom), seed);
}

// Both blocks carry magic, checksum, versions and features at the same offsets: one set of rules
// for them.
template <typename Block>
Result<Block> decode_block(std::span<const std::byte> bytes,
                           std::uint64_t magic,
                           const std::string& path,
                           Access access) {
    if (bytes.size() < sizeof(Block)) {
        return make_error(ErrorCode::truncated,
                          "'" + path + "' holds " + std::to_string(bytes.size()) +
                              " bytes where its header takes " + std::to_string(sizeof(Block)),
                          verify_hint(path));
    }
    Block block{};
    std::memcpy(&block, bytes.data(), sizeof(block));
    if (block.magic != magic) {
        return make_error(ErrorCode::not_tailrace,
                          "'" + path + "' doesn't begin as a file of a Tailrace journal does",
                          "check the name; 'tailrace inspect " + directory_of(path) +
                              "' shows what is in the directory");
    }
    if (block.format_major != kFormatMajor) {
        const bool newer = block.format_major > kFormatMajor;
        return make_error(
            ErrorCode::incompatible,
            "'" + path + "' has the " + (newer ? "newer" : "older") + " format " +
                std::to_string(block.format_major) + "." + std::to_string(block.format_minor) +
                "; this program knows " + std::to_string(kFormatMajor) + "." +
                std::to_string(kFormatMinor),
            newer ? "use the Tailrace that wrote it; 'tailrace --version' shows this one"
                  : "use an older Tailrace to replay it into a new journal");
    }
    if (block.checksum != block_checksum(block, magic)) {
        return make_error(ErrorCode::corrupt,
                          "the header of '" + path + "' is damaged: its checksum differs",
                          verify_hint(path));
    }
    if ((block.features_incompat & ~kKnownIncompatFeatures) != 0 ||
        (access == Access::writing &&
         (block.features_ro_compat & ~kKnownReadOnlyCompatFeatures) != 0)) {
        return make_error(ErrorCode::incompatible,
                          "'" + path + "' uses features that this program doesn't know",
                          "use the Tailrace that wrote it; 'tailrace --version' shows this one");
    }
    return block;
}

bool has_sane_frames(const SegmentHeader& header) noexcept {
    if ((header.features_incompat & kFeatureCompressed) == 0) return true;
    const std::uint64_t content = header.content_end_offset - kBlockSizeBytes;
    const std::uint64_t table = header.frame_count * sizeof(FrameEntry);
    return header.content_end_offset > kBlockSizeBytes &&
           header.content_end_offset <= header.segment_size_bytes &&
           header.frame_count == (content + kFrameSizeBytes - 1) / kFrameSizeBytes &&
           header.stored_size_bytes <= kMaxSegmentSizeBytes &&
           header.frame_table_offset >= kBlockSizeBytes &&
           header.frame_table_offset <= header.stored_size_bytes &&
           table <= header.stored_size_bytes - header.frame_table_offset;
}

bool is_sane(const SegmentHeader& header) noexcept {
    const std::uint32_t alignment = header.event_alignment_bytes;
    return header.header_size_bytes == kBlockSizeBytes &&
           header.block_size_bytes == kBlockSizeBytes && (alignment == 16 || alignment == 64) &&
           header.segment_number != 0 && header.segment_size_bytes >= kMinSegmentSizeBytes &&
           header.segment_size_bytes <= kMaxSegmentSizeBytes &&
           header.segment_size_bytes % kBlockSizeBytes == 0 &&
           header.stream_name_bytes <= kMaxStreamNameBytes &&
           header.durable_sequence <= header.first_sequence &&
           header.previous.segment_number == header.segment_number - 1 &&
           ((header.features_compat & kSegmentNamesOldest) == 0 ||
            header.oldest_segment_number <= header.segment_number) &&
           has_sane_frames(header);
}

}  // namespace

void seal_segment_header(SegmentHeader& header) noexcept {
    header.magic = kSegmentMagic;
    header.format_major = kFormatMajor;
    header.format_minor = kFormatMinor;
    header.header_size_bytes = kBlockSizeBytes;
    header.block_size_bytes = kBlockSizeBytes;
    header.checksum = block_checksum(header, kSegmentMagic);
}

void seal_super(SuperBlock& super) noexcept {
    super.magic = kSuperMagic;
    super.format_major = kFormatMajor;
    super.format_minor = kFormatMinor;
    super.block_size_bytes = kBlockSizeBytes;
    super.checksum = block_checksum(super, kSuperMagic);
}

Result<SegmentHeader> decode_segment_header(std::span<const std::byte> block,
                                            const std::string& path,
                                            Access access) {
    auto header = decode_block<SegmentHeader>(block, kSegmentMagic, path, access);
    if (header && !is_sane(*header)) {
        return make_error(ErrorCode::corrupt,
                          "the header of '" + path + "' contradicts itself",
                          verify_hint(path));
    }
    if (header && (header->features_incompat & kFeatureCompressed) != 0 && !has_compression()) {
        return make_error(ErrorCode::unsupported,
                          "'" + path + "' is compressed, and this Tailrace was built without zstd",
                          "install libzstd-dev and build again");
    }
    return header;
}

Result<SuperBlock> decode_super(std::span<const std::byte> block,
                                const std::string& path,
                                Access access) {
    return decode_block<SuperBlock>(block, kSuperMagic, path, access);
}

std::string stream_name_of(const SegmentHeader& header) {
    return {header.stream_name.data(),
            std::min<std::size_t>(header.stream_name_bytes, kMaxStreamNameBytes)};
}

void set_stream_name(SegmentHeader& header, const std::string& name) noexcept {
    TAILRACE_CHECK(name.size() <= kMaxStreamNameBytes);
    header.stream_name.fill('\0');
    std::copy(name.begin(), name.end(), header.stream_name.begin());
    header.stream_name_bytes = static_cast<std::uint32_t>(name.size());
}

IndexHeader index_header(const SegmentHeader& segment, const LogPosition& end) noexcept {
    IndexHeader header{};
    header.segment_number = segment.segment_number;
    header.salt = segment.salt;
    header.end_offset = end.offset;
    header.end_sequence = end.sequence;
    header.max_time_ns = end.max_time_ns;
    return header;
}

std::vector<std::byte> encode_index(IndexHeader header, std::span<const IndexEntry> entries) {
    header.magic = kIndexMagic;
    header.entry_count = entries.size();
    std::vector<std::byte> bytes(sizeof(header) + entries.size_bytes());
    if (!entries.empty()) {
        std::memcpy(bytes.data() + sizeof(header), entries.data(), entries.size_bytes());
    }
    std::memcpy(bytes.data(), &header, sizeof(header));
    header.checksum = checksum64(std::span(bytes).subspan(kBlockCheckedFrom), header.salt);
    std::memcpy(bytes.data(), &header, sizeof(header));
    return bytes;
}

Result<SegmentIndex> decode_index(std::span<const std::byte> bytes,
                                  const std::string& path,
                                  const SegmentHeader& segment) {
    const auto refuse = [&path](const char* why) {
        return make_error(ErrorCode::corrupt,
                          "the index '" + path + "' " + why,
                          "no harm: it is rebuilt from the segment when it is needed");
    };
    SegmentIndex index;
    if (bytes.size() < sizeof(IndexHeader)) return refuse("is cut short");
    std::memcpy(&index.header, bytes.data(), sizeof(IndexHeader));
    const IndexHeader& header = index.header;
    if (header.magic != kIndexMagic) return refuse("isn't an index");
    if (header.salt != segment.salt || header.segment_number != segment.segment_number) {
        return refuse("belongs to another segment");
    }
    const std::uint64_t room = (bytes.size() - sizeof(IndexHeader)) / sizeof(IndexEntry);
    if (header.entry_count != room ||
        bytes.size() != sizeof(IndexHeader) + room * sizeof(IndexEntry)) {
        return refuse("is cut short");
    }
    if (checksum64(bytes.subspan(kBlockCheckedFrom), header.salt) != header.checksum) {
        return refuse("is damaged: its checksum differs");
    }
    index.entries.resize(room);
    if (room > 0) {
        std::memcpy(
            index.entries.data(), bytes.data() + sizeof(IndexHeader), room * sizeof(IndexEntry));
    }
    const bool in_bounds =
        std::all_of(index.entries.begin(), index.entries.end(), [&](const IndexEntry& entry) {
            return entry.offset % kBlockSizeBytes == 0 && entry.offset >= kBlockSizeBytes &&
                   entry.offset < segment.segment_size_bytes;
        });
    if (!in_bounds || header.end_offset > segment.segment_size_bytes) {
        return refuse("points outside of its segment");
    }
    return index;
}

}  // namespace tailrace::journal
