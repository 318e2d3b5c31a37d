// Removal: takes a whole journal away, and nothing that isn't the journal's.
//
//     auto content = look_at_content(directory);   // what would be lost
//     auto gone = remove_journal(directory);
//
// Stopped half way, by a kill or a power cut too, it leaves a directory that says what it is: the
// file REMOVING is there from before the first file goes until after the last one, and nobody takes
// what is left for a journal. Removing it again ends it. Law: docs/journal_format.md, "Removal".
// Any thread.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/result.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::journal {

struct JournalContent {
    std::string directory;
    std::string stream_name;      // empty: nothing says it
    Sequence first_sequence = 0;  // [first_sequence, end_sequence) would be lost
    Sequence end_sequence = 0;
    std::uint64_t file_count = 0;
    std::uint64_t allocated_bytes = 0;
    std::vector<std::string> cursors;      // those that the ledger names
    std::vector<std::string> other_names;  // not the journal's: these stay
    bool is_half_removed = false;
    std::optional<Error> refusal;  // why nothing says which events: it is damaged
};

// Needs read permission only. Error not_found: there is no journal, nor what a removal left of one.
[[nodiscard]] Result<JournalContent> look_at_content(const std::string& directory) noexcept;

struct RemovalOptions {
    // Although somebody reads a segment, who keeps what is open and is told the rest is gone.
    bool force = false;
    std::uint64_t patience_ns = 0;  // waits so long for a writer that is about to end
    // Asked before each step; true ends it there.
    std::function<bool()> stop = {};
};

struct RemovedJournal {
    std::uint64_t file_count = 0;
    std::vector<std::string> other_names;  // what stays, and with it the directory
    bool is_stopped = false;
};

// Error `busy` while anybody writes it, changes it, or reads a segment; nothing is removed then.
[[nodiscard]] Result<RemovedJournal> remove_journal(const std::string& directory,
                                                    const RemovalOptions& options = {}) noexcept;

}  // namespace tailrace::journal
