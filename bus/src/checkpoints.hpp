// Checkpoints: places in the ring where a reader may start. Each is a place where a claim began, so
// that nobody starts within a batch. Cold, read-only.
//
// Law: docs/ring_protocol.md, "Joining". A place counts although its event isn't committed yet, as
// long as its claim is noted: whoever starts there waits for it.
#pragma once

#include <tailrace/bus/region.hpp>

#include <cstdint>
#include <optional>

namespace tailrace::bus {

// The oldest checkpoint or open claim that is at least `margin_bytes` away from being overwritten;
// the tail when there is none.
[[nodiscard]] Place oldest_checkpoint(const Region& region,
                                      std::uint64_t margin_bytes = 0) noexcept;

// The newest checkpoint or open claim, or the tail, whose sequence is at most `sequence`.
[[nodiscard]] std::optional<Place> checkpoint_at_or_before(const Region& region,
                                                           Sequence sequence) noexcept;

// Where the event `sequence` begins, for one that is older than every checkpoint and still there.
// Looks at each place where an event may begin: at most at a sixteenth of the ring and a claim.
[[nodiscard]] std::optional<Place> find_before_checkpoints(const Region& region,
                                                           Sequence sequence) noexcept;

// The place behind the last event that is claimed. The tail, but on a single-publisher stream its
// publisher stores that after the stamp, and may have died in between: then the events behind the
// tail count.
[[nodiscard]] Place end_place(const Region& region) noexcept;

// The place of the first event that no reader can have seen yet: that of the oldest open claim, or
// the end. Every event that is committed after this call lies there or behind.
[[nodiscard]] Place next_place(const Region& region) noexcept;

}  // namespace tailrace::bus
