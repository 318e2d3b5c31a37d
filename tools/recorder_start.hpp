// Recorder start: what asks for durable events waits for a recorder that was started a moment ago.
//
// `tailrace record trades &` returns at once, and takes some 20 ms until it has its role. The next
// line of a script that publishes with --durable must not fail in between.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>

#include <cstdint>

namespace tailrace::tool {

inline constexpr std::uint64_t kRecorderStartNs = 2'000'000'000;

// Waits for a journal writer, and ends early when told to stop. Errors: those of
// bus::check_durable, and that nothing was published.
[[nodiscard]] Result<void> await_recorder(const bus::Region& region,
                                          std::uint64_t patience_ns = kRecorderStartNs);

}  // namespace tailrace::tool
