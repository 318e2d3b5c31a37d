// The guard of a benchmark: measures in a process of its own, so that Ctrl-C ends it at once,
// whatever it is doing, and nothing stays behind: no process, no stream, no journal.
#pragma once

#include "command.hpp"

#include <string>

namespace tailrace::tool {

// Runs `body` in a child, which goes on to the end of the program with the body's outcome. The
// parent comes back when that has ended, with its exit code; after SIGINT or SIGTERM it kills it,
// removes what is named after it and comes back with `interrupted`. Requires: no other thread.
[[nodiscard]] Result<ExitCode> run_guarded(const CommandBody& body);

}  // namespace tailrace::tool
