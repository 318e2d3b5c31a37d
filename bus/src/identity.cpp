#include "registry.hpp"
#include "registry_lock.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/checksum.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/identity.hpp>

#include <ctime>
#include <optional>
#include <utility>

namespace tailrace::bus {

namespace {

// Who keeps it from being told what the last owner has published is between two stores of its own,
// unless it was stopped there.
constexpr std::uint64_t kSettlePatienceMs = 10'000;
constexpr long kSettleNapNs = 1'000'000;

std::optional<std::uint32_t> find_identity(const Region& region, std::uint64_t id) noexcept {
    for (std::uint32_t index = 0; index < kIdentitySlots; ++index) {
        const IdentitySlot& slot = region.identity_slot(index);
        // Relaxed: written before it is used.
        if (is_used(slot) && slot.id.load(std::memory_order_relaxed) == id) return index;
    }
    return std::nullopt;
}

bool has_living_owner(const Region& region, std::uint32_t index) noexcept {
    const SlotOwner& owner = region.identity_slot(index).owner;
    return is_active(owner) && !region.is_dead(owner, kIdentityLocks + index);
}

Error publishes_already(const Region& region, std::uint32_t index) {
    const SlotOwner& owner = region.identity_slot(index).owner;
    return make_error(ErrorCode::busy,
                      "process " + std::to_string(owner.process.read().pid) +
                          " publishes into stream '" + region.name() + "' as '" + name_of(owner) +
                          "'",
                      "end it, or choose another name: tailrace publisher ls " + region.name());
}

Error not_settled(const Region& region, const std::string& name) {
    return make_error(ErrorCode::busy,
                      "what '" + name + "' last published into stream '" + region.name() +
                          "' can't be told yet: a publisher stands between two stores at that "
                          "place, and may have been stopped",
                      "tailrace inspect " + region.name());
}

// Why a name that the table doesn't have isn't simply new.
Result<void> check_scope(const Region& region, const std::string& name) {
    switch (identity_scope(region)) {
        case IdentityScope::all:
            return {};
        case IdentityScope::damaged:
            return make_error(ErrorCode::corrupt,
                              "the ledger of stream '" + region.name() +
                                  "' was damaged, and the publisher '" + name +
                                  "' may have been in it",
                              "tailrace publisher set " + region.name() + " " + name +
                                  " --to N says what it last published; 0: nothing");
        case IdentityScope::ring:
            break;
    }
    return make_error(ErrorCode::no_writer,
                      "stream '" + region.name() +
                          "' goes on from its journal, and nobody has read yet who published "
                          "into that",
                      "tailrace record " + region.name());
}

// Requires: the registry lock. Behind the change: whoever sees it counted sees it.
void count_change(const Region& region) noexcept {
    // [sync:slot_owner] Release: as above. Nobody else writes it meanwhile.
    region.state().identities.changes.fetch_add(1, std::memory_order_release);
}

// Requires: the registry lock. Makes it: it is seen whole, or not at all.
Result<std::uint32_t> make_identity(const Region& region, const KnownIdentity& known) {
    for (std::uint32_t index = 0; index < kIdentitySlots; ++index) {
        IdentitySlot& slot = region.identity_slot(index);
        if (is_used(slot)) continue;
        write_name(slot.owner, known.name);
        slot.owner.process.write({});
        // Relaxed, all: under the registry lock, and carried by `use`.
        slot.owner.state.store(SlotState::free, std::memory_order_relaxed);
        slot.id.store(known.id, std::memory_order_relaxed);
        slot.last_own.store(known.last_own, std::memory_order_relaxed);
        slot.duplicates.store(0, std::memory_order_relaxed);
        slot.set_at.store(region.tail().sequence, std::memory_order_relaxed);
        slot.set_to.store(known.last_own, std::memory_order_relaxed);
        // Before it is there: a recorder that looks in vain is better than one that never looks.
        region.state().identities.any.store(1, std::memory_order_relaxed);
        TAILRACE_STEP("identity.named");
        // [sync:slot_owner] Release: whoever finds it used finds its name and its number.
        slot.use.store(IdentityUse::used, std::memory_order_release);
        count_change(region);
        TAILRACE_STEP("identity.made");
        return index;
    }
    return make_error(ErrorCode::no_space,
                      "stream '" + region.name() + "' has " + std::to_string(kIdentitySlots) +
                          " publishers with a name, as many as there may be",
                      "tailrace publisher ls " + region.name() + "; tailrace publisher rm " +
                          region.name() + " NAME");
}

// Requires: the registry lock.
Result<void> check_free(const Region& region, std::uint32_t index, const std::string& name) {
    if (has_living_owner(region, index)) return publishes_already(region, index);
    if (!settle_publishers_of(region, index)) return not_settled(region, name);
    return {};
}

// The one of that name, if there is one. Requires: the registry lock.
Result<std::optional<std::uint32_t>> find_by_name(const Region& region, const std::string& name) {
    const auto index = find_identity(region, identity_id(name));
    if (!index) return index;
    SlotOwner& owner = region.identity_slot(*index).owner;
    const std::string known = name_of(owner);
    if (known.empty()) write_name(owner, name);  // known by its events alone so far
    if (known.empty() || known == name) return index;
    return make_error(ErrorCode::already_exists,
                      "the names '" + known + "' and '" + name +
                          "' come to the same number in stream '" + region.name() + "'",
                      "choose another name");
}

}  // namespace

Result<void> check_identity_name(std::string_view name) {
    return detail::check_name(name, "publisher");
}

std::uint64_t identity_id(std::string_view name) noexcept {
    return checksum64(std::as_bytes(std::span(name)), 0) | 1U;
}

std::vector<IdentityStatus> read_identities(const Region& region) {
    std::vector<IdentityStatus> identities;
    for (std::uint32_t index = 0; index < kIdentitySlots; ++index) {
        const IdentitySlot& slot = region.identity_slot(index);
        if (!is_used(slot)) continue;
        IdentityStatus status;
        status.name = name_of(slot.owner);
        // Relaxed, all: for tools, and what is written under the registry lock.
        status.id = slot.id.load(std::memory_order_relaxed);
        status.last_own = slot.last_own.load(std::memory_order_relaxed);
        status.duplicates = slot.duplicates.load(std::memory_order_relaxed);
        status.set_at = slot.set_at.load(std::memory_order_relaxed);
        status.set_to = slot.set_to.load(std::memory_order_relaxed);
        status.is_owned = has_living_owner(region, index);
        status.pid = slot.owner.process.read().pid;
        identities.push_back(std::move(status));
    }
    return identities;
}

IdentityScope identity_scope(const Region& region) noexcept {
    // [sync:slot_owner] Acquire: what was taken in is seen.
    return region.state().identities.scope.load(std::memory_order_acquire);
}

bool has_identities(const Region& region) noexcept {
    // Relaxed: seen with the first event of one, whose publisher had seen it before.
    return region.state().identities.any.load(std::memory_order_relaxed) != 0;
}

std::uint64_t identity_changes(const Region& region) noexcept {
    // [sync:slot_owner] Acquire: what was changed is seen.
    return region.state().identities.changes.load(std::memory_order_acquire);
}

Result<void> seed_identities(const Region& region,
                             std::span<const KnownIdentity> known,
                             bool is_complete) {
    TAILRACE_CHECK(region.access() != RegionAccess::observe);
    if (identity_scope(region) != IdentityScope::ring) return {};
    LockFile file;
    const auto registry = RegistryLock::lock(region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    if (identity_scope(region) != IdentityScope::ring) return {};
    for (const KnownIdentity& identity : known) {
        // Whoever was killed here has left some of them, and so has `tailrace publisher set`.
        if (find_identity(region, identity.id)) continue;
        if (auto made = make_identity(region, identity); !made) return made.error();
    }
    TAILRACE_STEP("identity.seeded");
    // [sync:slot_owner] Release: behind all of them.
    region.state().identities.scope.store(is_complete ? IdentityScope::all : IdentityScope::damaged,
                                          std::memory_order_release);
    return {};
}

Result<void> set_identity(const Region& region, const std::string& name, OwnSequence last_own) {
    if (auto checked = check_identity_name(name); !checked) return checked;
    LockFile file;
    const auto registry = RegistryLock::lock(region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    const auto index = find_by_name(region, name);
    if (!index) return index.error();
    if (!*index) {
        auto made = make_identity(region, {name, identity_id(name), last_own});
        if (!made) return made.error();
        return {};
    }
    if (auto free = check_free(region, **index, name); !free) return free;
    IdentitySlot& slot = region.identity_slot(**index);
    // Relaxed, all: under the registry lock, and carried by the count.
    slot.set_to.store(last_own, std::memory_order_relaxed);
    slot.set_at.store(region.tail().sequence, std::memory_order_relaxed);
    slot.last_own.store(last_own, std::memory_order_relaxed);
    TAILRACE_STEP("identity.set");
    count_change(region);
    return {};
}

Result<void> remove_identity(const Region& region, const std::string& name) {
    LockFile file;
    const auto registry = RegistryLock::lock(region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    const auto index = find_by_name(region, name);
    if (!index) return index.error();
    if (!*index) {
        return make_error(ErrorCode::not_found,
                          "nobody publishes into stream '" + region.name() + "' as '" + name + "'",
                          "tailrace publisher ls " + region.name());
    }
    if (auto free = check_free(region, **index, name); !free) return free;
    // [sync:slot_owner] Release: whoever makes another one in its place sees it gone.
    region.identity_slot(**index).use.store(IdentityUse::free, std::memory_order_release);
    TAILRACE_STEP("identity.removed");
    count_change(region);
    return {};
}

// --- the owner

Identity::Identity(std::shared_ptr<Region> region,
                   FileLock lock,
                   std::uint32_t index,
                   std::uint64_t id) noexcept
    : region_(std::move(region)),
      lock_(std::move(lock)),
      slot_(&region_->identity_slot(index)),
      index_(index),
      id_(id) {}

Identity::Identity(Identity&& other) noexcept
    : region_(std::move(other.region_)),
      lock_(std::move(other.lock_)),
      home_(other.home_),
      slot_(std::exchange(other.slot_, nullptr)),
      index_(other.index_),
      id_(other.id_) {}

Identity& Identity::operator=(Identity&& other) noexcept {
    if (this == &other) return *this;
    give_back();
    region_ = std::move(other.region_);
    lock_ = std::move(other.lock_);
    home_ = other.home_;
    slot_ = std::exchange(other.slot_, nullptr);
    index_ = other.index_;
    id_ = other.id_;
    return *this;
}

Identity::~Identity() {
    give_back();
}

// In a forked child it is the parent's.
void Identity::give_back() noexcept {
    if (slot_ != nullptr && home_.is_here()) {
        // [sync:slot_owner] Release: everything that the owner did with the slot is before.
        slot_->owner.state.store(SlotState::free, std::memory_order_release);
        TAILRACE_STEP("identity.given_back");
    }
    slot_ = nullptr;
    lock_.unlock();
    region_.reset();
}

Result<Identity> Identity::try_take(const std::shared_ptr<Region>& region,
                                    const std::string& name,
                                    bool& is_unsettled) {
    is_unsettled = false;
    LockFile file;
    const auto registry = RegistryLock::lock(*region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    auto found = find_by_name(*region, name);
    if (!found) return found.error();
    if (!*found) {
        if (auto known = check_scope(*region, name); !known) return known.error();
        auto made = make_identity(*region, {name, identity_id(name), 0});
        if (!made) return made.error();
        *found = *made;
    }
    const std::uint32_t index = **found;
    if (has_living_owner(*region, index)) return publishes_already(*region, index);
    auto locked = FileLock::try_lock(region->lock_path(), kIdentityLocks + index);
    if (!locked && locked.error().code == ErrorCode::busy) {
        return make_error(
            ErrorCode::busy,
            "whoever published into stream '" + region->name() + "' as '" + name +
                "', or a child of that process, holds its lock still",
            "end it: process " +
                std::to_string(region->identity_slot(index).owner.process.read().pid));
    }
    if (!locked) return locked.error();
    TAILRACE_STEP("identity.locked");
    // What the last owner committed and didn't note any more counts (docs/ring_protocol.md).
    if (!settle_publishers_of(*region, index)) {
        is_unsettled = true;
        return not_settled(*region, name);
    }
    IdentitySlot& slot = region->identity_slot(index);
    occupy(slot.owner, name);
    TAILRACE_STEP("identity.taken");
    return Identity(region, std::move(*locked), index, identity_id(name));
}

Result<Identity> Identity::take(std::shared_ptr<Region> region, const std::string& name) {
    TAILRACE_CHECK(region->access() == RegionAccess::publish);
    if (auto checked = check_identity_name(name); !checked) return checked.error();
    const Deadline deadline = Deadline::in_ms(kSettlePatienceMs);
    for (;;) {
        bool is_unsettled = false;
        auto taken = try_take(region, name, is_unsettled);
        if (taken || !is_unsettled || deadline.has_passed()) return taken;
        TAILRACE_STEP("identity.unsettled");
        const timespec nap{0, kSettleNapNs};
        ::nanosleep(&nap, nullptr);
    }
}

}  // namespace tailrace::bus
