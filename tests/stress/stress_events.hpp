// How much a stress test does: $TAILRACE_STRESS_EVENTS, or what its build can afford. Pure.
#pragma once

#include "support/test_length.hpp"

#include <cstdint>

namespace tailrace::test {

// How many events each publisher publishes.
[[nodiscard]] inline std::uint64_t stress_events() noexcept {
#if defined(TAILRACE_THREAD_SANITIZER) || defined(TAILRACE_ADDRESS_SANITIZER)
    return test_length(2'000, 8'000, "TAILRACE_STRESS_EVENTS");
#else
    return test_length(20'000, 200'000, "TAILRACE_STRESS_EVENTS");
#endif
}

}  // namespace tailrace::test
