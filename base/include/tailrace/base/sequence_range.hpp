// How a range of sequences is written, everywhere that a person reads it: "[10, 20)". Its end isn't
// part of it: ten events, and --from 10 --to 20 reads them. Bytes of a file are written so too.
#pragma once

#include <cstdint>
#include <string>

namespace tailrace {

[[nodiscard]] inline std::string range_text(std::uint64_t first, std::uint64_t end) {
    return "[" + std::to_string(first) + ", " + std::to_string(end) + ")";
}

}  // namespace tailrace
