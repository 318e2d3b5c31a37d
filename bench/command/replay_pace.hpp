// How late a replay at the recorded pace hands out its events.
#pragma once

#include "sliding.hpp"

namespace tailrace::bench {

// The 99th percentile of one replay of so many events, a tenth of a millisecond apart.
struct ReplayLateness {
    double p99_ns;
    double idle_loop_p99_ns;  // of a loop on the same core that only waits for the same instants
};
[[nodiscard]] Result<ReplayLateness> run_replay_pace(const SlidingOptions& options);

}  // namespace tailrace::bench
