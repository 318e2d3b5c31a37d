// The part of Subscriber for event loops: its poll descriptor, and how it is armed.

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
    TAILRACE_CHECK(poll_descriptor_ != nullptr);
    if (is_armed_) tell_others();
    // Spares publishers the look at all slots while there is more to read anyway.
    if (has_event()) return true;
    // What is taken here was written for events that the last look below sees.
    // It was told when it had polled already: others count on it all the same.
    if (poll_descriptor_->drain()) tell_next_polls(*region_);
    // The next empty poll looks for holes and for the stream's end.
    empty_polls_ = kEmptyPollsPerLook;
    arm_poll(*region_, slot_index());
    TAILRACE_STEP("arm.armed");
    const bool is_certain = detail::announce_poll(state_->subscribers_wait);
    // [sync:stream_removed] Acquire: nothing hangs on it but the end of waiting.
    const bool removed = state_->life.load(std::memory_order_acquire) == StreamLife::removed;
    const bool ends = removed || has_event() || was_overtaken(next_.position);
    // From here on somebody may count on it. What it reads next passes by the cold path.
    is_armed_ = true;
    is_plain_ = false;
    if (ends) {
        // The flag stays up; whoever finds it wakes nobody, once.
        disarm_poll(*region_, slot_index());
        TAILRACE_STEP("arm.disarmed");
        return true;
    }
    TAILRACE_STEP("arm.not_ready");
    const std::uint64_t turn_ns = longest_sleep_ns();
    poll_descriptor_->set_timer(is_certain ? turn_ns : std::min(turn_ns, kBlindWaitNs));
    return false;
}

void Subscriber::tell_others() noexcept {
    TAILRACE_STEP("poll.tells_others");
    is_armed_ = false;
    is_plain_ = reads_plainly();
    // Whether it was told itself isn't asked: a loop may wake by its timer or for something else,
    // and then makes up for one that was killed.
    tell_next_polls(*region_);
}

void Subscriber::disarm() noexcept {
    if (poll_descriptor_ == nullptr) return;
    disarm_poll(*region_, slot_index());
    if (is_armed_) tell_others();
    poll_descriptor_->stop_timer();
    if (poll_descriptor_->drain()) tell_next_polls(*region_);
}

void Subscriber::drop_poll_descriptor() noexcept {
    if (poll_descriptor_ == nullptr) return;
    // Whoever still finds it armed writes into a FIFO that nobody reads.
    disarm_poll(*region_, slot_index());
    if (is_armed_) tell_others();
    remove_poll_fifo(*region_, slot_index());
    poll_descriptor_.reset();
}

std::uint32_t Subscriber::slot_index() const noexcept {
    return static_cast<std::uint32_t>(slot_ - &region_->subscriber_slot(0));
}

}  // namespace tailrace::bus
