#include <tailrace/observe/group_health.hpp>
#include <tailrace/stream/group_member.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace tailrace::observe {

namespace {

using Member = stream::GroupMemberStatus;

// Of the group's file, which one that is known by its floor alone doesn't have.
template <typename Get>
Value of_file(const GroupHealth& row, Get&& get) {
    return row.status.has_file ? Value(get(row.status)) : Value(Unknown{});
}

template <auto kCount>
Value count_of(const GroupHealth& row) {
    return std::uint64_t{row.status.*kCount};
}

template <typename Number>
Value number_or_unknown(const std::optional<Number>& number) {
    return number ? Value(std::uint64_t{*number}) : Value(Unknown{});
}

using Status = stream::GroupStatus;
constexpr auto kGroupFigures = std::to_array<Figure<GroupHealth>>({
    {"stream",
     Unit::text,
     "the stream whose events it shares",
     [](const GroupHealth& row) -> Value { return row.stream; }},
    {"group",
     Unit::text,
     "its name",
     [](const GroupHealth& row) -> Value { return row.status.group; }},
    {"state",
     Unit::text,
     "OK, AWAY (no member lives), FULL (its window), STUCK (a member is, with events), DAMAGED",
     [](const GroupHealth& row) -> Value { return row.state(); }},
    {"living_members",
     Unit::count,
     "members that the kernel says are there",
     [](const GroupHealth& row) -> Value {
         const auto& members = row.status.members;
         return static_cast<std::uint64_t>(
             std::count_if(members.begin(), members.end(), [](const Member& member) {
                 return member.is_alive;
             }));
     }},
    {"floor_seq", Unit::sequence, "everything below is done", &count_of<&Status::floor>},
    {"frontier_seq",
     Unit::sequence,
     "nothing below waits to be handed out for the first time",
     &count_of<&Status::frontier>},
    {"kept_seq",
     Unit::sequence,
     "its floor on the disk; null: nowhere",
     [](const GroupHealth& row) -> Value { return number_or_unknown(row.status.kept_floor); }},
    {"lag_events",
     Unit::count,
     "from its floor to the stream's end",
     [](const GroupHealth& row) -> Value { return row.lag_events(); }},
    {"held_events", Unit::count, "in members' hands", &count_of<&Status::held_events>},
    {"again_events", Unit::count, "to be handed out again", &count_of<&Status::again_events>},
    {"retries",
     Unit::count,
     "times that an event was put back to be handed out again",
     &count_of<&Status::retries>,
     Kind::counter},
    {"buried_events",
     Unit::count,
     "given up after too many tries, or by their handlers",
     &count_of<&Status::buried_events>,
     Kind::counter},
    {"lost_events",
     Unit::count,
     "that nobody could read any more",
     &count_of<&Status::lost_events>,
     Kind::counter},
    {"window_events",
     Unit::count,
     "how many may be in flight; null: it has no file until its next member comes",
     [](const GroupHealth& row) -> Value {
         return of_file(row, [](const Status& of) { return std::uint64_t{of.window_events}; });
     }},
    {"max_tries",
     Unit::count,
     "after so many an event is buried",
     [](const GroupHealth& row) -> Value {
         return of_file(row, [](const Status& of) { return std::uint64_t{of.max_tries}; });
     }},
    {"stall_ns",
     Unit::nanoseconds,
     "a member that is silent for longer loses what it holds; null: never",
     [](const GroupHealth& row) -> Value {
         const bool is_known = row.status.has_file && row.status.stall_ns != stream::kNeverStalls;
         return is_known ? Value(row.status.stall_ns) : Value(Unknown{});
     }},
    {"dead_letters",
     Unit::text,
     "the stream of what is buried; null: none",
     [](const GroupHealth& row) -> Value {
         const std::string& letters = row.status.dead_letters;
         return letters.empty() ? Value(Unknown{}) : Value(letters);
     }},
    {"oldest_seq",
     Unit::sequence,
     "of what is in flight, the oldest: it keeps the floor where it is",
     [](const GroupHealth& row) -> Value { return number_or_unknown(row.status.oldest_held); }},
    {"oldest_seat",
     Unit::number,
     "who has it; null: it is to be handed out again",
     [](const GroupHealth& row) -> Value { return number_or_unknown(row.status.oldest_holder); }},
    {"oldest_tries",
     Unit::count,
     "how often it was handed out",
     [](const GroupHealth& row) -> Value {
         return row.status.oldest_held ? Value(std::uint64_t{row.status.oldest_tries})
                                       : Value(Unknown{});
     }},
    {"trouble",
     Unit::text,
     "what is wrong, in words",
     [](const GroupHealth& row) -> Value {
         auto trouble = trouble_of(row);
         return trouble ? Value(std::move(trouble->what)) : Value(Absent{});
     }},
    {"hint",
     Unit::text,
     "what helps",
     [](const GroupHealth& row) -> Value {
         auto trouble = trouble_of(row);
         return trouble ? Value(std::move(trouble->hint)) : Value(Absent{});
     }},
});

constexpr auto kGroupMemberFigures = std::to_array<Figure<Member>>({
    {"seat",
     Unit::number,
     "its number in the group",
     [](const Member& row) -> Value {
         return std::uint64_t{row.seat};
     }},
    {"name",
     Unit::text,
     "that it gave itself",
     [](const Member& row) -> Value {
         return row.name;
     }},
    {"pid",
     Unit::number,
     "its process",
     [](const Member& row) -> Value {
         return std::uint64_t{row.pid};
     }},
    {"alive",
     Unit::flag,
     "whether the kernel says that it is there",
     [](const Member& row) -> Value {
         return row.is_alive;
     }},
    {"stuck",
     Unit::flag,
     "it has events in its hands and is silent for longer than stall_ns",
     [](const Member& row) -> Value {
         return row.is_stuck;
     }},
    {"held_events",
     Unit::count,
     "in its hands",
     [](const Member& row) -> Value {
         return row.held_events;
     }},
    {"silent_ns",
     Unit::nanoseconds,
     "since it polled or was handed an event last: no event in its hands is older for it",
     [](const Member& row) -> Value {
         return row.silent_ns;
     }},
    {"handed_events",
     Unit::count,
     "that its handler had",
     [](const Member& row) -> Value { return row.handed; },
     Kind::counter},
    {"lost_leases",
     Unit::count,
     "events that were taken away from it",
     [](const Member& row) -> Value { return row.lost_leases; },
     Kind::counter},
    {"joined_ns",
     Unit::time_ns,
     "when it joined",
     [](const Member& row) -> Value {
         return row.joined_ns;
     }},
});

}  // namespace

std::uint64_t GroupHealth::lag_events() const noexcept {
    return end_sequence - std::min(end_sequence, status.floor);
}

std::string GroupHealth::state() const {
    const auto any_member = [&](bool Member::*what) {
        return std::any_of(status.members.begin(), status.members.end(), [&](const auto& member) {
            return member.*what;
        });
    };
    if (!status.problem.empty()) return "DAMAGED";
    if (any_member(&Member::is_stuck)) return "STUCK";
    if (!any_member(&Member::is_alive)) return "AWAY";
    return status.is_full() ? "FULL" : "OK";
}

std::span<const Figure<GroupHealth>> group_figures() noexcept {
    return kGroupFigures;
}

std::span<const Figure<Member>> group_member_figures() noexcept {
    return kGroupMemberFigures;
}

std::optional<Trouble> trouble_of(const GroupHealth& group) {
    const std::string show = "tailrace group show " + group.stream + " " + group.status.group;
    const std::string state = group.state();
    if (state == "DAMAGED") {
        return Trouble{group.status.problem,
                       "tailrace group rm " + group.stream + " " + group.status.group +
                           " forgets it: say then where it goes on, with tailrace group set"};
    }
    if (state == "FULL") {
        return Trouble{"its window of " + std::to_string(group.status.window_events) +
                           " events is full: all wait for event " +
                           std::to_string(group.status.oldest_held.value_or(group.status.floor)),
                       show + " names who has it"};
    }
    for (const Member& member : group.status.members) {
        if (!member.is_stuck) continue;
        return Trouble{"process " + std::to_string(member.pid) + " is silent with " +
                           std::to_string(member.held_events) +
                           " events in its hands, which go to the others",
                       show + "; ps -o pid,stat,cmd " + std::to_string(member.pid)};
    }
    return std::nullopt;
}

std::vector<GroupHealth> read_group_healths(const bus::Region& region, Sequence end_sequence) {
    std::vector<GroupHealth> groups;
    for (stream::GroupStatus& status : stream::read_groups(region))
        groups.push_back({region.name(), std::move(status), end_sequence});
    return groups;
}

}  // namespace tailrace::observe
