// TrimCore: what stands behind trim.hpp, over any storage. See there for the contract.
//
// Crash story, retention's own: SUPER says in both slots where the journal begins, flushed, before
// a file goes; then the files go, the oldest first. Whatever is left of them is no part of the
// journal, and the next writer, or the next trim, removes it.
#pragma once

#include "storage.hpp"

#include <tailrace/journal/trim.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace tailrace::journal {

struct TrimSurroundings {
    bool writer_runs = false;
    std::uint32_t writer_pid = 0;
    std::uint64_t wall_ns = 0;
    std::function<bool(const std::string& segment_path)> is_read;  // by anybody
};

[[nodiscard]] Result<TrimPlan> plan_trim(FileStore& files,
                                         const std::string& directory,
                                         const TrimLimits& limits,
                                         const TrimSurroundings& around);

// Makes that segment the oldest, or the newest when that is below it, sparing what cursors hold.
// Requires: the writer's lock is held.
[[nodiscard]] Result<TrimReport> give_up_below(FileStore& files,
                                               const std::string& directory,
                                               std::uint64_t kept_number);

}  // namespace tailrace::journal
