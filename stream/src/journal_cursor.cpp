#include "journal_cursor.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/stream/reader_cursor.hpp>

#include <exception>
#include <utility>

namespace tailrace::stream {

namespace {

constexpr std::uint64_t kWritePaceNs = 100'000'000;

}  // namespace

JournalCursor::JournalCursor(std::string directory,
                             const std::array<std::uint64_t, 2>& journal_id,
                             journal::LedgerCursor entry,
                             FileLock lock) noexcept
    : directory_(std::move(directory)),
      journal_id_(journal_id),
      entry_(std::move(entry)),
      lock_(std::move(lock)) {}

Result<FileLock> JournalCursor::lock(const std::string& directory, const std::string& name) {
    auto writer = journal::look_for_writer(directory);
    if (!writer) return writer.error();
    if (writer->runs) {
        return make_error(ErrorCode::busy,
                          "process " + std::to_string(writer->pid) + " records into '" + directory +
                              "', so its stream has the cursors",
                          "read the stream by the cursor '" + name + "' instead");
    }
    return journal::lock_ledger_cursor(directory, name);
}

Result<std::unique_ptr<JournalCursor>> JournalCursor::take(
    const std::string& directory,
    const std::array<std::uint64_t, 2>& journal_id,
    journal::LedgerCursor entry,
    FileLock lock) {
    std::unique_ptr<JournalCursor> cursor(
        new JournalCursor(directory, journal_id, std::move(entry), std::move(lock)));
    if (auto written = cursor->write(); !written) return written.error();
    return cursor;
}

JournalCursor::~JournalCursor() {
    if (is_dead()) return;
    try {
        (void)write();
    } catch (const std::exception&) {
        // No memory: as if it had been killed.
    }
}

bool JournalCursor::commit(Sequence sequence, std::uint64_t record_salt) noexcept {
    if (is_dead()) return false;
    if (sequence != entry_.sequence) {
        entry_.sequence = sequence;
        entry_.record_salt = record_salt;
        is_written_ = false;
    }
    if (is_written_) return true;
    const std::uint64_t now_ns = monotonic_ns();
    if (now_ns < next_write_ns_) return true;
    next_write_ns_ = now_ns + kWritePaceNs;
    try {
        return write().has_value();
    } catch (const std::exception&) {  // no memory: tried again
        return true;
    }
}

Result<void> JournalCursor::write() {
    if (is_written_) return {};
    auto written = write_to_ledger();
    if (written) {
        is_written_ = true;
        trouble_.reset();
    } else {
        trouble_ = written.error();
    }
    return written;
}

Result<void> JournalCursor::write_to_ledger() {
    auto lock = journal::LedgerLock::lock(directory_);
    if (!lock) return lock.error();
    auto ledger = lock->read(journal_id_);
    if (!ledger) return ledger.error();
    ledger->journal_id = journal_id_;
    if (const journal::LedgerCursor* const known = ledger->find(entry_.name))
        entry_.hold_bytes = known->hold_bytes;
    ledger->put(entry_);
    return lock->write(*ledger);
}

// --- either of the two

ReaderCursor::ReaderCursor(bus::Cursor in_ring, FileLock in_ledger)
    : in_ring_(std::move(in_ring)),
      in_ledger_(std::move(in_ledger)) {}
ReaderCursor::ReaderCursor(std::unique_ptr<JournalCursor> in_journal)
    : in_journal_(std::move(in_journal)) {}
ReaderCursor::ReaderCursor(ReaderCursor&&) noexcept = default;
ReaderCursor& ReaderCursor::operator=(ReaderCursor&&) noexcept = default;
ReaderCursor::~ReaderCursor() = default;

bool ReaderCursor::commit_to_journal(Sequence sequence) noexcept {
    return in_journal_ != nullptr && in_journal_->commit(sequence, record_salt_);
}

const Error* ReaderCursor::trouble() const noexcept {
    return in_journal_ != nullptr && in_journal_->trouble() ? &*in_journal_->trouble() : nullptr;
}

Sequence ReaderCursor::sequence() const noexcept {
    return in_ring_ ? in_ring_->sequence() : in_journal_->entry().sequence;
}

const std::string& ReaderCursor::name() const noexcept {
    return in_ring_ ? in_ring_->name() : in_journal_->entry().name;
}

bool ReaderCursor::is_dead() const noexcept {
    if (in_ring_) return in_ring_->is_dead();
    return in_journal_ == nullptr || in_journal_->is_dead();
}

Result<void> ReaderCursor::write_to_journal() {
    return in_journal_ == nullptr ? Result<void>() : in_journal_->write();
}

}  // namespace tailrace::stream
