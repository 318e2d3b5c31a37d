// StreamPace: how far a reader reads before it asks where the publishers are.
//
// A reader that is as quick as its publisher reads each cache line right behind it. The line then
// goes from core to core again and again, and what the reader's core fetches ahead is what the
// publisher is about to write: it falls to the pace of these transfers, which the reader can always
// follow, so the state keeps itself. A reader that has met some events in a row therefore asks for
// the tail. Of a publisher that streams it stays some KiB behind, and asks again two microseconds
// later; of one that is slower, or has stopped, it takes all there is. Who waits for single events
// never asks. (docs/decisions/0044-a-reader-stays-behind-a-stream.md)
//
// The tail is a hint here: stamps alone say what is committed. Belongs to one reader.
#pragma once

#include <tailrace/bus/tail_word.hpp>

#include <atomic>
#include <cstdint>

namespace tailrace::bus {

class StreamPace {
public:
    // Nothing is there at `next`: the events behind it may be read as they come.
    void caught_up(Sequence next) noexcept { bound_ = next + kUnasked; }

    // Below it nothing needs to be asked.
    [[nodiscard]] Sequence bound() const noexcept { return bound_; }
    // The nearer of `last` and the bound. Requires: both are ahead of `next`.
    [[nodiscard]] Sequence stop(Sequence next, Sequence last) const noexcept {
        return last - next < bound_ - next ? last : bound_;
    }
    // Cold. Sets a bound ahead of `next`. Waits some microseconds, at most, where a publisher
    // streams and is close.
    void ask(Place next, const std::atomic<std::uint64_t>& tail) noexcept;

    // Of a loop that has read something and comes to `next`. False: the publisher streams, and is
    // better left alone for now.
    [[nodiscard]] bool goes_on(Place next, const std::atomic<std::uint64_t>& tail) noexcept {
        if (next.sequence < bound_) return true;
        if (streams_) return false;
        ask(next, tail);
        return true;
    }
    // Whether the publisher was as quick as that when it was last asked for.
    [[nodiscard]] bool streams() const noexcept { return streams_; }

private:
    static constexpr std::uint64_t kUnasked = 4;  // events

    void take_all(Place next, Place tail) noexcept;
    void stay_behind(Place next, Place tail) noexcept;

    Sequence bound_ = 0;
    std::uint64_t asked_position_ = 0;  // of the tail, when it was asked for last
    std::uint64_t asked_ns_ = 0;
    bool streams_ = false;
};

}  // namespace tailrace::bus
