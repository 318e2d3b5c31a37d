// DurableWrite: how one lonely write becomes durable, as a single operation of the queue. All keep
// the same promise; which one is fastest depends on disk, kernel and load, so the writer measures
// them when it opens a journal and says which it took. Law: docs/durability.md.
#pragma once

#include <cstdint>
#include <string_view>

namespace tailrace::journal {

enum class DurableWrite : std::uint8_t {
    automatic,     // the fastest of those that work here
    separate,      // none: a plain write, and a flush when it has completed
    linked_flush,  // io_uring: a write, and an fdatasync that the kernel begins when it has
                   // completed
    dsync,         // io_uring: a write with RWF_DSYNC
    dsync_call,    // pwritev2 with RWF_DSYNC, in the journal thread
    flushed_call,  // pwrite and then fdatasync, in the journal thread
};

[[nodiscard]] std::string_view durable_write_name(DurableWrite kind) noexcept;

}  // namespace tailrace::journal
