// SegmentContent: the bytes of a segment as its batches stand in it, whether its file holds them as
// they are or compressed. Law: docs/journal_format.md, "Compressed segments". One thread.
#pragma once

#include "aligned_memory.hpp"
#include "storage.hpp"

#include <tailrace/journal/format.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace tailrace::journal {

class SegmentContent {
public:
    explicit SegmentContent(FileStore& files) noexcept : files_(&files) {}

    // Takes over the file. False when there is no memory.
    [[nodiscard]] bool attach(StoredFile file, const SegmentHeader& header) noexcept;
    [[nodiscard]] bool is_attached() const noexcept { return file_.is_open(); }
    [[nodiscard]] FileId file() const noexcept { return file_.id(); }
    [[nodiscard]] const StoredFile& stored_file() const noexcept { return file_; }
    void release() noexcept { file_.reset(); }
    [[nodiscard]] bool is_compressed() const noexcept { return is_compressed_; }

    // As FileStore::read, with its errno. A frame that was read and can't be decompressed reads as
    // zeroes, in which no batch stands.
    [[nodiscard]] IoOutcome read(std::uint64_t offset, std::span<std::byte> into) noexcept;

private:
    [[nodiscard]] bool load_table() noexcept;
    void load_frame(std::uint64_t nth) noexcept;

    FileStore* files_;
    StoredFile file_;
    SegmentHeader header_{};
    bool is_compressed_ = false;
    std::vector<FrameEntry> table_;
    AlignedMemory stored_;  // one frame as it is in the file
    AlignedMemory frame_;   // and as it was
    std::uint64_t frame_number_ = kNoFrame;
    int table_errno_ = 0;  // why there is no table
    int frame_errno_ = 0;
    static constexpr std::uint64_t kNoFrame = ~std::uint64_t{0};
};

}  // namespace tailrace::journal
