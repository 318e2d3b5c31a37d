// GroupTail: `tailrace tail --group NAME`: prints what a member of the group gets, and says done
// behind the print.
#pragma once

#include "exit_code.hpp"
#include "tail_flags.hpp"

#include <tailrace/base/result.hpp>

#include <string>

namespace tailrace::tool {

// Joins, and prints until the flags say that it is over. What was printed and has left this process
// is done; what couldn't be written is handed out again.
[[nodiscard]] Result<ExitCode> tail_group(const TailFlags& flags, const std::string& name);

}  // namespace tailrace::tool
