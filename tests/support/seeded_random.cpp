#include "support/seeded_random.hpp"

#include <tailrace/base/clock.hpp>

#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace tailrace::test {

SeededRandom::SeededRandom(const char* what) : state_(0) {
    if (const char* const given = std::getenv("TAILRACE_SEED"); given != nullptr) {
        state_ = std::strtoull(given, nullptr, 10);
    } else {
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        state_ = static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond +
                 static_cast<std::uint64_t>(now.tv_nsec);
    }
    std::fprintf(stderr, "%s: TAILRACE_SEED=%llu\n", what, static_cast<unsigned long long>(state_));
}

std::uint64_t SeededRandom::next() noexcept {
    // SplitMix64: every seed is a good one.
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
}

}  // namespace tailrace::test
