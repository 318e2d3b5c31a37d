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
    auto made = PollDescriptor::make(*region_);
    if (!made) return made.error();
    poll_descriptor_ = std::make_unique<PollDescriptor>(std::move(*made));
    return poll_descriptor_->fd();
}

bool Subscriber::arm() noexcept {
    if (is_dead()) return true;  // the poll says so
    TAILRACE_CHECK(poll_descriptor_ != nullptr);
    // Spares publishers the byte while there is more to read anyway.
    if (has_event()) return true;
    // What was written so far was written for events that the last look below sees.
    poll_descriptor_->listen();
    look_timer_.ask();
    TAILRACE_STEP("arm.listens");
    const bool is_certain = detail::announce_poll(state_->subscribers_wait);
    // The flag stays up; whoever finds it writes a byte that nobody needs, once.
    if (region_->has_ended() || has_event() || was_overtaken(next_.position)) return true;
    TAILRACE_STEP("arm.not_ready");
    const std::uint64_t turn_ns = longest_sleep_ns();
    poll_descriptor_->set_timer(is_certain ? turn_ns : std::min(turn_ns, kBlindWaitNs));
    return false;
}

void Subscriber::disarm() noexcept {
    if (is_dead() || poll_descriptor_ == nullptr) return;
    poll_descriptor_->stop();
}

std::uint32_t Subscriber::slot_index() const noexcept {
    return static_cast<std::uint32_t>(slot_ - &region_->subscriber_slot(0));
}

}  // namespace tailrace::bus
