// Page-aligned, zeroed, pre-faulted memory for unbuffered reads and writes. Owned by one object,
// never grows.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

namespace tailrace::journal {

enum class Prefault : bool { no, yes };

class AlignedMemory {
public:
    AlignedMemory() noexcept = default;
    // bytes() is empty when the kernel has no memory. Requires: size_bytes is a multiple of 4096.
    // Prefault: no page fault later, at the price of touching all of it now.
    explicit AlignedMemory(std::size_t size_bytes, Prefault prefault = Prefault::no) noexcept {
        const int populate = prefault == Prefault::yes ? MAP_POPULATE : 0;
        void* const at = ::mmap(nullptr,
                                size_bytes,
                                PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | populate,
                                -1,
                                0);
        if (at != MAP_FAILED) bytes_ = {static_cast<std::byte*>(at), size_bytes};
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
    std::span<std::byte> bytes_;
};

}  // namespace tailrace::journal
