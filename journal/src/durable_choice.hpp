// Which durable write is fastest on this disk: found out by trying each when a journal is opened,
// and watched from then on. One thread.
#pragma once

#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace tailrace::journal {

// Which kind of durable write comes next. It goes on measuring: what is fastest on an idle machine
// may wait for a whole tick of the scheduler when all cores are busy, and then another kind is
// taken from the next write on. Now and then it tries the others, too seldom to be felt. Never
// allocates.
class DurableChooser {
public:
    DurableChooser() noexcept = default;
    // One kind for good; `separate`: none.
    explicit DurableChooser(DurableWrite kind) noexcept { add(kind, 0); }

    void add(DurableWrite kind, std::uint64_t typical_ns) noexcept;
    [[nodiscard]] bool has_any() const noexcept { return count_ > 0; }

    // The kind for the next write. Requires: has_any().
    [[nodiscard]] DurableWrite next() noexcept;
    // What a small one took.
    void note(DurableWrite kind, std::uint64_t elapsed_ns) noexcept;
    // The fastest so far; `separate` without any.
    [[nodiscard]] DurableWrite fastest() const noexcept;

private:
    struct Entry {
        DurableWrite kind = DurableWrite::separate;
        std::uint64_t typical_ns = 0;  // a running average
    };

    [[nodiscard]] std::size_t fastest_index() const noexcept;

    std::array<Entry, 4> entries_;
    std::size_t count_ = 0;
    std::uint64_t write_count_ = 0;
};

struct DurableChoice {
    DurableChooser chooser;
    std::string reason;  // "RWF_DSYNC by pwritev2 98 us, pwrite and fdatasync 103 us"
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
