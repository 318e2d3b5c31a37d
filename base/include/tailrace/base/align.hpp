// Alignment arithmetic on unsigned integers. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tailrace {

[[nodiscard]] constexpr bool is_power_of_two(std::uint64_t value) noexcept {
    return value != 0 && (value & (value - 1)) == 0;
}

// Requires: `alignment` is a power of two, and value + alignment does not overflow.
[[nodiscard]] constexpr std::uint64_t align_up(std::uint64_t value,
                                               std::uint64_t alignment) noexcept {
    return (value + alignment - 1) & ~(alignment - 1);
}

// Requires: `alignment` is a power of two.
[[nodiscard]] constexpr std::uint64_t align_down(std::uint64_t value,
                                                 std::uint64_t alignment) noexcept {
    return value & ~(alignment - 1);
}

}  // namespace tailrace
