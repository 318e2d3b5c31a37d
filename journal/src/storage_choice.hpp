// Which WriteQueue a writer gets, and why; and what a directory's file system can do. Cold path,
// any thread.
#pragma once

#include "storage.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/writer.hpp>

#include <memory>
#include <span>
#include <string>

namespace tailrace::journal {

struct QueueChoice {
    std::unique_ptr<WriteQueue> queue;
    std::string reason;
    int uring_errno = 0;  // why io_uring was refused
};

// Error only when io_uring was demanded and is refused.
[[nodiscard]] Result<QueueChoice> choose_queue(IoBackend backend,
                                               std::size_t depth,
                                               std::span<const std::byte> registered) noexcept;

}  // namespace tailrace::journal
