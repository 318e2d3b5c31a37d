// SparseBytes: the content of a simulated file. Blocks that are zero take no memory, and copies
// share their blocks until one of them is written, so that a disk can be copied for every way in
// which a crash may end. One thread.
#pragma once

#include <tailrace/journal/format.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace tailrace::journal {

class SparseBytes {
public:
    [[nodiscard]] std::uint64_t size() const { return size_; }

    // What is added reads as zero.
    void resize(std::uint64_t size_bytes) {
        if (size_bytes < size_) zero(size_bytes, size_ - size_bytes);
        size_ = size_bytes;
        blocks_.resize((size_ + kBlockSizeBytes - 1) / kBlockSizeBytes);
    }

    // Requires: offset + into.size() <= size().
    void read(std::uint64_t offset, std::span<std::byte> into) const {
        std::uint64_t at = 0;
        for_each_part(offset, into.size(), [&](std::size_t block, std::size_t from, std::size_t n) {
            if (blocks_[block]) {
                std::memcpy(into.data() + at, blocks_[block]->data() + from, n);
            } else {
                std::memset(into.data() + at, 0, n);
            }
            at += n;
        });
    }

    // Grows when it must.
    void write(std::uint64_t offset, std::span<const std::byte> bytes) {
        grow_to(offset + bytes.size());
        std::uint64_t at = 0;
        for_each_part(
            offset, bytes.size(), [&](std::size_t block, std::size_t from, std::size_t n) {
                std::memcpy(own(block).data() + from, bytes.data() + at, n);
                at += n;
            });
    }

    void zero(std::uint64_t offset, std::uint64_t size_bytes) {
        grow_to(offset + size_bytes);
        for_each_part(offset, size_bytes, [&](std::size_t block, std::size_t from, std::size_t n) {
            if (n == kBlockSizeBytes) {
                blocks_[block].reset();
            } else if (blocks_[block]) {
                std::memset(own(block).data() + from, 0, n);
            }
        });
    }

    [[nodiscard]] bool equals(std::uint64_t offset, std::span<const std::byte> bytes) const {
        if (offset + bytes.size() > size_) return false;
        std::uint64_t at = 0;
        bool same = true;
        for_each_part(
            offset, bytes.size(), [&](std::size_t block, std::size_t from, std::size_t n) {
                static constexpr Block kZeroes{};
                const Block& content = blocks_[block] ? *blocks_[block] : kZeroes;
                same = same && std::memcmp(content.data() + from, bytes.data() + at, n) == 0;
                at += n;
            });
        return same;
    }

private:
    using Block = std::array<std::byte, kBlockSizeBytes>;

    void grow_to(std::uint64_t size_bytes) {
        if (size_bytes > size_) resize(size_bytes);
    }

    Block& own(std::size_t block) {
        auto& content = blocks_[block];
        if (!content) {
            content = std::make_shared<Block>();
        } else if (content.use_count() > 1) {
            content = std::make_shared<Block>(*content);
        }
        return *content;
    }

    template <typename Visit>
    static void for_each_part(std::uint64_t offset, std::uint64_t size_bytes, const Visit& visit) {
        while (size_bytes > 0) {
            const std::uint64_t from = offset % kBlockSizeBytes;
            const std::uint64_t part = std::min(size_bytes, kBlockSizeBytes - from);
            visit(offset / kBlockSizeBytes, from, part);
            offset += part;
            size_bytes -= part;
        }
    }

    std::uint64_t size_ = 0;
    std::vector<std::shared_ptr<Block>> blocks_;
};

}  // namespace tailrace::journal
