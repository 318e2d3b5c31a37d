// WriteQueue over io_uring. Made in any thread; the first thread that submits is the only one from
// then on. The only file besides its source that knows liburing.
#pragma once

#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <memory>

namespace tailrace::journal {

// `registered` is the memory that writes come from; it is registered with the kernel where the
// memlock limit allows it. Error: io_uring is refused here; os_errno says why (EPERM, ENOSYS,
// ENOMEM), the message explains it.
[[nodiscard]] Result<std::unique_ptr<WriteQueue>> make_uring_storage(
    std::size_t depth, std::span<const std::byte> registered) noexcept;

}  // namespace tailrace::journal
