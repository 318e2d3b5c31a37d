// EventFrame: an event as bytes behind each other, for pipes that must not change any: what
// `tail --format framed` writes and `pub --as framed` reads.
//
//      0  u32  size of the payload in bytes
//      4  u16  type
//      6  u16  flags: 1, the event has a key; no others
//      8  u64  key, 0 without one
//     16  u64  event time in nanoseconds since 1970, 0 without one
//     24       the payload
//
// Little endian, nothing between frames. Sequence and publish time are not in it: the stream that
// an event is published to gives it its own. Python: struct.pack("<IHHQQ", ...). Pure functions.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/claim.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace::tool {

struct EventFrame {
    static constexpr std::size_t kHeaderBytes = 24;

    std::uint32_t size_bytes = 0;  // of the payload, which follows
    bus::EventFields fields;
};

void append_frame(std::string& bytes, const Event& event);

// Requires: kHeaderBytes of `header`. Error `invalid_argument` for flags that nobody knows.
[[nodiscard]] Result<EventFrame> parse_frame(std::string_view header);

}  // namespace tailrace::tool
