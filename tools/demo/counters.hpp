// Counters: this machine's own counters as events. What `tailrace sample` publishes and anybody may
// read back with event.as<CpuCounters>().
//
// Values are totals since boot as the kernel counts them (memory: the amounts now); a reader takes
// differences. Plain structs without padding, little endian; one event type each.
#pragma once

#include <tailrace/base/event_header.hpp>

#include <array>
#include <cstdint>
#include <type_traits>

namespace tailrace::tool {

inline constexpr EventType kCpuCountersType = 0x0101;
inline constexpr EventType kMemoryCountersType = 0x0102;
inline constexpr EventType kNetworkCountersType = 0x0103;
inline constexpr EventType kDiskCountersType = 0x0104;

using DeviceName = std::array<char, 16>;  // zero-padded

// One processor, from /proc/stat. Ticks are 1/100 s on Linux.
struct CpuCounters {
    std::uint64_t round;  // counts the looks at /proc; the same for all events of one look
    std::uint32_t cpu;
    std::uint32_t reserved;
    std::uint64_t user_ticks;
    std::uint64_t nice_ticks;
    std::uint64_t system_ticks;
    std::uint64_t idle_ticks;
    std::uint64_t io_wait_ticks;
    std::uint64_t interrupt_ticks;
    std::uint64_t soft_interrupt_ticks;
    std::uint64_t steal_ticks;
};
static_assert(sizeof(CpuCounters) == 80 && std::is_trivially_copyable_v<CpuCounters>);

// From /proc/meminfo.
struct MemoryCounters {
    std::uint64_t round;
    std::uint64_t total_bytes;
    std::uint64_t free_bytes;
    std::uint64_t available_bytes;
    std::uint64_t cached_bytes;
    std::uint64_t shared_bytes;
    std::uint64_t dirty_bytes;
};
static_assert(sizeof(MemoryCounters) == 56 && std::is_trivially_copyable_v<MemoryCounters>);

// One network interface, from /proc/net/dev.
struct NetworkCounters {
    std::uint64_t round;
    DeviceName interface;
    std::uint64_t received_bytes;
    std::uint64_t received_packets;
    std::uint64_t sent_bytes;
    std::uint64_t sent_packets;
};
static_assert(sizeof(NetworkCounters) == 56 && std::is_trivially_copyable_v<NetworkCounters>);

// One disk, from /proc/diskstats.
struct DiskCounters {
    std::uint64_t round;
    DeviceName disk;
    std::uint64_t reads;
    std::uint64_t read_bytes;
    std::uint64_t writes;
    std::uint64_t written_bytes;
    std::uint64_t busy_ms;
    std::uint64_t flushes;
};
static_assert(sizeof(DiskCounters) == 72 && std::is_trivially_copyable_v<DiskCounters>);

}  // namespace tailrace::tool
