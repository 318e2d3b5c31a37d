// EventBytes: events back to back, as they stand in a ring and in a batch; each begins with its
// number.
#pragma once

#include <tailrace/base/event_header.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace tailrace::micro {

class EventBytes {
public:
    static constexpr std::uint64_t kSalt = 0x9E3779B97F4A7C15U;
    static constexpr std::uint32_t kAlignmentBytes = 16;

    // The sequences [first, first + count).
    EventBytes(std::uint64_t count, std::uint32_t payload_size_bytes, Sequence first = 0)
        : count_(count) {
        const std::uint64_t size_bytes = event_size_bytes(payload_size_bytes, 0, kAlignmentBytes);
        bytes_.resize(count * size_bytes);
        for (std::uint64_t index = 0; index < count; ++index) {
            EventHeader header{};
            header.stamp = stamp_of(first + index, kSalt);
            header.payload_size_bytes = payload_size_bytes;
            const std::uint64_t number = first + index;
            std::byte* const record = bytes_.data() + index * size_bytes;
            std::memcpy(record, &header, sizeof(header));
            std::memcpy(record + sizeof(header), &number, sizeof(number));
        }
    }

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
    std::uint64_t count_;
    std::vector<std::byte> bytes_;
};

}  // namespace tailrace::micro
