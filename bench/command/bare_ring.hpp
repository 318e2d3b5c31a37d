// The bare ring: what is left of a ring of events when nothing may fail. Fresh lines, a stamp, the
// payload; no claim, no readers to look at, no check of what is read. It says how much of a round
// trip is the hardware's price for an event in lines of its own, beside the floor's one line that
// both sides have anyway.
#pragma once

#include <tailrace/base/cache_line.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tailrace::bench {

class BareRing {
public:
    // Requires, everywhere: size_bytes, which is the same in every call, is at most 64 KiB.
    [[nodiscard]] std::span<std::byte> payload(std::uint64_t nth, std::size_t size_bytes) noexcept {
        return {slot(nth, size_bytes) + kHeaderBytes, size_bytes};
    }
    void commit(std::uint64_t nth, std::size_t size_bytes) noexcept {
        // [sync:bench_bare] Release: the payload.
        stamp(nth, size_bytes).store(nth, std::memory_order_release);
    }
    // Spins; false when the other side is gone.
    template <typename IsGone>
    [[nodiscard]] bool await(std::uint64_t nth, std::size_t size_bytes, IsGone&& is_gone) noexcept {
        constexpr std::uint64_t kSpinsPerLook = 50'000'000;
        const auto& expected = stamp(nth, size_bytes);
        for (std::uint64_t spins = 1;; ++spins) {
            // [sync:bench_bare] Acquire: the payload.
            if (expected.load(std::memory_order_acquire) == nth) return true;
            if (spins % kSpinsPerLook == 0 && is_gone()) return false;
        }
    }

private:
    static constexpr std::size_t kHeaderBytes = 16;
    static constexpr std::size_t kSizeBytes = std::size_t{1} << 20U;

    // As dense as whole lines allow.
    [[nodiscard]] std::byte* slot(std::uint64_t nth, std::size_t size_bytes) noexcept {
        std::size_t slot_bytes = kCacheLineBytes;
        while (slot_bytes < size_bytes + kHeaderBytes)
            slot_bytes *= 2;
        return bytes_.data() + nth * slot_bytes % kSizeBytes;
    }
    [[nodiscard]] std::atomic<std::uint64_t>& stamp(std::uint64_t nth,
                                                    std::size_t size_bytes) noexcept {
        return *reinterpret_cast<std::atomic<std::uint64_t>*>(slot(nth, size_bytes));
    }

    alignas(kWriterDistanceBytes) std::array<std::byte, kSizeBytes> bytes_;
};

}  // namespace tailrace::bench
