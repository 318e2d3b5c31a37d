// Random words, for salts and ids. Any thread.
#pragma once

#include <cstdint>

namespace tailrace {

// From the kernel's generator; before its pool is seeded, early in a boot, it waits. Where a filter
// refuses that, from /dev/urandom, and where that isn't there either, from what the kernel gave
// this process when it started, the clocks and a counter: never the same twice, but no secret.
[[nodiscard]] std::uint64_t random_word() noexcept;

}  // namespace tailrace
