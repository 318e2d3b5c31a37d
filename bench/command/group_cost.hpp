// What a group costs: handing out and acknowledging, its publisher, the death of a member.
#pragma once

#include "sliding.hpp"

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <vector>

namespace tailrace::bench {

// Events a second of 32 bytes that two members, a process each, have handed out and acknowledged,
// from a ring that holds all of them; up to `prefetch` in a member's hands.
[[nodiscard]] Result<double> run_group_rate(const SlidingOptions& options, std::uint64_t prefetch);

// Events a second of a publisher that is recorded: alone, and beside a group whose only member
// takes a millisecond for each event, in turns; medians of rounds.
[[nodiscard]] Result<LivePair> run_group_publisher(const SlidingOptions& options);

// Milliseconds from each SIGKILL of a member that holds an event until another member's handler has
// it.
[[nodiscard]] Result<std::vector<double>> run_member_deaths(const SlidingOptions& options);

}  // namespace tailrace::bench
