// JournalReport: what `tailrace inspect` prints of a journal and of one of its segments, as text or
// as one JSON document.
#pragma once

#include "exit_code.hpp"

#include <tailrace/base/result.hpp>

#include <string>

namespace tailrace::tool {

// Describes what can be read, then returns the error of what can't.
[[nodiscard]] Result<ExitCode> inspect_journal(const std::string& directory, bool with_segments);

// One file of the journal in `directory`.
[[nodiscard]] Result<ExitCode> inspect_segment(const std::string& directory,
                                               const std::string& path);

}  // namespace tailrace::tool
