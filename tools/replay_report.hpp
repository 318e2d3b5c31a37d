// ReplayTotals: what a replay has done, in all its rounds, and the closing line that says it.
// One thread.
#pragma once

#include "chosen_events.hpp"
#include "replay_flags.hpp"

#include <tailrace/stream/replayer.hpp>

#include <cstdint>
#include <string>

namespace tailrace::tool {

struct ReplayTotals {
    stream::ReplayReport last;
    std::uint64_t rounds = 0;
    std::uint64_t bytes = 0;
    std::uint64_t lost_events = 0;
    std::uint64_t damaged_events = 0;
    std::uint64_t elapsed_ns = 0;
    std::uint64_t latest_ns = 0;

    void add(const stream::ReplayReport& report) noexcept;
};

// On stderr; with --json and --into as a document on stdout. `pace`: "1x", or empty where there was
// none to keep.
void print_report(const ReplayFlags& flags,
                  const ReplayTotals& totals,
                  const ChosenEvents& events,
                  const std::string& pace);

}  // namespace tailrace::tool
