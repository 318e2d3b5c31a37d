// Trend: looks at the same readers again and again, and so tells who doesn't move, who loses events
// and how fast each falls behind. One thread.
#pragma once

#include <tailrace/observe/stream_health.hpp>

#include <cstdint>
#include <map>
#include <string>

namespace tailrace::observe {

class Trend {
public:
    // Judges by the last look that is at least `window_ns` old: who looks ten times a second would
    // else call everybody stalled who takes a breath.
    explicit Trend(std::uint64_t window_ns = 0) noexcept : window_ns_(window_ns) {}

    // Judges each reader by what it was at an earlier call with this stream: its state and its
    // trend. `now_ns`: of the monotonic clock.
    void judge(StreamHealth& health, std::uint64_t now_ns);
    // What is known of a stream that is gone is of no use.
    void forget(const std::string& stream) { looks_.erase(stream); }

private:
    struct Look {
        std::map<std::string, ReaderPicture> readers;
        std::uint64_t at_ns = 0;
    };

    // At each stream: the look that is judged by, and the one that will be when it is old enough.
    struct Looks {
        Look before;
        Look next;
    };

    std::uint64_t window_ns_;
    std::map<std::string, Looks> looks_;
};

}  // namespace tailrace::observe
