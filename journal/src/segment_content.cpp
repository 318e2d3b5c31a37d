#include "segment_content.hpp"

#include "compression.hpp"

#include <tailrace/base/checksum.hpp>

#include <algorithm>
#include <cstring>

namespace tailrace::journal {

bool SegmentContent::attach(StoredFile file, const SegmentHeader& header) noexcept {
    file_ = std::move(file);
    header_ = header;
    frame_number_ = kNoFrame;
    table_errno_ = 0;
    table_.clear();
    is_compressed_ = (header.features_incompat & kFeatureCompressed) != 0;
    if (!is_compressed_) return true;
    const std::size_t most = align_up(compressed_bound_bytes(kFrameSizeBytes), kBlockSizeBytes);
    if (frame_.bytes().empty()) frame_ = AlignedMemory(kFrameSizeBytes);
    if (stored_.bytes().empty()) stored_ = AlignedMemory(most);
    return !frame_.bytes().empty() && !stored_.bytes().empty() && load_table();
}

// A table that can't be believed leaves no frame: everything reads as zeroes.
bool SegmentContent::load_table() noexcept {
    table_.resize(header_.frame_count);
    const auto bytes = std::as_writable_bytes(std::span(table_));
    const IoOutcome outcome = files_->read(file_.id(), header_.frame_table_offset, bytes);
    table_errno_ = outcome.os_errno;
    if (!outcome.ok() || outcome.value != bytes.size() ||
        checksum64(bytes, header_.salt) != header_.frame_table_checksum) {
        table_.clear();
    }
    return true;
}

void SegmentContent::load_frame(std::uint64_t nth) noexcept {
    if (frame_number_ == nth) return;
    frame_number_ = nth;
    frame_errno_ = table_errno_;
    const std::uint64_t begin = kBlockSizeBytes + nth * kFrameSizeBytes;
    const auto into =
        frame_.bytes().first(std::min(kFrameSizeBytes, header_.content_end_offset - begin));
    if (nth < table_.size() && table_[nth].stored_bytes <= stored_.bytes().size()) {
        const FrameEntry& entry = table_[nth];
        const auto stored = stored_.bytes().first(entry.stored_bytes);
        const IoOutcome outcome = files_->read(file_.id(), entry.offset, stored);
        frame_errno_ = outcome.os_errno;
        if (outcome.ok() && outcome.value == stored.size() &&
            checksum64(stored, header_.salt ^ begin) == entry.checksum &&
            decompress_frame(stored, into)) {
            return;
        }
    }
    std::memset(into.data(), 0, into.size());
}

IoOutcome SegmentContent::read(std::uint64_t offset, std::span<std::byte> into) noexcept {
    if (!is_compressed_) return files_->read(file_.id(), offset, into);
    // Behind the content a segment reads as zeroes, up to its size.
    if (offset >= header_.segment_size_bytes) return {};
    const auto wanted =
        into.first(std::min<std::uint64_t>(into.size(), header_.segment_size_bytes - offset));
    std::uint64_t done = 0;
    while (done < wanted.size()) {
        const std::uint64_t at = offset + done;
        auto part = wanted.subspan(done);
        if (at < kBlockSizeBytes || at >= header_.content_end_offset) {
            if (at < kBlockSizeBytes) {
                part = part.first(std::min<std::uint64_t>(part.size(), kBlockSizeBytes - at));
            }
            std::memset(part.data(), 0, part.size());
            done += part.size();
            continue;
        }
        const std::uint64_t nth = (at - kBlockSizeBytes) / kFrameSizeBytes;
        const std::uint64_t begin = kBlockSizeBytes + nth * kFrameSizeBytes;
        const std::uint64_t end = std::min(begin + kFrameSizeBytes, header_.content_end_offset);
        load_frame(nth);
        // What can't be read now is not the same as damage.
        if (frame_errno_ != 0) {
            frame_number_ = kNoFrame;
            return {done, frame_errno_};
        }
        part = part.first(std::min<std::uint64_t>(part.size(), end - at));
        std::memcpy(part.data(), frame_.bytes().data() + (at - begin), part.size());
        done += part.size();
    }
    return {done, 0};
}

}  // namespace tailrace::journal
