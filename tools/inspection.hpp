// Inspection: the descriptions that `tailrace inspect` prints, as text or as one JSON document.
#pragma once

#include "exit_code.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>

#include <memory>
#include <string>

namespace tailrace::tool {

[[nodiscard]] Result<ExitCode> inspect_stream(const std::shared_ptr<bus::Region>& region);

// Describes what can be read, then returns the error of what can't.
[[nodiscard]] Result<ExitCode> inspect_journal(const std::string& directory, bool with_segments);

// One file of the journal in `directory`.
[[nodiscard]] Result<ExitCode> inspect_segment(const std::string& directory,
                                               const std::string& path);

}  // namespace tailrace::tool
