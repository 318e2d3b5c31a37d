// ReaderCursor: the cursor of a StreamReader, in the stream's shared memory or, for a journal
// alone, in the journal's ledger. One thread; in a forked child it is dead.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/cursor.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace tailrace::stream {

// When a reader notes by itself in its cursor what it has handed over. Whoever is killed before
// gets the same events once more, at most:
enum class CommitMode : std::uint8_t {
    per_event,  // the one that was being handled
    per_poll,   // those of the last poll; noted behind its last handler
    interval,   // those since the last commit, at most StreamReaderOptions::commit_interval_ns ago
    manual,     // those since the last call of commit()
};

class JournalCursor;

class ReaderCursor {
public:
    // `in_ledger`: the name in the journal's ledger, where this process may lock it.
    ReaderCursor(bus::Cursor in_ring, FileLock in_ledger);
    explicit ReaderCursor(std::unique_ptr<JournalCursor> in_journal);
    ReaderCursor(ReaderCursor&&) noexcept;
    ReaderCursor& operator=(ReaderCursor&&) noexcept;
    ReaderCursor(const ReaderCursor&) = delete;
    ReaderCursor& operator=(const ReaderCursor&) = delete;
    ~ReaderCursor();

    // One store in the ring; in a journal alone now and then a write. False: nothing was noted,
    // since somebody has moved it, or it is dead.
    bool commit(Sequence sequence) noexcept {
        if (in_ring_) [[likely]]
            return in_ring_->commit(sequence);
        return commit_to_journal(sequence);
    }
    [[nodiscard]] Sequence sequence() const noexcept;
    [[nodiscard]] const std::string& name() const noexcept;
    [[nodiscard]] bool is_dead() const noexcept;
    [[nodiscard]] bool is_moved() const noexcept {
        return in_ring_ && !in_ring_->is_dead() && in_ring_->is_moved();
    }
    // Requires, both: is_moved().
    [[nodiscard]] Sequence moved_to() const noexcept { return in_ring_->moved_to(); }
    Sequence accept_move() noexcept { return in_ring_->accept_move(); }
    // Of a journal alone: the salt of what is read now.
    void note_salt(std::uint64_t record_salt) noexcept { record_salt_ = record_salt; }
    // Why the last commit couldn't be written. Null: nothing is wrong.
    [[nodiscard]] const Error* trouble() const noexcept;
    // Of a journal alone: writes it now.
    [[nodiscard]] Result<void> write_to_journal();

private:
    bool commit_to_journal(Sequence sequence) noexcept;

    std::optional<bus::Cursor> in_ring_;
    FileLock in_ledger_;
    std::uint64_t record_salt_ = 0;
    std::unique_ptr<JournalCursor> in_journal_;
};

}  // namespace tailrace::stream
