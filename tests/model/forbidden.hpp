// What must not happen in any schedule of any scenario: one table for all of them. One thread.
#pragma once

#include "model/interleaver.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace tailrace::test {

[[nodiscard]] inline const std::vector<std::string>& forbidden_outcomes() {
    static const std::vector<std::string> kForbidden = {
        // An event is whole, there once, and in its place.
        "an event is torn",
        "an event changes while it is read",
        "a sequence is missing or comes twice",
        "an event is missing or comes twice",
        "an event that was never committed",
        "half a batch",
        // Whoever is slow loses nothing, or is told exactly what.
        "a gating reader misses an event",
        "a gap that isn't exact",
        "a loss that nobody told",
        // Nobody is left behind.
        "the reader is stuck",
        "somebody waits for ever",
        "asleep beside an event",
        "asleep beside room",
        "the ring looks corrupt",
    };
    return kForbidden;
}

// None of them came about, and no schedule was left out but by the bound on preemptions, which is
// printed beside the number of schedules. 99 preemptions are no bound.
inline void check_forbidden(const Exploration& seen) {
    INFO(seen.example(forbidden_outcomes()));
    for (const std::string& outcome : forbidden_outcomes()) {
        CAPTURE(outcome);
        CHECK(seen.count(outcome) == 0);
    }
    CHECK(seen.is_complete);
    WARN(seen.schedules << " schedules, "
                        << (seen.preemptions == kAnyPreemptions
                                ? std::string("which are all")
                                : "at most " + std::to_string(seen.preemptions) +
                                      " preemptions in each"));
}

}  // namespace tailrace::test
