// The durable writes that run in the calling thread. Any thread.
#pragma once

#include "storage.hpp"

namespace tailrace::journal {

// `kind`: dsync_call or flushed_call.
[[nodiscard]] Completion call_durable_write(DurableWrite kind,
                                            FileId file,
                                            std::uint64_t offset,
                                            std::span<const std::byte> bytes,
                                            std::uint64_t tag) noexcept;

}  // namespace tailrace::journal
