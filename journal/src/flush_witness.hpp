// A second look at a flush that succeeded. XFS can say "flushed" of what it never flushed: when it
// shuts down while it flushes, what waits to be logged is given up, and the flush finds nothing
// left to do. A file system that was asked after the flush, and still works, did not do that.
#pragma once

#include "storage.hpp"

namespace tailrace::journal {

// 0, or the errno with which the file system has stopped. A system call, below a microsecond.
[[nodiscard]] int errno_after_flush(FileId file) noexcept;

}  // namespace tailrace::journal
