// FuzzInput: takes numbers and bytes from the front of what the fuzzer made; zeroes when it has run
// out. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tailrace::fuzz {

class FuzzInput {
public:
    FuzzInput(const std::uint8_t* data, std::size_t size_bytes)
        : rest_(std::as_bytes(std::span(data, size_bytes))) {}

    [[nodiscard]] bool is_empty() const { return rest_.empty(); }
    [[nodiscard]] std::span<const std::byte> rest() const { return rest_; }

    template <typename Number>
    [[nodiscard]] Number take() {
        Number number{};
        const auto bytes = take_bytes(sizeof(number));
        if (!bytes.empty()) std::memcpy(&number, bytes.data(), bytes.size());
        return number;
    }
    // Fewer when there are fewer.
    [[nodiscard]] std::span<const std::byte> take_bytes(std::size_t size_bytes) {
        const auto taken = rest_.first(std::min(size_bytes, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }

private:
    std::span<const std::byte> rest_;
};

// What must hold whatever the input: a fuzzer reports the abort.
inline void require(bool condition) {
    if (!condition) __builtin_trap();
}

// What was read must have been read: an optimizer may not leave it out.
inline void keep(std::uint64_t number) {
    asm volatile("" : : "r"(number));
}

}  // namespace tailrace::fuzz
