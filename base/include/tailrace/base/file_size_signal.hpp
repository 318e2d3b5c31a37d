// FileSizeSignalHold: while it lives, a write beyond the limit on file sizes (RLIMIT_FSIZE, ulimit
// -f) fails in this thread with EFBIG alone. Without it the kernel sends SIGXFSZ as well, which by
// default ends the whole process: of somebody who only uses a library.
//
// Two or three system calls, so for cold paths. The thread that makes it ends it. A process that
// holds the signal back or ignores it by itself sees no difference.
#pragma once

#include <csignal>

namespace tailrace {

class FileSizeSignalHold {
public:
    FileSizeSignalHold() noexcept;
    FileSizeSignalHold(const FileSizeSignalHold&) = delete;
    FileSizeSignalHold& operator=(const FileSizeSignalHold&) = delete;
    ~FileSizeSignalHold();

private:
    sigset_t before_{};
    bool is_ours_ = false;  // it wasn't held back before
};

// Whether this process may make a file of so many bytes.
[[nodiscard]] bool is_file_size_allowed(unsigned long long size_bytes) noexcept;

}  // namespace tailrace
