// A line without the blanks before and behind what stands in it.
#pragma once

#include <string_view>

namespace tailrace::tool {

[[nodiscard]] inline std::string_view without_blanks(std::string_view text) noexcept {
    constexpr std::string_view kBlanks = " \t\r";
    const std::size_t begin = text.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace tailrace::tool
