// Who a process is, beyond its pid: pids are reused, and mean nothing in another pid namespace.
//
// Law: docs/ring_protocol.md, "Liveness". Any thread.
#pragma once

#include <cstdint>
#include <type_traits>

namespace tailrace {

struct ProcessIdentity {
    std::uint64_t boot_id_high;
    std::uint64_t boot_id_low;
    std::uint64_t pid_namespace;  // inode of /proc/self/ns/pid
    std::uint64_t start_ticks;    // field 22 of /proc/PID/stat
    std::uint32_t pid;            // as seen in its own namespace
    std::uint32_t reserved;
};

static_assert(sizeof(ProcessIdentity) == 40 && std::is_trivially_copyable_v<ProcessIdentity>);

// This process. Reads /proc; call it at set-up, and anew after a fork.
[[nodiscard]] ProcessIdentity current_process() noexcept;

// True only when the kernel proves that the process ended: in the same boot and pid namespace there
// is no process of that pid with that start time. A process of another namespace, or with another
// boot id, can't be judged here, and a stopped one is alive: all give false. Who lived in an
// earlier boot holds no lock, which is what is asked first.
[[nodiscard]] bool has_ended(const ProcessIdentity& identity) noexcept;

// The boot id alone, for the header of a ring. Proves less than it seems to: a container may have
// one of its own.
struct BootId {
    std::uint64_t high;
    std::uint64_t low;
    friend bool operator==(const BootId&, const BootId&) = default;
};
inline constexpr BootId kUnknownBoot{0, 0};
// kUnknownBoot when it can't be read here. One system call or none.
[[nodiscard]] BootId current_boot() noexcept;

}  // namespace tailrace
