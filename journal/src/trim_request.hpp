// TrimRequest: the file TRIM, by which somebody asks the writer of a journal to give up its oldest
// segments. Law: docs/journal_format.md, "Trimming".
//
// Crash story: it is made aside and flushed before it has its name, and the writer removes it when
// all that it asks for is done. So it is there as a whole or not at all, and whoever writes the
// journal next does what is left of it. Who asks holds kTrimByte of LOCK.
#pragma once

#include "storage.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/journal/format.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace tailrace::journal {

[[nodiscard]] std::string trim_path(const std::string& directory);

// Asks that segments below that one go. Durable when it returns.
[[nodiscard]] Result<void> ask_to_trim(FileStore& files,
                                       const std::string& directory,
                                       const JournalId& journal_id,
                                       std::uint64_t kept_number);

// Whether the file is there, whatever it says.
[[nodiscard]] bool is_trim_asked(FileStore& files, const std::string& directory) noexcept;

// The segment that is to be the oldest; 0: nothing of this journal is asked for. No value: there is
// no file.
[[nodiscard]] std::optional<std::uint64_t> read_trim_request(FileStore& files,
                                                             const std::string& directory,
                                                             const JournalId& journal_id) noexcept;

void end_trim_request(FileStore& files, const std::string& directory) noexcept;

}  // namespace tailrace::journal
