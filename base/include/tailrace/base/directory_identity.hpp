// DirectoryIdentity: which directory it is, however it is written: with a link, relative, through a
// bind mount. Any thread; a system call.
#pragma once

#include <sys/stat.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

namespace tailrace {

struct DirectoryIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    friend auto operator<=>(const DirectoryIdentity&, const DirectoryIdentity&) = default;
};

// Empty where there is none.
[[nodiscard]] inline std::optional<DirectoryIdentity> directory_identity(
    const std::string& path) noexcept {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) return {};
    return DirectoryIdentity{found.st_dev, found.st_ino};
}

}  // namespace tailrace
