#include "support/file_content.hpp"

#include <fstream>

namespace tailrace::test {

std::string file_content(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    const std::streamoff size_bytes = file.tellg();
    if (size_bytes <= 0) return {};
    std::string content(static_cast<std::size_t>(size_bytes), '\0');
    file.seekg(0);
    file.read(content.data(), static_cast<std::streamsize>(size_bytes));
    content.resize(static_cast<std::size_t>(file.gcount()));
    return content;
}

}  // namespace tailrace::test
