// Whose a subscriber is: making it, moving it, giving its slot back.

#include "poll_descriptor.hpp"
#include "registry.hpp"

#include <tailrace/base/wiped_cell.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <array>
#include <memory>
#include <utility>

namespace tailrace::bus {

namespace {

// The ring of one that was moved from: no event is ever there.
alignas(kEventAlignmentBytes) constinit std::array<std::byte, sizeof(EventHeader)> kNoEvents{};

}  // namespace

constinit detail::SubscriberCell Subscriber::no_cell{};

Subscriber::Subscriber(std::shared_ptr<Region> region,
                       detail::SubscriberCell* cell,
                       const SubscriberOptions& options)
    : region_(std::move(region)),
      events_(region_->event_at(0)),
      state_(&region_->state()),
      offset_mask_(region_->capacity_bytes() - 1),
      rounding_bytes_(sizeof(EventHeader) + region_->header().alignment_bytes - 1),
      alignment_mask_(~(std::uint64_t{region_->header().alignment_bytes} - 1)),
      max_event_bytes_(max_claim_bytes(region_->capacity_bytes())),
      cell_(cell),
      policy_(options.policy),
      waiter_(options.wait),
      copies_(options.policy != SlowPolicy::gate),
      filters_(!options.filter.is_empty()),
      fences_(!register_for_membarrier()) {
    *cell_ = {this, region_->header().salt};
}

Subscriber::Subscriber(Subscriber&& other) noexcept
    : region_(std::move(other.region_)),
      slot_lock_(std::move(other.slot_lock_)),
      events_(std::exchange(other.events_, kNoEvents.data())),
      state_(other.state_),
      slot_(std::exchange(other.slot_, nullptr)),
      offset_mask_(std::exchange(other.offset_mask_, 0)),
      rounding_bytes_(other.rounding_bytes_),
      alignment_mask_(other.alignment_mask_),
      max_event_bytes_(other.max_event_bytes_),
      cell_(std::exchange(other.cell_, &no_cell)),
      policy_(other.policy_),
      waiter_(other.waiter_),
      copies_(other.copies_),
      filters_(other.filters_),
      mode_(other.mode_ == Mode::aside ? Mode::aside : other.usual_mode()),
      fences_(other.fences_),
      next_(std::exchange(other.next_, Place{kNoSequence, 0})),
      look_timer_(other.look_timer_),
      pace_(other.pace_),
      last_gap_(other.last_gap_),
      lost_events_(other.lost_events_),
      copies_buffer_(std::move(other.copies_buffer_)),
      copied_bytes_(std::exchange(other.copied_bytes_, 0)),
      handed_bytes_(std::exchange(other.handed_bytes_, 0)),
      filter_(std::move(other.filter_)),
      latency_(std::exchange(other.latency_, LatencyRecorder())),
      gate_(other.gate_),
      holds_gate_(std::exchange(other.holds_gate_, false)),
      is_evicted_(other.is_evicted_),
      eviction_untold_(std::exchange(other.eviction_untold_, false)),
      loss_untold_(std::exchange(other.loss_untold_, false)),
      poll_descriptor_(std::move(other.poll_descriptor_)) {
    // In a forked child nobody is the owner.
    if (cell_->owner == &other) cell_->owner = this;
}

Subscriber& Subscriber::operator=(Subscriber&& other) noexcept {
    if (this != &other) {
        std::destroy_at(this);
        std::construct_at(this, std::move(other));
    }
    return *this;
}

Subscriber::~Subscriber() {
    release_slot();
}

void Subscriber::release_slot() noexcept {
    // After a move there is nothing to give back; in a forked child the slot is the parent's.
    if (is_dead()) return;
    give_back_wiped_cell(std::exchange(cell_, &no_cell));
    if (slot_ == nullptr) return;
    drop_gate();
    poll_descriptor_.reset();
    free_subscriber_slot(*region_, slot_index());
    TAILRACE_STEP("subscriber.slot_freed");
    slot_lock_.unlock();
    wake_sleepers(state_->publishers_wait, fences_);
}

bool Subscriber::step_aside(Place place) noexcept {
    if (is_dead() || mode_ == Mode::in_handler || has_copies()) return false;
    drop_gate();
    if (slot_ != nullptr) wake_sleepers(state_->publishers_wait, fences_);
    mode_ = Mode::aside;
    const std::uint64_t shown = place.position != kNoPosition ? place.position : next_.position;
    begin_counting({place.sequence, shown});
    show_place(place, 0);
    return true;
}

void Subscriber::show_place(Place place, std::uint64_t unwanted_events) noexcept {
    next_ = place;
    if (slot_ == nullptr) return;
    note_source(ReadSource::journal);
    // Relaxed, both: for tools; only this subscriber writes them.
    slot_->sequence.store(place.sequence, std::memory_order_relaxed);
    if (place.position != kNoPosition)
        slot_->position.store(place.position, std::memory_order_relaxed);
    if (unwanted_events != 0) count(&SubscriberStatistics::filtered_events, unwanted_events);
}

void Subscriber::note_source(ReadSource source) const noexcept {
    // Relaxed: for tools; only this subscriber writes it.
    if (slot_ != nullptr) slot_->source.store(source, std::memory_order_relaxed);
}

void Subscriber::drop_gate() noexcept {
    holds_gate_ = false;
    if (slot_ == nullptr) return;
    // [sync:gate_released] Release: this reader reads no more, or only what it checks afterwards.
    slot_->gate_position.store(kNoPosition, std::memory_order_release);
    TAILRACE_STEP("subscriber.gate_dropped");
}

}  // namespace tailrace::bus
