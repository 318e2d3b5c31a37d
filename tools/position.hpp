// A Position as people type it for --from and --to.
//
//     start        the oldest event          +N    N events after the start
//     end          behind the newest one     -N    N events before the end
//     N            the event with sequence N
//     @-10m        ten minutes ago           @2026-11-22T14:00:06Z
//     @1795384806  seconds since the epoch; milliseconds, microseconds and nanoseconds have 13, 16
//                  and 19 digits
//
// A range is half-open: --from N --to M is [N, M). Any thread.
#pragma once

#include <tailrace/base/position.hpp>
#include <tailrace/base/result.hpp>

#include <string_view>

namespace tailrace::tool {

[[nodiscard]] Result<Position> parse_position(std::string_view text);

}  // namespace tailrace::tool
