// How long a family of random tests runs: a sample in ./dev test, so that every landing sees each
// behaviour once with a seed of its own; the full length in ./dev soak, which sets TAILRACE_FULL=1.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <ctime>

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

// Where a sample of one in `stride` begins, another one in each run: from TAILRACE_SEED, or the
// clock. 0 at full length, where the stride is 1 or the test's own.
[[nodiscard]] inline std::uint64_t sample_offset(std::uint64_t stride) noexcept {
    if (is_full_length() || stride == 0) return 0;
    const auto now = static_cast<std::uint64_t>(std::time(nullptr));
    return test_length(now, now, "TAILRACE_SEED") % stride;
}

}  // namespace tailrace::test
