#include "group_core.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/stream/group_member.hpp>

#include <utility>

namespace tailrace::stream {

std::string_view group_state_name(GroupState state) noexcept {
    switch (state) {
        case GroupState::ok:
            return "ok";
        case GroupState::idle:
            return "idle";
        case GroupState::full:
            return "full";
        case GroupState::lost:
            return "lost";
        case GroupState::closed:
            return "closed";
        case GroupState::removed:
            return "removed";
        case GroupState::failed:
            return "failed";
        case GroupState::in_handler:
            return "in_handler";
        case GroupState::dead_handle:
            return "dead_handle";
    }
    return "unknown";
}

// --- leases

Lease::Lease(std::shared_ptr<detail::GroupHand> hand,
             Sequence sequence,
             std::uint64_t word,
             bool is_single) noexcept
    : hand_(std::move(hand)),
      sequence_(sequence),
      word_(word),
      is_single_(is_single) {}

Lease::Lease(Lease&& other) noexcept
    : hand_(std::move(other.hand_)),
      sequence_(other.sequence_),
      word_(other.word_),
      is_single_(other.is_single_) {}

Lease& Lease::operator=(Lease&& other) noexcept {
    if (this == &other) return *this;
    finish(false);
    hand_ = std::move(other.hand_);
    sequence_ = other.sequence_;
    word_ = other.word_;
    is_single_ = other.is_single_;
    return *this;
}

Lease::~Lease() {
    finish(false);
}

bool Lease::done() noexcept {
    return finish(true);
}

bool Lease::again() noexcept {
    return finish(false);
}

// In a forked child it is the parent's.
bool Lease::finish(bool is_done) noexcept {
    const auto hand = std::exchange(hand_, nullptr);
    if (hand == nullptr || !hand->home.is_here()) return false;
    Unit unit = unpack(word_);
    unit.state = is_done ? UnitState::done : UnitState::again;
    unit.seat = 0;
    const bool was_own = hand->file.swap_unit(sequence_, word_, pack(unit));
    TAILRACE_STEP("group.lease_ended");
    // Relaxed, all: hints, and counts of this process.
    if (was_own && !is_done) hand->file.shared().retries.fetch_add(1, std::memory_order_relaxed);
    if (is_single_) hand->holds_single.store(false, std::memory_order_relaxed);
    hand->held.fetch_sub(1, std::memory_order_relaxed);
    return was_own;
}

Lease Delivery::hold() const {
    TAILRACE_CHECK(!unit_.is_held);
    unit_.is_held = true;
    // Relaxed, both: this thread takes; others only give back.
    unit_.hand->held.fetch_add(1, std::memory_order_relaxed);
    if (unit_.is_single) unit_.hand->holds_single.store(true, std::memory_order_relaxed);
    return {unit_.hand, unit_.sequence, unit_.word, unit_.is_single};
}

// --- members

GroupMember::GroupMember(std::unique_ptr<GroupCore> core) noexcept : core_(std::move(core)) {}
GroupMember::GroupMember(GroupMember&&) noexcept = default;
GroupMember& GroupMember::operator=(GroupMember&&) noexcept = default;
GroupMember::~GroupMember() = default;

Result<GroupMember> GroupMember::join(const std::string& stream, const GroupOptions& options) {
    auto region = bus::Region::open(stream, bus::RegionAccess::subscribe, options.bus_directory);
    if (!region) return region.error();
    auto core = GroupCore::join(std::move(*region), options);
    if (!core) return core.error();
    return GroupMember(std::move(*core));
}

GroupPoll GroupMember::poll_erased(detail::GroupHandler handler,
                                   std::uint64_t limit,
                                   bus::Deadline deadline) {
    if (core_ == nullptr) return {0, GroupState::dead_handle};
    return core_->poll(handler, limit, deadline);
}

void GroupMember::alive() noexcept {
    if (core_ != nullptr) core_->alive();
}

Sequence GroupMember::floor() const noexcept {
    return core_ == nullptr ? 0 : core_->floor();
}

bus::Gap GroupMember::last_lost() const noexcept {
    return core_ == nullptr ? bus::Gap{kNoSequence, 0} : core_->last_lost();
}

std::uint64_t GroupMember::lost_leases() const noexcept {
    return core_ == nullptr ? 0 : core_->lost_leases();
}

const Error& GroupMember::error() const noexcept {
    static const Error kNone;
    return core_ == nullptr ? kNone : core_->error();
}

bool GroupMember::is_dead() const noexcept {
    return core_ == nullptr || core_->is_dead();
}

std::uint32_t GroupMember::seat() const noexcept {
    TAILRACE_CHECK(core_ != nullptr);
    return core_->seat();
}

}  // namespace tailrace::stream
