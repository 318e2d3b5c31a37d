// A directory of one benchmark, on the device that it measures. Whatever lies there goes with it.
#pragma once

#include <system_error>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace tailrace::bench {

class ScratchDirectory {
public:
    // `<parent>/bench-<purpose>-<process>`; who needs it makes it.
    ScratchDirectory(const std::string& parent, std::string_view purpose)
        : path_(parent + "/bench-" + std::string(purpose) + "-" + std::to_string(::getpid())) {}
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;
    ~ScratchDirectory() { clear(); }

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    void clear() const {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

private:
    std::string path_;
};

}  // namespace tailrace::bench
