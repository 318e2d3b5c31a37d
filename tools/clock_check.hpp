// Whether the times of a stream can be believed: publish times that are ahead of this machine's
// clock, and a journal whose index of times is. Reads only.
#pragma once

#include <tailrace/bus/region.hpp>

#include <memory>
#include <optional>
#include <string>

namespace tailrace::tool {

struct ClockTrouble {
    std::string what;
    std::string hint;
};

// Looks at the last thousand events of the ring.
[[nodiscard]] std::optional<ClockTrouble> find_clock_trouble(
    const std::shared_ptr<bus::Region>& region);

// A clock that was set back stands before the latest time that a journal has seen.
[[nodiscard]] std::optional<ClockTrouble> find_journal_clock_trouble(const std::string& stream,
                                                                     const std::string& directory);

}  // namespace tailrace::tool
