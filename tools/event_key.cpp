#include "event_key.hpp"

#include "units.hpp"

#include <tailrace/base/checksum.hpp>

#include <span>

namespace tailrace::tool {

// A number, or the hash of a text.
std::uint64_t event_key(const std::string& text) {
    if (const auto number = whole_number<std::uint64_t>(text)) return *number;
    return checksum64(std::as_bytes(std::span<const char>(text.data(), text.size())), 0);
}

}  // namespace tailrace::tool
