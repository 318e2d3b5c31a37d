// HolderText: who holds a stream's publishers back, for `lag`: in a line of text and in JSON.
//
// Pure functions. Law: docs/ring_protocol.md, "Room".
#pragma once

#include "output.hpp"

#include <tailrace/bus/stream_status.hpp>

#include <optional>
#include <string>

namespace tailrace::tool {

// One line for each publisher that is held up, else one for whoever is furthest behind once it is
// close to holding publishers up; empty when nobody is.
[[nodiscard]] std::string holder_text(const std::string& stream,
                                      const bus::StreamStatus& status,
                                      std::uint64_t capacity_bytes);

// Null when nobody is behind.
[[nodiscard]] Json holder_json(const std::string& stream, const bus::StreamStatus& status);

}  // namespace tailrace::tool
