// What is in a file, whole: by one read, since a character at a time costs an unoptimised test more
// than the journal that it looks at.
#pragma once

#include <filesystem>
#include <string>

namespace tailrace::test {

// Empty when it can't be read.
[[nodiscard]] std::string file_content(const std::filesystem::path& path);

}  // namespace tailrace::test
