// Whether bytes are UTF-8: neither overlong forms nor halves of surrogates.

#include <tailrace/parquet/event_file.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

namespace tailrace::parquet {

namespace {

// Bytes of the character that begins there; 0: none does.
std::size_t character_bytes(std::string_view text) noexcept {
    const auto byte = [&](std::size_t at) {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    const auto continues = [&](std::size_t from, std::size_t to) {
        for (std::size_t at = from; at < to; ++at) {
            if ((byte(at) & 0xC0U) != 0x80U) return false;
        }
        return true;
    };
    const unsigned first = byte(0);
    const unsigned second = byte(1);
    if (first < 0x80U) return 1;
    if (first >= 0xC2U && first <= 0xDFU) return continues(1, 2) ? 2 : 0;
    if (first >= 0xE0U && first <= 0xEFU) {
        const bool is_overlong = first == 0xE0U && second < 0xA0U;
        const bool is_half = first == 0xEDU && second > 0x9FU;
        return !is_overlong && !is_half && continues(1, 3) ? 3 : 0;
    }
    if (first >= 0xF0U && first <= 0xF4U) {
        const bool is_overlong = first == 0xF0U && second < 0x90U;
        const bool is_beyond = first == 0xF4U && second > 0x8FU;
        return !is_overlong && !is_beyond && continues(1, 4) ? 4 : 0;
    }
    return 0;
}

}  // namespace

std::size_t utf8_end(std::string_view text) noexcept {
    constexpr std::uint64_t kHighBits = 0x8080808080808080;
    std::size_t at = 0;
    while (at < text.size()) {
        std::uint64_t word = 0;
        const std::size_t look = std::min(sizeof(word), text.size() - at);
        std::memcpy(&word, text.data() + at, look);
        if ((word & kHighBits) == 0) {
            at += look;
            continue;
        }
        const std::size_t size = character_bytes(text.substr(at));
        if (size == 0) return at;
        at += size;
    }
    return at;
}

void append_mended(std::string_view text, std::string& into) {
    for (;;) {
        const std::size_t end = utf8_end(text);
        into.append(text.substr(0, end));
        if (end == text.size()) return;
        into.append("\xEF\xBF\xBD");
        text.remove_prefix(end + 1);
    }
}

}  // namespace tailrace::parquet
