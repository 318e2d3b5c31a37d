#include "slot_table.hpp"

#include <tailrace/base/step.hpp>
#include <tailrace/bus/deadline.hpp>

#include <unistd.h>

#include <algorithm>
#include <ctime>

namespace tailrace::bus {

namespace {

// Who leaves frees its slot, then unlocks: two instructions, unless it is set aside between them
// for as long as its core is wanted by others.
constexpr std::uint64_t kLeavingTimeoutNs = 2'000'000'000;
constexpr long kNapNs = 100'000;

// How many taken slots an attach looks at for dead owners: each look is some system calls. The next
// attach goes on from there.
constexpr std::uint32_t kLooksPerAttach = 8;

// The first slot from `index` on whose owner seems to have died; kNoSlot when there is none up to
// `end`, which may lie beyond the table's: it goes on at its beginning. Not under the registry
// lock, since it may ask the kernel for every slot.
std::uint32_t find_suspect(const Region& region,
                           const SlotTable& table,
                           std::uint32_t index,
                           std::uint32_t end,
                           bool asks_for_process) noexcept {
    for (; index < end; ++index) {
        const SlotOwner& owner = table.owner_at(region, index % table.slots);
        const std::uint64_t lock = table.locks + index % table.slots;
        if (!is_active(owner)) return index;
        if (asks_for_process ? region.is_dead(owner, lock) : !region.is_lock_held(lock))
            return index;
    }
    return kNoSlot;
}

}  // namespace

void free_slot(const Region& region, const SlotTable& table, std::uint32_t index) noexcept {
    // [sync:slot_owner] Release: everything that the owner did with the slot is before.
    table.owner_at(region, index).state.store(SlotState::free, std::memory_order_release);
    std::atomic<std::uint32_t>& first_free = table.round->first_free;
    // Relaxed, both: a hint; other owners that leave write it too.
    if (first_free.load(std::memory_order_relaxed) > index)
        first_free.store(index, std::memory_order_relaxed);
}

void clear_some_dead(const Region& region, const SlotTable& table, std::uint32_t suspect) noexcept {
    if (suspect != kNoSlot) static_cast<void>(table.clear_dead(region, suspect));
    // Relaxed, all: only holders of the registry lock write it, and this is one.
    std::uint32_t index = table.round->next_look.load(std::memory_order_relaxed);
    std::uint32_t looks = 0;
    for (std::uint32_t step = 0; step < table.slots && looks < kLooksPerAttach; ++step, ++index) {
        index %= table.slots;
        if (!is_active(table.owner_at(region, index))) continue;
        static_cast<void>(table.clear_dead(region, index));
        ++looks;
    }
    // Relaxed: as above.
    table.round->next_look.store(index, std::memory_order_relaxed);
}

Result<SlotLease> take_free_slot(const Region& region,
                                 const SlotTable& table,
                                 const std::string& name,
                                 const std::function<void(std::uint32_t)>& prepare,
                                 Shortage& shortage) {
    shortage = Shortage::all_taken;
    // Relaxed, all: a hint. Whoever leaves lowers it without the registry lock, so it may be wrong;
    // then the slots below it are looked at last.
    const std::uint32_t first = table.round->first_free.load(std::memory_order_relaxed);
    for (std::uint32_t step = 0; step < table.slots; ++step) {
        const std::uint32_t index = (first % table.slots + step) % table.slots;
        SlotOwner& owner = table.owner_at(region, index);
        if (is_active(owner)) continue;
        auto lock = FileLock::try_lock(region.lock_path(), table.locks + index);
        if (!lock && lock.error().code == ErrorCode::busy) {
            // Its last owner freed it and is about to unlock.
            shortage = Shortage::being_left;
            continue;
        }
        if (!lock) {
            shortage = Shortage::none;
            return lock.error();
        }
        TAILRACE_STEP("registry.slot_locked");
        prepare(index);
        occupy(owner, name);
        // Relaxed: as above.
        table.round->first_free.store(index + 1, std::memory_order_relaxed);
        return SlotLease{std::move(*lock), index};
    }
    return make_error(ErrorCode::busy, "");
}

// Asks again while a slot is free but for the lock of somebody who is leaving, and, when none is
// free, for each slot whose owner turns out to have died. Both not under the registry lock, which
// others may need meanwhile.
Result<SlotLease> take_slot(
    const Region& region,
    const SlotTable& table,
    const std::function<Result<SlotLease>(std::uint32_t, Shortage&)>& attempt) {
    const Deadline deadline = Deadline::in_ns(kLeavingTimeoutNs);
    // Those who look at the same time begin at different slots. The second look at all of them is
    // for the few whose lock a child has kept.
    const std::uint32_t first = static_cast<std::uint32_t>(::getpid()) % table.slots;
    const std::uint32_t end = first + table.slots;
    std::uint32_t next = first;
    bool asks_for_process = false;
    std::uint32_t suspect = kNoSlot;
    for (;;) {
        Shortage shortage = Shortage::none;
        auto lease = attempt(suspect == kNoSlot ? kNoSlot : suspect % table.slots, shortage);
        if (lease || shortage == Shortage::none) return lease;
        if (shortage == Shortage::being_left) {
            if (deadline.has_passed()) return lease;
            TAILRACE_STEP("registry.slot_being_left");
            const timespec nap{0, kNapNs};
            ::nanosleep(&nap, nullptr);
            continue;
        }
        suspect = find_suspect(region, table, next, end, asks_for_process);
        if (suspect == kNoSlot && !asks_for_process) {
            asks_for_process = true;
            suspect = find_suspect(region, table, first, end, asks_for_process);
        }
        if (suspect == kNoSlot) return lease;
        next = suspect + 1;
    }
}

}  // namespace tailrace::bus
