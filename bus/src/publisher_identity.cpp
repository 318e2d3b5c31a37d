// Publisher under a name: what it takes up, and what it drops.

#include <tailrace/bus/publisher.hpp>

namespace tailrace::bus {

Result<void> Publisher::take_identity(const std::string& name) {
    if (name.empty()) return {};
    auto taken = Identity::take(region_, name);
    if (!taken) return taken.error();
    identity_ = std::move(*taken);
    // Relaxed, both: settled under the registry lock, and this process's own from there on. Nothing
    // is published before the second one is stored, so whoever finds this process dead finds it.
    last_own_ = identity_.slot().last_own.load(std::memory_order_relaxed);
    slot_->identity.store(identity_.index() + 1, std::memory_order_relaxed);
    return {};
}

PublishStatus Publisher::refuse_own(std::uint64_t events) noexcept {
    if (is_dead()) return PublishStatus::dead_handle;
    if (!identity_.is_taken()) return PublishStatus::no_identity;
    count_up(identity_.slot().duplicates, events);
    return PublishStatus::duplicate;
}

PublishStatus Publisher::drop_published(std::span<const BatchEvent>& events) noexcept {
    if (!identity_.is_taken()) return refuse_own();
    std::size_t known = 0;
    while (known < events.size() && events[known].fields.own_sequence != 0 &&
           events[known].fields.own_sequence <= last_own_) {
        ++known;
    }
    OwnSequence last = last_own_;
    for (const BatchEvent& event : events.subspan(known)) {
        if (event.fields.own_sequence == 0) continue;
        if (event.fields.own_sequence <= last) return refuse_own(events.size());
        last = event.fields.own_sequence;
    }
    if (known == events.size()) return refuse_own(known);
    // What is dropped is counted when the rest is published or not: it is known either way.
    if (known != 0) static_cast<void>(refuse_own(known));
    events = events.subspan(known);
    return PublishStatus::ok;
}

}  // namespace tailrace::bus
