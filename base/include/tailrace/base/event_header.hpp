// The header of every event, the same 16 bytes in the ring, on disk and in a reader's hand.
//
// Law: docs/ring_layout.md, "The event". Little endian, at positions aligned to the stream's
// alignment (16 or 64 bytes). After the header stand `extension_words` 8-byte words, then the
// payload, then padding up to the alignment. An event is committed when `stamp` equals sequence xor
// the stream's salt; the stamp is stored last. Stale bytes of an earlier lap can't hold that value
// (but for a chance of 2^-64), so nothing is ever zeroed.
#pragma once

#include <tailrace/base/align.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace tailrace {

static_assert(std::endian::native == std::endian::little, "rings and segments are little endian");

using Sequence = std::uint64_t;   // the event's number in its stream: dense, never reused
using EventType = std::uint16_t;  // chosen by the application; 0 is "untyped bytes"
// A publisher's own number of an event: ascending from 1, with holes as it likes. 0: none.
using OwnSequence = std::uint64_t;

inline constexpr Sequence kNoSequence = ~Sequence{0};

// Bits of EventHeader::flags.
inline constexpr std::uint8_t kTombstone = 1U << 0U;  // takes a sequence, carries nothing; skipped
inline constexpr std::uint8_t kHasPublishTime = 1U << 1U;  // one word: ns since the epoch
inline constexpr std::uint8_t kHasEventTime = 1U << 2U;  // one word: the application's own time, ns
inline constexpr std::uint8_t kHasPublisherId = 1U
                                                << 3U;  // two words: publisher id, its own sequence
inline constexpr std::uint8_t kHasKey = 1U << 4U;       // one word
inline constexpr std::uint8_t kBatchContinues =
    1U << 5U;  // the next event is of the same atomic batch

struct EventHeader {
    std::uint64_t stamp;
    std::uint32_t payload_size_bytes;
    EventType type;
    std::uint8_t flags;            // unknown bits are ignored
    std::uint8_t extension_words;  // may be more than the flags name: unknown words are skipped
};

static_assert(std::is_trivially_copyable_v<EventHeader> && std::is_standard_layout_v<EventHeader>);
static_assert(sizeof(EventHeader) == 16 && alignof(EventHeader) == 8);
static_assert(offsetof(EventHeader, payload_size_bytes) == 8);
static_assert(offsetof(EventHeader, type) == 12);
static_assert(offsetof(EventHeader, flags) == 14);
static_assert(offsetof(EventHeader, extension_words) == 15);

// Everything behind the stamp as the 8 bytes that it is in memory. Built by shifts: fields that are
// stored one by one and loaded at once would stall a core until all its earlier stores are done.
inline constexpr unsigned kHeaderTypeShift = 32;
inline constexpr unsigned kHeaderFlagsShift = 48;
inline constexpr unsigned kHeaderWordsShift = 56;

[[nodiscard]] constexpr std::uint64_t header_word(std::uint32_t payload_size_bytes,
                                                  EventType type,
                                                  std::uint8_t flags,
                                                  std::uint8_t extension_words) noexcept {
    return payload_size_bytes | (std::uint64_t{type} << kHeaderTypeShift) |
           (std::uint64_t{flags} << kHeaderFlagsShift) |
           (std::uint64_t{extension_words} << kHeaderWordsShift);
}

inline constexpr std::uint64_t kEventAlignmentBytes = 16;  // the smallest; a stream may choose 64
inline constexpr std::uint64_t kExtensionWordBytes = 8;

[[nodiscard]] constexpr std::uint64_t stamp_of(Sequence sequence, std::uint64_t salt) noexcept {
    return sequence ^ salt;
}

// Bytes from one event to the next. Never overflows: the largest payload is 4 GiB.
[[nodiscard]] constexpr std::uint64_t event_size_bytes(std::uint64_t payload_size_bytes,
                                                       std::uint64_t extension_words,
                                                       std::uint64_t alignment_bytes) noexcept {
    return align_up(
        sizeof(EventHeader) + extension_words * kExtensionWordBytes + payload_size_bytes,
        alignment_bytes);
}

// How many words the flags ask for. The words stand in the order of the flags' bits.
[[nodiscard]] constexpr std::uint8_t extension_words_of(std::uint8_t flags) noexcept {
    std::uint8_t words = 0;
    if ((flags & kHasPublishTime) != 0) words = static_cast<std::uint8_t>(words + 1);
    if ((flags & kHasEventTime) != 0) words = static_cast<std::uint8_t>(words + 1);
    if ((flags & kHasPublisherId) != 0) words = static_cast<std::uint8_t>(words + 2);
    if ((flags & kHasKey) != 0) words = static_cast<std::uint8_t>(words + 1);
    return words;
}

}  // namespace tailrace
