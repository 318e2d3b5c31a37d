// What a publisher tells of itself: its statistics, and who holds it up.

#include "registry.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/publisher.hpp>

#include <algorithm>

namespace tailrace::bus {

void Publisher::note_progress() noexcept {
    PublisherStatistics& statistics = slot_->statistics;
    // Relaxed, all: statistics of an own slot.
    if (shared_) {
        statistics.events.store(claimed_events_, std::memory_order_relaxed);
        statistics.bytes.store(claimed_bytes_, std::memory_order_relaxed);
        return;
    }
    // Relaxed, all: as above.
    const Sequence attached_at = statistics.attached_sequence.load(std::memory_order_relaxed);
    const std::uint64_t attached_position =
        statistics.attached_position.load(std::memory_order_relaxed);
    statistics.events.store(cell_->ticket - 1 - attached_at, std::memory_order_relaxed);
    // An open claim has no part in it.
    if (has_open_claim()) return;
    statistics.bytes.store(cell_->position - attached_position, std::memory_order_relaxed);
}

void Publisher::note_refusal(std::uint64_t now_ns) noexcept {
    PublisherStatistics& statistics = slot_->statistics;
    count_up(statistics.refused_claims);
    // Relaxed, both: statistics of an own slot.
    statistics.held_by.store(pack_holder(holder_), std::memory_order_relaxed);
    if (held_since_ns_ != 0) return;
    held_since_ns_ = now_ns;
    statistics.held_since_ns.store(now_ns, std::memory_order_relaxed);
}

void Publisher::note_grant() noexcept {
    holder_ = {};
    silence_ = {};  // a gate may stand still as long as it holds nobody up
    end_watch();
    if (held_since_ns_ == 0) return;
    PublisherStatistics& statistics = slot_->statistics;
    const std::uint64_t wait_ns = monotonic_ns() - held_since_ns_;
    held_since_ns_ = 0;
    count_up(statistics.waits);
    count_up(statistics.wait_ns, wait_ns);
    // Relaxed, all: statistics of an own slot.
    if (wait_ns > statistics.longest_wait_ns.load(std::memory_order_relaxed)) {
        statistics.longest_wait_ns.store(wait_ns, std::memory_order_relaxed);
    }
    statistics.held_since_ns.store(0, std::memory_order_relaxed);
    statistics.held_by.store(0, std::memory_order_relaxed);
}

void Publisher::watch_silence(std::uint64_t now_ns) noexcept {
    const SubscriberSlot& slot = region_->subscriber_slot(holder_.slot_index);
    // Relaxed, all: eviction looks again, under the registry lock.
    if (slot.declared.policy.load(std::memory_order_relaxed) != SlowPolicy::evict) return;
    const std::uint64_t gate = slot.gate_position.load(std::memory_order_relaxed);
    const std::uint64_t attached_ns = slot.owner.attached_ns.load(std::memory_order_relaxed);
    if (silence_.slot_index != holder_.slot_index || silence_.gate_position != gate ||
        silence_.attached_ns != attached_ns || silence_.since_ns == 0) {
        silence_ = {holder_.slot_index, gate, attached_ns, now_ns};
        return;
    }
    // Relaxed: as above.
    const std::uint64_t deadline_ns = slot.declared.evict_after_ns.load(std::memory_order_relaxed);
    if (gate == kNoPosition || now_ns - silence_.since_ns < deadline_ns) return;
    if (evict_silent_subscriber(*region_, silence_, now_ns, slot_index_, registry_))
        count_up(slot_->statistics.evicted_subscribers);
}

std::string Publisher::holder() const {
    if (is_dead() || holder_.kind == HolderKind::nobody) return {};
    if (holder_.kind == HolderKind::journal)
        return "its journal: nobody records what is in the ring";
    const bool is_subscriber = holder_.kind == HolderKind::subscriber;
    const std::uint32_t index = holder_.slot_index;
    const SlotOwner& owner = is_subscriber ? region_->subscriber_slot(index).owner
                                           : region_->publisher_slot(index).owner;
    return std::string(is_subscriber ? "subscriber " : "publisher ") + std::to_string(index) +
           " '" + name_of(owner) + "' (pid " + std::to_string(owner.process.read().pid) + ")";
}

}  // namespace tailrace::bus
