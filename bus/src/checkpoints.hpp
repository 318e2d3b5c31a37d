// Checkpoints: places in the ring where a reader may start. Each is a place where a claim began, so
// that nobody starts within a batch. Cold, read-only.
#pragma once

#include <tailrace/bus/region.hpp>

#include <cstdint>
#include <optional>

namespace tailrace::bus {

// The oldest checkpoint that is at least `margin_bytes` away from being overwritten; the tail when
// there is none.
[[nodiscard]] Place oldest_checkpoint(const Region& region,
                                      std::uint64_t margin_bytes = 0) noexcept;

// The newest checkpoint, or the tail, whose sequence is at most `sequence`.
[[nodiscard]] std::optional<Place> checkpoint_at_or_before(const Region& region,
                                                           Sequence sequence) noexcept;

// The place behind the last event that can be read. The tail, but on a single-publisher stream its
// publisher stores that after the stamp, and may have died in between: then the events behind the
// tail count.
[[nodiscard]] Place end_place(const Region& region) noexcept;

}  // namespace tailrace::bus
