#include "event_key.hpp"

#include <tailrace/base/checksum.hpp>

#include <charconv>
#include <span>

namespace tailrace::tool {

// A number, or the hash of a text.
std::uint64_t event_key(const std::string& text) {
    std::uint64_t number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status == std::errc() && end == text.data() + text.size()) return number;
    return checksum64(std::as_bytes(std::span<const char>(text.data(), text.size())), 0);
}

}  // namespace tailrace::tool
