// SlotTable: the publishers' or the subscribers' slots of a stream, as attaching sees them.
//
// What an attach costs doesn't grow with the slots that are taken: under the registry lock it makes
// a fixed number of system calls, and only when no slot is free does it ask the kernel for each
// owner whether it still lives, without the lock. Law: docs/ring_protocol.md, "Liveness". Cold
// paths only.
#pragma once

#include "registry.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace tailrace::bus {

struct SlotTable {
    std::uint32_t slots;
    std::uint64_t locks;  // kPublisherLocks or kSubscriberLocks
    RegistryRound* round;
    SlotOwner& (*owner_at)(const Region& region, std::uint32_t index) noexcept;
    // Requires: the registry lock. True: the slot is free now.
    bool (*clear_dead)(const Region& region, std::uint32_t index) noexcept;
};

inline constexpr std::uint32_t kNoSlot = ~std::uint32_t{0};

// Why there is no slot: a free one is still locked by who has just left, or none is free.
enum class Shortage : std::uint8_t { none, being_left, all_taken };

// Marks a slot free; its lock is dropped afterwards.
void free_slot(const Region& region, const SlotTable& table, std::uint32_t index) noexcept;

// Clears up after some of the dead, and after the owner of `suspect` if it isn't kNoSlot. Requires:
// the registry lock.
void clear_some_dead(const Region& region, const SlotTable& table, std::uint32_t suspect) noexcept;

// Takes the first slot whose lock is free. `prepare(index)` makes it ready for its new owner. Error
// `busy` when there is none. Requires: the registry lock.
[[nodiscard]] Result<SlotLease> take_free_slot(const Region& region,
                                               const SlotTable& table,
                                               const std::string& name,
                                               const std::function<void(std::uint32_t)>& prepare,
                                               Shortage& shortage);

// Makes the attempt, `attempt(suspect, shortage)`, under the registry lock: with kNoSlot at first,
// then with the slots whose owners turn out to have died, if no other is free. Waits for a moment
// for a slot that is being left. Requires: the caller doesn't hold the registry lock.
[[nodiscard]] Result<SlotLease> take_slot(
    const Region& region,
    const SlotTable& table,
    const std::function<Result<SlotLease>(std::uint32_t, Shortage&)>& attempt);

}  // namespace tailrace::bus
