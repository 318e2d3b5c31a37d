#include "registry_lock.hpp"

#include <tailrace/base/step.hpp>
#include <tailrace/bus/wait.hpp>

#include <algorithm>
#include <bit>

namespace tailrace::bus {

namespace {

// Who waits is woken; only a holder that is killed wakes nobody. So the turns may grow long, which
// keeps a thousand of those who wait from using up the core that the holder wants.
constexpr std::uint64_t kShortestLockTurnNs = 4'000'000;
constexpr std::uint64_t kLongestLockTurnNs = 512'000'000;

// What stands beside the lock, and which change of it that was.
struct NamedHolder {
    ProcessIdentity process;
    std::uint32_t change;
};

std::uint32_t turn_of(const RegistryHolder& holder) noexcept {
    // [sync:registry_turn] Acquire: who took over has named itself before.
    return holder.lock_turn.load(std::memory_order_acquire);
}

// Empty while nobody is named, or the name is being changed.
std::optional<NamedHolder> named_holder(const RegistryHolder& holder) noexcept {
    // [sync:registry_holder] Acquire, all: a name that is whole stands between two equal counts.
    const std::uint32_t change = holder.change.load(std::memory_order_acquire);
    if (change % 2 == 0) return std::nullopt;
    ProcessWords words{};
    for (std::size_t index = 0; index < words.size(); ++index)
        words[index] = holder.process[index].load(std::memory_order_acquire);
    if (holder.change.load(std::memory_order_acquire) != change) return std::nullopt;
    return NamedHolder{std::bit_cast<ProcessIdentity>(words), change};
}

// Requires: the lock; and if somebody is named already, the byte of the next turn as well.
void name_holder(RegistryHolder& holder, const ProcessIdentity& own) noexcept {
    // Relaxed: only the lock's holder writes it, and this is one.
    std::uint32_t change = holder.change.load(std::memory_order_relaxed);
    // [sync:registry_holder] Release, all: who sees a word of the new name sees that it was
    // changed, and who sees the new count sees the whole name.
    if (change % 2 != 0) holder.change.store(++change, std::memory_order_release);
    const auto words = std::bit_cast<ProcessWords>(own);
    for (std::size_t index = 0; index < words.size(); ++index)
        holder.process[index].store(words[index], std::memory_order_release);
    holder.change.store(change + 1, std::memory_order_release);
}

bool is_named(const RegistryHolder& holder) noexcept {
    // Relaxed: only the lock's holder writes it, and this is one.
    return holder.change.load(std::memory_order_relaxed) % 2 != 0;
}

// Changes as long as the lock does its work.
std::uint32_t change_of(const RegistryHolder& holder) noexcept {
    // Relaxed: holders write it; nothing hangs on it but the patience of who waits.
    return holder.change.load(std::memory_order_relaxed);
}

// The lock of this turn is held, but perhaps only by a child of a process that has ended.
bool take_over(RegistryHolder& holder,
               LockFile& file,
               std::uint32_t turn,
               const ProcessIdentity& own) noexcept {
    const auto dead = named_holder(holder);
    if (!dead || !has_ended(dead->process)) return false;
    TAILRACE_STEP("registry_lock.holder_judged_dead");
    const std::uint64_t next = lock_of_turn(kRegistryLock, turn + 1);
    if (!file.try_lock(next)) return false;
    // While this is held nobody puts a name in the place of a dead one's. So if the name still
    // stands, whoever holds the lock of this turn by now hasn't begun, and won't: it needs `next`.
    const auto now = named_holder(holder);
    if (turn_of(holder) != turn || !now || now->change != dead->change) {
        file.unlock(next);
        return false;
    }
    name_holder(holder, own);
    TAILRACE_STEP("registry_lock.named_in_place_of_the_dead");
    // [sync:registry_turn] Release: who finds the new turn finds this name, or a later one.
    holder.lock_turn.store(turn + 1, std::memory_order_release);
    TAILRACE_STEP("registry_lock.taken_over");
    return true;
}

// The lock of this turn is held, by `file`. True: it is the registry's, and says by whom.
bool settle(RegistryHolder& holder,
            LockFile& file,
            std::uint32_t turn,
            const ProcessIdentity& own) noexcept {
    TAILRACE_STEP("registry_lock.locked");
    const std::uint64_t next = lock_of_turn(kRegistryLock, turn + 1);
    // A holder that was killed is still named. Who judges it must not take this one for it.
    const bool is_after_death = is_named(holder);
    if (is_after_death && !file.try_lock(next)) return false;
    TAILRACE_STEP("registry_lock.next_locked");
    const bool is_current = turn_of(holder) == turn;
    if (is_current) name_holder(holder, own);
    if (is_after_death) file.unlock(next);
    return is_current;
}

Error timed_out(const Region& region) {
    std::string message = "cannot attach to stream '" + region.name() + "': its registry is locked";
    std::string hint = "fuser -v " + region.path() + "/control shows by whom";
    if (const auto holder = named_holder(region.state().registry_holder)) {
        const std::string pid = std::to_string(holder->process.pid);
        message += has_ended(holder->process)
                       ? " by a child of process " + pid + ", which has ended"
                       : " by process " + pid + ", which may have been stopped";
        hint = "ps -o pid,stat,cmd " + pid + "; " + hint;
    }
    return make_error(ErrorCode::timed_out, message, hint);
}

}  // namespace

RegistryLock::RegistryLock(const Region& region, LockFile& file, std::uint32_t turn) noexcept
    : region_(&region),
      file_(&file),
      turn_(turn) {}

RegistryLock::RegistryLock(RegistryLock&& other) noexcept
    : region_(other.region_),
      file_(std::exchange(other.file_, nullptr)),
      turn_(other.turn_) {}

RegistryLock::~RegistryLock() {
    if (file_ == nullptr) return;
    std::atomic<std::uint32_t>& change = region_->state().registry_holder.change;
    // [sync:registry_holder] Release: who reads words of the next name sees this count or a later
    // one. Relaxed load: only the lock's holder writes it.
    change.store(change.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    TAILRACE_STEP("registry_lock.name_cleared");
    file_->unlock(lock_of_turn(kRegistryLock, turn_));
    TAILRACE_STEP("registry_lock.unlocked");
    WaitCell& waiting = region_->state().registry_wait;
    if (has_sleepers_fenced(waiting)) wake_one(waiting);
}

std::optional<RegistryLock> RegistryLock::try_lock(const Region& region,
                                                   LockFile& file,
                                                   const ProcessIdentity& own) noexcept {
    return try_lock(region, file, own, true);
}

std::optional<RegistryLock> RegistryLock::try_lock(const Region& region,
                                                   LockFile& file,
                                                   const ProcessIdentity& own,
                                                   bool judges) noexcept {
    RegistryHolder& holder = region.state().registry_holder;
    const std::uint32_t turn = turn_of(holder);
    TAILRACE_STEP("registry_lock.turn_read");
    const std::uint64_t lock = lock_of_turn(kRegistryLock, turn);
    if (!file.try_lock(lock)) {
        if (!judges || !take_over(holder, file, turn, own)) return std::nullopt;
        return RegistryLock(region, file, turn + 1);
    }
    if (!settle(holder, file, turn, own)) {
        file.unlock(lock);
        return std::nullopt;
    }
    return RegistryLock(region, file, turn);
}

Result<RegistryLock> RegistryLock::lock(const Region& region,
                                        LockFile& file,
                                        std::uint64_t patience_ns) {
    auto opened = LockFile::open(region.lock_path());
    if (!opened) {
        Error error = opened.error();
        error.message = "cannot attach to stream '" + region.name() + "': " + error.message;
        return error;
    }
    file = std::move(*opened);
    const ProcessIdentity own = current_process();
    if (auto locked = try_lock(region, file, own, false)) return std::move(*locked);
    const RegistryHolder& holder = region.state().registry_holder;
    WaitCell& waiting = region.state().registry_wait;
    std::uint32_t hold = change_of(holder);
    Deadline deadline = Deadline::in_ns(patience_ns);
    bool stands_still = false;
    for (std::uint64_t turn_ns = kShortestLockTurnNs;;
         turn_ns = std::min(2 * turn_ns, kLongestLockTurnNs)) {
        // Raised before the lock is tried, and left raised by who gets it: others may sleep, and
        // are woken when it is released.
        const std::uint32_t seen_wakes = detail::announce_wait(waiting);
        // To judge the holder takes some system calls, so only if it has held the lock for a whole
        // turn.
        if (auto locked = try_lock(region, file, own, stands_still)) return std::move(*locked);
        if (deadline.has_passed()) return timed_out(region);
        TAILRACE_STEP("registry_lock.awaited");
        const auto end = detail::futex_sleep(waiting, seen_wakes, turn_ns);
        const std::uint32_t now = change_of(holder);
        if (now != hold) deadline = Deadline::in_ns(patience_ns);
        stands_still = now == hold && end == detail::SleepEnd::timed_out;
        hold = now;
    }
}

}  // namespace tailrace::bus
