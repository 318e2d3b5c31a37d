// Files of groups of readers (stream/group_layout.hpp), which lie beside a stream's ring and go
// with it. Constants.
#pragma once

#include <string_view>

namespace tailrace::bus {

inline constexpr std::string_view kGroupFilePrefix = "group.";
// How a new one is called until it is whole.
inline constexpr std::string_view kGroupAsidePrefix = "group-new.";

}  // namespace tailrace::bus
