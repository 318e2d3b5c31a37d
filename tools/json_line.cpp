#include "json_line.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

std::size_t column_of(std::string_view line, std::size_t offset) {
    const std::string_view before = line.substr(0, std::min(offset, line.size()));
    return 1 + static_cast<std::size_t>(std::count_if(before.begin(), before.end(), [](char c) {
               return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
           }));
}

Error line_error(std::string_view line,
                 std::size_t offset,
                 std::string_view what,
                 std::string hint) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("column {}: {}", column_of(line, offset), what),
                      std::move(hint));
}

// "[json.exception...] parse error at line 1, column 9: syntax error while parsing value - invalid
// literal; last read: ..."
std::string json_complaint(const std::exception& failure) {
    std::string_view what = failure.what();
    if (const std::size_t begin = what.find(": "); begin != std::string_view::npos)
        what.remove_prefix(begin + 2);
    return fmt::format("no JSON: {}", what.substr(0, what.find("; last read")));
}

}  // namespace tailrace::tool
