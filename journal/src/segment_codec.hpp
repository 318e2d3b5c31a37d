// Encoding and checking segment headers, SUPER slots and indexes. Pure functions, any thread.
// Law: docs/journal_format.md. Errors name the file that the bytes came from.
#pragma once

#include "batch_codec.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/journal/format.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tailrace::journal {

enum class Access : std::uint8_t {
    reading,
    writing
};  // unknown ro_compat features forbid writing only

// Fills in magic, version, sizes and checksum.
void seal_segment_header(SegmentHeader& header) noexcept;
void seal_super(SuperBlock& super) noexcept;

// What the file of a segment must have.
[[nodiscard]] constexpr std::uint64_t stored_file_bytes(const SegmentHeader& header) noexcept {
    return (header.features_incompat & kFeatureCompressed) != 0 ? header.stored_size_bytes
                                                                : header.segment_size_bytes;
}

// Errors: `truncated`, `not_tailrace`, `incompatible`, `corrupt`.
[[nodiscard]] Result<SegmentHeader> decode_segment_header(std::span<const std::byte> block,
                                                          const std::string& path,
                                                          Access access);
[[nodiscard]] Result<SuperBlock> decode_super(std::span<const std::byte> block,
                                              const std::string& path,
                                              Access access);

[[nodiscard]] std::string stream_name_of(const SegmentHeader& header);
// Requires: name.size() <= kMaxStreamNameBytes.
void set_stream_name(SegmentHeader& header, const std::string& name) noexcept;

struct SegmentIndex {
    IndexHeader header{};
    std::vector<IndexEntry> entries;
};

// Of an index of that segment, which ends there.
[[nodiscard]] IndexHeader index_header(const SegmentHeader& segment,
                                       const LogPosition& end) noexcept;
[[nodiscard]] std::vector<std::byte> encode_index(IndexHeader header,
                                                  std::span<const IndexEntry> entries);
// Error `corrupt` whenever it isn't exactly the index of that segment; the caller rebuilds it.
[[nodiscard]] Result<SegmentIndex> decode_index(std::span<const std::byte> bytes,
                                                const std::string& path,
                                                const SegmentHeader& segment);

}  // namespace tailrace::journal
