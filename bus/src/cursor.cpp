#include "registry.hpp"
#include "registry_lock.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/cursor.hpp>
#include <tailrace/bus/wait.hpp>

#include <algorithm>
#include <utility>

namespace tailrace::bus {

namespace {

std::optional<std::uint32_t> find(const Region& region, std::string_view name) {
    for (std::uint32_t index = 0; index < kCursorSlots; ++index) {
        const CursorSlot& slot = region.cursor_slot(index);
        if (is_used(slot) && name_of(slot.owner) == name) return index;
    }
    return std::nullopt;
}

bool has_owner(const Region& region, std::uint32_t index) noexcept {
    const SlotOwner& owner = region.cursor_slot(index).owner;
    return is_active(owner) && !region.is_dead(owner, kCursorLocks + index);
}

Error in_use(const Region& region, std::uint32_t index, std::string_view hint) {
    const SlotOwner& owner = region.cursor_slot(index).owner;
    return make_error(ErrorCode::busy,
                      "process " + std::to_string(owner.process.read().pid) + " reads stream '" +
                          region.name() + "' by the cursor '" + name_of(owner) + "'",
                      std::string(hint));
}

Error no_such_cursor(const Region& region, std::string_view name) {
    return make_error(ErrorCode::not_found,
                      "stream '" + region.name() + "' has no cursor '" + std::string(name) + "'",
                      "tailrace cursor ls " + region.name());
}

// Requires: the registry lock. Makes the cursor: it is seen whole, or not at all.
Result<std::uint32_t> make(const Region& region, const std::string& name, Sequence sequence) {
    for (std::uint32_t index = 0; index < kCursorSlots; ++index) {
        CursorSlot& slot = region.cursor_slot(index);
        if (is_used(slot)) continue;
        write_name(slot.owner, name);
        slot.owner.process.write({});
        // Relaxed, all: carried by `use`.
        slot.owner.state.store(SlotState::free, std::memory_order_relaxed);
        slot.sequence.store(sequence, std::memory_order_relaxed);
        slot.moves.store(0, std::memory_order_relaxed);
        slot.moves_seen.store(0, std::memory_order_relaxed);
        slot.hold_bytes.store(0, std::memory_order_relaxed);
        slot.durable_sequence.store(kNotKept, std::memory_order_relaxed);
        // Before it is there: a keeper that would never look is worse than one that looks in vain.
        region.state().cursors.any.store(1, std::memory_order_relaxed);
        TAILRACE_STEP("cursor.named");
        // [sync:slot_owner] Release: whoever finds it used finds its name and its place.
        slot.use.store(CursorUse::used, std::memory_order_release);
        TAILRACE_STEP("cursor.made");
        CursorKeeping::wake(region);
        return index;
    }
    return make_error(
        ErrorCode::no_space,
        "stream '" + region.name() + "' has " + std::to_string(kCursorSlots) +
            " cursors, as many as there may be",
        "tailrace cursor ls " + region.name() + "; tailrace cursor rm " + region.name() + " NAME");
}

// What was moved while nobody looked counts. Requires: the registry lock, no owner.
void settle_moves(CursorSlot& slot) noexcept {
    // Relaxed, all: written under the registry lock; the last owner is dead.
    const std::uint32_t moves = slot.moves.load(std::memory_order_relaxed);
    if (slot.moves_seen.load(std::memory_order_relaxed) == moves) return;
    slot.sequence.store(slot.move_to.load(std::memory_order_relaxed), std::memory_order_relaxed);
    TAILRACE_STEP("cursor.move_settled");
    slot.moves_seen.store(moves, std::memory_order_relaxed);
}

}  // namespace

Result<void> check_cursor_name(std::string_view name) {
    return detail::check_name(name, "cursor");
}

std::vector<CursorStatus> read_cursors(const Region& region) {
    std::vector<CursorStatus> cursors;
    for (std::uint32_t index = 0; index < kCursorSlots; ++index) {
        const CursorSlot& slot = region.cursor_slot(index);
        if (!is_used(slot)) continue;
        CursorStatus status;
        status.name = name_of(slot.owner);
        status.sequence = place_of(slot);
        // Relaxed, all: for tools.
        status.kept_sequence = slot.durable_sequence.load(std::memory_order_relaxed);
        status.hold_bytes = slot.hold_bytes.load(std::memory_order_relaxed);
        status.moved_to = pending_move(slot);
        status.is_owned = has_owner(region, index);
        status.pid = slot.owner.process.read().pid;
        cursors.push_back(std::move(status));
    }
    return cursors;
}

// --- the owner

Cursor::Cursor(std::shared_ptr<Region> region,
               FileLock lock,
               CursorSlot& slot,
               std::string name) noexcept
    : region_(std::move(region)),
      lock_(std::move(lock)),
      slot_(&slot),
      // Relaxed: written under the registry lock, which is held.
      seen_moves_(slot.moves.load(std::memory_order_relaxed)),
      name_(std::move(name)) {}

Cursor::Cursor(Cursor&& other) noexcept
    : region_(std::move(other.region_)),
      lock_(std::move(other.lock_)),
      home_(other.home_),
      slot_(std::exchange(other.slot_, nullptr)),
      seen_moves_(other.seen_moves_),
      name_(std::move(other.name_)) {}

Cursor& Cursor::operator=(Cursor&& other) noexcept {
    if (this == &other) return *this;
    give_back();
    region_ = std::move(other.region_);
    lock_ = std::move(other.lock_);
    home_ = other.home_;
    slot_ = std::exchange(other.slot_, nullptr);
    seen_moves_ = other.seen_moves_;
    name_ = std::move(other.name_);
    return *this;
}

Cursor::~Cursor() {
    give_back();
}

// In a forked child it is the parent's.
void Cursor::give_back() noexcept {
    if (!is_dead()) {
        // [sync:slot_owner] Release: everything that the owner did with the slot is before.
        slot_->owner.state.store(SlotState::free, std::memory_order_release);
    }
    slot_ = nullptr;
    lock_.unlock();
}

Result<Cursor> Cursor::take(std::shared_ptr<Region> region,
                            const std::string& name,
                            std::optional<Sequence> otherwise) {
    TAILRACE_CHECK(region->access() != RegionAccess::observe);
    if (auto checked = check_cursor_name(name); !checked) return checked.error();
    LockFile file;
    const auto registry = RegistryLock::lock(*region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    auto index = find(*region, name);
    if (index && has_owner(*region, *index))
        return in_use(*region, *index, "end it, or choose another name");
    if (!index && !otherwise) return no_such_cursor(*region, name);
    if (!index) {
        auto made = make(*region, name, *otherwise);
        if (!made) return made.error();
        index = *made;
    }
    auto locked = FileLock::try_lock(region->lock_path(), kCursorLocks + *index);
    if (!locked && locked.error().code == ErrorCode::busy)
        return in_use(*region, *index, "it, or a child of its, holds the cursor's lock: end it");
    if (!locked) return locked.error();
    CursorSlot& slot = region->cursor_slot(*index);
    settle_moves(slot);
    occupy(slot.owner, name);
    TAILRACE_STEP("cursor.taken");
    return Cursor(std::move(region), std::move(*locked), slot, name);
}

Sequence Cursor::moved_to() const noexcept {
    // [sync:cursor_moved] Acquire: the place was written before the count.
    static_cast<void>(slot_->moves.load(std::memory_order_acquire));
    // Relaxed: a later move may have written it already; it has its own count.
    return slot_->move_to.load(std::memory_order_relaxed);
}

Sequence Cursor::accept_move() noexcept {
    // [sync:cursor_moved] Acquire: the place was written before the count.
    seen_moves_ = slot_->moves.load(std::memory_order_acquire);
    TAILRACE_STEP("cursor.moved_seen");
    // Relaxed: a later move may have written it already; it has its own count.
    const Sequence to = slot_->move_to.load(std::memory_order_relaxed);
    // [sync:cursor_committed] Release: as any commit.
    slot_->sequence.store(to, std::memory_order_release);
    TAILRACE_STEP("cursor.move_accepted");
    // Relaxed: whoever finds it unlike `moves` repeats the same move.
    slot_->moves_seen.store(seen_moves_, std::memory_order_relaxed);
    return to;
}

// --- others

Result<void> move_cursor(const Region& region,
                         const std::string& name,
                         Sequence sequence,
                         bool live) {
    if (auto checked = check_cursor_name(name); !checked) return checked.error();
    LockFile file;
    const auto registry = RegistryLock::lock(region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    const auto index = find(region, name);
    if (!index) {
        auto made = make(region, name, sequence);
        if (!made) return made.error();
        return {};
    }
    CursorSlot& slot = region.cursor_slot(*index);
    const bool is_owned = has_owner(region, *index);
    if (is_owned && !live) return in_use(region, *index, "--live moves it under its reader");
    // Relaxed: carried by the count.
    slot.move_to.store(sequence, std::memory_order_relaxed);
    TAILRACE_STEP("cursor.place_noted");
    // [sync:cursor_moved] Release: whoever sees the count sees the place.
    slot.moves.fetch_add(1, std::memory_order_release);
    TAILRACE_STEP("cursor.moved");
    if (!is_owned) settle_moves(slot);
    return {};
}

Result<void> remove_cursor(const Region& region, const std::string& name) {
    LockFile file;
    const auto registry = RegistryLock::lock(region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    const auto index = find(region, name);
    if (!index) return no_such_cursor(region, name);
    if (has_owner(region, *index)) return in_use(region, *index, "end it, then remove the cursor");
    // [sync:slot_owner] Release: whoever makes another one in its place sees it gone.
    region.cursor_slot(*index).use.store(CursorUse::free, std::memory_order_release);
    TAILRACE_STEP("cursor.removed");
    return {};
}

Result<void> hold_for_cursor(const Region& region,
                             const std::string& name,
                             std::uint64_t hold_bytes) {
    LockFile file;
    const auto registry = RegistryLock::lock(region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    const auto index = find(region, name);
    if (!index) return no_such_cursor(region, name);
    // Relaxed: the keeper reads it in its own time.
    region.cursor_slot(*index).hold_bytes.store(hold_bytes, std::memory_order_relaxed);
    return {};
}

}  // namespace tailrace::bus
