// The part of Publisher that waits for room: how long it sleeps, and who of those who wait asks the
// kernel whether their holder still lives.
//
// One of them watches for all: it looks every few milliseconds, and wakes the others when it has
// dropped a dead gate. The others sleep long, and take the watch when nobody has looked for a
// while. So a hundred publishers that wait cost little more than one.

#include "registry.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/publisher.hpp>

#include <algorithm>

namespace tailrace::bus {

namespace {

// Of who watches, and of everybody who waits for an open claim, whose end wakes no publisher. At
// first they look as often as it takes to find a death at once.
constexpr std::uint32_t kFirstTurns = 16;
constexpr std::uint64_t kLongestWatchTurnNs = 4 * kNsPerMs;
constexpr std::uint64_t kLongestTurnNs = 64 * kNsPerMs;

// Nobody has looked for so long: who watched has gone on, or died.
constexpr std::uint64_t kWatchLapsesNs = 16 * kNsPerMs;

// Most owners that die drop their lock, which takes one call to see. That a child has kept it is
// seen by a look at the process, which takes ten.
constexpr std::uint32_t kLooksPerProcessLook = 16;

}  // namespace

bool Publisher::takes_watch(std::uint64_t now_ns) noexcept {
    std::atomic<std::uint64_t>& looked = state_->holder_looked_ns;
    // Relaxed, both: who else waits writes it; of two who look at the same time neither does harm.
    const std::uint64_t looked_ns = looked.load(std::memory_order_relaxed);
    const bool is_own = looked_ns == own_look_ns_;
    watches_ = is_own || looked_ns > now_ns || now_ns - looked_ns >= kWatchLapsesNs;
    if (!watches_) return false;
    own_look_ns_ = now_ns;
    looked.store(now_ns, std::memory_order_relaxed);
    return true;
}

void Publisher::end_watch() noexcept {
    room_turn_ns_ = kFirstRoomTurnNs;
    room_turns_ = 0;
    if (!watches_) return;
    watches_ = false;
    own_look_ns_ = 0;
    // Relaxed: as above. Whoever finds no room next watches at once.
    state_->holder_looked_ns.store(0, std::memory_order_relaxed);
}

void Publisher::check_holder() noexcept {
    const std::uint64_t now_ns = monotonic_ns();
    note_refusal(now_ns);
    if (holder_.kind == HolderKind::subscriber) watch_silence(now_ns);
    if (now_ns - last_liveness_check_ns_ < room_turn_ns_) return;
    last_liveness_check_ns_ = now_ns;
    // A recorder that comes wakes everybody; until then there is nobody to ask the kernel about.
    const bool waits_for_recorder = holder_.kind == HolderKind::journal;
    const bool looks = !waits_for_recorder && takes_watch(now_ns);
    const bool is_woken =
        waits_for_recorder || (holder_.kind == HolderKind::subscriber && !watches_);
    if (is_woken || ++room_turns_ >= kFirstTurns) {
        const std::uint64_t longest_ns = is_woken ? kLongestTurnNs : kLongestWatchTurnNs;
        room_turn_ns_ = std::min(2 * room_turn_ns_, longest_ns);
    }
    if (!looks) return;
    TAILRACE_STEP("publisher.looks_at_holder");
    const Proof proof = looks_++ % kLooksPerProcessLook == 0 ? Proof::lock_or_process : Proof::lock;
    // What changes is seen at the next attempt.
    if (holder_.kind == HolderKind::subscriber) {
        static_cast<void>(reclaim_if_dead_subscriber(
            *region_, holder_.slot_index, proof, slot_index_, registry_));
    } else if (holder_.kind == HolderKind::publisher) {
        const std::uint64_t rescued_events =
            reclaim_if_dead_publisher(*region_, holder_.slot_index, proof, slot_index_, registry_);
        count_up(slot_->statistics.rescued_events, rescued_events);
    }
}

void Publisher::wait_for_room(Deadline deadline) noexcept {
    if (!waiter_.step()) return;
    count_up(slot_->statistics.sleeps);
    waiter_.begin_sleep();
    // In turns, since a holder that dies wakes nobody.
    sleep_on(state_->publishers_wait, std::min(room_turn_ns_, deadline.remaining_ns()), [this] {
        return blocked_end_ <= slowest_position(kNoPosition - capacity_bytes()) + capacity_bytes();
    });
    waiter_.end_sleep();
}

}  // namespace tailrace::bus
