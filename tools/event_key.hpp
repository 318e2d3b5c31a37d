// An event's key as people type it: a number, or a text that is hashed. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace tailrace::tool {

[[nodiscard]] std::uint64_t event_key(const std::string& text);

}  // namespace tailrace::tool
