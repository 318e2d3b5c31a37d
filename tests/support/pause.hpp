// Pause: so many turns of whatever the caller does meanwhile, and no longer than a time. Beside
// others who want the core each yield lasts a turn of theirs, some milliseconds; a pause that is
// counted in yields alone would last as long as they please. One thread.
//
//     for (Pause pause(random.below(3000), 3'000'000); pause.goes_on();)
//         ::sched_yield();
#pragma once

#include <tailrace/base/clock.hpp>

#include <cstdint>

namespace tailrace::test {

class Pause {
public:
    Pause(std::uint64_t turns, std::uint64_t most_ns) noexcept
        : turns_(turns),
          end_ns_(monotonic_ns() + most_ns) {}

    // Counts a turn.
    [[nodiscard]] bool goes_on() noexcept { return turns_-- > 0 && monotonic_ns() < end_ns_; }

private:
    std::uint64_t turns_;
    std::uint64_t end_ns_;
};

}  // namespace tailrace::test
