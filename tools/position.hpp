// Position: a place in a stream or journal as people type it for --from and --to.
//
//     start        the oldest event          +N    N events after the start
//     end          behind the newest one     -N    N events before the end
//     N            the event with sequence N
//     @-10m        ten minutes ago           @2026-11-22T14:00:06Z
//     @1795384806  seconds since the epoch; milliseconds, microseconds and nanoseconds have 13, 16
//                  and 19 digits
//
// A range is half-open: --from N --to M is [N, M). Plain values, any thread.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/position.hpp>
#include <tailrace/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace tailrace::tool {

[[nodiscard]] Result<Position> parse_position(std::string_view text);

// What a position means for events [first, end) at the time now: a sequence, or a time to look for.
struct Boundary {
    std::optional<Sequence> sequence;
    std::optional<std::uint64_t> time_ns;
};

// Relative positions are cut to the range; an absolute sequence is left as it is, so that whoever
// seeks it can say that it is gone or not there yet.
[[nodiscard]] Boundary resolve(const Position& position,
                               Sequence first,
                               Sequence end,
                               std::uint64_t now_ns) noexcept;

}  // namespace tailrace::tool
