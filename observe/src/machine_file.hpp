// What a machine says of itself by its files: the lines that the kernel shows, the directories that
// are there. Pure functions, but for the files.
#pragma once

#include <system_error>

#include <filesystem>
#include <fstream>
#include <string>

namespace tailrace::observe {

// The first line of a file; empty when it can't be read.
[[nodiscard]] inline std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

// The deepest directory on the way to `path` that exists.
[[nodiscard]] inline std::string existing_ancestor(const std::string& path) {
    std::error_code failed;
    std::filesystem::path at = path;
    while (!std::filesystem::exists(at, failed) && at.has_parent_path() && at != at.parent_path()) {
        at = at.parent_path();
    }
    return at.string();
}

}  // namespace tailrace::observe
