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
    // Judges each reader by what it was at the last call with this stream: its state and its trend.
    // `now_ns`: of the monotonic clock.
    void judge(StreamHealth& health, std::uint64_t now_ns);

private:
    struct Look {
        std::map<std::string, ReaderPicture> readers;
        std::uint64_t at_ns = 0;
    };

    std::map<std::string, Look> looks_;  // the last one at each stream
};

}  // namespace tailrace::observe
