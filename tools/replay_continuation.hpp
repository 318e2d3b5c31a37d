// ReplayContinuation: where a replay under a name goes on, so that each event is published once.
#pragma once

#include "replay_flags.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/journal/reader.hpp>

#include <string>

namespace tailrace::tool {

// What a power cut can't take back of a journal that ends before `end`: while somebody writes it,
// what is durable. The journal could go on with other events behind that, under sequences that
// were published already.
[[nodiscard]] Sequence durable_end(const journal::Reader& reader,
                                   const std::string& journal_directory,
                                   Sequence end);

// Moves the reader behind what was published under the publisher's name by this replay or earlier
// ones, and says so. Requires: it stands where --from says. Errors: sequence_gone when retention
// took some of what comes next, unless --from names a sequence; sequence_ahead when the journal has
// lost events that were published.
[[nodiscard]] Result<void> go_on_behind_published(const ReplayFlags& flags,
                                                  const bus::Publisher& publisher,
                                                  journal::Reader& reader);

}  // namespace tailrace::tool
