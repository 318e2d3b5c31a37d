// SeededRandom: the one source of chance in tests. Its seed is printed, and TAILRACE_SEED replays
// it. One thread.
#pragma once

#include <cstdint>

namespace tailrace::test {

class SeededRandom {
public:
    // Takes $TAILRACE_SEED, or a seed from the clock; prints it to stderr with `what`.
    explicit SeededRandom(const char* what);
    // A stream of its own for a child process or thread, derived from `seed`.
    explicit SeededRandom(std::uint64_t seed) noexcept : state_(seed) {}

    [[nodiscard]] std::uint64_t next() noexcept;
    // Evenly from [0, bound). Requires: bound != 0.
    [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
    [[nodiscard]] bool one_in(std::uint64_t chances) noexcept { return below(chances) == 0; }

private:
    std::uint64_t state_;
};

}  // namespace tailrace::test
