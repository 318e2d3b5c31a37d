#include "cursor_keeper.hpp"

#include <tailrace/bus/journal_board.hpp>
#include <tailrace/journal/background_thread.hpp>
#include <tailrace/journal/ledger.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

namespace tailrace::bridge {

namespace {

constexpr std::uint64_t kKeeperPaceNs = 100'000'000;

bool held_alike(const std::vector<journal::HeldBack>& a, const std::vector<journal::HeldBack>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
        return x.sequence == y.sequence && x.size_bytes == y.size_bytes;
    });
}

}  // namespace

CursorKeeper::CursorKeeper(std::shared_ptr<bus::Region> region,
                           std::string directory,
                           const std::array<std::uint64_t, 2>& journal_id)
    : region_(std::move(region)),
      directory_(std::move(directory)),
      journal_id_(journal_id),
      keeping_(*region_),
      thread_([this] { run(); }) {}

CursorKeeper::~CursorKeeper() {
    stop();
}

void CursorKeeper::stop() noexcept {
    if (!thread_.joinable()) return;
    // Relaxed: the round that is asked for orders it.
    stop_.store(true, std::memory_order_relaxed);
    bus::CursorKeeping::ask(*region_);
    thread_.join();
}

void CursorKeeper::run() noexcept {
    journal::leave_real_time();
    // Relaxed: as above; a round that was asked for is not slept through.
    while (!stop_.load(std::memory_order_relaxed)) {
        try {
            keep();
        } catch (const std::exception& failure) {  // no memory
            keeping_.failed(ENOMEM);
            tell_trouble(make_error(ErrorCode::io_failure,
                                    "the cursors of stream '" + region_->name() +
                                        "' can't be written: " + failure.what(),
                                    "'free -m' shows what is left"));
        }
        keeping_.wait(kKeeperPaceNs);
    }
}

// No process moves a cursor back into the ledger that another one has just removed from it: both
// hold the ledger's lock from before they look at the cursors until it is written.
void CursorKeeper::keep() {
    const bool is_wanted = keeping_.is_wanted();
    auto cursors = keeping_.collect(bus::durable_sequence(*region_));
    if (cursors == written_) {
        if (is_wanted) keeping_.kept(cursors);
        return;
    }
    auto lock = journal::LedgerLock::lock(directory_);
    Result<void> outcome = lock ? Result<void>() : Result<void>(lock.error());
    if (lock) {
        cursors = keeping_.collect(bus::durable_sequence(*region_));
        outcome = write(*lock, cursors);
    }
    if (outcome) {
        keeping_.kept(cursors);
        written_ = std::move(cursors);
        last_trouble_.clear();
        return;
    }
    const Error& error = outcome.error();
    keeping_.failed(error.os_errno != 0 ? error.os_errno : EUCLEAN);
    tell_trouble(error);
}

Result<void> CursorKeeper::write(const journal::LedgerLock& lock,
                                 const std::vector<bus::CursorToKeep>& cursors) {
    auto ledger = lock.read(journal_id_);
    if (!ledger) return ledger.error();
    ledger->journal_id = journal_id_;
    for (const bus::CursorToKeep& cursor : cursors) {
        journal::LedgerCursor entry;
        entry.name = cursor.name;
        entry.sequence = cursor.sequence;
        entry.hold_bytes = cursor.hold_bytes;
        // The event before it is this ring's, or where the cursor stands it was told before.
        const journal::LedgerCursor* const known = ledger->find(cursor.name);
        if (cursor.sequence > region_->header().first_sequence) {
            entry.record_salt = region_->header().salt;
        } else if (known != nullptr && known->sequence == cursor.sequence) {
            entry.record_salt = known->record_salt;
        }
        ledger->put(entry);
    }
    std::vector<journal::HeldBack> held;
    for (const journal::LedgerCursor& cursor : ledger->cursors) {
        if (cursor.hold_bytes != 0) held.push_back({cursor.sequence, cursor.hold_bytes});
    }
    tell_held(std::move(held));
    return lock.write(*ledger);
}

void CursorKeeper::tell_held(std::vector<journal::HeldBack> held) {
    if (held_alike(held, last_held_)) return;
    last_held_ = held;
    const std::lock_guard guard(mutex_);
    news_.held = std::move(held);
    // Relaxed: what it tells of is taken under the mutex.
    has_news_.store(true, std::memory_order_relaxed);
}

void CursorKeeper::tell_trouble(const Error& error) {
    if (error.message == last_trouble_) return;
    last_trouble_ = error.message;
    const std::lock_guard guard(mutex_);
    news_.trouble = error;
    // Relaxed: as above.
    has_news_.store(true, std::memory_order_relaxed);
}

CursorKeeper::News CursorKeeper::take_news() {
    // Relaxed: as above.
    if (!has_news_.load(std::memory_order_relaxed)) return {};
    const std::lock_guard guard(mutex_);
    has_news_.store(false, std::memory_order_relaxed);
    return std::exchange(news_, {});
}

void CursorKeeper::finish() {
    stop();
    keep();
}

}  // namespace tailrace::bridge
