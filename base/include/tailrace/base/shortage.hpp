// What has run out when a file can't be made or grow, in words: of room, of descriptors, of what a
// limit allows. Cold paths only: it allocates.
#pragma once

#include <string>

namespace tailrace {

struct Shortage {
    std::string what;  // "the disk is full"
    std::string hint;  // a command or setting that helps
};

// `place`: the directory of the file.
[[nodiscard]] Shortage shortage_of(int os_errno, const std::string& place);

// The errno's text and name: "No space left on device (ENOSPC)".
[[nodiscard]] std::string errno_text(int os_errno);

}  // namespace tailrace
