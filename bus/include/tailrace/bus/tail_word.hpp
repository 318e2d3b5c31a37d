// The tail word: a sequence and a position in 8 bytes, so that one compare-and-swap claims both.
//
// word = sequence * 2^32 + position / 16, modulo 2^64. Positions beyond 64 GiB carry into the upper
// half; that is arithmetic, not corruption. Both parts only grow, so whoever knows them to within
// half their range decodes both in full: 2^31 events and 32 GiB either way. Pure functions, any
// thread.
#pragma once

#include <tailrace/base/event_header.hpp>

#include <cstdint>

namespace tailrace::bus {

// Where a claim begins: the sequence of its first event and the byte position of it.
struct Place {
    Sequence sequence;
    std::uint64_t position;
    friend bool operator==(const Place&, const Place&) = default;
};

inline constexpr unsigned kPositionBits = 32;

// A write limit no further than this from a place means that a tail read before it is near that
// place too.
inline constexpr std::uint64_t kFarBytes = std::uint64_t{8} << 30U;

[[nodiscard]] constexpr std::uint64_t pack_tail(Place place) noexcept {
    return (place.sequence << kPositionBits) + place.position / kEventAlignmentBytes;
}

// What a claim of `count` events over `size_bytes` bytes adds.
[[nodiscard]] constexpr std::uint64_t tail_step(std::uint64_t count,
                                                std::uint64_t size_bytes) noexcept {
    return (count << kPositionBits) + size_bytes / kEventAlignmentBytes;
}

// Requires: `near` is within half the range of what was packed.
[[nodiscard]] constexpr Place unpack_tail(std::uint64_t word, Place near) noexcept {
    const std::uint64_t near_units = near.position / kEventAlignmentBytes;
    const auto units_ahead = static_cast<std::int32_t>(static_cast<std::uint32_t>(word) -
                                                       static_cast<std::uint32_t>(near_units));
    // Modulo what a position can tell, so that a forged word, decoded and packed, is itself again:
    // a compare-and-swap with another one would never succeed.
    constexpr std::uint64_t kMostUnits = ~std::uint64_t{0} / kEventAlignmentBytes;
    const std::uint64_t units =
        (near_units + static_cast<std::uint64_t>(std::int64_t{units_ahead})) & kMostUnits;
    const auto sequence_low = static_cast<std::uint32_t>((word - units) >> kPositionBits);
    const auto events_ahead =
        static_cast<std::int32_t>(sequence_low - static_cast<std::uint32_t>(near.sequence));
    return {near.sequence + static_cast<std::uint64_t>(std::int64_t{events_ahead}),
            units * kEventAlignmentBytes};
}

static_assert(unpack_tail(pack_tail({5, 96}), {0, 0}) == Place{5, 96});
static_assert(pack_tail(unpack_tail(0x1'FFFF'FFF0, {500, 64})) == 0x1'FFFF'FFF0);  // before 0
static_assert(unpack_tail(pack_tail({1ULL << 40U, 1ULL << 37U}),
                          {(1ULL << 40U) - 9, (1ULL << 37U) + 64}) ==
              Place{1ULL << 40U, 1ULL << 37U});

}  // namespace tailrace::bus
