// Whether the times of a stream can be believed: publish times that are ahead of this machine's
// clock, and a journal whose index of times is. Reads only, any thread.
#pragma once

#include <tailrace/bus/region.hpp>
#include <tailrace/observe/trouble.hpp>

#include <memory>
#include <optional>
#include <string>

namespace tailrace::observe {

// Looks at the last thousand events of the ring.
[[nodiscard]] std::optional<Trouble> find_clock_trouble(const std::shared_ptr<bus::Region>& region);

// A clock that was set back stands before the latest time that a journal has seen.
[[nodiscard]] std::optional<Trouble> find_journal_clock_trouble(const std::string& stream,
                                                                const std::string& directory);

}  // namespace tailrace::observe
