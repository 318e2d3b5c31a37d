#include <tailrace/base/process_identity.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tailrace {

namespace {

// Reads a small file of /proc; returns the number of bytes, or -errno.
long read_small_file(const char* path, char* buffer, std::size_t capacity) noexcept {
    const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) return -errno;
    const long count = ::read(fd.get(), buffer, capacity - 1);
    if (count < 0) return -errno;
    buffer[count] = '\0';
    return count;
}

std::uint64_t parse_hex(const char*& cursor, int digits) noexcept {
    std::uint64_t value = 0;
    while (digits > 0 && *cursor != '\0') {
        const char c = *cursor++;
        if (c == '-') continue;
        const int digit = c >= 'a' ? c - 'a' + 10 : c - '0';
        value = (value << 4U) | static_cast<std::uint64_t>(digit & 0xF);
        --digits;
    }
    return value;
}

// The text that begins `fields` fields further on; null when there are fewer.
const char* skip_fields(const char* cursor, int fields) noexcept {
    while (fields-- > 0 && cursor != nullptr)
        cursor = std::strchr(cursor + 1, ' ');
    return cursor;
}

// 0 when there is no such process; UINT64_MAX when it can't be told.
std::uint64_t start_ticks_of(std::uint32_t pid) noexcept {
    char path[64];
    std::snprintf(path, sizeof(path), "/proc/%u/stat", pid);
    char text[1024];
    const long count = read_small_file(path, text, sizeof(text));
    // No such entry may also mean that it is hidden (hidepid), or that there is no /proc here
    // (chroot). The kernel's own word needs neither; anything but "no such process" leaves it open.
    if (count == -ENOENT || count == -ESRCH) {
        return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH ? 0 : UINT64_MAX;
    }
    if (count <= 0) return UINT64_MAX;
    // The command in parentheses may hold anything, so fields are counted from the last ')'.
    const char* const state = std::strrchr(text, ')');
    constexpr int kFieldsToThreadCount = 18;
    constexpr int kFieldsToStartTime = 20;
    const char* const threads =
        state != nullptr ? skip_fields(state, kFieldsToThreadCount) : nullptr;
    const char* const start = state != nullptr ? skip_fields(state, kFieldsToStartTime) : nullptr;
    if (threads == nullptr || start == nullptr) return UINT64_MAX;
    // A zombie holds no locks and runs no code: it has ended. But a process whose first thread has
    // ended shows as one, too, and its other threads run on.
    const bool is_zombie = state[1] == ' ' && (state[2] == 'Z' || state[2] == 'X');
    if (is_zombie && std::strtoull(threads + 1, nullptr, 10) <= 1) return 0;
    return std::strtoull(start + 1, nullptr, 10);
}

// 0 when it can't be told. A /proc of another namespace (unshare --pid without --mount-proc) shows
// other pids than getpid() and kill() speak of, so nothing can be told with it. The time namespace
// counts too: it shifts the start times that /proc shows. Inode numbers of namespaces have 32 bits.
std::uint64_t own_namespaces() noexcept {
    char shown[16];
    const ssize_t count = ::readlink("/proc/self", shown, sizeof(shown) - 1);
    if (count <= 0) return 0;
    shown[count] = '\0';
    if (std::strtol(shown, nullptr, 10) != ::getpid()) return 0;
    struct stat pids {};
    if (::stat("/proc/self/ns/pid", &pids) != 0) return 0;
    struct stat times {};
    const bool has_times = ::stat("/proc/self/ns/time", &times) == 0;
    return (has_times ? static_cast<std::uint64_t>(times.st_ino) << 32U : 0) ^ pids.st_ino;
}

}  // namespace

BootId current_boot() noexcept {
    // It doesn't change while this process lives, and is needed when no descriptor is left.
    // Relaxed, all: each word is either 0 or what it is for ever.
    static std::atomic<std::uint64_t> known_high{0};
    static std::atomic<std::uint64_t> known_low{0};
    BootId boot{known_high.load(std::memory_order_relaxed),
                known_low.load(std::memory_order_relaxed)};
    if (boot.high != 0 && boot.low != 0) return boot;
    boot = {0, 0};
    char text[64];
    if (read_small_file("/proc/sys/kernel/random/boot_id", text, sizeof(text)) > 0) {
        const char* cursor = text;
        constexpr int kDigitsPerWord = 16;
        boot.high = parse_hex(cursor, kDigitsPerWord);
        boot.low = parse_hex(cursor, kDigitsPerWord);
    }
    // Relaxed, both: as above.
    known_high.store(boot.high, std::memory_order_relaxed);
    known_low.store(boot.low, std::memory_order_relaxed);
    return boot;
}

ProcessIdentity current_process() noexcept {
    const BootId boot = current_boot();
    ProcessIdentity identity{};
    identity.boot_id_high = boot.high;
    identity.boot_id_low = boot.low;
    identity.pid_namespace = own_namespaces();
    identity.pid = static_cast<std::uint32_t>(::getpid());
    identity.start_ticks = start_ticks_of(identity.pid);
    return identity;
}

bool has_ended(const ProcessIdentity& identity) noexcept {
    // A descriptor limit, a chroot or a seccomp filter may hide any of these files from the judge,
    // or have hidden them from the one that is judged. Then nothing is proven. Nor is it by another
    // boot id: some containers have one of their own.
    const BootId boot = current_boot();
    const BootId its_boot{identity.boot_id_high, identity.boot_id_low};
    if (boot == kUnknownBoot || its_boot != boot) return false;
    if (identity.start_ticks == 0 || identity.start_ticks == UINT64_MAX) return false;
    if (identity.pid_namespace == 0 || identity.pid_namespace != own_namespaces()) return false;
    const std::uint64_t start_ticks = start_ticks_of(identity.pid);
    if (start_ticks == UINT64_MAX) return false;
    return start_ticks == 0 || start_ticks != identity.start_ticks;
}

}  // namespace tailrace
