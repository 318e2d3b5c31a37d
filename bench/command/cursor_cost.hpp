// What a cursor costs: its reader, and the journal beside it.
#pragma once

#include "sliding.hpp"

#include <tailrace/base/result.hpp>

namespace tailrace::bench {

// Nanoseconds of a commit.
[[nodiscard]] Result<double> run_cursor_commit(const SlidingOptions& options);

// Nanoseconds, p50: an event until it is durable, and then a durable commit behind it, one after
// the other.
struct DurableCommit {
    double acknowledge_ns;
    double commit_ns;
};
[[nodiscard]] Result<DurableCommit> run_durable_commit(const SlidingOptions& options);

// Events a second that become durable beside a reader of all of them: without a cursor, and with
// one that commits each eighth.
[[nodiscard]] Result<LivePair> run_commits_beside_journal(const SlidingOptions& options);

}  // namespace tailrace::bench
