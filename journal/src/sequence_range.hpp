// How a range of sequences is written in findings and errors: "[10, 20)".
#pragma once

#include <tailrace/base/event_header.hpp>

#include <string>

namespace tailrace::journal {

[[nodiscard]] inline std::string range_text(Sequence first, Sequence end) {
    return "[" + std::to_string(first) + ", " + std::to_string(end) + ")";
}

}  // namespace tailrace::journal
