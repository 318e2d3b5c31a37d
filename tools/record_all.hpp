// RecordAll: the journal writers of all streams of this machine that have a journal, in one
// process.
//
// One thread and one io_uring for each stream (docs/decisions/0021). Streams that are created
// later are picked up within a second; one that fails is told once and tried again, ever more
// seldom, while the others go on. Runs until a stop signal; then every journal is closed.
#pragma once

#include "exit_code.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/journal/settings.hpp>
#include <tailrace/stream/recorder.hpp>

namespace tailrace::tool {

// `options` are those of every stream; its directory and name are filled in for each. Each
// journal's own settings count, where `said` doesn't say otherwise for all of them.
[[nodiscard]] Result<ExitCode> record_all(const stream::RecorderOptions& options,
                                          const journal::JournalSettings& said);

}  // namespace tailrace::tool
