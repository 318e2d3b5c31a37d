// A journal's id, before anything is recorded: whoever makes a stream makes its journal's directory
// and SUPER, so that the first recorder already can tell this place from another one of the same
// name (an unmounted disk, a private /tmp). Law: docs/journal_format.md, "SUPER". Any thread.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/journal/writer.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace tailrace::journal {

struct BegunJournal {
    std::array<std::uint64_t, 2> id = {0, 0};
    bool is_new = false;  // nothing was there
};

// Makes the directory, and a journal without a segment in it, durable when this returns. One that
// is there stays as it is, with its id. Errors: `busy` while a writer has it, those of a directory
// that can't be made or read.
[[nodiscard]] Result<BegunJournal> begin_journal(const std::string& directory,
                                                 const JournalAccess& access = {}) noexcept;

// Empty when there is no journal, begun or otherwise. Read permission is enough.
[[nodiscard]] Result<std::optional<std::array<std::uint64_t, 2>>> find_journal_id(
    const std::string& directory) noexcept;

}  // namespace tailrace::journal
