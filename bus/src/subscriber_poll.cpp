// The part of Subscriber for event loops: its poll descriptor, and how it is armed.

#include "dead_handle.hpp"
#include "poll_descriptor.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <algorithm>

namespace tailrace::bus {

namespace {

// Without membarrier a wake-up may be missed, so nobody waits longer than this.
constexpr std::uint64_t kBlindWaitNs = 1'000'000;

}  // namespace

Result<int> Subscriber::poll_fd() {
    if (is_dead()) return dead_handle_error("subscriber");
    if (poll_descriptor_ != nullptr) return poll_descriptor_->fd();
    if (slot_ == nullptr) {
        return make_error(ErrorCode::invalid_argument,
                          "an observer of stream '" + region_->name() +
                              "' leaves no trace, so nobody can tell it of events: it has no "
                              "poll descriptor",
                          "attach with the policy skip, or poll now and then");
    }
    auto made = PollDescriptor::make(*region_, slot_index());
    if (!made) return made.error();
    poll_descriptor_ = std::make_unique<PollDescriptor>(std::move(*made));
    return poll_descriptor_->fd();
}

bool Subscriber::arm() noexcept {
    if (is_dead()) return true;  // the poll says so
    TAILRACE_CHECK(poll_descriptor_ != nullptr);
    // Spares publishers the look at all slots while there is more to read anyway.
    if (has_event()) return true;
    // What is taken here was written for events that the last look below sees.
    poll_descriptor_->drain();
    // The next empty poll looks for holes and for the stream's end.
    empty_polls_ = kEmptyPollsPerLook;
    // Relaxed: wakers take it away; the flag's own order carries it.
    slot_->notice.poll_armed.store(1, std::memory_order_relaxed);
    TAILRACE_STEP("arm.armed");
    const bool is_certain = detail::announce_poll(state_->subscribers_wait);
    if (region_->has_ended() || has_event() || was_overtaken(next_.position)) {
        // Relaxed: as above. The flag stays up; whoever finds it wakes nobody, once.
        slot_->notice.poll_armed.store(0, std::memory_order_relaxed);
        TAILRACE_STEP("arm.disarmed");
        return true;
    }
    TAILRACE_STEP("arm.not_ready");
    const std::uint64_t turn_ns = longest_sleep_ns();
    poll_descriptor_->set_timer(is_certain ? turn_ns : std::min(turn_ns, kBlindWaitNs));
    return false;
}

void Subscriber::disarm() noexcept {
    if (is_dead() || poll_descriptor_ == nullptr) return;
    // Relaxed: a waker that is at it writes one byte more, which the next arm takes.
    slot_->notice.poll_armed.store(0, std::memory_order_relaxed);
    poll_descriptor_->stop_timer();
    poll_descriptor_->drain();
}

void Subscriber::drop_poll_descriptor() noexcept {
    if (poll_descriptor_ == nullptr) return;
    // Relaxed: whoever still finds it armed writes into a FIFO that nobody reads.
    slot_->notice.poll_armed.store(0, std::memory_order_relaxed);
    remove_poll_fifo(*region_, slot_index());
    poll_descriptor_.reset();
}

std::uint32_t Subscriber::slot_index() const noexcept {
    return static_cast<std::uint32_t>(slot_ - &region_->subscriber_slot(0));
}

}  // namespace tailrace::bus
