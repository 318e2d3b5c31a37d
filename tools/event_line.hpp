// EventLine: an event written as a line of text, as `pub` takes it.
//
//     JSON  {"data":"...","type":7,"key":"42","event_time_ns":"..."}, as `tail --json` prints it:
//           data, or data_b64 for bytes that aren't text, or fields, and rest_b64, of a type that
//           the stream has declared; the others may be left out. What the stream gives an event
//           itself (stream, seq, time, time_ns) is passed over.
//     KEY   KEY:VALUE, with a delimiter of one's own; without a key when nothing stands before it.
//
// Errors are `invalid_argument` and begin with the column, in characters from 1. Pure functions.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/claim.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace::tool {

struct EventLine {
    std::string payload;
    bus::EventFields fields;
    // Instead of an event: events [first, first + count) that whoever wrote the lines had lost.
    std::uint64_t gap_first = 0;
    std::uint64_t gap_count = 0;
};

// What the line doesn't say is as in `usual`.
[[nodiscard]] Result<EventLine> parse_json_event(std::string_view line,
                                                 const bus::EventFields& usual,
                                                 const schema::StreamSchema& types = {});

// Requires: a delimiter that isn't empty.
[[nodiscard]] Result<EventLine> parse_keyed_event(std::string_view line,
                                                  std::string_view delimiter,
                                                  const bus::EventFields& usual);

// A delimiter as it is typed: "\t" is a tab, and so on, as in templates.
[[nodiscard]] Result<std::string> parse_delimiter(std::string_view text);

}  // namespace tailrace::tool
