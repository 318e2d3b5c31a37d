// TemporaryDirectory: a directory of a test's own in shared memory, removed with everything in it
// at the end. One thread; a forked child may use the path, but only the process that made the
// directory removes it.
#pragma once

#include <sys/types.h>

#include <string>

namespace tailrace::test {

class TemporaryDirectory {
public:
    // Below /dev/shm when that can be written, else below $TMPDIR or /tmp. Aborts when neither can.
    TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
    pid_t owner_pid_;
};

}  // namespace tailrace::test
