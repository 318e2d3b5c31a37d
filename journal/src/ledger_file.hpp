// The file LEDGER over any storage; ledger.hpp is what others see. Writers exclude each other
// before they come here.
//
// Crash story: a new one is written whole and flushed before it gets its name. After that each
// write goes to the slot of its generation, so that the slot of the one before stays as it was:
// whatever is torn, the newest whole slot is what the last finished write said, or the one that was
// cut.
#pragma once

#include "storage.hpp"

#include <tailrace/journal/ledger.hpp>

#include <string>

namespace tailrace::journal {

[[nodiscard]] std::string ledger_path(const std::string& directory);

// Without the file: an empty ledger.
[[nodiscard]] Result<Ledger> read_ledger(FileStore& files, const std::string& directory);
// Makes an empty one when there is none.
[[nodiscard]] Result<void> make_ledger(FileStore& files, const std::string& directory);
// Durable when it returns. Raises the generation. Requires: the file is there.
[[nodiscard]] Result<void> write_ledger(FileStore& files,
                                        const std::string& directory,
                                        Ledger& ledger);

}  // namespace tailrace::journal
