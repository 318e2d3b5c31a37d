// Checkpoints: places in the ring where a reader may start. Each is a place where a claim began, so that nobody
// starts within a batch. Cold, read-only.
#pragma once

#include <tailrace/bus/region.hpp>

#include <cstdint>
#include <optional>

namespace tailrace::bus {

// The oldest checkpoint that is at least `margin_bytes` away from being overwritten; the tail when there is none.
[[nodiscard]] Place oldest_checkpoint(const Region& region, std::uint64_t margin_bytes = 0) noexcept;

// The newest checkpoint, or the tail, whose sequence is at most `sequence`.
[[nodiscard]] std::optional<Place> checkpoint_at_or_before(const Region& region, Sequence sequence) noexcept;

}  // namespace tailrace::bus
