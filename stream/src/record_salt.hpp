// The salt of the ring from which an event of a journal came: what tells histories apart. Any
// thread.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace tailrace::stream {

// Of the event before `sequence`. Empty: the journal begins behind it, or it lies in a gap. Errors:
// those of journal::Reader.
[[nodiscard]] Result<std::optional<std::uint64_t>> salt_before(const std::string& directory,
                                                               Sequence sequence);

}  // namespace tailrace::stream
