// New events: read, taken, handed out.

#include "group_core.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/ring_bytes.hpp>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <utility>

namespace tailrace::stream {

namespace {

// How long a member rests that waits for others.
constexpr long kGroupNapNs = 200'000;
// It looks at the others at least this often, so that what a dead one had runs again soon.
constexpr std::uint64_t kGroupTurnNs = 5'000'000;
// In a member's hands at a time, whatever it asks for.
constexpr std::uint64_t kMostTaken = 64;
constexpr std::uint64_t kMostTakenBytes = 1U << 20;
constexpr int kMostRounds = 256;  // of reading, in one poll

// To a few milliseconds, and a fraction of the price.
std::uint64_t coarse_now_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond +
           static_cast<std::uint64_t>(now.tv_nsec);
}

class FlagScope {
public:
    explicit FlagScope(bool& flag) noexcept : flag_(flag) { flag_ = true; }
    FlagScope(const FlagScope&) = delete;
    FlagScope& operator=(const FlagScope&) = delete;
    ~FlagScope() { flag_ = false; }

private:
    bool& flag_;
};

bool is_over(const GroupPoll& result) noexcept {
    const bool waits = result.state == GroupState::ok || result.state == GroupState::idle ||
                       result.state == GroupState::full;
    return result.events != 0 || !waits;
}

}  // namespace

void GroupCore::alive() noexcept {
    if (is_dead()) return;
    // Relaxed: a sign of life is as good a moment later; whoever finds an event in this member's
    // hands sees the one before it took that.
    file().seat(seat_).progress_ns.store(coarse_now_ns(), std::memory_order_relaxed);
}

GroupPoll GroupCore::poll(detail::GroupHandler handler,
                          std::uint64_t limit,
                          bus::Deadline deadline) {
    if (is_dead()) return {0, GroupState::dead_handle};
    if (in_handler_) return {0, GroupState::in_handler};
    if (limit == 0) return {0, GroupState::ok};
    for (;;) {
        const auto turn = bus::Deadline::in_ns(std::min(deadline.remaining_ns(), kGroupTurnNs));
        const bool waits = !deadline.has_passed();
        const GroupPoll result = poll_once(handler, limit, waits ? turn : bus::Deadline::at_once());
        if (is_over(result) || deadline.has_passed()) return result;
        // The reader has waited when there was nothing to read.
        if (outcome_ == GroupState::idle && result.state == GroupState::idle) continue;
        const timespec nap{0, kGroupNapNs};
        ::nanosleep(&nap, nullptr);
    }
}

GroupPoll GroupCore::poll_once(detail::GroupHandler& handler,
                               std::uint64_t limit,
                               bus::Deadline deadline) {
    if (file().life() == GroupLife::removed) {
        cursor_.reset();
        return {0, GroupState::removed};
    }
    if (std::exchange(has_trouble_, false)) return {0, GroupState::failed};
    const FlagScope scope(in_handler_);
    const std::uint64_t now_ns = monotonic_ns();
    // Relaxed: as in alive().
    file().seat(seat_).progress_ns.store(now_ns, std::memory_order_relaxed);
    if (now_ns >= next_look_ns_) look_around(now_ns);
    // What a handler that threw has left.
    std::uint64_t handed = hand_out(handler);
    // Relaxed: a hint.
    if (file().shared().retries.load(std::memory_order_relaxed) != seen_retries_)
        look_for_retries();
    if (handed < limit) handed += hand_out_again(handler, limit - handed);
    outcome_ = may_take_new() ? GroupState::ok : GroupState::idle;
    const bool waits_for_leases = outcome_ == GroupState::idle;
    // Not for ever: others may have had all that it reads, and it has a sign of life to give.
    for (int round = 0; round < kMostRounds && handed < limit; ++round) {
        if (outcome_ != GroupState::ok || !losses_to_tell_.empty()) break;
        fetch(limit - handed, handed == 0 ? deadline : bus::Deadline::at_once());
        handed += hand_out(handler);
        if (!may_take_new()) break;
    }
    settle();
    if (waits_for_leases) outcome_ = GroupState::ok;
    if (handed != 0) return {handed, GroupState::ok};
    if (!losses_to_tell_.empty()) {
        last_lost_ = losses_to_tell_.front();
        losses_to_tell_.pop_front();
        return {0, GroupState::lost};
    }
    if (std::exchange(has_trouble_, false)) return {0, GroupState::failed};
    return {0, waits_for_leases ? GroupState::idle : outcome_};
}

// One that was handed out before is alone in its member's hands, and is let wait for no longer than
// what the member has in its hands by then.
bool GroupCore::may_take_new() const noexcept {
    // Relaxed, both: this thread takes; who ends a lease meanwhile is seen by the next look.
    if (hand_->holds_single.load(std::memory_order_relaxed)) return false;
    return retries_.empty() || hand_->held.load(std::memory_order_relaxed) == 0;
}

// --- reading on

void GroupCore::fetch(std::uint64_t limit, bus::Deadline deadline) {
    frontier_ = std::max(frontier_, file().load_frontier());
    while (!passages_.empty() && leased_.size() < limit) {
        if (settle_passage(passages_.front())) {
            passages_.pop_front();
            continue;
        }
        // What is done by now, or counted as lost, makes room.
        const Sequence before = file().load_floor();
        if (has_lost_) count_losses();
        raise_floor();
        if (file().load_floor() == before) {
            outcome_ = GroupState::full;
            return;
        }
    }
    if (!passages_.empty() || leased_.size() >= limit) return;
    std::uint64_t most = std::min(limit - leased_.size(), kMostTaken);
    most = std::clamp<std::uint64_t>(kMostTakenBytes / (last_bytes_ + 1), 1, most);
    const auto take = [this](const Event& event) {
        take_event(event);
    };
    const bus::PollResult result = deadline.has_passed()
                                       ? reader_->poll(take, most)
                                       : reader_->poll_until(take, most, deadline);
    note_outcome(result, reader_->next_sequence());
}

void GroupCore::note_outcome(const bus::PollResult& result, Sequence next) {
    switch (result.state) {
        case bus::PollState::gap: {
            const bus::Gap gap = reader_->last_gap();
            if (gap.count == 0) return;
            pass_to(gap.first);
            let_pass({Passage::Kind::lost, std::max(gap.first, place_), gap.first + gap.count, 0});
            place_ = std::max(place_, gap.first + gap.count);
            return;
        }
        case bus::PollState::ok:
        case bus::PollState::idle:
            pass_to(next);
            if (result.state == bus::PollState::idle) outcome_ = GroupState::idle;
            return;
        case bus::PollState::closed:
            pass_to(next);
            outcome_ = GroupState::closed;
            return;
        case bus::PollState::dead_handle:
            outcome_ = GroupState::dead_handle;
            return;
        default:
            error_ = reader_->error();
            outcome_ = GroupState::failed;
            return;
    }
}

// What lies between was a tombstone, or doesn't pass the filter.
void GroupCore::pass_to(Sequence end) {
    if (end <= place_) return;
    let_pass({Passage::Kind::nothing, place_, end, 0});
    place_ = end;
}

void GroupCore::let_pass(Passage passage) {
    if (passages_.empty() && settle_passage(passage)) return;
    passages_.push_back(passage);
}

void GroupCore::take_event(const Event& event) {
    const Sequence sequence = event.sequence();
    pass_to(sequence);
    place_ = sequence + 1;
    if (sequence < frontier_) return;
    leased_.reserve(leased_.size() + 1);
    if (laps_ahead(file().load_unit(sequence), file().lap(sequence)) >= 0) return;
    // Before it is taken: there may be no memory.
    const std::uint64_t offset = keep_record(event);
    std::uint64_t word = 0;
    const Taking taking = passages_.empty() ? take_free(sequence, word) : Taking::not_yet;
    if (taking == Taking::taken) leased_.push_back({sequence, word, offset});
    if (taking == Taking::anothers) bytes_.resize(offset);
    if (taking == Taking::not_yet)
        passages_.push_back({Passage::Kind::event, sequence, sequence + 1, offset});
}

std::uint64_t GroupCore::keep_record(const Event& event) {
    const auto payload = event.payload();
    last_bytes_ = static_cast<std::uint64_t>(payload.data() + payload.size() - event.record());
    const std::uint64_t offset = bytes_.size();
    bytes_.resize(offset + align_up(last_bytes_, kEventAlignmentBytes));
    std::memcpy(bytes_.data() + offset, event.record(), last_bytes_);
    return offset;
}

// False: not yet, from its first on.
bool GroupCore::settle_passage(Passage& passage) {
    if (passage.kind == Passage::Kind::event) {
        std::uint64_t word = 0;
        leased_.reserve(leased_.size() + 1);
        const Taking taking = take_free(passage.first, word);
        if (taking == Taking::taken) leased_.push_back({passage.first, word, passage.offset});
        return taking != Taking::not_yet;
    }
    const bool is_loss = passage.kind == Passage::Kind::lost;
    for (; passage.first < passage.end; ++passage.first) {
        if (passage.first < frontier_) continue;
        const Taking taking = end_free(passage.first, is_loss ? UnitState::lost : UnitState::done);
        if (taking == Taking::not_yet) return false;
        if (taking == Taking::taken && is_loss) has_lost_ = true;
    }
    return true;
}

// --- taking

// One lap behind, and done: nobody has had this event. The floor is behind that one, so that no
// mark is lost that the floor has yet to pass.
GroupCore::Taking GroupCore::take_free(Sequence sequence, std::uint64_t& word) const noexcept {
    const std::uint64_t lap = file().lap(sequence);
    const std::uint64_t seen = file().load_unit(sequence);
    const std::int64_t ahead = laps_ahead(seen, lap);
    if (ahead >= 0) return Taking::anothers;
    if (ahead < -1 || unpack(seen).state != UnitState::done || is_full(sequence))
        return Taking::not_yet;
    word = pack({lap, 1, seat_, UnitState::leased});
    TAILRACE_STEP("group.taking");
    if (!file().swap_unit(sequence, seen, word)) return Taking::anothers;
    TAILRACE_STEP("group.taken");
    return Taking::taken;
}

GroupCore::Taking GroupCore::end_free(Sequence sequence, UnitState state) const noexcept {
    const std::uint64_t lap = file().lap(sequence);
    const std::uint64_t seen = file().load_unit(sequence);
    const std::int64_t ahead = laps_ahead(seen, lap);
    if (ahead >= 0) return Taking::anothers;
    if (ahead < -1 || unpack(seen).state != UnitState::done || is_full(sequence))
        return Taking::not_yet;
    if (!file().swap_unit(sequence, seen, pack({lap, 0, 0, state}))) return Taking::anothers;
    TAILRACE_STEP("group.passed");
    return Taking::taken;
}

bool GroupCore::is_full(Sequence sequence) const noexcept {
    return sequence >= file().load_floor() + file().window_events();
}

// --- handing out

std::uint64_t GroupCore::hand_out(detail::GroupHandler& handler) {
    std::uint64_t handed = 0;
    while (next_leased_ < leased_.size()) {
        const Leased leased = leased_[next_leased_++];
        if (deliver(handler, leased, bytes_.data() + leased.offset, false)) ++handed;
    }
    leased_.clear();
    next_leased_ = 0;
    if (passages_.empty()) bytes_.clear();
    return handed;
}

// False: it was taken away before the handler had it.
bool GroupCore::deliver(detail::GroupHandler& handler,
                        const Leased& leased,
                        const std::byte* record,
                        bool is_single) {
    alive();
    GroupSeat& seat = file().seat(seat_);
    // Relaxed: only whether it is still so; who takes it away a moment later is found at the end.
    if (file().unit(leased.sequence).load(std::memory_order_relaxed) != leased.word) {
        lose_lease();
        return false;
    }
    // Relaxed, both: this member's own.
    seat.handed.store(seat.handed.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    const Event event(leased.sequence, bus::load_header(record), record);
    detail::HandedUnit unit{hand_, leased.sequence, leased.word, is_single};
    const Delivery delivery(event, unpack(leased.word).tries, unit);
    // If the handler throws, the event is handed out again.
    struct ThrownAt {
        GroupCore& core;
        const Leased& leased;
        const detail::HandedUnit& unit;
        bool has_returned = false;
        ~ThrownAt() {
            if (!has_returned && !unit.is_held) core.put_back(leased.sequence, leased.word);
        }
    } thrown_at{*this, leased, unit};
    const Verdict verdict = handler.call(handler.context, delivery);
    thrown_at.has_returned = true;
    TAILRACE_STEP("group.handled");
    if (!unit.is_held) finish(leased.sequence, leased.word, verdict, event);
    return true;
}

void GroupCore::finish(Sequence sequence, std::uint64_t word, Verdict verdict, const Event& event) {
    if (verdict == Verdict::again) return put_back(sequence, word);
    Unit unit = unpack(word);
    if (verdict == Verdict::dead) {
        unit.state = UnitState::dying;
        const std::uint64_t dying = pack(unit);
        if (!file().swap_unit(sequence, word, dying)) return lose_lease();
        TAILRACE_STEP("group.dying");
        return bury(sequence, dying, event);
    }
    unit.state = UnitState::done;
    unit.seat = 0;
    if (!file().swap_unit(sequence, word, pack(unit))) return lose_lease();
    TAILRACE_STEP("group.done");
}

void GroupCore::put_back(Sequence sequence, std::uint64_t word) noexcept {
    Unit unit = unpack(word);
    unit.state = UnitState::again;
    unit.seat = 0;
    if (!file().swap_unit(sequence, word, pack(unit))) return lose_lease();
    TAILRACE_STEP("group.put_back");
    // Relaxed: a hint; who misses it looks by itself in a moment.
    file().shared().retries.fetch_add(1, std::memory_order_relaxed);
}

void GroupCore::lose_lease() noexcept {
    ++lost_leases_;
    // Relaxed: this member's own.
    file().seat(seat_).lost_leases.store(lost_leases_, std::memory_order_relaxed);
}

}  // namespace tailrace::stream
