#include "support/temporary_directory.hpp"

#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace tailrace::test {

namespace {

std::string parent_directory() {
    if (::access("/dev/shm", W_OK | X_OK) == 0) return "/dev/shm";
    const char* const configured = std::getenv("TMPDIR");
    return configured != nullptr && *configured != '\0' ? configured : "/tmp";
}

}  // namespace

TemporaryDirectory::TemporaryDirectory()
    : path_(parent_directory() + "/tailrace-test-XXXXXX"),
      owner_pid_(::getpid()) {
    if (::mkdtemp(path_.data()) == nullptr) {
        std::perror("cannot make a directory for the test");
        std::abort();
    }
    // Other users of a test (one that drops its privileges) must get in.
    constexpr mode_t kEverybodyEnters = 0755;
    ::chmod(path_.c_str(), kEverybodyEnters);
}

TemporaryDirectory::~TemporaryDirectory() {
    if (owner_pid_ != ::getpid()) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace tailrace::test
