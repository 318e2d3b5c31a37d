// ReadQueue over io_uring.
#pragma once

#include "storage.hpp"

#include <cstddef>
#include <memory>

namespace tailrace::journal {

// Null where io_uring is refused or too old.
[[nodiscard]] std::unique_ptr<ReadQueue> make_uring_reads(std::size_t depth) noexcept;

}  // namespace tailrace::journal
