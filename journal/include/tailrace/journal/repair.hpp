// Repair: brings a damaged journal to a state that opens, verifies and replays, and says exactly
// which events are lost. Whatever can't be read becomes an explicit gap for readers; nothing sound
// is touched, and the files as they were are kept.
//
// Law: docs/journal_format.md, "Repair". plan_repair() changes nothing and needs read permission
// only; repair() takes the writer's lock. Every file is made aside, flushed and renamed, so a crash
// leaves each file either as it was or repaired; repairing again goes on where it stopped, and
// finds nothing to do when all is well. Any thread.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::journal {

enum class RepairKind : std::uint8_t {
    mend_batches,       // batches that can't be read become a gap in their segment
    rebuild_header,     // a segment's header is made anew from its batches and its neighbours
    replace_segment,    // a segment that is gone or of another journal: an empty one in its place
    restore_size,       // a file that was cut off gets its size back, without its content
    rebuild_index,      // derived from the segment
    rebuild_catalogue,  // derived from the segments' headers
    rewrite_super,      // made anew from the segments
};

// "mend_batches" and so on.
[[nodiscard]] std::string_view repair_kind_name(RepairKind kind) noexcept;

struct RepairStep {
    RepairKind kind = RepairKind::mend_batches;
    std::uint64_t segment_number = 0;  // 0: SUPER, the catalogue
    std::string path;
    std::uint64_t offset = 0;  // bytes [offset, end_offset) of the file count no longer
    std::uint64_t end_offset = 0;
    Sequence first_sequence = 0;  // events [first_sequence, end_sequence) are lost; equal: none
    Sequence end_sequence = 0;
    std::string text;  // what is wrong, and what is done about it
    std::string
        kept_path;  // where the file as it was is (or will be) kept; empty: it was not there
};

struct RepairPlan {
    std::vector<RepairStep> steps;  // in the order in which they are done; empty: nothing to do
    std::string kept_directory;     // where files are kept as they were, with a note
    std::uint64_t lost_events = 0;
    // A segment is gone of which nothing says how many events it held, beside those.
    bool may_have_lost_more = false;
    Sequence first_sequence = 0;  // of the journal, once it is repaired
    Sequence end_sequence = 0;
};

// Errors: `not_found` (no journal), `incompatible`, `corrupt` (nothing is left to repair it from),
// and what the kernel refuses.
[[nodiscard]] Result<RepairPlan> plan_repair(const std::string& directory) noexcept;

// Does it, and returns what was done. Error `busy` when a writer runs.
[[nodiscard]] Result<RepairPlan> repair(const std::string& directory) noexcept;

}  // namespace tailrace::journal
