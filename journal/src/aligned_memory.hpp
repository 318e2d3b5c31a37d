// Page-aligned, zeroed, pre-faulted memory for unbuffered reads and writes. Owned by one object,
// never grows.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace tailrace::journal {

enum class Prefault : bool { no, yes };

class AlignedMemory {
public:
    AlignedMemory() noexcept = default;
    // bytes() is empty when the kernel has no memory. Requires: size_bytes is a multiple of 4096.
    // Prefault: no page fault later, at the price of touching all of it now; and huge pages where
    // the kernel has them, since the device then gets few large pieces instead of many small ones.
    explicit AlignedMemory(std::size_t size_bytes, Prefault prefault = Prefault::no) noexcept {
        const bool wants_huge = prefault == Prefault::yes && size_bytes >= kHugePageBytes;
        const std::size_t slack_bytes = wants_huge ? kHugePageBytes : 0;
        void* const at = ::mmap(nullptr,
                                size_bytes + slack_bytes,
                                PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS,
                                -1,
                                0);
        if (at == MAP_FAILED) return;
        auto* begin = static_cast<std::byte*>(at);
        if (wants_huge) {
            void* aligned = at;
            std::size_t room_bytes = size_bytes + slack_bytes;
            (void)std::align(kHugePageBytes, size_bytes, aligned, room_bytes);
            const std::size_t front_bytes = size_bytes + slack_bytes - room_bytes;
            if (front_bytes > 0) ::munmap(begin, front_bytes);
            begin += front_bytes;
            if (front_bytes < slack_bytes) ::munmap(begin + size_bytes, slack_bytes - front_bytes);
            (void)::madvise(begin, size_bytes, MADV_HUGEPAGE);
        }
        // The zeroes are there already; writing them makes the pages.
        if (prefault == Prefault::yes) std::memset(begin, 0, size_bytes);
        bytes_ = {begin, size_bytes};
    }
    AlignedMemory(AlignedMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    AlignedMemory& operator=(AlignedMemory&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    AlignedMemory(const AlignedMemory&) = delete;
    AlignedMemory& operator=(const AlignedMemory&) = delete;
    ~AlignedMemory() {
        if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
    }

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

private:
    static constexpr std::size_t kHugePageBytes = std::size_t{2} << 20U;

    std::span<std::byte> bytes_;
};

}  // namespace tailrace::journal
