// Payloads for eyes and for JSON: text where it is text, base64 or hexadecimal where it isn't. Pure
// functions.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tailrace::tool {

// The bytes as text if they are valid UTF-8 without control characters (tab, CR and LF may be
// there): safe to put on a terminal once the line ends are escaped.
[[nodiscard]] bool is_printable(std::span<const std::byte> payload) noexcept;

// Requires: is_printable(payload).
[[nodiscard]] std::string_view text_of(std::span<const std::byte> payload) noexcept;

[[nodiscard]] std::string base64(std::span<const std::byte> payload);
// The bytes again; empty for what isn't base64, or lacks its padding.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

// "0x01ab…", at most `limit_bytes` of it.
[[nodiscard]] std::string hex_word(std::span<const std::byte> payload, std::size_t limit_bytes);

// Sixteen bytes a line, with offsets and characters.
[[nodiscard]] std::string hex_dump(std::span<const std::byte> payload);

}  // namespace tailrace::tool
