// The accesses to event bytes on which everything rests: how an event is committed and how that is
// seen.
//
// Law: docs/ring_layout.md and docs/memory_order.md (edge event_committed). Pure functions on
// mapped bytes.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/step.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tailrace::bus {

// Stores the header's second word (header_word), then the stamp.
inline void store_header(std::byte* record, std::uint64_t second, std::uint64_t stamp) noexcept {
    std::memcpy(record + sizeof(stamp), &second, sizeof(second));
    TAILRACE_STEP("event.sizes_written");
    std::atomic_ref<std::uint64_t> word(*reinterpret_cast<std::uint64_t*>(record));
    // [sync:event_committed] Release: payload, extension words and sizes happen before the stamp
    // that announces them. Relaxed would let a reader see the stamp first and read a half-written
    // event.
    word.store(stamp, std::memory_order_release);
}

inline void store_header(std::byte* record,
                         const EventHeader& header,
                         std::uint64_t stamp) noexcept {
    store_header(
        record,
        header_word(header.payload_size_bytes, header.type, header.flags, header.extension_words),
        stamp);
}

[[nodiscard]] inline std::uint64_t load_stamp(const std::byte* record) noexcept {
    // atomic_ref wants a mutable object even for a load; a load never writes.
    std::atomic_ref<std::uint64_t> word(
        *reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(record)));
    // [sync:event_committed] Acquire: what follows reads the bytes that this stamp announced.
    return word.load(std::memory_order_acquire);
}

// Fetches a line that will be written, ahead of the first store to it. A hint: it can't fault.
inline void prefetch_for_write(const std::byte* line) noexcept {
#if defined(__x86_64__)
    // The builtin would fetch it for reading where the compiler may not assume this instruction.
    asm volatile("prefetchw %0" : : "m"(*line));
#else
    __builtin_prefetch(line, 1);
#endif
}

// The header of a record whose stamp was seen. One 8-byte load, so that the sizes used are the
// sizes checked, whatever a scribbler does to the bytes meanwhile.
[[nodiscard]] inline EventHeader load_header(const std::byte* record) noexcept {
    std::atomic_ref<std::uint64_t> word(
        *reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(record + sizeof(std::uint64_t))));
    // Relaxed: ordered behind the stamp by load_stamp, or checked after the fact by the copying
    // reader.
    const std::uint64_t packed = word.load(std::memory_order_relaxed);
    EventHeader header{};
    std::memcpy(&header.payload_size_bytes, &packed, sizeof(packed));
    return header;
}

// Copies bytes that a publisher may be overwriting; the caller checks afterwards whether they still
// counted. Requires: both aligned to 8, size a multiple of 8.
inline void copy_racing_words(std::byte* to,
                              const std::byte* from,
                              std::size_t size_bytes) noexcept {
    for (std::size_t offset = 0; offset < size_bytes; offset += sizeof(std::uint64_t)) {
        std::atomic_ref<std::uint64_t> word(
            *reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(from + offset)));
        // [sync:write_limit_raised] Acquire: the check of write_limit that follows can't move
        // before this load, so a byte of the next lap in the copy means that the raised limit is
        // seen too.
        const std::uint64_t value = word.load(std::memory_order_acquire);
        std::memcpy(to + offset, &value, sizeof(value));
    }
}

}  // namespace tailrace::bus
