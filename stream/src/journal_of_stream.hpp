// Which journal belongs to a stream, as far as its ring knows. Any thread.
#pragma once

#include <tailrace/bus/journal_board.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace tailrace::stream {

// One that was only begun with its stream has no place here.
[[nodiscard]] inline bool is_known(const bus::RememberedJournal& journal) noexcept {
    return journal.id != bus::RememberedJournal{}.id && !journal.directory.empty();
}

// Zeroes while none was ever recorded into.
[[nodiscard]] inline std::array<std::uint64_t, 2> recorded_journal_id(const bus::Region& region) {
    const bus::RememberedJournal remembered = bus::remembered_journal(region);
    return is_known(remembered) ? remembered.id : bus::RememberedJournal{}.id;
}

// Where the journal of a stream is: where it was recorded to last, else where it says.
[[nodiscard]] inline std::string journal_directory_of(const bus::Region& region) {
    const bus::RememberedJournal remembered = bus::remembered_journal(region);
    if (is_known(remembered)) return remembered.directory;
    return region.header().journal_directory.data();
}

// Whether there is one whose ledger is to be changed. One that may not be looked at counts as one:
// what is done without it would come back. One that should be there and isn't is an error for the
// same reason. `journal_id`: zeroes when nobody knows of any.
[[nodiscard]] Result<bool> has_journal_in(const std::string& directory,
                                          const std::array<std::uint64_t, 2>& journal_id,
                                          const std::string& stream);

}  // namespace tailrace::stream
