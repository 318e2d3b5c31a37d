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
#include <optional>
#include <string>

namespace tailrace::stream {

class JournalCursor {
public:
    // The right to it: before anybody looks where it stands. Error `busy`: it has an owner, or a
    // recorder writes the journal.
    [[nodiscard]] static Result<FileLock> lock(const std::string& directory,
                                               const std::string& name);
    // Takes `entry`, which may be new, from where it stands, and writes it.
    [[nodiscard]] static Result<std::unique_ptr<JournalCursor>> take(
        const std::string& directory,
        const std::array<std::uint64_t, 2>& journal_id,
        journal::LedgerCursor entry,
        FileLock lock);
    JournalCursor(const JournalCursor&) = delete;
    JournalCursor& operator=(const JournalCursor&) = delete;
    // Writes what wasn't yet, as far as that can be done.
    ~JournalCursor();

    [[nodiscard]] bool is_dead() const noexcept { return !home_.is_here(); }
    [[nodiscard]] const journal::LedgerCursor& entry() const noexcept { return entry_; }
    // `record_salt`: of the event before it. False: it couldn't be written, and trouble() says why;
    // it is tried again with the next one.
    bool commit(Sequence sequence, std::uint64_t record_salt) noexcept;
    [[nodiscard]] const std::optional<Error>& trouble() const noexcept { return trouble_; }
    [[nodiscard]] Result<void> write();

private:
    JournalCursor(std::string directory,
                  const std::array<std::uint64_t, 2>& journal_id,
                  journal::LedgerCursor entry,
                  FileLock lock) noexcept;
    [[nodiscard]] Result<void> write_to_ledger();

    std::string directory_;
    std::array<std::uint64_t, 2> journal_id_;
    journal::LedgerCursor entry_;
    FileLock lock_;
    HomeProcess home_;
    bool is_written_ = false;
    std::optional<Error> trouble_;
    std::uint64_t next_write_ns_ = 0;
};

}  // namespace tailrace::stream
