// RegistryLock: the one lock under which slots and the journal writer's role change hands.
//
// A kernel lock, which its holder's death releases; and the holder's identity beside it, for the
// one case in which it doesn't: a child made by a raw clone() keeps the lock of its parent. Whoever
// finds the lock held by a process that has ended goes on with the byte of the next turn. Law:
// docs/ring_protocol.md, "Liveness". Whoever waits for it sleeps in the stream's `registry_wait`
// and is woken one at a time, so that a thousand who wait cost those who attach nothing. One
// thread; cold paths only.
#pragma once

#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/process_identity.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>

#include <cstdint>
#include <optional>

namespace tailrace::bus {

// How long one hold of it may last for those who wait. Whoever holds it is done in well under a
// millisecond, unless it was stopped.
inline constexpr std::uint64_t kRegistryTimeoutNs = 10'000'000'000;

class RegistryLock {
public:
    // Empty when another process holds it. Never waits, and needs no descriptor: `file` is the
    // region's lock file, opened before; it and the region outlive the lock. `own`: this process.
    [[nodiscard]] static std::optional<RegistryLock> try_lock(const Region& region,
                                                              LockFile& file,
                                                              const ProcessIdentity& own) noexcept;
    // Waits for it, for as long as it changes hands. `file` is opened here. Error timed_out: one
    // and the same process has held it for `patience_ns`; it is named.
    [[nodiscard]] static Result<RegistryLock> lock(const Region& region,
                                                   LockFile& file,
                                                   std::uint64_t patience_ns);

    RegistryLock(RegistryLock&& other) noexcept;
    RegistryLock& operator=(RegistryLock&&) = delete;
    RegistryLock(const RegistryLock&) = delete;
    RegistryLock& operator=(const RegistryLock&) = delete;
    ~RegistryLock();

private:
    // `judges`: whether a holder that has ended is looked for.
    [[nodiscard]] static std::optional<RegistryLock> try_lock(const Region& region,
                                                              LockFile& file,
                                                              const ProcessIdentity& own,
                                                              bool judges) noexcept;
    RegistryLock(const Region& region, LockFile& file, std::uint32_t turn) noexcept;

    const Region* region_;
    LockFile* file_;  // null after a move
    std::uint32_t turn_;
};

}  // namespace tailrace::bus
