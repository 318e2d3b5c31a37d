// What each member does for the group: the dead and the silent, the floor, the cursor.

#include "group_core.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/step.hpp>

#include <algorithm>
#include <utility>

namespace tailrace::stream {

namespace {

constexpr std::uint64_t kLookNs = 5'000'000;
// Some system calls for each seat; it matters for children that were cloned past all handlers.
constexpr std::uint64_t kLongLookNs = 500'000'000;
constexpr std::uint64_t kLongestStallLookNs = 100'000'000;
constexpr std::uint64_t kKeeperLookNs = 100'000'000;

}  // namespace

void GroupCore::look_around(std::uint64_t now_ns) {
    next_look_ns_ = now_ns + kLookNs;
    look_at_seats(now_ns);
    look_for_retries();
    if (!cursor_ && now_ns >= next_keeper_look_ns_) {
        next_keeper_look_ns_ = now_ns + kKeeperLookNs;
        take_cursor();
    }
}

void GroupCore::look_at_seats(std::uint64_t now_ns) {
    const bool is_long = now_ns >= next_long_look_ns_;
    if (is_long) next_long_look_ns_ = now_ns + kLongLookNs;
    const std::uint64_t stall_ns = file().header().stall_ns;
    const bool looks_for_stalls = stall_ns != kNeverStalls && now_ns >= next_stall_look_ns_;
    if (looks_for_stalls)
        next_stall_look_ns_ = now_ns + std::min(stall_ns / 4, kLongestStallLookNs);
    for (std::uint32_t index = 0; index < file().header().seats; ++index) {
        const SeenSeat seen = file().see(index);
        if (index == seat_ || !seen.is_taken()) continue;
        if (file().is_deserted(index, is_long)) {
            file().take_back_of_dead(index, seen.turn);
            TAILRACE_STEP("group.seat_cleared");
            std::uint64_t turn = seen.turn;
            // [sync:group_seat] Release: its events were taken back before. Relaxed when it fails:
            // somebody sits there by now, or it was found empty by another one.
            static_cast<void>(file().seat(index).turn.compare_exchange_strong(
                turn, turn - 1, std::memory_order_release, std::memory_order_relaxed));
        } else if (looks_for_stalls && now_ns > seen.progress_ns &&
                   now_ns - seen.progress_ns > stall_ns) {
            file().take_back_of_silent(index, seen);
        }
    }
}

// One member has the group's cursor, and keeps the floor there: so that it outlives this file.
void GroupCore::take_cursor() {
    std::atomic<std::uint32_t>& keeper = file().shared().keeper;
    // Relaxed: a hint; two who try at once are told apart by the cursor's own lock.
    const std::uint32_t seat = keeper.load(std::memory_order_relaxed);
    if (seat != 0 && seat <= file().header().seats && file().see(seat - 1).is_taken()) return;
    auto cursor = bus::Cursor::take(region_, cursor_of_group(file().group()), file().load_floor());
    if (!cursor) return;
    cursor_.emplace(std::move(*cursor));
    // Relaxed: as above.
    keeper.store(seat_ + 1, std::memory_order_relaxed);
    TAILRACE_STEP("group.cursor_taken");
}

// The file counts, as long as it is there: what somebody else says of the cursor doesn't.
void GroupCore::keep_cursor(Sequence floor) noexcept {
    if (!cursor_) return;
    if (cursor_->is_moved()) static_cast<void>(cursor_->accept_move());
    if (cursor_->sequence() != floor) static_cast<void>(cursor_->commit(floor));
}

void GroupCore::settle() {
    if (has_lost_) count_losses();
    raise_frontier();
    raise_floor();
    const Sequence floor = file().load_floor();
    keep_cursor(floor);
    hold_ring_at(floor);
}

// Everything that was read is in somebody's hands, or ended, but for what waits for room.
void GroupCore::raise_frontier() noexcept {
    const Sequence own = passages_.empty() ? place_ : passages_.front().first;
    std::atomic<Sequence>& frontier = file().shared().frontier;
    Sequence seen = file().load_frontier();
    // [sync:group_frontier] Release: what was found taken below was seen before.
    while (seen < own && !frontier.compare_exchange_weak(
                             seen, own, std::memory_order_acq_rel, std::memory_order_acquire)) {
    }
    frontier_ = std::max(seen, own);
}

// Only words of their own lap count: one of a later lap stands there because the floor is behind it
// already. So from a floor that still stands no word that was passed was taken anew.
void GroupCore::raise_floor() noexcept {
    Sequence floor = file().load_floor();
    Sequence behind = floor;
    const Sequence most = floor + file().window_events();
    while (behind < most) {
        const Unit unit = unpack(file().load_unit(behind));
        if (unit.state != UnitState::done || unit.lap != file().lap(behind)) break;
        ++behind;
    }
    if (behind == floor) return;
    TAILRACE_STEP("group.raising_floor");
    // [sync:group_floor] Release: what was done below was seen before.
    static_cast<void>(file().shared().floor.compare_exchange_strong(
        floor, behind, std::memory_order_acq_rel, std::memory_order_relaxed));
    TAILRACE_STEP("group.floor_raised");
}

void GroupCore::hold_ring_at(Sequence floor) {
    if (!holder_) return;
    const auto nothing = [](const Event&) {
    };
    while (holder_->next_sequence() < floor) {
        const Sequence before = holder_->next_sequence();
        static_cast<void>(holder_->poll(nothing, floor - before));
        if (holder_->next_sequence() == before) return;
    }
}

}  // namespace tailrace::stream
