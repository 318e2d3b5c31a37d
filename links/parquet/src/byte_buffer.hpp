// ByteBuffer: bytes that grow at their end, without being zeroed before they are written. One
// thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace tailrace::parquet {

class ByteBuffer {
public:
    // Room for so many more, to be written by the caller.
    [[nodiscard]] std::byte* extend(std::size_t count) {
        if (size_ + count > capacity_) grow(size_ + count);
        std::byte* const place = bytes_.get() + size_;
        size_ += count;
        return place;
    }
    void append(const void* bytes, std::size_t count) {
        if (count != 0) std::memcpy(extend(count), bytes, count);
    }
    void append(std::span<const std::byte> bytes) { append(bytes.data(), bytes.size()); }
    void append(std::string_view text) { append(text.data(), text.size()); }
    template <typename Value>
    void put(Value value) {
        append(&value, sizeof(value));
    }
    void put_byte(unsigned value) { *extend(1) = static_cast<std::byte>(value); }
    // Unsigned LEB128.
    void put_varint(std::uint64_t value) {
        constexpr std::uint64_t kSeven = 0x7F;
        for (; value > kSeven; value >>= 7U)
            put_byte(static_cast<unsigned>((value & kSeven) | 0x80U));
        put_byte(static_cast<unsigned>(value));
    }
    void put_zigzag(std::int64_t value) {
        put_varint((static_cast<std::uint64_t>(value) << 1U) ^
                   static_cast<std::uint64_t>(value >> 63U));
    }

    // Requires: not more than there are.
    void shrink_to(std::size_t count) noexcept { size_ = count; }
    void clear() noexcept { size_ = 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::byte* data() noexcept { return bytes_.get(); }
    [[nodiscard]] const std::byte* data() const noexcept { return bytes_.get(); }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return {bytes_.get(), size_};
    }

private:
    void grow(std::size_t wanted) {
        constexpr std::size_t kLeast = 4096;
        const std::size_t capacity = std::max({kLeast, wanted, capacity_ + capacity_ / 2});
        auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);  // NOLINT: raw bytes
        if (size_ != 0) std::memcpy(larger.get(), bytes_.get(), size_);
        bytes_ = std::move(larger);
        capacity_ = capacity;
    }

    std::unique_ptr<std::byte[]> bytes_;  // NOLINT: raw bytes
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace tailrace::parquet
