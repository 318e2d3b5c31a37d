// SegmentCensus: which segments a journal has, and which of them is the oldest. Decided here alone,
// for recovery, readers and tools. Law: docs/journal_format.md, "Where a journal begins". Any
// thread, read permission is enough, a writer may run.
#pragma once

#include "segment_directory.hpp"
#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace tailrace::journal {

struct SegmentCensus {
    // As read before the names: what it says of the newest segment holds for them.
    SuperState super;
    std::optional<Error> super_refusal;  // SUPER can't be read, or is of a newer version
    DirectoryListing listing;            // segment_numbers: those of the journal, and no others
    std::uint64_t oldest_segment_number = 0;      // where it begins; 0: nothing says it
    std::optional<std::uint64_t> missing_number;  // the first between others that isn't there

    // The oldest one is not there, although SUPER or a header names it.
    [[nodiscard]] bool lacks_oldest() const noexcept {
        return !listing.segment_numbers.empty() &&
               listing.segment_numbers.front() > oldest_segment_number &&
               oldest_segment_number != 0;
    }
};

// Looks again while segments go under its eyes: what it calls missing is missing. Error: the
// directory can't be listed.
[[nodiscard]] Result<SegmentCensus> take_census(FileStore& files,
                                                const std::string& directory,
                                                Access access = Access::reading);

// Where the journal begins now; 0 when nothing says it.
[[nodiscard]] std::uint64_t oldest_segment_number(FileStore& files, const std::string& directory);

}  // namespace tailrace::journal
