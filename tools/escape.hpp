// Bytes as they are typed behind a backslash, in templates and delimiters. Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace tailrace::tool {

// The byte that `text` means behind its backslash, and how many characters that takes: n t r 0, a
// backslash and xHH. Empty when it means none.
[[nodiscard]] std::optional<std::pair<char, std::size_t>> escaped_byte(
    std::string_view text) noexcept;

}  // namespace tailrace::tool
