// Event: a view of one committed event, wherever it lies (ring, private copy, journal block).
//
// A view is valid as long as the bytes behind it: in a poll handler until the handler returns. It
// is two words and a copy of the 16-byte header, so that foreign bytes that change under a reader
// can't change the sizes it already checked.
#pragma once

#include <tailrace/base/event_header.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace tailrace {

// What may travel as a typed event: bytes that mean the same in another process. Views (span,
// string_view) are trivially copyable too, but their bytes are an address.
template <typename T>
concept PlainEvent = std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> &&
                     !std::is_reference_v<T> && !std::ranges::enable_view<T>;

// The number of a type that names its own, `static constexpr tailrace::EventType kEventType = 7;`;
// of any other 0: untyped bytes.
template <typename T>
inline constexpr EventType kEventTypeOf = 0;
template <typename T>
requires std::same_as<decltype(T::kEventType), const EventType>
inline constexpr EventType kEventTypeOf<T> = T::kEventType;

namespace detail {

[[noreturn]] void event_too_small(Sequence sequence,
                                  std::uint32_t size_bytes,
                                  std::size_t wanted_bytes) noexcept;

}  // namespace detail

class Event {
public:
    // Requires: `record` points at a whole event whose size has been checked against `header`.
    Event(Sequence sequence, const EventHeader& header, const std::byte* record) noexcept
        : sequence_(sequence),
          header_(header),
          record_(record) {}

    [[nodiscard]] Sequence sequence() const noexcept { return sequence_; }
    [[nodiscard]] EventType type() const noexcept { return header_.type; }
    [[nodiscard]] std::uint8_t flags() const noexcept { return header_.flags; }
    [[nodiscard]] bool is_tombstone() const noexcept { return (header_.flags & kTombstone) != 0; }
    // The next event is of the same atomic batch.
    [[nodiscard]] bool continues_batch() const noexcept {
        return (header_.flags & kBatchContinues) != 0;
    }
    [[nodiscard]] bool has_key() const noexcept { return (header_.flags & kHasKey) != 0; }
    [[nodiscard]] std::uint32_t size_bytes() const noexcept { return header_.payload_size_bytes; }

    [[nodiscard]] std::span<const std::byte> payload() const noexcept {
        return {record_ + sizeof(EventHeader) + header_.extension_words * kExtensionWordBytes,
                header_.payload_size_bytes};
    }

    // ns since the epoch; 0 when the event doesn't carry it.
    [[nodiscard]] std::uint64_t publish_time_ns() const noexcept {
        return word(kHasPublishTime, 0);
    }
    [[nodiscard]] std::uint64_t event_time_ns() const noexcept { return word(kHasEventTime, 0); }
    [[nodiscard]] std::uint64_t publisher_id() const noexcept { return word(kHasPublisherId, 0); }
    [[nodiscard]] std::uint64_t publisher_sequence() const noexcept {
        return word(kHasPublisherId, 1);
    }
    [[nodiscard]] std::uint64_t key() const noexcept { return word(kHasKey, 0); }

    // A copy of the payload as T. Requires: size_bytes() >= sizeof(T), or the program ends with a
    // word which event it was. Where others may publish something else, is<T>() tells first.
    template <PlainEvent T>
    [[nodiscard]] T as() const noexcept {
        if (size_bytes() < sizeof(T)) [[unlikely]]
            detail::event_too_small(sequence_, size_bytes(), sizeof(T));
        T value;
        std::memcpy(&value, payload().data(), sizeof(T));
        return value;
    }

    // The same where T has grown at its end since some events were published: what an older one is
    // too short for stays as T{} has it.
    template <PlainEvent T>
    [[nodiscard]] T as_grown() const noexcept {
        T value{};
        std::memcpy(&value, payload().data(), std::min<std::size_t>(size_bytes(), sizeof(T)));
        return value;
    }

    template <PlainEvent T>
    [[nodiscard]] bool is(EventType type = kEventTypeOf<T>) const noexcept {
        return header_.type == type && header_.payload_size_bytes >= sizeof(T);
    }

    // The bytes from the header to the end of the payload, as they stand.
    [[nodiscard]] const std::byte* record() const noexcept { return record_; }

private:
    // The words stand in the order of the flags' bits, so the words before `flag` are those of the
    // lower bits.
    [[nodiscard]] std::uint64_t word(std::uint8_t flag, unsigned index) const noexcept {
        if ((header_.flags & flag) == 0) return 0;
        const unsigned before =
            extension_words_of(static_cast<std::uint8_t>(header_.flags & (flag - 1U)));
        if (before + index >= header_.extension_words) return 0;
        std::uint64_t value = 0;
        std::memcpy(&value,
                    record_ + sizeof(EventHeader) + (before + index) * kExtensionWordBytes,
                    sizeof(value));
        return value;
    }

    Sequence sequence_;
    EventHeader header_;
    const std::byte* record_;
};

}  // namespace tailrace
