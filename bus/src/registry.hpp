// Registry: who sits in which slot of a stream, and what happens to the slots of the dead.
//
// All changes of ownership are made under one lock (registry_lock.hpp), which its holder's death
// releases. So is every tombstone: two rescuers can't meet, and one that was stopped half-way keeps
// the dead owner's intent in place, which keeps the ring from lapping what it is about to write.
// Cold paths only.
#pragma once

#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <cstdint>
#include <string>

namespace tailrace::bus {

struct SlotLease {
    FileLock lock;
    std::uint32_t index;
};

[[nodiscard]] Result<SlotLease> take_publisher_slot(const Region& region, const std::string& name);
[[nodiscard]] Result<SlotLease> take_subscriber_slot(const Region& region,
                                                     const SubscriberOptions& options);

// Drops a gate that still stands where it was silent, if its owner is still the same and may be
// evicted after so long. False too when another process holds the registry.
[[nodiscard]] bool evict_silent_subscriber(const Region& region,
                                           const Silence& silence,
                                           std::uint64_t now_ns,
                                           std::uint32_t publisher_index,
                                           LockFile& registry) noexcept;

// Whether more handles are attached to the stream than this process can count on cores.
[[nodiscard]] bool is_crowded(const Region& region) noexcept;

// For tools; the owner may change meanwhile.
[[nodiscard]] std::string name_of(const SlotOwner& owner);

// As far as it fits.
void write_name(SlotOwner& owner, const std::string& name) noexcept;
// This process's from now on. Requires: the registry lock, and the slot's own.
void occupy(SlotOwner& owner, const std::string& name) noexcept;

// Marks an own slot free. The caller drops its lock afterwards.
void free_publisher_slot(const Region& region, std::uint32_t index) noexcept;
void free_subscriber_slot(const Region& region, std::uint32_t index) noexcept;

// Settles what dead publishers under this identity have left, so that it says how far they came.
// False: that can't be told yet. Requires: the registry lock, region.access() == publish, nobody
// alive has the identity.
[[nodiscard]] bool settle_publishers_of(const Region& region,
                                        std::uint32_t identity_index) noexcept;

// What is asked about the death of an owner. Its lock costs one system call, its process some more.
enum class Proof : std::uint8_t { lock, lock_or_process };

// If the owner of the slot is dead, resolves what it left and frees the slot. True: something
// changed. Never waits and needs no descriptor: `registry` is the region's lock file, opened at
// attach by the caller, who sits in publisher slot `publisher_index`. False too when another
// process holds the registry.
[[nodiscard]] bool reclaim_if_dead_subscriber(const Region& region,
                                              std::uint32_t index,
                                              Proof proof,
                                              std::uint32_t publisher_index,
                                              LockFile& registry) noexcept;
// The same. Returns how many tombstones it wrote.
std::uint64_t reclaim_if_dead_publisher(const Region& region,
                                        std::uint32_t index,
                                        Proof proof,
                                        std::uint32_t publisher_index,
                                        LockFile& registry) noexcept;

}  // namespace tailrace::bus
