// Ledger: the named places of readers, and how far publishers with a name have come, as they
// survive power loss.
//
// The file LEDGER beside the segments. No place in it is beyond what was durable when it was
// written, so it never names an event that the journal doesn't have, however the power went. It is
// two slots, written in turns, so a write that was torn leaves the other one; and each slot is
// there twice, so damage to one place loses nothing.
// The recorder's keeper writes it; a reader of a journal alone, and `tailrace cursor`, write it
// too, one after the other under its lock. Law: docs/journal_format.md, "The ledger". Any thread,
// any process.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/journal/writer.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::journal {

inline constexpr std::size_t kMaxLedgerCursors = 512;
inline constexpr std::size_t kMaxLedgerIdentities = 128;

struct LedgerCursor {
    std::string name;
    Sequence sequence = 0;          // everything below is done
    std::uint64_t record_salt = 0;  // of the event before it; 0: not known
    std::uint64_t hold_bytes = 0;   // of the journal that retention spares for it; 0: none

    friend bool operator==(const LedgerCursor&, const LedgerCursor&) = default;
};

// A publisher with a name, as the log has it up to LedgerIdentities::as_of_sequence.
struct LedgerIdentity {
    std::string name;  // empty: only its id was ever seen
    std::uint64_t id = 0;
    OwnSequence last_own = 0;

    friend bool operator==(const LedgerIdentity&, const LedgerIdentity&) = default;
};

// Once there is one event with a publisher's id in the log, this is there too: it is written before
// the first of them. So a log without it has none.
struct LedgerIdentities {
    Sequence as_of_sequence = 0;  // all numbers below are in it; those behind are in the log
    bool is_complete = true;      // false: a damaged ledger may have had others
    std::vector<LedgerIdentity> known;

    friend bool operator==(const LedgerIdentities&, const LedgerIdentities&) = default;
};

struct Ledger {
    std::array<std::uint64_t, 2> journal_id{};
    std::uint64_t generation = 0;  // 0: never written
    // It was damaged: a name that it doesn't have may have been lost. Whoever writes it keeps that.
    bool lost_names = false;
    std::vector<LedgerCursor> cursors;
    std::optional<LedgerIdentities> identities;

    [[nodiscard]] const LedgerCursor* find(std::string_view name) const noexcept;
    // Adds it, or takes the place of the one of that name.
    void put(const LedgerCursor& cursor);
    // False: there was none.
    bool remove(std::string_view name);
};

// What retention spares for its cursors; and, whatever it takes, what its identities aren't as of.
[[nodiscard]] std::vector<HeldBack> held_back(const Ledger& ledger);

// Without the file: an empty ledger. Errors: `corrupt` when both slots are damaged, or it belongs
// to another journal than `journal_id` (zeroes: whatever it is); incompatible; no_permission.
[[nodiscard]] Result<Ledger> read_ledger(const std::string& directory,
                                         const std::array<std::uint64_t, 2>& journal_id = {});

// The right to change it, until it is destroyed. Held for one change, not for longer.
class LedgerLock {
public:
    // Waits for whoever changes it now, for some seconds. Makes the file when there is none.
    // Errors: `busy` when somebody was stopped in the middle of a change; no_permission, no_space,
    // those of the file system.
    [[nodiscard]] static Result<LedgerLock> lock(const std::string& directory);

    // As read_ledger. Who goes on although it is damaged does so with made_anew().
    [[nodiscard]] Result<Ledger> read(const std::array<std::uint64_t, 2>& journal_id = {}) const;
    // Durable when it returns. Raises the generation. Error no_space: too many cursors.
    [[nodiscard]] Result<void> write(Ledger& ledger) const;
    // What follows a damaged one: empty, and says that names may have been lost.
    [[nodiscard]] static Ledger made_anew(const std::array<std::uint64_t, 2>& journal_id);

private:
    LedgerLock(std::string directory, FileLock lock) noexcept;

    std::string directory_;
    FileLock lock_;
};

// Why one more name can't be kept.
[[nodiscard]] Error ledger_is_full(const std::string& directory);

// Who reads by a cursor holds it so, that nobody else does, in a journal alone or in its stream.
// Error `busy`.
[[nodiscard]] Result<FileLock> lock_ledger_cursor(const std::string& directory,
                                                  std::string_view name);

}  // namespace tailrace::journal
