// What lies in the file of a group, `group.NAME` beside a stream's ring. Bytes and offsets, and
// what one word says of an event; no behaviour. Law: docs/groups.md, "The file".
#pragma once

#include <tailrace/base/cache_line.hpp>
#include <tailrace/base/event_header.hpp>
#include <tailrace/base/process_identity.hpp>
#include <tailrace/bus/layout.hpp>
#include <tailrace/bus/value_in_words.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tailrace::stream {

inline constexpr std::array<char, 8> kGroupMagic = {'\x89', 'T', 'R', 'G', 'R', 'P', '\r', '\n'};
inline constexpr std::uint32_t kGroupVersion = 1;  // another one: refused
inline constexpr std::uint64_t kGroupPageBytes = 4096;
inline constexpr std::uint32_t kMinGroupWindow = 1024;
inline constexpr std::uint32_t kMaxGroupWindow = 65536;
inline constexpr std::size_t kListedLosses = 8;

// Bytes [0, 4096). Written once, before the file gets its name.
struct GroupHeader {
    std::array<char, 8> magic;
    std::uint32_t version;
    std::uint32_t header_size_bytes;
    std::uint64_t header_checksum;  // XXH3-64 of [24, header_size_bytes), seed 0
    std::uint64_t file_size_bytes;
    std::uint64_t stream_id_high;
    std::uint64_t stream_id_low;
    std::uint64_t created_ns;
    std::uint64_t stall_ns;
    std::uint64_t filter_print;  // of what passes the members' filter, and of their read limit
    std::uint32_t window_events;
    std::uint32_t seats;
    std::uint32_t max_tries;
    std::uint32_t reserved;
    std::array<char, bus::kNameCapacity> name;
    std::array<char, bus::kNameCapacity> dead_letters;
};
static_assert(sizeof(GroupHeader) == 216);

enum class GroupLife : std::uint32_t {
    open = 0,
    closing = 1,  // somebody looks whether it can be removed
    removed = 2,
};

struct ListedLoss {
    std::atomic<Sequence> first;
    std::atomic<Sequence> end;
};

// How lost events come to be counted once each, whoever is killed at it: what shall be counted is
// noted, then done, and whoever comes next does it again. Under the group's lock.
struct GroupLosses {
    std::atomic<std::uint64_t> events;  // counted so far
    std::atomic<std::uint64_t> listed;  // ranges so far; the last ones are in `ranges`
    // What is being counted: [first, end), and what the two above are afterwards. end 0: nothing.
    std::atomic<Sequence> first;
    std::atomic<Sequence> end;
    std::atomic<std::uint64_t> events_after;
    std::atomic<std::uint64_t> listed_after;
    std::array<ListedLoss, kListedLosses> ranges;
};

// Bytes [4096, 8192).
struct GroupShared {
    alignas(kWriterDistanceBytes) std::atomic<Sequence> floor;  // everything below is done
    // Below it nothing is free: new members and slow ones needn't look there for events.
    alignas(kWriterDistanceBytes) std::atomic<Sequence> frontier;
    alignas(kWriterDistanceBytes) std::atomic<GroupLife> life;
    std::atomic<std::uint32_t> keeper;  // 1 + the seat that has the group's cursor; 0: none
    // How often an event was put back to be handed out again. Whoever sees it move looks for them.
    alignas(kWriterDistanceBytes) std::atomic<std::uint64_t> retries;
    std::atomic<std::uint64_t> buried;
    alignas(kWriterDistanceBytes) GroupLosses losses;
};
static_assert(sizeof(GroupShared) <= kGroupPageBytes);

// Who sits there: 2 * (how many have) + 1, or + 0 when its events were taken back. Written by who
// holds the seat's lock; by whoever finds its owner dead, with one swap.
struct GroupSeat {
    alignas(kWriterDistanceBytes) std::atomic<std::uint64_t> turn;
    std::atomic<std::uint64_t> joined_ns;
    bus::ValueInWords<ProcessIdentity> process;
    bus::ValueInWords<std::array<char, bus::kNameCapacity>> name;
    // By its owner alone. CLOCK_MONOTONIC of its last sign of life.
    alignas(kWriterDistanceBytes) std::atomic<std::uint64_t> progress_ns;
    std::atomic<std::uint64_t> handed;
    std::atomic<std::uint64_t> lost_leases;
};
static_assert(sizeof(GroupSeat) == 256);

inline constexpr std::uint64_t kGroupSeatsOffset = 2 * kGroupPageBytes;

[[nodiscard]] constexpr std::uint64_t group_units_offset(std::uint32_t seats) noexcept {
    return kGroupSeatsOffset + seats * sizeof(GroupSeat);
}
[[nodiscard]] constexpr std::uint64_t group_file_bytes(std::uint32_t seats,
                                                       std::uint32_t window_events) noexcept {
    return group_units_offset(seats) + std::uint64_t{window_events} * sizeof(std::uint64_t);
}

// Bytes of the file beyond its end are locked, never written: a held lock is a living owner.
inline constexpr std::uint64_t kGroupLock = std::uint64_t{1} << 40U;
inline constexpr std::uint64_t kGroupSeatLocks = kGroupLock + 0x1000;

// --- what one word says of an event

enum class UnitState : std::uint8_t {
    free = 0,    // never stored: the word of the lap before, done, is a free one
    leased = 1,  // in a member's hands
    again = 2,   // to be handed out again
    dying = 3,   // in the hands of a member that buries it
    done = 4,
    lost = 5,  // nobody can read it; not counted yet
};

struct Unit {
    std::uint64_t lap = 0;    // which event of those that share the word; modulo 2^34
    std::uint32_t tries = 0;  // 16 bits
    std::uint32_t seat = 0;   // 10 bits; whose hands, of leased and dying
    UnitState state = UnitState::free;
    friend bool operator==(const Unit&, const Unit&) = default;
};

inline constexpr unsigned kUnitSeatShift = 4;
inline constexpr unsigned kUnitTriesShift = 14;
inline constexpr unsigned kUnitLapShift = 30;
inline constexpr std::uint64_t kUnitLaps = std::uint64_t{1} << 34U;
inline constexpr std::uint32_t kMostUnitTries = 0xFFFF;

[[nodiscard]] constexpr std::uint64_t pack(const Unit& unit) noexcept {
    return ((unit.lap % kUnitLaps) << kUnitLapShift) |
           (std::uint64_t{unit.tries & kMostUnitTries} << kUnitTriesShift) |
           (std::uint64_t{unit.seat & 0x3FFU} << kUnitSeatShift) |
           static_cast<std::uint64_t>(unit.state);
}

[[nodiscard]] constexpr Unit unpack(std::uint64_t word) noexcept {
    return {word >> kUnitLapShift,
            static_cast<std::uint32_t>((word >> kUnitTriesShift) & kMostUnitTries),
            static_cast<std::uint32_t>((word >> kUnitSeatShift) & 0x3FFU),
            static_cast<UnitState>(word & 0xFU)};
}

[[nodiscard]] constexpr std::uint64_t lap_of(Sequence sequence,
                                             std::uint32_t window_events) noexcept {
    return (sequence / window_events + 1) % kUnitLaps;
}

// How many laps the word is ahead of that event's: 0 its own, less: not its turn yet.
[[nodiscard]] constexpr std::int64_t laps_ahead(std::uint64_t word, std::uint64_t lap) noexcept {
    constexpr unsigned kSpare = 64 - 34;
    return static_cast<std::int64_t>(((word >> kUnitLapShift) - lap) << kSpare) >> kSpare;
}

}  // namespace tailrace::stream
