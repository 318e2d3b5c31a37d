// How cursors come to the disk, as far as shared memory knows: rounds, asked for and answered.

#include "durable_pause.hpp"
#include "registry.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/cursor.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/wait.hpp>

#include <algorithm>

namespace tailrace::bus {

namespace {

// Whoever waits looks up this often, since a keeper that is killed wakes nobody.
constexpr std::uint64_t kKeeperCheckNs = 20'000'000;

// Counts of rounds go round.
bool has_reached(std::uint32_t count, std::uint32_t wanted) noexcept {
    return static_cast<std::int32_t>(count - wanted) >= 0;
}

Error keeper_failed(const Region& region) {
    // Relaxed: ordered by the count of the round.
    const std::uint32_t os_errno = region.state().cursors.os_errno.load(std::memory_order_relaxed);
    Error error = os_error(static_cast<int>(os_errno),
                           "the cursors of stream '" + region.name() +
                               "' can't be written beside its journal, so they survive the death "
                               "of processes but no power cut",
                           "tailrace doctor; it is tried again by itself");
    error.code = ErrorCode::io_failure;
    return error;
}

}  // namespace

Result<void> wait_kept(const Region& region, Deadline deadline) {
    DurableWait wait;
    return wait_kept(region, wait, deadline);
}

Result<void> wait_kept(const Region& region, DurableWait& wait, Deadline deadline) {
    TAILRACE_CHECK(region.access() != RegionAccess::observe);
    CursorBoard& board = region.state().cursors;
    const std::uint32_t wanted = CursorKeeping::ask(region);
    const auto is_kept = [&] {
        // [sync:cursor_kept] Acquire: the keeper's write and flush are before it.
        return has_reached(board.kept.load(std::memory_order_acquire), wanted);
    };
    DurablePause pause(monotonic_ns());
    std::uint64_t recorder_look_ns = 0;
    for (;;) {
        if (is_kept()) {
            if (pause.has_waited()) pause.learn(wait, monotonic_ns());
            return {};
        }
        // [sync:cursor_kept] Acquire: why it failed is written before.
        const std::uint32_t failed = board.failed.load(std::memory_order_acquire);
        if (failed != 0 && has_reached(failed, wanted)) return keeper_failed(region);
        // Whether somebody records takes some system calls to tell: at first, and now and then.
        const std::uint64_t now_ns = monotonic_ns();
        if (now_ns >= recorder_look_ns || deadline.has_passed()) {
            recorder_look_ns = now_ns + kKeeperCheckNs;
            const auto recording = check_durable(region);
            if (!recording && recording.error().code != ErrorCode::no_space) {
                if (is_kept()) return {};
                return recording.error();
            }
        }
        if (deadline.has_passed()) {
            return make_error(ErrorCode::timed_out,
                              "the cursors of stream '" + region.name() +
                                  "' were not written beside its journal in time",
                              "tailrace lag " + region.name());
        }
        pause.pass(board.kept_wait,
                   wait,
                   now_ns,
                   std::min(kKeeperCheckNs, deadline.remaining_ns()),
                   is_kept);
    }
}

bool CursorKeeping::has_any(const Region& region) noexcept {
    // Relaxed: a hint; who makes the first one wakes the keeper, and a recorder looks again.
    return region.state().cursors.any.load(std::memory_order_relaxed) != 0;
}

void CursorKeeping::wait(std::uint64_t timeout_ns) noexcept {
    sleep_on_fenced(
        region_->state().cursors.keeper_wait, timeout_ns, [this] { return is_wanted(); });
}

std::uint32_t CursorKeeping::ask(const Region& region) noexcept {
    // [sync:cursor_asked] Release: the keeper that sees it sees the commits before it.
    const std::uint32_t wanted =
        region.state().cursors.requested.fetch_add(1, std::memory_order_acq_rel) + 1;
    TAILRACE_STEP("cursor.asked");
    wake(region);
    return wanted;
}

void CursorKeeping::wake(const Region& region) noexcept {
    WaitCell& cell = region.state().cursors.keeper_wait;
    if (has_sleepers_fenced(cell)) static_cast<void>(wake_all(cell));
}

bool CursorKeeping::is_wanted() const noexcept {
    // Relaxed: collect() takes it in order.
    return region_->state().cursors.requested.load(std::memory_order_relaxed) != answered_;
}

std::vector<CursorToKeep> CursorKeeping::collect(Sequence durable_sequence) {
    // [sync:cursor_asked] Acquire: the commits before whoever asked are seen below.
    answering_ = region_->state().cursors.requested.load(std::memory_order_acquire);
    TAILRACE_STEP("keeper.began");
    std::vector<CursorToKeep> cursors;
    for (std::uint32_t index = 0; index < kCursorSlots; ++index) {
        const CursorSlot& slot = region_->cursor_slot(index);
        if (!is_used(slot)) continue;
        CursorToKeep cursor;
        cursor.slot_index = index;
        cursor.name = name_of(slot.owner);
        cursor.sequence = std::min(place_of(slot), durable_sequence);
        // Relaxed, both: a setting, taken when it is seen; this thread's own.
        cursor.hold_bytes = slot.hold_bytes.load(std::memory_order_relaxed);
        cursor.kept_sequence = slot.durable_sequence.load(std::memory_order_relaxed);
        cursor.is_owned = is_active(slot.owner);
        cursors.push_back(std::move(cursor));
    }
    return cursors;
}

void CursorKeeping::kept(const std::vector<CursorToKeep>& cursors) noexcept {
    for (const CursorToKeep& cursor : cursors) {
        // Relaxed: for tools, and for this thread.
        region_->cursor_slot(cursor.slot_index)
            .durable_sequence.store(cursor.sequence, std::memory_order_relaxed);
    }
    answered_ = answering_;
    CursorBoard& board = region_->state().cursors;
    // [sync:cursor_kept] Release: the write and the flush are before it.
    board.kept.store(answered_, std::memory_order_release);
    TAILRACE_STEP("keeper.told");
    if (has_sleepers_fenced(board.kept_wait)) static_cast<void>(wake_first(board.kept_wait));
}

void CursorKeeping::failed(int os_errno) noexcept {
    answered_ = answering_;
    CursorBoard& board = region_->state().cursors;
    // Relaxed: carried by the count.
    board.os_errno.store(static_cast<std::uint32_t>(os_errno), std::memory_order_relaxed);
    // [sync:cursor_kept] Release: why it failed is seen by whoever sees the count.
    board.failed.store(answered_, std::memory_order_release);
    if (has_sleepers_fenced(board.kept_wait)) static_cast<void>(wake_first(board.kept_wait));
}

}  // namespace tailrace::bus
