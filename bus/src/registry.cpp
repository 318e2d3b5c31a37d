#include "registry.hpp"

#include "hole.hpp"
#include "poll_descriptor.hpp"
#include "registry_lock.hpp"
#include "slot_statistics.hpp"
#include "slot_table.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/ring_bytes.hpp>
#include <tailrace/bus/wait.hpp>

#include <algorithm>
#include <cstring>

namespace tailrace::bus {

namespace {

void stop_gating(SubscriberSlot& slot) noexcept {
    // [sync:gate_released] Release: the slot's owner reads no more.
    slot.gate_position.store(kNoPosition, std::memory_order_release);
}

bool seems_dead(const Region& region,
                const SlotOwner& owner,
                std::uint64_t lock,
                Proof proof) noexcept {
    return proof == Proof::lock ? !region.is_lock_held(lock) : region.is_dead(owner, lock);
}

// Publishers that wait for room sleep long.
void wake_publishers(const Region& region) noexcept {
    WaitCell& waiting = region.state().publishers_wait;
    if (has_sleepers_fenced(waiting)) static_cast<void>(wake_first(waiting));
}

// Requires: the registry lock. True: the slot is free now.
bool clear_dead_publisher(const Region& region, std::uint32_t index) noexcept {
    PublisherSlot& slot = region.publisher_slot(index);
    if (!is_active(slot.owner)) return true;
    if (!region.is_dead(slot.owner, kPublisherLocks + index)) return false;
    // A single-publisher stream has no holes: its successor starts over at the committed tail
    // (take_over_tail), so all that remains is the note of a batch.
    if (region.header().publishing == Publishing::multi && !rescue_publisher(region, index))
        return false;
    free_publisher_slot(region, index);
    count_up(region.state().registry.rescued_publishers);
    // Who waits at its claim need not wait for the end of its turn. Relaxed: sleepers write the
    // flag; one that is missed wakes by itself within a millisecond.
    if (region.state().subscribers_wait.sleeping.load(std::memory_order_relaxed) != 0)
        wake_subscribers(region);
    wake_publishers(region);
    return true;
}

bool clear_dead_subscriber(const Region& region, std::uint32_t index) noexcept {
    SubscriberSlot& slot = region.subscriber_slot(index);
    if (!is_active(slot.owner)) return true;
    if (!region.is_dead(slot.owner, kSubscriberLocks + index)) return false;
    stop_gating(slot);
    TAILRACE_STEP("registry.dead_gate_dropped");
    free_subscriber_slot(region, index);
    count_up(region.state().registry.reclaimed_subscribers);
    wake_publishers(region);
    return true;
}

// The note of a batch that its publisher died in, if it is one: its later stamps would pass for
// events once the successor's own events reach them, so they are wiped. Requires: the registry
// lock, no owner; nothing is committed at `tail`.
void wipe_unborn_batch(const Region& region, Place tail) noexcept {
    PublisherSlot& slot = region.publisher_slot(0);
    // [sync:intent_noted] Acquire: as for any intent; its owner is dead.
    const Sequence noted = slot.intent_sequence.load(std::memory_order_acquire);
    if (noted == kNoSequence) return;
    // Relaxed, both: a dead owner's.
    const Place place{noted, slot.intent_position.load(std::memory_order_relaxed)};
    const std::uint64_t size_bytes =
        slot.intent_size_bytes.load(std::memory_order_relaxed) & ~kIntentWon;
    // A note of any other place is of a batch that was committed, or is none of ours. Nothing
    // beyond the write limit was ever written, and what stands there may be read still.
    // [sync:write_limit_raised] Acquire: as for any look at it.
    const std::uint64_t limit = region.state().write_limit.load(std::memory_order_acquire);
    if (place == tail && limit > tail.position) {
        const std::uint64_t most = max_claim_bytes(region.capacity_bytes());
        std::memset(
            region.event_at(tail.position), 0, std::min({size_bytes, limit - tail.position, most}));
        TAILRACE_STEP("registry.batch_wiped");
    }
    // [sync:intent_cleared] Release: the wiped bytes are seen by whoever sees the intent gone.
    slot.intent_sequence.store(kNoSequence, std::memory_order_release);
    TAILRACE_STEP("registry.batch_note_cleared");
}

// What the last publisher of a single-publisher stream left behind. Requires: the registry lock, no
// owner.
void take_over_tail(const Region& region) noexcept {
    const std::uint64_t salt = region.header().salt;
    IdentitySlot* const identity = identity_of(region, 0);
    // Relaxed: written before it was taken.
    const std::uint64_t id = identity != nullptr ? identity->id.load(std::memory_order_relaxed) : 0;
    OwnSequence own = 0;
    // It may have died between a stamp and the tail: what is committed counts.
    Place tail = region.tail();
    for (;;) {
        const std::byte* const record = region.event_at(tail.position);
        if (load_stamp(record) != stamp_of(tail.sequence, salt)) break;
        const EventHeader header = load_header(record);
        const std::uint64_t size_bytes = event_size_bytes(
            header.payload_size_bytes, header.extension_words, region.header().alignment_bytes);
        if (size_bytes > max_claim_bytes(region.capacity_bytes())) break;  // scribbled over
        if (id != 0) own = std::max(own, own_sequence_of(record, header, id));
        tail.position += size_bytes;
        ++tail.sequence;
    }
    // Before the tail, as its owner would have.
    if (identity != nullptr) raise_last_own(*identity, own);
    wipe_unborn_batch(region, tail);
    // [sync:tail_published] Release: the events below were committed before.
    region.state().tail.store(pack_tail(tail), std::memory_order_release);
    TAILRACE_STEP("registry.tail_taken_over");
}

// Relaxed, all: made visible by the owner's state, and by the start that follows. Requires: the
// registry lock, no owner.
void declare(SubscriberSlot& slot, const SubscriberOptions& options) noexcept {
    const auto set = [](auto& word, auto value) {
        word.store(value, std::memory_order_relaxed);
    };
    SubscriberDeclaration& declared = slot.declared;
    const EventFilter& filter = options.filter;
    set(declared.policy, options.policy);
    set(declared.evict_after_ns,
        options.policy == SlowPolicy::evict ? options.evict_after_ns : std::uint64_t{0});
    set(declared.type_count, static_cast<std::uint32_t>(filter.types().size()));
    set(declared.key_count, static_cast<std::uint32_t>(filter.keys().size()));
    set(declared.key_modulus, filter.modulus());
    set(declared.key_remainder, filter.remainder());
    for (std::size_t index = 0; index < declared.types.size(); ++index) {
        const bool shown = index < filter.types().size();
        set(declared.types[index], shown ? filter.types()[index] : EventType{0});
    }
    for (std::size_t index = 0; index < declared.keys.size(); ++index) {
        const bool shown = index < filter.keys().size();
        set(declared.keys[index], shown ? filter.keys()[index] : std::uint64_t{0});
    }
    set(slot.notice.reserved, std::uint32_t{0});
    set(slot.notice.evicted_by, std::uint32_t{0});
    set(slot.notice.evictions, std::uint64_t{0});
    set(slot.notice.evicted_position, std::uint64_t{0});
    set(slot.notice.evicted_silence_ns, std::uint64_t{0});
}

std::string owner_name(const SlotOwner& owner) {
    return "'" + name_of(owner) + "' (pid " + std::to_string(owner.process.read().pid) + ")";
}

// As the publisher that sits in this slot, whose identity is known without a descriptor.
std::optional<RegistryLock> try_lock_as(const Region& region,
                                        std::uint32_t publisher_index,
                                        LockFile& file) noexcept {
    return RegistryLock::try_lock(
        region, file, region.publisher_slot(publisher_index).owner.process.read());
}

SlotTable publisher_table(const Region& region) noexcept {
    return {region.header().publisher_slots,
            kPublisherLocks,
            &region.state().publishers_round,
            [](const Region& of, std::uint32_t index) noexcept -> SlotOwner& {
                return of.publisher_slot(index).owner;
            },
            clear_dead_publisher};
}

SlotTable subscriber_table(const Region& region) noexcept {
    return {region.header().subscriber_slots,
            kSubscriberLocks,
            &region.state().subscribers_round,
            [](const Region& of, std::uint32_t index) noexcept -> SlotOwner& {
                return of.subscriber_slot(index).owner;
            },
            clear_dead_subscriber};
}

Result<SlotLease> try_publisher_slot(const Region& region,
                                     const SlotTable& table,
                                     const std::string& name,
                                     std::uint32_t suspect,
                                     Shortage& shortage) {
    LockFile file;
    const auto registry = RegistryLock::lock(region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    TAILRACE_STEP("registry.locked");
    clear_some_dead(region, table, suspect);
    auto lease = take_free_slot(
        region,
        table,
        name,
        [&](std::uint32_t index) { renew_statistics(region, region.publisher_slot(index)); },
        shortage);
    if (!lease && lease.error().code == ErrorCode::busy) {
        const std::string holder = owner_name(region.publisher_slot(0).owner);
        return make_error(
            ErrorCode::busy,
            table.slots == 1
                ? "stream '" + region.name() + "' has its one publisher already: " + holder
                : "all " + std::to_string(table.slots) + " publisher slots of stream '" +
                      region.name() + "' are taken",
            "tailrace inspect " + region.name() + " shows by whom");
    }
    if (!lease) return lease;
    count_up(region.state().registry.publisher_attaches);
    if (region.header().publishing == Publishing::single) take_over_tail(region);
    // Relaxed: this process's own slot. Only now: whoever dies before leaves the last owner's to be
    // settled.
    region.publisher_slot(lease->index).identity.store(0, std::memory_order_relaxed);
    return lease;
}

Result<SlotLease> try_subscriber_slot(const Region& region,
                                      const SlotTable& table,
                                      const SubscriberOptions& options,
                                      std::uint32_t suspect,
                                      Shortage& shortage) {
    LockFile file;
    const auto registry = RegistryLock::lock(region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    TAILRACE_STEP("registry.locked");
    clear_some_dead(region, table, suspect);
    auto lease = take_free_slot(
        region,
        table,
        options.name,
        [&](std::uint32_t index) {
            SubscriberSlot& slot = region.subscriber_slot(index);
            renew_statistics(region, slot, region.latency_histogram(index));
            declare(slot, options);
        },
        shortage);
    if (!lease && lease.error().code == ErrorCode::busy) {
        return make_error(
            ErrorCode::busy,
            "all " + std::to_string(table.slots) + " subscriber slots of stream '" + region.name() +
                "' are taken",
            "tailrace lag " + region.name() + " shows by whom; an observer needs no slot");
    }
    if (lease) count_up(region.state().registry.subscriber_attaches);
    return lease;
}

}  // namespace

std::string name_of(const SlotOwner& owner) {
    const auto name = owner.name.read();
    return {name.begin(), std::find(name.begin(), name.end(), '\0')};
}

void write_name(SlotOwner& owner, const std::string& name) noexcept {
    std::array<char, kNameCapacity> text{};
    std::copy_n(name.begin(), std::min(name.size(), kNameCapacity - 1), text.begin());
    owner.name.write(text);
}

void occupy(SlotOwner& owner, const std::string& name) noexcept {
    owner.process.write(current_process());
    // Relaxed: carried by the state.
    owner.attached_ns.store(wall_clock_ns(), std::memory_order_relaxed);
    write_name(owner, name);
    // [sync:slot_owner] Release: whoever finds the slot active finds its owner's identity.
    owner.state.store(SlotState::active, std::memory_order_release);
    TAILRACE_STEP("registry.slot_occupied");
}

bool settle_publishers_of(const Region& region, std::uint32_t identity_index) noexcept {
    for (std::uint32_t index = 0; index < region.header().publisher_slots; ++index) {
        if (identity_of(region, index) != &region.identity_slot(identity_index)) continue;
        if (!clear_dead_publisher(region, index)) return false;
        // Without an owner, and perhaps never looked at since it lost the last one.
        if (region.header().publishing == Publishing::single) take_over_tail(region);
    }
    return true;
}

bool is_crowded(const Region& region) noexcept {
    const std::uint32_t cores = usable_cores();
    const std::uint32_t publishers = region.header().publisher_slots;
    const std::uint32_t subscribers = region.header().subscriber_slots;
    std::uint32_t handles = 0;
    // Side by side, since the slots of wide tables are many pages that nobody needs otherwise.
    for (std::uint32_t index = 0; index < std::max(publishers, subscribers); ++index) {
        if (index < publishers && is_active(region.publisher_slot(index).owner)) ++handles;
        if (index < subscribers && is_active(region.subscriber_slot(index).owner)) ++handles;
        if (handles > cores) return true;
    }
    return false;
}

void free_publisher_slot(const Region& region, std::uint32_t index) noexcept {
    free_slot(region, publisher_table(region), index);
}

void free_subscriber_slot(const Region& region, std::uint32_t index) noexcept {
    free_slot(region, subscriber_table(region), index);
}

Result<SlotLease> take_publisher_slot(const Region& region, const std::string& name) {
    const SlotTable table = publisher_table(region);
    return take_slot(region, table, [&](std::uint32_t suspect, Shortage& shortage) {
        return try_publisher_slot(region, table, name, suspect, shortage);
    });
}

Result<SlotLease> take_subscriber_slot(const Region& region, const SubscriberOptions& options) {
    const SlotTable table = subscriber_table(region);
    return take_slot(region, table, [&](std::uint32_t suspect, Shortage& shortage) {
        return try_subscriber_slot(region, table, options, suspect, shortage);
    });
}

bool reclaim_if_dead_subscriber(const Region& region,
                                std::uint32_t index,
                                Proof proof,
                                std::uint32_t publisher_index,
                                LockFile& registry) noexcept {
    const SubscriberSlot& slot = region.subscriber_slot(index);
    if (!is_active(slot.owner) || !seems_dead(region, slot.owner, kSubscriberLocks + index, proof))
        return false;
    const auto lock = try_lock_as(region, publisher_index, registry);
    return lock && clear_dead_subscriber(region, index);
}

bool evict_silent_subscriber(const Region& region,
                             const Silence& silence,
                             std::uint64_t now_ns,
                             std::uint32_t publisher_index,
                             LockFile& registry) noexcept {
    const auto lock = try_lock_as(region, publisher_index, registry);
    if (!lock) return false;
    SubscriberSlot& slot = region.subscriber_slot(silence.slot_index);
    // Under the lock the slot keeps its owner, so what is looked at here is whom the gate belongs
    // to. Relaxed, all: written under the lock.
    const bool may_be_evicted =
        is_active(slot.owner) &&
        slot.owner.attached_ns.load(std::memory_order_relaxed) == silence.attached_ns &&
        slot.declared.policy.load(std::memory_order_relaxed) == SlowPolicy::evict &&
        now_ns - silence.since_ns >= slot.declared.evict_after_ns.load(std::memory_order_relaxed);
    TAILRACE_STEP("registry.evicting");
    std::uint64_t expected = silence.gate_position;
    // [sync:gate_evicted] Release: whoever finds its gate gone checks its copies by the write
    // limit. [sync:gate_released] Acquire when it fails: the reader has moved on after all.
    const bool evicted =
        may_be_evicted &&
        slot.gate_position.compare_exchange_strong(
            expected, kNoPosition, std::memory_order_acq_rel, std::memory_order_acquire);
    if (evicted) {
        TAILRACE_STEP("registry.evicted");
        SubscriberNotice& notice = slot.notice;
        count_up(notice.evictions);
        count_up(region.state().registry.evicted_subscribers);
        // Relaxed, all: for tools; written under the registry lock.
        notice.evicted_by.store(publisher_index, std::memory_order_relaxed);
        notice.evicted_position.store(silence.gate_position, std::memory_order_relaxed);
        notice.evicted_silence_ns.store(now_ns - silence.since_ns, std::memory_order_relaxed);
        wake_publishers(region);
    }
    return evicted;
}

std::uint64_t reclaim_if_dead_publisher(const Region& region,
                                        std::uint32_t index,
                                        Proof proof,
                                        std::uint32_t publisher_index,
                                        LockFile& registry) noexcept {
    const PublisherSlot& slot = region.publisher_slot(index);
    if (!is_active(slot.owner) || !seems_dead(region, slot.owner, kPublisherLocks + index, proof))
        return 0;
    const auto lock = try_lock_as(region, publisher_index, registry);
    if (!lock) return 0;
    const std::atomic<std::uint64_t>& rescued = region.state().registry.rescued_events;
    // Relaxed, both: only holders of the registry lock write it, and this is one.
    const std::uint64_t before = rescued.load(std::memory_order_relaxed);
    static_cast<void>(clear_dead_publisher(region, index));
    return rescued.load(std::memory_order_relaxed) - before;
}

}  // namespace tailrace::bus
