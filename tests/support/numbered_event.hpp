// NumberedEvent: a payload that proves itself. It carries who published it and as which of its
// events, a body whose length and bytes follow from those two, and a checksum over all of it; so a
// reader can tell a whole event from a torn, stale or misplaced one without asking anybody. Pure
// functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace tailrace::test {

struct NumberedEvent {
    std::uint64_t number;     // the publisher's own count, from 0
    std::uint32_t publisher;  // unique per life of a publisher, not per slot
    std::uint32_t size_bytes;
};

inline constexpr std::uint32_t kNumberedOverheadBytes =
    sizeof(NumberedEvent) + sizeof(std::uint64_t);
inline constexpr std::uint32_t kNumberedBodyBytes = 180;  // at most
inline constexpr std::uint32_t kLargestNumberedBytes = kNumberedOverheadBytes + kNumberedBodyBytes;

[[nodiscard]] constexpr std::uint64_t numbered_hash(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31U);
}

[[nodiscard]] constexpr std::uint64_t numbered_seed(std::uint32_t publisher,
                                                    std::uint64_t number) noexcept {
    return numbered_hash((std::uint64_t{publisher} << 40U) + number + 1);
}

[[nodiscard]] constexpr std::uint32_t numbered_size_bytes(std::uint32_t publisher,
                                                          std::uint64_t number) noexcept {
    return kNumberedOverheadBytes +
           static_cast<std::uint32_t>(numbered_seed(publisher, number) % (kNumberedBodyBytes + 1));
}

[[nodiscard]] inline std::uint64_t numbered_checksum(std::span<const std::byte> bytes) noexcept {
    std::uint64_t sum = 0xCBF29CE484222325U;
    for (const std::byte byte : bytes)
        sum = (sum ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001B3U;
    return sum;
}

// Requires: payload.size() == numbered_size_bytes(publisher, number).
inline void fill_numbered(std::span<std::byte> payload,
                          std::uint32_t publisher,
                          std::uint64_t number) noexcept {
    const NumberedEvent event{number, publisher, static_cast<std::uint32_t>(payload.size())};
    std::memcpy(payload.data(), &event, sizeof(event));
    const std::uint64_t seed = numbered_seed(publisher, number);
    const std::size_t body_end = payload.size() - sizeof(std::uint64_t);
    for (std::size_t offset = sizeof(event); offset < body_end; ++offset) {
        payload[offset] = static_cast<std::byte>(seed >> (offset % 8 * 8));
    }
    const std::uint64_t checksum = numbered_checksum(payload.first(body_end));
    std::memcpy(payload.data() + body_end, &checksum, sizeof(checksum));
}

// Empty when the payload isn't what its publisher wrote, byte for byte.
[[nodiscard]] inline std::optional<NumberedEvent> read_numbered(
    std::span<const std::byte> payload) noexcept {
    if (payload.size() < kNumberedOverheadBytes) return std::nullopt;
    NumberedEvent event{};
    std::memcpy(&event, payload.data(), sizeof(event));
    if (event.size_bytes != payload.size() ||
        event.size_bytes != numbered_size_bytes(event.publisher, event.number)) {
        return std::nullopt;
    }
    const std::size_t body_end = payload.size() - sizeof(std::uint64_t);
    std::uint64_t checksum = 0;
    std::memcpy(&checksum, payload.data() + body_end, sizeof(checksum));
    if (checksum != numbered_checksum(payload.first(body_end))) return std::nullopt;
    return event;
}

}  // namespace tailrace::test
