// GroupStatus: how the groups of a stream are doing: their floors, what is in whose hands, what
// comes again, what is buried and lost. And what is done to a group from outside: remove, set.
//
// Looking reads shared memory, asks the kernel who is alive, and writes nothing. Any process that
// may read the stream, any thread. Law: docs/groups.md.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/position.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::stream {

struct GroupMemberStatus {
    std::uint32_t seat = 0;
    std::string name;
    std::uint32_t pid = 0;
    bool is_alive = false;
    bool is_stuck = false;  // it has events in its hands and is silent for longer than stall_ns
    std::uint64_t held_events = 0;
    std::uint64_t silent_ns = 0;    // since its last sign of life
    std::uint64_t joined_ns = 0;    // ns since the epoch
    std::uint64_t handed = 0;       // events that its handler had
    std::uint64_t lost_leases = 0;  // events that were taken away from it
};

struct GroupStatus {
    std::string group;
    std::string problem;    // why its file can't be read; then what follows is empty
    bool has_file = false;  // false: known by its floor alone; the next member makes it
    Sequence floor = 0;     // everything below is done
    Sequence frontier = 0;  // nothing below waits to be handed out for the first time
    std::optional<Sequence> kept_floor{};  // as it is on the disk
    std::uint64_t held_events = 0;         // in members' hands
    std::uint64_t again_events = 0;        // to be handed out again
    std::uint64_t retries = 0;             // times that an event was put back for that
    std::uint64_t buried_events = 0;
    std::uint64_t lost_events = 0;
    std::vector<bus::Gap> losses;  // the last ones
    std::uint32_t window_events = 0;
    std::uint32_t max_tries = 0;
    std::uint64_t stall_ns = 0;  // kNeverStalls: never
    std::string dead_letters;
    // Of what is in flight, the oldest: what keeps the floor where it is.
    std::optional<Sequence> oldest_held{};
    std::optional<std::uint32_t> oldest_holder{};  // its seat; empty: it waits to be handed out
    std::uint32_t oldest_tries = 0;
    std::vector<GroupMemberStatus> members;  // by seat; also dead ones that nobody has cleared yet

    [[nodiscard]] bool is_full() const noexcept {
        return has_file && frontier >= floor + window_events;
    }
};

// All groups that the stream knows, by name.
[[nodiscard]] std::vector<GroupStatus> read_groups(const bus::Region& region);

// Forgets the group: its file, its floor here and beside the journal. Errors: not_found; `busy`
// while it has members, unless `force`: then they are told.
[[nodiscard]] Result<void> remove_group(const std::string& stream,
                                        const std::string& group,
                                        bool force,
                                        const std::string& bus_directory = {});

// The group goes on at `position`, with whatever settings its next member brings. Returns where.
// Errors: `busy` while it has members; sequence_ahead and so on for the position.
[[nodiscard]] Result<Sequence> set_group(const std::string& stream,
                                         const std::string& group,
                                         const Position& position,
                                         const std::string& bus_directory = {});

// Publishes the group's dead letters to its stream anew, each once: where the last call ended is
// the cursor `retry.GROUP` of the stream of dead letters. Whoever is killed at it may publish the
// last one again. All readers of the stream get them, as new events. Returns how many. Errors:
// invalid_argument when the group has no dead letters; `busy` when another process is at it;
// timed_out when the stream has no room for ten seconds.
[[nodiscard]] Result<std::uint64_t> retry_dead_letters(const std::string& stream,
                                                       const std::string& group,
                                                       const std::string& bus_directory = {});

}  // namespace tailrace::stream
