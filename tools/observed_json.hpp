// ObservedJson: what `tailrace lag`, `ls` and `inspect` print with --json, and what `tailrace
// serve` serves: the same documents, made once. Pure functions.
#pragma once

#include "output.hpp"

#include <tailrace/observe/listing.hpp>
#include <tailrace/observe/stream_health.hpp>
#include <tailrace/observe/stream_picture.hpp>
#include <tailrace/observe/watcher.hpp>

#include <cstdint>
#include <span>

namespace tailrace::tool {

// Of `tailrace lag`: an object without streams, and what each of them adds.
[[nodiscard]] Json empty_lag_json(std::uint64_t time_ns);
void add_health(Json& document, const observe::StreamHealth& health);

// Of a group, with its members and the last ranges that it lost.
[[nodiscard]] Json group_json(const observe::GroupHealth& group);

// Of `tailrace ls`.
[[nodiscard]] Json listing_json(std::span<const observe::ListedStream> streams);

// Of `tailrace inspect NAME`.
[[nodiscard]] Json stream_json(const observe::StreamPicture& picture);

// All streams at one look: that of lag, with a row of `streams` for each: what inspect tells of it,
// without its members, and the room of its journal's disk.
[[nodiscard]] Json look_json(const observe::Look& look);

}  // namespace tailrace::tool
