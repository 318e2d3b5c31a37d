// LookTimer: when an empty poll looks for what nobody tells it, a dead publisher's claim and the
// stream's end.
//
// By time, since a loop may poll once in 100 ms: an empty poll that comes two milliseconds or more
// after the last look is a look. And by count, so that a quick loop need not wait for that. The
// counter of the core is read at every eighth empty poll of a loop that is so quick, and at each
// one of a loop that isn't. Belongs to one reader.
#pragma once

#include <cstdint>

namespace tailrace::bus {

class LookTimer {
public:
    LookTimer() noexcept;

    // Called by each empty poll.
    [[nodiscard]] bool is_due() noexcept {
        if (--polls_left_ != 0) [[likely]]
            return false;
        return is_due_by_now();
    }

    // The next empty poll is a look.
    void ask() noexcept {
        polls_left_ = 1;
        is_asked_ = true;
    }

private:
    [[nodiscard]] bool is_due_by_now() noexcept;

    std::uint32_t polls_left_ = 1;  // until the next look at the counter
    std::uint32_t stride_ = 1;      // what it was set to
    std::uint32_t polls_since_look_ = 0;
    bool is_asked_ = false;
    bool is_invariant_ = false;
    std::uint64_t last_ticks_ = 0;
    std::uint64_t look_ticks_ = 0;
};

}  // namespace tailrace::bus
