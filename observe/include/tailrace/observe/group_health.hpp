// GroupHealth: how one group of a stream is doing: its floor, what its members have in their hands,
// what comes again, is buried, is lost; and what can be done about it.
//
// Copies; they hold nothing of the stream. Pure functions, any thread, but for read_group_healths.
#pragma once

#include <tailrace/bus/region.hpp>
#include <tailrace/observe/figure.hpp>
#include <tailrace/observe/trouble.hpp>
#include <tailrace/stream/group_status.hpp>

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tailrace::observe {

struct GroupHealth {
    std::string stream;
    stream::GroupStatus status;
    Sequence end_sequence = 0;  // of the stream

    [[nodiscard]] std::uint64_t lag_events() const noexcept;
    // OK; AWAY: no member lives; FULL: the window is, so members wait; STUCK: a member is, with
    // events in its hands; DAMAGED: its file.
    [[nodiscard]] std::string state() const;
};

// All that can be told of a group, and of one of its members, in the order of their JSON.
[[nodiscard]] std::span<const Figure<GroupHealth>> group_figures() noexcept;
[[nodiscard]] std::span<const Figure<stream::GroupMemberStatus>> group_member_figures() noexcept;

// What is wrong with it, and what helps; empty when nothing is that its figures don't say.
[[nodiscard]] std::optional<Trouble> trouble_of(const GroupHealth& group);

// By name. Some system calls for each group, and for each of its members.
[[nodiscard]] std::vector<GroupHealth> read_group_healths(const bus::Region& region,
                                                          Sequence end_sequence);

}  // namespace tailrace::observe
