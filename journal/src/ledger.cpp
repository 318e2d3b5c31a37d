#include "ledger_file.hpp"
#include "lock_file.hpp"
#include "posix_files.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/journal/ledger.hpp>

#include <algorithm>
#include <ctime>
#include <limits>
#include <utility>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kPatienceNs = 2'000'000'000;
constexpr long kNapNs = 200'000;
constexpr std::uint64_t kNameMask = (std::uint64_t{1} << 40U) - 1;

Result<Ledger> of_journal(Result<Ledger> ledger,
                          const std::string& directory,
                          const std::array<std::uint64_t, 2>& journal_id) {
    if (!ledger) return ledger;
    const std::array<std::uint64_t, 2> whatever{};
    if (journal_id == whatever || ledger->journal_id == whatever ||
        ledger->journal_id == journal_id) {
        return ledger;
    }
    return make_error(ErrorCode::corrupt,
                      "'" + ledger_path(directory) + "' belongs to another journal",
                      "was it copied here? tailrace cursor set makes it anew");
}

}  // namespace

const LedgerCursor* Ledger::find(std::string_view name) const noexcept {
    const auto found = std::find_if(
        cursors.begin(), cursors.end(), [name](const auto& cursor) { return cursor.name == name; });
    return found == cursors.end() ? nullptr : &*found;
}

void Ledger::put(const LedgerCursor& cursor) {
    const auto found = std::find_if(cursors.begin(), cursors.end(), [&](const auto& known) {
        return known.name == cursor.name;
    });
    if (found == cursors.end()) {
        cursors.push_back(cursor);
    } else {
        *found = cursor;
    }
}

bool Ledger::remove(std::string_view name) {
    return std::erase_if(cursors, [name](const auto& cursor) { return cursor.name == name; }) != 0;
}

std::vector<HeldBack> held_back(const Ledger& ledger) {
    std::vector<HeldBack> held;
    for (const LedgerCursor& cursor : ledger.cursors) {
        if (cursor.hold_bytes != 0) held.push_back({cursor.sequence, cursor.hold_bytes});
    }
    if (ledger.identities)
        held.push_back(
            {ledger.identities->as_of_sequence, std::numeric_limits<std::uint64_t>::max()});
    return held;
}

Result<Ledger> read_ledger(const std::string& directory,
                           const std::array<std::uint64_t, 2>& journal_id) {
    return of_journal(read_ledger(posix_files(), directory), directory, journal_id);
}

LedgerLock::LedgerLock(std::string directory, FileLock lock) noexcept
    : directory_(std::move(directory)),
      lock_(std::move(lock)) {}

Result<LedgerLock> LedgerLock::lock(const std::string& directory) {
    auto path = make_lock_file(directory);
    if (!path) return path.error();
    const std::uint64_t until_ns = monotonic_ns() + kPatienceNs;
    auto lock = FileLock::try_lock(*path, kLedgerByte);
    while (!lock && lock.error().code == ErrorCode::busy && monotonic_ns() < until_ns) {
        const timespec nap{0, kNapNs};
        ::nanosleep(&nap, nullptr);
        lock = FileLock::try_lock(*path, kLedgerByte);
    }
    if (!lock && lock.error().code == ErrorCode::busy) {
        return make_error(ErrorCode::busy,
                          "somebody has been changing the ledger in '" + directory +
                              "' for seconds, and may have been stopped",
                          "fuser -v " + *path);
    }
    if (!lock) return lock.error();
    if (auto made = make_ledger(posix_files(), directory); !made) return made.error();
    return LedgerLock(directory, std::move(*lock));
}

Result<Ledger> LedgerLock::read(const std::array<std::uint64_t, 2>& journal_id) const {
    return journal::read_ledger(directory_, journal_id);
}

Result<void> LedgerLock::write(Ledger& ledger) const {
    return write_ledger(posix_files(), directory_, ledger);
}

Ledger LedgerLock::made_anew(const std::array<std::uint64_t, 2>& journal_id) {
    Ledger ledger;
    ledger.journal_id = journal_id;
    ledger.lost_names = true;
    return ledger;
}

Result<FileLock> lock_ledger_cursor(const std::string& directory, std::string_view name) {
    const std::uint64_t byte =
        kCursorBytes + (checksum64(std::as_bytes(std::span(name)), 0) & kNameMask);
    auto path = make_lock_file(directory);
    if (!path) return path.error();
    auto lock = FileLock::try_lock(*path, byte);
    if (!lock && lock.error().code == ErrorCode::busy) {
        return make_error(
            ErrorCode::busy,
            "somebody reads '" + directory + "' by the cursor '" + std::string(name) + "'",
            "fuser -v " + *path);
    }
    return lock;
}

}  // namespace tailrace::journal
