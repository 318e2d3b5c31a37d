#include "payload_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <iterator>

namespace tailrace::tool {

namespace {

constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::uint32_t at(std::span<const std::byte> bytes, std::size_t index) {
    return std::to_integer<std::uint32_t>(bytes[index]);
}

// The size of the UTF-8 sequence at `index`, 0 if it isn't one that may be shown.
std::size_t printable_size(std::span<const std::byte> bytes, std::size_t index) noexcept {
    const std::uint32_t lead = at(bytes, index);
    if (lead < 0x80) {
        const bool control = lead < 0x20 || lead == 0x7F;
        return control && lead != '\t' && lead != '\n' && lead != '\r' ? 0 : 1;
    }
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || index + size > bytes.size()) return 0;
    std::uint32_t point = lead & (0x7FU >> size);
    for (std::size_t next = 1; next < size; ++next) {
        const std::uint32_t byte = at(bytes, index + next);
        if ((byte & 0xC0U) != 0x80U) return 0;
        point = (point << 6U) | (byte & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 5> kSmallest = {
        0, 0, 0xA0, 0x800, 0x10000};  // no C1 controls
    const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    return point < kSmallest.at(size) || point > 0x10FFFF || surrogate ? 0 : size;
}

}  // namespace

bool is_printable(std::span<const std::byte> payload) noexcept {
    for (std::size_t index = 0; index < payload.size();) {
        const std::size_t size = printable_size(payload, index);
        if (size == 0) return false;
        index += size;
    }
    return true;
}

std::string_view text_of(std::span<const std::byte> payload) noexcept {
    // A std::byte may be looked at as a char: both alias everything.
    return {static_cast<const char*>(static_cast<const void*>(payload.data())), payload.size()};
}

std::string base64(std::span<const std::byte> payload) {
    std::string text;
    text.reserve((payload.size() + 2) / 3 * 4);
    for (std::size_t index = 0; index < payload.size(); index += 3) {
        const std::size_t count = std::min<std::size_t>(3, payload.size() - index);
        std::uint32_t word = at(payload, index) << 16U;
        if (count > 1) word |= at(payload, index + 1) << 8U;
        if (count > 2) word |= at(payload, index + 2);
        text += kBase64Digits[word >> 18U];
        text += kBase64Digits[(word >> 12U) & 63U];
        text += count > 1 ? kBase64Digits[(word >> 6U) & 63U] : '=';
        text += count > 2 ? kBase64Digits[word & 63U] : '=';
    }
    return text;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    text.remove_suffix(padding);
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t word = 0;
    std::uint32_t bits = 0;
    for (const char c : text) {
        const std::size_t digit = kBase64Digits.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        word = word << 6U | static_cast<std::uint32_t>(digit);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes += static_cast<char>(word >> bits & 0xFFU);
    }
    // What is left over of the last digit would be lost.
    if ((word & ((1U << bits) - 1)) != 0) return std::nullopt;
    return bytes;
}

std::string hex_word(std::span<const std::byte> payload, std::size_t limit_bytes) {
    std::string text = "0x";
    const std::size_t shown = std::min(limit_bytes, payload.size());
    for (std::size_t index = 0; index < shown; ++index) {
        fmt::format_to(std::back_inserter(text), "{:02x}", at(payload, index));
    }
    if (shown < payload.size()) {
        fmt::format_to(std::back_inserter(text), "… ({} bytes)", payload.size());
    }
    return text;
}

std::string hex_dump(std::span<const std::byte> payload) {
    constexpr std::size_t kPerLine = 16;
    std::string text;
    for (std::size_t line = 0; line < payload.size(); line += kPerLine) {
        fmt::format_to(std::back_inserter(text), "{:04x} ", line);
        std::string characters;
        for (std::size_t index = line; index < line + kPerLine; ++index) {
            if (index % (kPerLine / 2) == 0) text += ' ';
            if (index >= payload.size()) {
                text += "   ";
                continue;
            }
            const std::uint32_t byte = at(payload, index);
            fmt::format_to(std::back_inserter(text), "{:02x} ", byte);
            characters += byte >= 0x20 && byte < 0x7F ? static_cast<char>(byte) : '.';
        }
        fmt::format_to(std::back_inserter(text), " |{}|\n", characters);
    }
    return text;
}

}  // namespace tailrace::tool
