#include "durable_pause.hpp"
#include "journal_gaps.hpp"
#include "registry_lock.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/base/sequence_range.hpp>
#include <tailrace/base/shortage.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/wait.hpp>

#include <unistd.h>

#include <algorithm>

namespace tailrace::bus {

namespace {

// A waiter looks up this often, since a writer that is killed wakes nobody.
constexpr std::uint64_t kWriterCheckNs = 20'000'000;

bool is_short_of_room(JournalState state) noexcept {
    return state == JournalState::low_space || state == JournalState::no_space;
}

// Whether any process holds the lock of the role: the writer, or a child that a dead one left.
bool is_role_locked(const Region& region) noexcept {
    // Relaxed: who looks in the middle of a take sees the turn of a writer that is gone, or that of
    // the new one; the kernel says of either whether it is held.
    const std::uint32_t turn =
        region.state().journal_gaps.writer_lock_turn.load(std::memory_order_relaxed);
    return region.is_lock_held(lock_of_turn(kJournalLock, turn));
}

// Exact for who holds the role; else it may be half of one writer's and half of the next one's.
RememberedJournal read_memory(const JournalMemory& memory) {
    RememberedJournal remembered;
    // Relaxed, all: only holders of the role write them.
    remembered.durable_sequence = memory.durable_sequence.load(std::memory_order_relaxed);
    remembered.id = {memory.id_high.load(std::memory_order_relaxed),
                     memory.id_low.load(std::memory_order_relaxed)};
    const auto directory = memory.directory.read();
    remembered.directory.assign(directory.begin(),
                                std::find(directory.begin(), directory.end(), '\0'));
    return remembered;
}

// Locks the first turn of the role that nobody holds. Requires: the registry lock, no living
// writer.
Result<FileLock> lock_role(const Region& region, std::uint32_t& turn) {
    for (turn = 0; turn < kLockTurns; ++turn) {
        auto lock = FileLock::try_lock(region.lock_path(), lock_of_turn(kJournalLock, turn));
        if (lock || lock.error().code != ErrorCode::busy) return lock;
    }
    return make_error(ErrorCode::busy,
                      "the dead journal writers of stream '" + region.name() + "' have left " +
                          std::to_string(kLockTurns) + " children that hold its locks",
                      "end them: fuser -v " + region.path() + "/control");
}

// Behind an acquire of the state.
int errno_of(const Region& region) noexcept {
    // Relaxed: ordered by the state.
    return static_cast<int>(region.state().journal.os_errno.load(std::memory_order_relaxed));
}

Error journal_failed(const Region& region) {
    if (errno_of(region) == ENOENT) {
        return make_error(ErrorCode::io_failure,
                          "the journal of stream '" + region.name() +
                              "' is gone from its place while it was written (removed, moved, or "
                              "its file system unmounted); nothing from sequence " +
                              std::to_string(durable_sequence(region)) + " on is durable",
                          "tailrace lag " + region.name() + "; findmnt, ls -ld on its directory");
    }
    Error error = os_error(errno_of(region),
                           "the journal of stream '" + region.name() +
                               "' failed; everything below sequence " +
                               std::to_string(durable_sequence(region)) + " is durable");
    error.code = ErrorCode::io_failure;
    error.hint = "tailrace doctor; then start it anew: tailrace record " + region.name();
    return error;
}

Error no_room(const Region& region) {
    const Shortage shortage = shortage_of(errno_of(region), region.name());
    Error error =
        os_error(errno_of(region),
                 "the next segment of the journal of stream '" + region.name() +
                     "' can't be made, since " + shortage.what + "; everything below sequence " +
                     std::to_string(durable_sequence(region)) + " is durable",
                 "tailrace lag " + region.name() + " says what helps; it then goes on by itself");
    error.code = ErrorCode::no_space;
    return error;
}

Error nobody_writes(const Region& region, Sequence sequence) {
    const std::string so = "sequence " + std::to_string(sequence) + " won't become durable";
    if (region.has_ended()) {
        return make_error(
            ErrorCode::closed, region.ending() + "; " + so, "tailrace create " + region.name());
    }
    return make_error(ErrorCode::no_writer,
                      "no journal writer runs for stream '" + region.name() + "', so " + so,
                      "tailrace record " + region.name());
}

Error not_kept(const Region& region, const GapVerdict& verdict) {
    const std::string range = range_text(verdict.first, verdict.end);
    if (verdict.finding == GapFinding::gap) {
        return make_error(
            ErrorCode::sequence_gone,
            "sequences " + range + " of stream '" + region.name() +
                "' will never be durable: the journal has a gap there, dropped by its "
                "writer (--journal-lag drop) or gone from the ring before one ran",
            "tailrace record " + region.name() +
                " --journal-lag gate holds publishers back instead");
    }
    return make_error(ErrorCode::sequence_gone,
                      "whether the journal of stream '" + region.name() + "' has sequences " +
                          range + " can't be told any more: it has had more gaps than are listed",
                      "tailrace replay " + region.name() + " --from " +
                          std::to_string(verdict.first) + " shows what it has");
}

}  // namespace

JournalBoardWriter::JournalBoardWriter(std::shared_ptr<Region> region, FileLock lock) noexcept
    : region_(std::move(region)),
      lock_(std::move(lock)) {}

JournalBoardWriter& JournalBoardWriter::operator=(JournalBoardWriter&& other) noexcept {
    if (this != &other) {
        stop();
        region_ = std::move(other.region_);
        lock_ = std::move(other.lock_);
        home_ = other.home_;
        last_state_ = other.last_state_;
        last_durable_sequence_ = other.last_durable_sequence_;
        last_written_sequence_ = other.last_written_sequence_;
        remembered_ = std::move(other.remembered_);
    }
    return *this;
}

JournalBoardWriter::~JournalBoardWriter() {
    stop();
}

void JournalBoardWriter::stop() noexcept {
    if (region_ == nullptr || !lock_.is_held() || !home_.is_here()) return;
    JournalBoard& board = region_->state().journal;
    // Relaxed: only this writer writes it.
    JournalState state = board.state.load(std::memory_order_relaxed);
    if (state == JournalState::opening) {
        // What the last writer promised of its journal is as true as before. The errno of a failure
        // is still there. Relaxed: carried by what is released below.
        board.written_sequence.store(last_written_sequence_, std::memory_order_relaxed);
        // [sync:durable_moved] Release: the last writer's flush, which take() acquired.
        board.durable_sequence.store(last_durable_sequence_, std::memory_order_release);
        state = last_state_;
    }
    // [sync:journal_state] Release: the last durable sequence is seen with it.
    board.state.store(state == JournalState::failed ? state : JournalState::stopped,
                      std::memory_order_release);
    wake_waiting();
    lock_.unlock();
}

Result<JournalBoardWriter> JournalBoardWriter::take(std::shared_ptr<Region> region) {
    TAILRACE_CHECK(region != nullptr && region->access() != RegionAccess::observe);
    // The role changes hands under the registry lock, so that the identity that is judged is of
    // whoever holds the role's lock, and of two that take over from a dead one the first wins.
    LockFile file;
    const auto registry = RegistryLock::lock(*region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    if (has_journal_writer(*region)) {
        return make_error(ErrorCode::busy,
                          "stream '" + region->name() + "' has a journal writer already (pid " +
                              std::to_string(region->state().journal.writer.read().pid) + ")",
                          "tailrace lag " + region->name());
    }
    JournalBoard& board = region->state().journal;
    // Before the lock: should this process die between the two, no child of its keeps a lock in the
    // name of somebody who lives.
    const ProcessIdentity last_writer = board.writer.read();
    board.writer.write(current_process());
    std::uint32_t turn = 0;
    auto lock = lock_role(*region, turn);
    if (!lock) {
        board.writer.write(last_writer);
        return lock.error();
    }
    TAILRACE_STEP("journal_board.locked");
    JournalBoardWriter writer(region, std::move(*lock));
    // Relaxed, all: the last writer is gone; its role was let go by the kernel, or by its end.
    writer.last_state_ = board.state.load(std::memory_order_relaxed);
    writer.last_written_sequence_ = board.written_sequence.load(std::memory_order_relaxed);
    // [sync:durable_moved] Acquire: should it be given back.
    writer.last_durable_sequence_ = board.durable_sequence.load(std::memory_order_acquire);
    if (writer.last_state_ == JournalState::opening)
        writer.last_state_ = JournalState::stopped;  // killed before it had promised anything
    JournalMemory& memory = region->state().journal_memory;
    // Nothing was remembered when nobody opened a journal: what stands on the board is then how the
    // ring began. Relaxed: of this role alone.
    if (memory.id_high.load(std::memory_order_relaxed) != 0 &&
        writer.last_durable_sequence_ > memory.durable_sequence.load(std::memory_order_relaxed)) {
        memory.durable_sequence.store(writer.last_durable_sequence_, std::memory_order_relaxed);
    }
    writer.remembered_ = read_memory(memory);
    // Relaxed, all: made visible by the state.
    region->state().journal_gaps.writer_lock_turn.store(turn, std::memory_order_relaxed);
    region->state().journal_gaps.writer_thread.store(static_cast<std::uint32_t>(::gettid()),
                                                     std::memory_order_relaxed);
    // What the last writer promised here is not believed, it may have been of another journal: the
    // disk says. The promise goes before anybody is asked to wait for a new one.
    board.durable_sequence.store(0, std::memory_order_relaxed);
    board.written_sequence.store(0, std::memory_order_relaxed);
    TAILRACE_STEP("journal_board.promise_withdrawn");
    // [sync:journal_state] Release: who sees `opening` sees no promise of the last writer's.
    board.state.store(JournalState::opening, std::memory_order_release);
    return writer;
}

void JournalBoardWriter::opened(Sequence durable_sequence) noexcept {
    JournalBoard& board = region_->state().journal;
    // Relaxed, both: carried by the state.
    board.os_errno.store(0, std::memory_order_relaxed);
    board.written_sequence.store(durable_sequence, std::memory_order_relaxed);
    // [sync:durable_moved] Release: recovery flushed what it found, and its gaps are listed.
    board.durable_sequence.store(durable_sequence, std::memory_order_release);
    TAILRACE_STEP("journal_board.promise_renewed");
    // [sync:journal_state] Release: who sees `running` sees what is above.
    board.state.store(JournalState::running, std::memory_order_release);
    wake_all(board.durable_wait);
}

void JournalBoardWriter::remember(const std::array<std::uint64_t, 2>& id,
                                  const std::string& directory) noexcept {
    JournalMemory& memory = region_->state().journal_memory;
    // Nothing first, so that a writer that is killed in between leaves no mixture. A first half
    // that is zero would say that nothing is known.
    // Relaxed, here and below: only holders of the role write them, and who reads without it looks
    // whether the journal that it finds is the one.
    memory.durable_sequence.store(0, std::memory_order_relaxed);
    std::array<char, kJournalDirectoryCapacity> text{};
    std::copy_n(directory.begin(), std::min(directory.size(), text.size() - 1), text.begin());
    memory.directory.write(text);
    // Relaxed, as above.
    memory.id_high.store(id[0] != 0 ? id[0] : 1, std::memory_order_relaxed);
    memory.id_low.store(id[1], std::memory_order_relaxed);
    memory.durable_sequence.store(
        region_->state().journal.durable_sequence.load(std::memory_order_relaxed),
        std::memory_order_relaxed);
}

void JournalBoardWriter::progress(Sequence durable_sequence,
                                  Sequence written_sequence,
                                  std::uint64_t written_bytes,
                                  std::uint64_t flushes) noexcept {
    JournalBoard& board = region_->state().journal;
    // Relaxed: statistics, and this writer's own last value.
    board.written_sequence.store(written_sequence, std::memory_order_relaxed);
    board.written_bytes.store(written_bytes, std::memory_order_relaxed);
    board.flushes.store(flushes, std::memory_order_relaxed);
    if (board.durable_sequence.load(std::memory_order_relaxed) == durable_sequence) return;
    // [sync:durable_moved] Release: the flush that made it durable has completed.
    board.durable_sequence.store(durable_sequence, std::memory_order_release);
    TAILRACE_STEP("journal_board.durable_moved");
    wake_waiting();
}

void JournalBoardWriter::wake_waiting() noexcept {
    // Once a commit a fence costs nothing, and spares who waits a membarrier, which would interrupt
    // this thread in the middle of a write.
    WaitCell& cell = region_->state().journal.durable_wait;
    if (has_sleepers_fenced(cell)) static_cast<void>(wake_first(cell));
}

void JournalBoardWriter::gap(Sequence first, Sequence end) noexcept {
    if (first >= end) return;
    list_gap(region_->state().journal_gaps, first, end);
    static_cast<void>(wake_first(region_->state().journal.durable_wait));
}

void JournalBoardWriter::lost(std::uint64_t events) noexcept {
    // Relaxed: a figure for tools.
    region_->state().journal.lost_events.fetch_add(events, std::memory_order_relaxed);
}

void JournalBoardWriter::continue_at(Sequence sequence) noexcept {
    forget_gaps_from(region_->state().journal_gaps, sequence);
}

void JournalBoardWriter::hold_from(Place place) noexcept {
    if (!holds_for_journal(region_->header())) return;
    JournalHold& hold = region_->state().journal_hold;
    // Relaxed: carried by the position. Whoever is killed in between has written up to here too.
    hold.sequence.store(place.sequence, std::memory_order_relaxed);
    TAILRACE_STEP("journal_board.hold_noted");
    // [sync:hold_moved] Release: what lies below was written.
    hold.position.store(place.position, std::memory_order_release);
    TAILRACE_STEP("journal_board.hold_moved");
}

void JournalBoardWriter::room(JournalRoom room, int os_errno) noexcept {
    JournalBoard& board = region_->state().journal;
    const JournalState state = room == JournalRoom::enough ? JournalState::running
                               : room == JournalRoom::low  ? JournalState::low_space
                                                           : JournalState::no_space;
    // Relaxed: only this writer writes it.
    const JournalState before = board.state.load(std::memory_order_relaxed);
    if (before == state || before == JournalState::failed || before == JournalState::opening)
        return;
    // Relaxed: carried by the state.
    board.os_errno.store(static_cast<std::uint32_t>(os_errno), std::memory_order_relaxed);
    // [sync:journal_state] Release: the errno is seen with it.
    board.state.store(state, std::memory_order_release);
    wake_all(board.durable_wait);
}

void JournalBoardWriter::fail(int os_errno) noexcept {
    JournalBoard& board = region_->state().journal;
    // Relaxed: carried by the state.
    board.os_errno.store(static_cast<std::uint32_t>(os_errno), std::memory_order_relaxed);
    // [sync:journal_state] Release: the errno is seen with it.
    board.state.store(JournalState::failed, std::memory_order_release);
    wake_all(board.durable_wait);
}

RememberedJournal remembered_journal(const Region& region) {
    return read_memory(region.state().journal_memory);
}

std::optional<Place> journal_hold(const Region& region) noexcept {
    if (!holds_for_journal(region.header())) return std::nullopt;
    const JournalHold& hold = region.state().journal_hold;
    // [sync:hold_moved] Acquire: a sequence that is as new. It may be newer.
    const std::uint64_t position = hold.position.load(std::memory_order_acquire);
    // Relaxed: carried by the position.
    return Place{hold.sequence.load(std::memory_order_relaxed), position};
}

std::optional<Sequence> journal_gap_end(const Region& region, Sequence sequence) noexcept {
    const GapVerdict verdict = find_gap(region.state().journal_gaps, sequence, sequence + 1);
    if (verdict.finding != GapFinding::gap) return std::nullopt;
    return verdict.end;
}

Sequence durable_sequence(const Region& region) noexcept {
    // [sync:durable_moved] Acquire: behind the flush.
    return region.state().journal.durable_sequence.load(std::memory_order_acquire);
}

bool has_journal_writer(const Region& region) noexcept {
    return is_role_locked(region) && !has_ended(region.state().journal.writer.read());
}

Result<void> check_durable(const Region& region) {
    // [sync:journal_state] Acquire: the errno.
    const JournalState state = region.state().journal.state.load(std::memory_order_acquire);
    if (state == JournalState::failed) return journal_failed(region);
    if (!has_journal_writer(region)) {
        return make_error(ErrorCode::no_writer,
                          "no journal writer runs for stream '" + region.name() +
                              "', so nothing would become durable",
                          "tailrace record " + region.name());
    }
    if (is_short_of_room(state)) return no_room(region);
    return {};
}

Result<void> check_kept(const Region& region, Sequence first, Sequence end) {
    const GapVerdict verdict = find_gap(region.state().journal_gaps, first, end);
    if (verdict.finding == GapFinding::none) return {};
    return not_kept(region, verdict);
}

Result<void> wait_durable(const Region& region, Sequence sequence, Deadline deadline) {
    return wait_durable(region, region.header().first_sequence, sequence, deadline);
}

Result<void> wait_durable(const Region& region, Sequence first, Sequence end, Deadline deadline) {
    DurableWait wait{first, 0};
    return wait_durable_behind(region, wait, end, deadline);
}

Result<void> wait_durable_behind(const Region& region,
                                 DurableWait& wait,
                                 Sequence sequence,
                                 Deadline deadline) {
    TAILRACE_CHECK(region.access() != RegionAccess::observe);
    if (sequence == 0) return {};  // while a journal is being opened nothing else is promised
    JournalBoard& board = region.state().journal;
    const auto is_durable = [&] {
        return durable_sequence(region) >= sequence;
    };
    DurablePause pause(monotonic_ns());
    // Whether the writer's process has ended takes some files of /proc to tell, and matters only
    // when a child of its keeps the lock: so it is asked now and then, and before giving up.
    std::uint64_t process_look_ns = monotonic_ns() + kWriterCheckNs;
    for (;;) {
        // [sync:journal_state] Acquire: with `opening`, no promise and no gap of the last writer's
        // counts any more; the first look below finds the promise gone.
        const bool is_opening =
            board.state.load(std::memory_order_acquire) == JournalState::opening;
        // In this order: a gap below the durable sequence was listed before that moved.
        const bool is_reached = !is_opening && is_durable();
        const GapVerdict verdict =
            is_opening ? GapVerdict{} : find_gap(region.state().journal_gaps, wait.told, sequence);
        if (verdict.finding != GapFinding::none) {
            wait.told = std::max(wait.told, verdict.end);
            return not_kept(region, verdict);
        }
        if (is_reached) {
            // A successor withdraws the promise before it touches the list of gaps.
            if (!is_durable()) continue;
            wait.told = std::max(wait.told, sequence);
            if (pause.has_waited()) pause.learn(wait, monotonic_ns());
            return {};
        }
        // [sync:journal_state] Acquire: the errno of a failure.
        const JournalState state = board.state.load(std::memory_order_acquire);
        if (state == JournalState::failed) return journal_failed(region);
        if (state == JournalState::no_space) {
            if (is_durable()) continue;
            return no_room(region);
        }
        const std::uint64_t now_ns = monotonic_ns();
        const bool asks_for_process = now_ns >= process_look_ns || deadline.has_passed();
        if (asks_for_process) process_look_ns = now_ns + kWriterCheckNs;
        if (!(asks_for_process ? has_journal_writer(region) : is_role_locked(region))) {
            if (is_durable()) continue;
            return nobody_writes(region, sequence);
        }
        if (deadline.has_passed() && is_opening) {
            return make_error(ErrorCode::timed_out,
                              "the journal of stream '" + region.name() +
                                  "' is being opened: how far it is durable isn't known yet",
                              "tailrace lag " + region.name());
        }
        if (deadline.has_passed()) {
            return make_error(ErrorCode::timed_out,
                              "the journal of stream '" + region.name() +
                                  "' is durable below sequence " +
                                  std::to_string(durable_sequence(region)) + ", not yet below " +
                                  std::to_string(sequence),
                              "tailrace lag " + region.name());
        }
        pause.pass(board.durable_wait,
                   wait,
                   now_ns,
                   std::min(kWriterCheckNs, deadline.remaining_ns()),
                   is_durable);
    }
}

}  // namespace tailrace::bus
