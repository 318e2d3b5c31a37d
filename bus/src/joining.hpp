// Joining: what a reader does between storing its gate and believing in it. Cold, read-only.
//
// Law: docs/ring_protocol.md, "Joining".
#pragma once

#include <tailrace/bus/region.hpp>

#include <cstdint>

namespace tailrace::bus {

// Waits until no publisher can be granted room beyond a ring behind `position` any more, by a look
// at the gates from before this reader's own stood there. Then the write limit says how far
// publishers may write. False: one of them neither goes on nor is dead. Requires: the gate is
// stored.
[[nodiscard]] bool await_answers(const Region& region, std::uint64_t position) noexcept;

}  // namespace tailrace::bus
