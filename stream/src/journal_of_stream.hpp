// Which journal belongs to a stream, as far as its ring knows. Pure functions, any thread.
#pragma once

#include <tailrace/bus/journal_board.hpp>

#include <string>

namespace tailrace::stream {

[[nodiscard]] inline bool is_known(const bus::RememberedJournal& journal) noexcept {
    return journal.id != bus::RememberedJournal{}.id && !journal.directory.empty();
}

// Where the journal of a stream is: where it was recorded to last, else where it says.
[[nodiscard]] inline std::string journal_directory_of(const bus::Region& region) {
    const bus::RememberedJournal remembered = bus::remembered_journal(region);
    if (is_known(remembered)) return remembered.directory;
    return region.header().journal_directory.data();
}

}  // namespace tailrace::stream
