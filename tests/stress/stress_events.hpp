// How much a stress test does: $TAILRACE_STRESS_EVENTS, or what its build can afford. Pure.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace tailrace::test {

// How many events each publisher publishes.
[[nodiscard]] inline std::uint64_t stress_events() noexcept {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    constexpr std::uint64_t kDefault = 4'000;
#else
    constexpr std::uint64_t kDefault = 60'000;
#endif
    const char* const configured = std::getenv("TAILRACE_STRESS_EVENTS");
    return configured != nullptr ? std::strtoull(configured, nullptr, 10) : kDefault;
}

}  // namespace tailrace::test
