// Assessment: everything that recovery concludes from a journal's files, before anything is
// changed.
//
// Law: docs/journal_format.md, "Recovery", whose table this code follows row by row. Used by the
// writer when it opens, and by the tools' preview. One thread.
#pragma once

#include "batch_codec.hpp"
#include "index_builder.hpp"
#include "segment_directory.hpp"
#include "storage.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/journal/recovery.hpp>

#include <optional>
#include <string>
#include <vector>

namespace tailrace::journal {

enum class AssessMode : std::uint8_t {
    looking,   // read permission is enough, a writer may run
    deciding,  // the lock is held: what is read is made durable first, and comes from the device
               // where that can be had
};

struct Assessment {
    RecoveryReport report;
    std::optional<SuperBlock> super;
    std::vector<SegmentHeader>
        segments;  // ascending, without a hole; empty: there is no journal yet
    std::vector<std::uint64_t> disowned_numbers;  // segments below the oldest that are still there
    std::vector<std::uint64_t> retired_numbers;   // files of before, which were held by readers
    std::uint64_t oldest_segment_number = 0;      // where the journal begins (segment_census.hpp)
    LogPosition end;                              // in the newest segment
    IndexBuilder index;                           // of the newest segment, when it was walked
    std::uint64_t data_end_offset = 0;            // behind the last block there that isn't zero

    [[nodiscard]] const SegmentHeader& newest() const noexcept { return segments.back(); }
};

// Errors: `corrupt` (with the exact range), `truncated`, `incompatible`, `not_tailrace`, and what
// the kernel refuses.
[[nodiscard]] Result<Assessment> assess(FileStore& files,
                                        const std::string& directory,
                                        AssessMode mode);

}  // namespace tailrace::journal
