// Holes: sequences that were claimed and never committed, because their publisher died in between.
//
// Law: docs/ring_protocol.md, "Holes". A hole is judged from shared memory and the kernel's locks
// alone, without writing, so every reader can judge it for itself, and all come to the same answer:
// the facts it rests on don't change once the owner is dead.
#pragma once

#include <tailrace/bus/region.hpp>

#include <cstdint>

namespace tailrace::bus {

struct HoleVerdict {
    enum class Kind : std::uint8_t {
        none,     // nothing was claimed there, or it is committed by now
        open,     // its owner lives, or it can't be told yet: wait
        dead,     // will never be committed: the next place is {sequence + count, position +
                  // size_bytes}
        corrupt,  // claimed, and neither noted nor committed: no publisher of ours leaves that, nor
                  // a ring that laps this reader
    } kind = Kind::none;
    std::uint32_t count = 0;
    std::uint64_t size_bytes = 0;
};

// Requires: `place` is a place where a claim began or would begin, as a reader in order meets it.
// Cold: scans the publisher table, one or two system calls for each publisher that noted this
// place. A reader that may be lapped looks whether it was before it believes in `corrupt`.
[[nodiscard]] HoleVerdict examine_hole(const Region& region, Place place) noexcept;

// The place that the publisher in slot `index` has noted: what it has claimed and not committed, or
// is about to claim. Sequence kNoSequence: none.
[[nodiscard]] Place noted_place(const Region& region, std::uint32_t index) noexcept;

// Whether the event of this sequence is committed at this position.
[[nodiscard]] bool is_committed(const Region& region, Place place) noexcept;

// Resolves what a dead publisher left in its slot: notes in its identity what it had committed,
// writes tombstones over a claim it had won, clears the intent. False: it can't be told yet (a
// living publisher noted the same place). Requires: the registry lock, region.access() == publish,
// the owner of slot `index` is dead.
[[nodiscard]] bool rescue_publisher(const Region& region, std::uint32_t index) noexcept;

// The number that whoever has this id gave the event. 0: it isn't one of theirs. Requires: its
// stamp was seen.
[[nodiscard]] OwnSequence own_sequence_of(const std::byte* record,
                                          const EventHeader& header,
                                          std::uint64_t id) noexcept;

// By which identity the publisher in slot `index` publishes or published. Null: by none.
[[nodiscard]] IdentitySlot* identity_of(const Region& region, std::uint32_t index) noexcept;

// Its owner has committed an event of this number, and died. Requires: the registry lock.
void raise_last_own(IdentitySlot& identity, OwnSequence own) noexcept;

// Writes `count` tombstones over [place.position, + size_bytes), visible at once. Requires: the
// caller owns the claim, or holds the registry lock while the dead owner's intent still keeps the
// ring from lapping it.
void write_tombstones(const Region& region,
                      Place place,
                      std::uint32_t count,
                      std::uint64_t size_bytes) noexcept;

}  // namespace tailrace::bus
