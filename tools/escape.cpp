#include "escape.hpp"

namespace tailrace::tool {

namespace {

int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::optional<std::pair<char, std::size_t>> escaped_byte(std::string_view text) noexcept {
    if (text.empty()) return std::nullopt;
    switch (text.front()) {
        case 'n':
            return std::pair{'\n', std::size_t{1}};
        case 't':
            return std::pair{'\t', std::size_t{1}};
        case 'r':
            return std::pair{'\r', std::size_t{1}};
        case '0':
            return std::pair{'\0', std::size_t{1}};
        case '\\':
            return std::pair{'\\', std::size_t{1}};
        case 'x':
            break;
        default:
            return std::nullopt;
    }
    if (text.size() < 3 || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0) return std::nullopt;
    return std::pair{static_cast<char>(hex_digit(text[1]) * 16 + hex_digit(text[2])),
                     std::size_t{3}};
}

}  // namespace tailrace::tool
