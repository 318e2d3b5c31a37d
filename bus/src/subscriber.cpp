// The cold half of Subscriber: registering, choosing where to start, holes, waiting. Reading is in
// the header, the copying reader in subscriber_copy.cpp.

#include "checkpoints.hpp"
#include "dead_handle.hpp"
#include "hole.hpp"
#include "joining.hpp"
#include "poll_descriptor.hpp"
#include "registry.hpp"
#include "slot_statistics.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/base/wiped_cell.hpp>
#include <tailrace/bus/declared_types.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <new>
#include <utility>

namespace tailrace::bus {

namespace {

// A sleeper looks up this often: nobody wakes it when a publisher dies inside a claim.
constexpr std::uint64_t kSleepAtClaimNs = kNsPerMs;
constexpr std::uint64_t kSleepNs = 250 * kNsPerMs;

// An observer can't say that it sleeps, so it looks this often.
constexpr long kObserverNapNs = 100'000;

// How long attach waits for open claims between the place it found and the sequence it was asked
// for.
constexpr std::uint64_t kWalkTimeoutNs = 10'000 * kNsPerMs;

// How long attach looks for a place whose publishers let it know that they won't write there.
constexpr std::uint64_t kStartTimeoutNs = 10'000 * kNsPerMs;

Result<void> check_options(const SubscriberOptions& options) {
    if (options.policy == SlowPolicy::evict && options.evict_after_ns < kNsPerMs) {
        return invalid_argument("a reader can't be evicted after " +
                                    std::to_string(options.evict_after_ns) +
                                    " ns: publishers look once a millisecond",
                                "tailrace tail --policy evict --evict-after 2s");
    }
    const EventFilter& filter = options.filter;
    if (filter.modulus() != 0 && filter.remainder() >= filter.modulus()) {
        return invalid_argument("no key leaves " + std::to_string(filter.remainder()) +
                                    " when it is divided by " + std::to_string(filter.modulus()),
                                "partitions of N are numbered 0 to N - 1: --partition 0/" +
                                    std::to_string(filter.modulus()));
    }
    return {};
}

}  // namespace

std::string_view poll_state_name(PollState state) noexcept {
    switch (state) {
        case PollState::ok:
            return "ok";
        case PollState::idle:
            return "idle";
        case PollState::gap:
            return "gap";
        case PollState::closed:
            return "closed";
        case PollState::corrupt:
            return "corrupt";
        case PollState::behind:
            return "behind";
        case PollState::in_handler:
            return "in_handler";
        case PollState::dead_handle:
            return "dead_handle";
        case PollState::stalled:
            return "stalled";
        case PollState::failed:
            return "failed";
        case PollState::moved:
            return "moved";
    }
    return "unknown";
}

Result<Subscriber> Subscriber::attach(const std::string& stream, const SubscriberOptions& options) {
    const RegionAccess access =
        options.policy == SlowPolicy::observe ? RegionAccess::observe : RegionAccess::subscribe;
    auto region = Region::open(stream, access, options.directory);
    if (!region) return region.error();
    return attach(std::move(*region), options);
}

Result<Subscriber> Subscriber::attach(std::shared_ptr<Region> region,
                                      const SubscriberOptions& options) {
    const bool observes = options.policy == SlowPolicy::observe;
    TAILRACE_CHECK(region != nullptr && (observes || region->access() != RegionAccess::observe));
    if (auto checked = check_options(options); !checked) return checked.error();
    if (auto checked = check_types(*region, options.types); !checked) return checked.error();
    void* const cell = take_wiped_cell();
    if (cell == nullptr)
        return os_error(ENOMEM, "cannot attach to stream '" + region->name() + "'");
    Subscriber subscriber(std::move(region), new (cell) detail::SubscriberCell, options);
    if (!observes) {
        auto lease = take_subscriber_slot(*subscriber.region_, options);
        if (!lease) return lease.error();
        subscriber.slot_ = &subscriber.region_->subscriber_slot(lease->index);
        subscriber.slot_lock_ = std::move(lease->lock);
        subscriber.waiter_ = Waiter(options.wait, is_crowded(*subscriber.region_));
        if (subscriber.region_->header().publish_time != PublishTime::off) {
            subscriber.latency_ =
                LatencyRecorder(subscriber.region_->latency_histogram(lease->index));
        }
    }
    subscriber.filter_ = options.filter;
    subscriber.mode_ = subscriber.usual_mode();
    if (auto started = subscriber.start(options.start); !started) return started.error();
    return subscriber;
}

bool Subscriber::hold(Place place) noexcept {
    if (policy_ == SlowPolicy::gate || policy_ == SlowPolicy::evict) {
        // [sync:gate_registered] In one total order with the publishers: either their look at the
        // gates sees this one, or the look that follows sees them ask for room.
        slot_->gate_position.exchange(place.position, std::memory_order_seq_cst);
        TAILRACE_STEP("subscriber.gate_registered");
        gate_ = place.position;
        holds_gate_ = policy_ == SlowPolicy::evict;
        // An eviction from an earlier place, or from the walk to this one, is over.
        is_evicted_ = false;
        eviction_untold_ = false;
        if (!await_answers(*region_, place.position)) return false;
    }
    if (was_lapped(place.position)) return false;
    TAILRACE_STEP("subscriber.place_held");
    note_source(ReadSource::ring);
    next_ = place;
    begin_counting(place);
    move_cursor(place);
    return true;
}

void Subscriber::begin_counting(Place place) noexcept {
    if (slot_ == nullptr) return;
    SubscriberStatistics& statistics = slot_->statistics;
    const Passed passed = passed_by(*slot_);
    // Relaxed, all: statistics of an own slot.
    statistics.earlier_events.store(passed.events, std::memory_order_relaxed);
    statistics.earlier_bytes.store(passed.bytes, std::memory_order_relaxed);
    statistics.started_sequence.store(place.sequence, std::memory_order_relaxed);
    statistics.started_position.store(place.position, std::memory_order_relaxed);
    slot_->sequence.store(place.sequence, std::memory_order_relaxed);
    slot_->position.store(place.position, std::memory_order_relaxed);
}

bool Subscriber::was_lapped(std::uint64_t position) const noexcept {
    // [sync:write_limit_raised] Acquire: with the copy's own loads before it, a clean look means a
    // clean copy. And behind the answers to all who asked for room before a gate stood.
    const std::uint64_t limit = state_->write_limit.load(std::memory_order_acquire);
    return position + offset_mask_ + 1 < limit;
}

std::optional<Place> Subscriber::find_start(const Start& where) const noexcept {
    if (where.kind == Start::Kind::newest) return next_place(*region_);
    if (where.kind == Start::Kind::oldest) return oldest_checkpoint(*region_);
    if (const auto place = checkpoint_at_or_before(*region_, where.sequence)) return place;
    return find_before_checkpoints(*region_, where.sequence);
}

Result<void> Subscriber::start(const Start& where) {
    // A place found a moment ago may be overwritten by the time it is held; publishers would have
    // to lap the ring between two instructions each time for this to go on.
    constexpr int kAttempts = 1000;
    const Deadline deadline = Deadline::in_ns(kStartTimeoutNs);
    const bool has_sequence = where.kind == Start::Kind::sequence;
    for (int attempt = 0; attempt < kAttempts && !deadline.has_passed(); ++attempt) {
        TAILRACE_STEP("subscriber.starting");
        const Sequence end = end_place(*region_).sequence;
        if (has_sequence && where.sequence > end) {
            return make_error(ErrorCode::sequence_ahead,
                              "stream '" + region_->name() + "' has not reached sequence " +
                                  std::to_string(where.sequence) + ": the next one is " +
                                  std::to_string(end),
                              "tailrace tail " + region_->name() + " --from end");
        }
        const auto place = find_start(where);
        if (!place) return sequence_gone(where.sequence);
        TAILRACE_STEP("subscriber.place_found");
        if (!hold(*place)) continue;
        if (!has_sequence) return {};
        auto walked = walk_to(where.sequence);
        if (!walked && walked.error().code == ErrorCode::sequence_gone &&
            policy_ != SlowPolicy::skip && policy_ != SlowPolicy::observe &&
            policy_ != SlowPolicy::spill) {
            continue;
        }
        return walked;
    }
    if (deadline.has_passed()) {
        return make_error(ErrorCode::timed_out,
                          "no place to start at was found in stream '" + region_->name() +
                              "' within 10 s: a publisher that asks for room may have been stopped",
                          "tailrace inspect " + region_->name() + " shows the publishers");
    }
    return make_error(ErrorCode::corrupt,
                      "no place of stream '" + region_->name() +
                          "' holds still to start at: the ring was overwritten " +
                          std::to_string(kAttempts) +
                          " times in a row, or its write limit is damaged",
                      "tailrace inspect " + region_->name());
}

Result<void> Subscriber::restart(const Start& where) {
    if (is_dead()) return dead_handle_error("subscriber");
    if (mode_ == Mode::in_handler) {
        return invalid_argument(
            "a subscriber of stream '" + region_->name() +
                "' can't start anew inside its own handler: the events behind the one "
                "in its hand are not decided yet",
            "note where to, let the handler return, and call restart() then");
    }
    const Place before = next_;
    const bool was_aside = mode_ == Mode::aside;
    const bool was_evicted = is_evicted_;
    const bool eviction_was_untold = eviction_untold_;
    is_evicted_ = false;
    eviction_untold_ = false;
    auto started = start(where);
    if (started) {
        mode_ = usual_mode();
        handed_bytes_ = copied_bytes_;
        loss_untold_ = false;
        return started;
    }
    if (was_aside || policy_ == SlowPolicy::spill) {
        drop_gate();
        next_ = before;
        if (was_aside) show_place(before, 0);
        return started;
    }
    if (was_evicted) {
        // As before: nobody waits for it.
        drop_gate();
        is_evicted_ = true;
        eviction_untold_ = eviction_was_untold;
        next_ = before;
        begin_counting(before);
        return started;
    }
    if (hold(before)) return started;
    next_ = before;
    begin_counting(before);
    // What it has copied comes before what it has lost.
    if (has_copies()) {
        loss_untold_ = true;
    } else {
        static_cast<void>(jump_forward());
    }
    return started;
}

Error Subscriber::sequence_gone(Sequence sequence) const {
    return make_error(
        ErrorCode::sequence_gone,
        "sequence " + std::to_string(sequence) + " of stream '" + region_->name() +
            "' is no longer in the ring: the oldest that can be read is " +
            std::to_string(oldest_checkpoint(*region_).sequence),
        "tailrace tail " + region_->name() + " --from start, or replay it from the journal");
}

Result<void> Subscriber::walk_to(Sequence sequence) {
    const Deadline deadline = Deadline::in_ns(kWalkTimeoutNs);
    Waiter waiter(WaitStrategy::futex);
    while (next_.sequence < sequence) {
        const std::byte* const record = events_ + (next_.position & offset_mask_);
        if (load_stamp(record) == stamp_of(next_.sequence, cell_->salt)) {
            const EventHeader header = load_header(record);
            const std::uint64_t size_bytes = record_bytes(header);
            // The size counts only if the header wasn't being overwritten.
            if (was_overtaken(next_.position)) return sequence_gone(sequence);
            if (size_bytes > max_event_bytes_) return corrupt_error();
            next_ = {next_.sequence + 1, next_.position + size_bytes};
            continue;
        }
        if (was_overtaken(next_.position)) return sequence_gone(sequence);
        const PollState found = step_over_hole();
        if (found == PollState::ok) continue;
        if (found == PollState::corrupt) return corrupt_error();
        if (deadline.has_passed()) {
            return make_error(
                ErrorCode::timed_out,
                "sequence " + std::to_string(next_.sequence) + " of stream '" + region_->name() +
                    "' is claimed and has not been committed for 10 s",
                "tailrace inspect " + region_->name() + " shows which publisher is in a claim");
        }
        if (!waiter.step()) continue;
        // Not by yielding: to a thread in real time that gives nobody a turn, and the claimant may
        // be the one that wants this core.
        const timespec nap{0, kObserverNapNs};
        ::nanosleep(&nap, nullptr);
    }
    move_cursor(next_);
    if (slot_ != nullptr) {
        // What it walked over wasn't for the caller. Relaxed, both: statistics of an own slot.
        slot_->statistics.started_sequence.store(next_.sequence, std::memory_order_relaxed);
        slot_->statistics.started_position.store(next_.position, std::memory_order_relaxed);
    }
    return {};
}

Error Subscriber::corrupt_error() const {
    return make_error(ErrorCode::corrupt,
                      "the ring of stream '" + region_->name() +
                          "' holds an impossible event at sequence " +
                          std::to_string(next_.sequence),
                      "tailrace inspect " + region_->name());
}

PollState Subscriber::idle_poll() noexcept {
    if (is_dead()) return PollState::dead_handle;
    if (!look_timer_.is_due()) return PollState::idle;
    count(&SubscriberStatistics::idle_looks);
    const PollState found = step_over_hole();
    if (found == PollState::ok) return PollState::idle;
    if (found == PollState::corrupt) return found;
    return region_->has_ended() && !has_event() ? PollState::closed : PollState::idle;
}

PollState Subscriber::step_over_hole() noexcept {
    const HoleVerdict hole = examine_hole(*region_, next_);
    // A reader that was lapped looks at the bytes of a later lap; its next poll tells it so.
    if (hole.kind == HoleVerdict::Kind::corrupt && !was_overtaken(next_.position))
        return PollState::corrupt;
    if (hole.kind != HoleVerdict::Kind::dead) return PollState::idle;
    TAILRACE_STEP("subscriber.hole_judged_dead");
    count_hole(hole.count);
    next_ = {next_.sequence + hole.count, next_.position + hole.size_bytes};
    move_cursor(next_);
    return PollState::ok;
}

Run Subscriber::next_run(std::uint64_t max_bytes) noexcept {
    TAILRACE_DCHECK(policy_ == SlowPolicy::gate);
    Run run;
    run.first_sequence = next_.sequence;
    if (mode_ == Mode::in_handler) return run;
    // A run never leaves the double mapping, whatever sizes a scribbler writes.
    max_bytes = std::min(max_bytes, offset_mask_ + 1);
    const std::byte* const begin = events_ + (next_.position & offset_mask_);
    std::uint64_t run_bytes = 0;
    if (next_.sequence >= pace_.bound() && !is_dead()) pace_.ask(next_, state_->tail);
    while (run_bytes < max_bytes) {
        if (run.count != 0 && !pace_.goes_on(next_, state_->tail)) break;
        const std::byte* const record = begin + run_bytes;
        if (load_stamp(record) != stamp_of(next_.sequence, cell_->salt)) break;
        const EventHeader header = load_header(record);
        const std::uint64_t size_bytes = record_bytes(header);
        if (size_bytes > max_event_bytes_) {
            run.is_sound = false;
            break;
        }
        if (run.count != 0 && run_bytes + size_bytes > max_bytes) break;
        if ((header.flags & kHasPublishTime) != 0) {
            const std::uint64_t time_ns = Event(next_.sequence, header, record).publish_time_ns();
            if (run.first_publish_time_ns == 0) run.first_publish_time_ns = time_ns;
            run.max_publish_time_ns = std::max(run.max_publish_time_ns, time_ns);
        }
        next_ = {next_.sequence + 1, next_.position + size_bytes};
        run_bytes += size_bytes;
        ++run.count;
    }
    run.bytes = {begin, run_bytes};
    if (run.count != 0 || !run.is_sound) return run;
    pace_.caught_up(next_.sequence);
    if (is_dead()) {
        run.is_sound = false;
        return run;
    }
    if (!look_timer_.is_due()) return run;
    const HoleVerdict hole = examine_hole(*region_, next_);
    if (hole.kind == HoleVerdict::Kind::corrupt) run.is_sound = false;
    if (hole.kind != HoleVerdict::Kind::dead) return run;
    count_hole(hole.count);
    run.count = hole.count;
    next_ = {next_.sequence + hole.count, next_.position + hole.size_bytes};
    return run;
}

std::uint64_t Subscriber::longest_sleep_ns() const noexcept {
    const bool at_claim = region_->tail().sequence != next_.sequence;
    return at_claim ? kSleepAtClaimNs : kSleepNs;
}

void Subscriber::wait_for_event(Waiter& waiter, Deadline deadline) noexcept {
    if (!waiter.step()) return;
    waiter.begin_sleep();
    sleep_for_event(deadline);
    waiter.end_sleep();
}

void Subscriber::sleep_for_event(Deadline deadline) noexcept {
    if (is_dead()) return;
    if (slot_ == nullptr) {
        const timespec nap{0, kObserverNapNs};
        ::nanosleep(&nap, nullptr);
    } else {
        const std::uint64_t longest_ns = longest_sleep_ns();
        const std::uint64_t before_ns = monotonic_ns();
        sleep_on(state_->subscribers_wait, std::min(longest_ns, deadline.remaining_ns()), [this] {
            return has_event() || was_overtaken(next_.position);
        });
        count(&SubscriberStatistics::sleeps);
        count(&SubscriberStatistics::sleep_ns, monotonic_ns() - before_ns);
    }
    look_timer_.ask();
}

}  // namespace tailrace::bus
