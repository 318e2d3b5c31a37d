// BlockPool: the buffers that batches are filled in and written from, one page-aligned region that
// can be registered with io_uring. Never allocates after it was made. One thread.
#pragma once

#include "aligned_memory.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/journal/format.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace tailrace::journal {

using BufferIndex = std::uint32_t;

class BlockPool {
public:
    // is_valid() is false when the kernel has no memory.
    explicit BlockPool(std::uint32_t buffer_count,
                       std::uint64_t buffer_size_bytes = kMaxBatchSizeBytes)
        : memory_(buffer_count * buffer_size_bytes + kControlBlocks * kBlockSizeBytes,
                  Prefault::yes),
          buffer_count_(buffer_count),
          buffer_size_bytes_(buffer_size_bytes) {
        free_.reserve(buffer_count);
        for (BufferIndex index = buffer_count; index > 0; --index)
            free_.push_back(index - 1);
    }

    [[nodiscard]] bool is_valid() const noexcept { return !memory_.bytes().empty(); }
    [[nodiscard]] std::span<std::byte> memory() const noexcept { return memory_.bytes(); }

    [[nodiscard]] std::uint32_t buffer_count() const noexcept { return buffer_count_; }

    [[nodiscard]] bool has_free() const noexcept { return !free_.empty(); }
    // Requires: has_free().
    [[nodiscard]] BufferIndex acquire() noexcept {
        TAILRACE_CHECK(!free_.empty());
        const BufferIndex index = free_.back();
        free_.pop_back();
        return index;
    }
    void release(BufferIndex index) noexcept {
        TAILRACE_CHECK(index < buffer_count_ && free_.size() < buffer_count_);
        free_.push_back(index);
    }

    [[nodiscard]] std::span<std::byte> buffer(BufferIndex index) const noexcept {
        return memory_.bytes().subspan(index * buffer_size_bytes_, buffer_size_bytes_);
    }
    // Single blocks for batches without events; they are never in the free list.
    [[nodiscard]] std::span<std::byte> marker_block() const noexcept { return control_block(0); }
    [[nodiscard]] std::span<std::byte> seal_block() const noexcept { return control_block(1); }
    [[nodiscard]] std::span<std::byte> header_block() const noexcept { return control_block(2); }

private:
    static constexpr std::size_t kControlBlocks = 3;

    [[nodiscard]] std::span<std::byte> control_block(std::size_t index) const noexcept {
        return memory_.bytes().subspan(buffer_count_ * buffer_size_bytes_ + index * kBlockSizeBytes,
                                       kBlockSizeBytes);
    }

    AlignedMemory memory_;
    std::uint32_t buffer_count_;
    std::uint64_t buffer_size_bytes_;
    std::vector<BufferIndex> free_;
};

}  // namespace tailrace::journal
