#include "group_file.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/cursor.hpp>
#include <tailrace/bus/group_files.hpp>
#include <tailrace/stream/group_member.hpp>
#include <tailrace/stream/group_status.hpp>

#include <algorithm>
#include <utility>

namespace tailrace::stream {

namespace {

void read_members(const GroupFile& file, GroupStatus& status) {
    const std::uint64_t now_ns = monotonic_ns();
    for (std::uint32_t index = 0; index < file.header().seats; ++index) {
        const SeenSeat seen = file.see(index);
        if (!seen.is_taken()) continue;
        const GroupSeat& seat = file.seat(index);
        const auto name = seat.name.read();
        GroupMemberStatus member;
        member.seat = index;
        member.name.assign(name.begin(), std::find(name.begin(), name.end(), '\0'));
        member.pid = seat.process.read().pid;
        member.is_alive = !file.is_deserted(index);
        member.silent_ns = now_ns > seen.progress_ns ? now_ns - seen.progress_ns : 0;
        // Relaxed, all: for tools.
        member.joined_ns = seat.joined_ns.load(std::memory_order_relaxed);
        member.handed = seat.handed.load(std::memory_order_relaxed);
        member.lost_leases = seat.lost_leases.load(std::memory_order_relaxed);
        status.members.push_back(std::move(member));
    }
}

void read_units(const GroupFile& file, GroupStatus& status) {
    for (std::uint64_t index = 0; index < file.window_events(); ++index) {
        const Sequence sequence = status.floor + index;
        const Unit unit = unpack(file.load_unit(sequence));
        if (unit.lap != file.lap(sequence)) continue;
        const bool is_held = unit.state == UnitState::leased || unit.state == UnitState::dying;
        const bool is_again = unit.state == UnitState::again;
        if (!is_held && !is_again) continue;
        if (!status.oldest_held) {
            status.oldest_held = sequence;
            status.oldest_tries = unit.tries;
            if (is_held) status.oldest_holder = unit.seat;
        }
        status.held_events += is_held ? 1 : 0;
        status.again_events += is_again ? 1 : 0;
        if (!is_held) continue;
        const auto member = std::find_if(status.members.begin(),
                                         status.members.end(),
                                         [&](const auto& each) { return each.seat == unit.seat; });
        if (member != status.members.end()) ++member->held_events;
    }
    for (GroupMemberStatus& member : status.members) {
        member.is_stuck = member.is_alive && member.held_events != 0 &&
                          status.stall_ns != kNeverStalls && member.silent_ns > status.stall_ns;
    }
}

void read_losses(const GroupFile& file, GroupStatus& status) {
    const GroupLosses& losses = file.shared().losses;
    // Relaxed, all: for tools; half of the one and half of the next is possible.
    status.lost_events = losses.events.load(std::memory_order_relaxed);
    const std::uint64_t listed = losses.listed.load(std::memory_order_relaxed);
    const std::uint64_t count = std::min<std::uint64_t>(listed, kListedLosses);
    for (std::uint64_t nth = listed - count; nth < listed; ++nth) {
        // Relaxed, both: as above.
        const ListedLoss& loss = losses.ranges[nth % kListedLosses];
        const Sequence first = loss.first.load(std::memory_order_relaxed);
        const Sequence end = loss.end.load(std::memory_order_relaxed);
        if (end > first) status.losses.push_back({first, end - first});
    }
}

GroupStatus status_of(const GroupFile& file) {
    GroupStatus status;
    status.group = file.group();
    status.has_file = true;
    const GroupSettings settings = file.settings();
    status.window_events = settings.window_events;
    status.max_tries = settings.max_tries;
    status.stall_ns = settings.stall_ns;
    status.dead_letters = settings.dead_letters;
    status.floor = file.load_floor();
    status.frontier = std::max(status.floor, file.load_frontier());
    // Relaxed, both: for tools.
    status.retries = file.shared().retries.load(std::memory_order_relaxed);
    status.buried_events = file.shared().buried.load(std::memory_order_relaxed);
    read_members(file, status);
    read_units(file, status);
    read_losses(file, status);
    return status;
}

}  // namespace

std::vector<GroupStatus> read_groups(const bus::Region& region) {
    std::vector<GroupStatus> groups;
    for (const std::string& name : GroupFile::list(region)) {
        auto file = GroupFile::open(region, name, MapAccess::read_only);
        if (file) {
            groups.push_back(status_of(*file));
        } else if (file.error().code != ErrorCode::not_found) {
            GroupStatus status;
            status.group = name;
            status.problem = file.error().message;
            groups.push_back(std::move(status));
        }
    }
    for (const bus::CursorStatus& cursor : bus::read_cursors(region)) {
        if (!cursor.name.starts_with(bus::kGroupFilePrefix)) continue;
        const std::string name = cursor.name.substr(bus::kGroupFilePrefix.size());
        auto known = std::find_if(
            groups.begin(), groups.end(), [&](const auto& group) { return group.group == name; });
        if (known == groups.end()) {
            GroupStatus status;
            status.group = name;
            status.floor = cursor.sequence;
            status.frontier = cursor.sequence;
            known = groups.insert(groups.end(), std::move(status));
        }
        if (cursor.kept_sequence != bus::kNotKept) known->kept_floor = cursor.kept_sequence;
    }
    std::sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
        return a.group < b.group;
    });
    return groups;
}

}  // namespace tailrace::stream
