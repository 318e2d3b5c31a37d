#include "cursor_keeper.hpp"

#include <tailrace/bus/journal_board.hpp>
#include <tailrace/journal/background_thread.hpp>
#include <tailrace/journal/ledger.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

namespace tailrace::stream {

namespace {

constexpr std::uint64_t kKeeperPaceNs = 100'000'000;
constexpr std::uint64_t kIdlePaceNs = 200'000'000;
constexpr unsigned kIdleRounds = 10;  // in which no cursor has moved: then the idle pace

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
    unsigned idle_rounds = 0;
    // Relaxed: as above; a round that was asked for is not slept through.
    while (!stop_.load(std::memory_order_relaxed)) {
        try {
            idle_rounds = keep(keeping_.is_wanted()) ? 0 : idle_rounds + 1;
        } catch (const std::exception& failure) {  // no memory
            keeping_.failed(ENOMEM);
            tell_trouble(make_error(ErrorCode::io_failure,
                                    "the cursors of stream '" + region_->name() +
                                        "' can't be written: " + failure.what(),
                                    "'free -m' shows what is left"));
        }
        keeping_.wait(idle_rounds < kIdleRounds ? kKeeperPaceNs : kIdlePaceNs);
    }
}

// Without a look at the disk. A slot that was made anew isn't on it, whatever stood there before.
bool CursorKeeper::is_as_written(const std::vector<bus::CursorToKeep>& cursors) const {
    return std::equal(cursors.begin(),
                      cursors.end(),
                      written_.begin(),
                      written_.end(),
                      [](const bus::CursorToKeep& now, const bus::CursorToKeep& before) {
                          return now.kept_sequence != bus::kNotKept &&
                                 now.slot_index == before.slot_index && now.name == before.name &&
                                 now.sequence == before.sequence &&
                                 now.hold_bytes == before.hold_bytes;
                      });
}

// Whoever waits wants to know of the disk, so then it is read, whatever was written before. No
// process moves a cursor back into the ledger that another one has just removed from it: both hold
// the ledger's lock from before they look at the cursors until it is written.
bool CursorKeeper::keep(bool is_wanted) {
    take_offer();
    auto cursors = keeping_.collect(bus::durable_sequence(*region_));
    if (!is_wanted && !identities_ && is_as_written(cursors)) return false;
    auto lock = journal::LedgerLock::lock(directory_);
    Result<void> outcome = lock ? Result<void>() : Result<void>(lock.error());
    if (lock) {
        cursors = keeping_.collect(bus::durable_sequence(*region_));
        outcome = write(*lock, cursors);
    }
    if (outcome) {
        keeping_.kept(cursors);
        written_ = std::move(cursors);
        identities_.reset();
        last_trouble_.clear();
        return true;
    }
    const Error& error = outcome.error();
    const int other = error.code == ErrorCode::no_space ? ENOSPC
                      : error.code == ErrorCode::busy   ? EBUSY
                                                        : EUCLEAN;
    keeping_.failed(error.os_errno != 0 ? error.os_errno : other);
    tell_trouble(error);
    return true;
}

Result<void> CursorKeeper::write(const journal::LedgerLock& lock,
                                 const std::vector<bus::CursorToKeep>& cursors) {
    auto ledger = lock.read(journal_id_);
    if (!ledger) return ledger.error();
    const journal::Ledger before = *ledger;
    ledger->journal_id = journal_id_;
    bool has_room = true;
    for (const bus::CursorToKeep& cursor : cursors) {
        journal::LedgerCursor entry;
        entry.name = cursor.name;
        entry.sequence = cursor.sequence;
        entry.hold_bytes = cursor.hold_bytes;
        const journal::LedgerCursor* const known = ledger->find(cursor.name);
        // Somebody read the journal alone by it, further than anybody in the ring has come.
        const bool is_elsewhere =
            known != nullptr && !cursor.is_owned && cursor.kept_sequence != bus::kNotKept &&
            known->sequence != cursor.kept_sequence && known->sequence > cursor.sequence;
        if (is_elsewhere) continue;
        // The event before it is this ring's, or where the cursor stands it was told before.
        if (cursor.sequence > region_->header().first_sequence) {
            entry.record_salt = region_->header().salt;
        } else if (known != nullptr && known->sequence == cursor.sequence) {
            entry.record_salt = known->record_salt;
        }
        if (known == nullptr && ledger->cursors.size() >= journal::kMaxLedgerCursors) {
            has_room = false;
            continue;
        }
        ledger->put(entry);
    }
    if (identities_) ledger->identities = merged(*identities_, *region_);
    tell_held(journal::held_back(*ledger));
    const bool is_new = ledger->cursors != before.cursors ||
                        ledger->identities != before.identities ||
                        ledger->journal_id != before.journal_id ||
                        ledger->lost_names != before.lost_names || before.generation == 0;
    if (is_new) {
        if (auto written = lock.write(*ledger); !written) return written;
    }
    return has_room ? Result<void>() : Result<void>(journal::ledger_is_full(directory_));
}

void CursorKeeper::offer(IdentitySnapshot identities) {
    const std::lock_guard guard(mutex_);
    offered_ = std::move(identities);
    // Relaxed: as in wants_identities().
    has_offer_.store(true, std::memory_order_relaxed);
}

void CursorKeeper::take_offer() {
    const std::lock_guard guard(mutex_);
    if (!offered_) return;
    identities_ = std::exchange(offered_, std::nullopt);
    // Relaxed: as above.
    has_offer_.store(false, std::memory_order_relaxed);
}

void CursorKeeper::tell_held(std::vector<journal::HeldBack> held) {
    if (last_held_ == held) return;
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
    keep(true);
}

}  // namespace tailrace::stream
