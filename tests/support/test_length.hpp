// How long a family of random tests runs: a sample in ./dev test, so that every landing sees each
// behaviour once with a seed of its own; the full length in ./dev soak, which sets TAILRACE_FULL=1.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace tailrace::test {

[[nodiscard]] inline bool is_full_length() noexcept {
    return std::getenv("TAILRACE_FULL") != nullptr;  // NOLINT(concurrency-mt-unsafe)
}

// `variable` in the environment overrides both, to look for something at any length.
[[nodiscard]] inline std::uint64_t test_length(std::uint64_t sample,
                                               std::uint64_t full,
                                               const char* variable) noexcept {
    const char* const chosen = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
    if (chosen != nullptr) return std::strtoull(chosen, nullptr, 0);
    return is_full_length() ? full : sample;
}

}  // namespace tailrace::test
