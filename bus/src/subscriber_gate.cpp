// The gate of a reader that may be evicted: it moves by compare-and-swap, so that either the reader
// moves it or a publisher drops it, and the reader knows which.
//
// Why nothing is lost or mixed up: docs/ring_protocol.md, "Eviction".

#include <tailrace/bus/subscriber.hpp>

namespace tailrace::bus {

bool Subscriber::still_holds_gate() const noexcept {
    // [sync:gate_evicted] Acquire: what is read next is judged by the write limit, as for one that
    // never gated.
    return holds_gate_ && slot_->gate_position.load(std::memory_order_acquire) == gate_;
}

bool Subscriber::was_overtaken(std::uint64_t position) const noexcept {
    return copies_ && !still_holds_gate() && was_lapped(position);
}

bool Subscriber::move_gate(Place place) noexcept {
    if (place.position == gate_) {
        if (still_holds_gate()) return true;
        lose_gate();
        return false;
    }
    std::uint64_t expected = gate_;
    // [sync:gate_released] Release: this reader is done with every byte below: what it hands over
    // are copies. [sync:gate_evicted] Acquire when it fails: a publisher was first.
    if (!slot_->gate_position.compare_exchange_strong(
            expected, place.position, std::memory_order_acq_rel, std::memory_order_acquire)) {
        lose_gate();
        return false;
    }
    gate_ = place.position;
    TAILRACE_STEP("subscriber.gate_moved");
    if (wake_sleepers(state_->publishers_wait, fences_)) [[unlikely]]
        count(&SubscriberStatistics::wakes);
    return true;
}

void Subscriber::lose_gate() noexcept {
    holds_gate_ = false;
    is_evicted_ = true;
    eviction_untold_ = true;
    count(&SubscriberStatistics::evictions);
    TAILRACE_STEP("subscriber.evicted");
}

}  // namespace tailrace::bus
