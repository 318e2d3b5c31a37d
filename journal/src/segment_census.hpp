// SegmentCensus: which segments a journal has, which of them is the oldest, and which ought to be
// there and are not. Decided here alone, for recovery, readers and tools. Law:
// docs/journal_format.md, "Where a journal begins" and "Held against SUPER". Any thread, read
// permission is enough, a writer may run.
#pragma once

#include "segment_directory.hpp"
#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::journal {

// Segments [first_number, end_number).
struct SegmentRange {
    std::uint64_t first_number = 0;
    std::uint64_t end_number = 0;
};

struct SegmentCensus {
    // As read before the names: what it says of the newest segment holds for them.
    SuperState super;
    std::optional<Error> super_refusal;  // SUPER can't be read, or is of a newer version
    DirectoryListing listing;            // segment_numbers: those of the journal, and no others
    std::uint64_t oldest_segment_number = 0;  // where it begins; 0: nothing says it
    // Between the oldest and the newest that SUPER or a name speaks of, and not there. Ascending.
    std::vector<SegmentRange> missing;

    // Those below the first that is there.
    [[nodiscard]] const SegmentRange* missing_front() const noexcept {
        const bool is_front = !missing.empty() && !listing.segment_numbers.empty() &&
                              missing.front().end_number == listing.segment_numbers.front();
        return is_front ? &missing.front() : nullptr;
    }
    // The newest, which SUPER names; all of them when none is left.
    [[nodiscard]] const SegmentRange* missing_back() const noexcept {
        const bool is_back =
            !missing.empty() && (listing.segment_numbers.empty() ||
                                 missing.back().first_number > listing.segment_numbers.back());
        return is_back ? &missing.back() : nullptr;
    }
};

// Looks again while segments go under its eyes: what it calls missing is missing. Error: the
// directory can't be listed.
[[nodiscard]] Result<SegmentCensus> take_census(FileStore& files,
                                                const std::string& directory,
                                                Access access = Access::reading);

// The same for who reads on from one end: from which number to which there are segments, or ought
// to be. Costs SUPER and a few names, whatever their number; only where SUPER can't be believed as
// a whole are the names listed.
struct SegmentExtent {
    std::optional<SuperBlock> super;
    std::uint64_t stated_oldest_number = 0;  // by SUPER or a header; 0: nothing says it
    std::uint64_t oldest_number = 0;         // that, or else the lowest name
    std::uint64_t newest_number = 0;         // 0: there is no journal
    bool lacks_oldest = false;               // it isn't there, and SUPER or a header names it
    bool lacks_newest = false;
};
[[nodiscard]] Result<SegmentExtent> take_extent(FileStore& files, const std::string& directory);

// Where the journal begins now; 0 when nothing says it.
[[nodiscard]] std::uint64_t oldest_segment_number(FileStore& files, const std::string& directory);

}  // namespace tailrace::journal
