// DurableChoice: which durable write is fastest on this disk, found out by trying each. Takes some
// milliseconds. One thread.
#pragma once

#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <string>

namespace tailrace::journal {

struct DurableChoice {
    DurableWrite kind = DurableWrite::separate;
    std::string reason;  // "RWF_DSYNC by pwritev2 98 us; pwrite and fdatasync 103 us"
};

// `zeroes` is one block of them, written to the blocks of [from, to) again and again: to a file
// that is no part of the log yet, and of the kind that the log will be written to. `asked` other
// than `automatic` is taken as it is. Error: the disk failed.
[[nodiscard]] Result<DurableChoice> choose_durable_write(WriteQueue& queue,
                                                         TimeSource& time,
                                                         FileId file,
                                                         std::span<const std::byte> zeroes,
                                                         std::uint64_t from,
                                                         std::uint64_t to,
                                                         DurableWrite asked);

}  // namespace tailrace::journal
