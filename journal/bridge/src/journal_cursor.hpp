// JournalCursor: a cursor in the ledger of a journal that nobody writes, for who reads that alone.
//
// One owner, by a lock. Written ten times a second at most, and at the end. One thread.
#pragma once

#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/home_process.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/journal/ledger.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

namespace tailrace::bridge {

class JournalCursor {
public:
    // Takes `entry`, which may be new, from where it stands. Error `busy`: it has an owner, or a
    // recorder writes the journal.
    [[nodiscard]] static Result<std::unique_ptr<JournalCursor>> take(
        const std::string& directory,
        const std::array<std::uint64_t, 2>& journal_id,
        journal::LedgerCursor entry);
    JournalCursor(const JournalCursor&) = delete;
    JournalCursor& operator=(const JournalCursor&) = delete;
    // Writes what wasn't yet, as far as that can be done.
    ~JournalCursor();

    [[nodiscard]] bool is_dead() const noexcept { return !home_.is_here(); }
    [[nodiscard]] const journal::LedgerCursor& entry() const noexcept { return entry_; }
    bool commit(Sequence sequence) noexcept;
    [[nodiscard]] Result<void> write();

private:
    JournalCursor(std::string directory,
                  const std::array<std::uint64_t, 2>& journal_id,
                  journal::LedgerCursor entry,
                  FileLock lock) noexcept;

    std::string directory_;
    std::array<std::uint64_t, 2> journal_id_;
    journal::LedgerCursor entry_;
    FileLock lock_;
    HomeProcess home_;
    bool is_written_ = false;
    std::uint64_t next_write_ns_ = 0;
};

}  // namespace tailrace::bridge
