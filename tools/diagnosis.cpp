#include "diagnosis.hpp"

#include "clock_check.hpp"
#include "journal_place.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/wait.hpp>
#include <tailrace/journal/inspect.hpp>

#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <string_view>

namespace tailrace::tool {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

// The first line of a file; empty when it can't be read.
std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

// "always [madvise] never": the word in brackets.
std::string chosen_word(const std::string& line) {
    const std::size_t begin = line.find('[');
    const std::size_t end = line.find(']');
    if (begin == std::string::npos || end == std::string::npos || end < begin) return line;
    return line.substr(begin + 1, end - begin - 1);
}

void check_kernel(std::vector<Check>& checks) {
    struct utsname name {};
    ::uname(&name);
    const std::string release = name.release;
    int major = 0;
    int minor = 0;
    const char* const end = release.data() + release.size();
    const auto [dot, status] = std::from_chars(release.data(), end, major);
    if (status == std::errc() && dot != end) std::from_chars(dot + 1, end, minor);
    const bool is_new = major > 5 || (major == 5 && minor >= 11);
    checks.push_back({is_new ? Verdict::ok : Verdict::warn,
                      "kernel",
                      fmt::format("{} {}", name.sysname, release),
                      is_new ? "" : "a kernel from 5.11 on writes journals with io_uring"});
}

void check_membarrier(std::vector<Check>& checks) {
    const bool works = bus::register_for_membarrier();
    checks.push_back(
        {works ? Verdict::ok : Verdict::warn,
         "membarrier",
         works ? "available: publishing costs no fence" : "refused: each publish pays a fence",
         works ? "" : "allow the system call membarrier in the container's seccomp profile"});
}

void check_locked_memory(std::vector<Check>& checks) {
    struct rlimit limit {};
    ::getrlimit(RLIMIT_MEMLOCK, &limit);
    const bool unlimited = limit.rlim_cur == RLIM_INFINITY;
    // io_uring's registered buffers count as locked memory on kernels before 5.12.
    const bool enough = unlimited || limit.rlim_cur >= 8 * kMiB;
    checks.push_back({enough ? Verdict::ok : Verdict::warn,
                      "locked memory",
                      unlimited ? "unlimited" : size_text(limit.rlim_cur),
                      enough ? "" : "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit"});
}

void check_huge_pages(std::vector<Check>& checks) {
    const std::string count = first_line("/proc/sys/vm/nr_hugepages");
    checks.push_back(
        {count.empty() ? Verdict::skip : Verdict::ok,
         "huge pages",
         count.empty() ? "not shown here" : fmt::format("{} reserved (not needed)", count),
         ""});
    const std::string shared =
        chosen_word(first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
    if (shared.empty()) {
        checks.push_back({Verdict::skip, "huge pages in tmpfs", "not shown here", ""});
        return;
    }
    const bool off = shared == "never" || shared == "deny";
    checks.push_back(
        {off ? Verdict::warn : Verdict::ok,
         "huge pages in tmpfs",
         fmt::format(
             "shmem_enabled={}{}", shared, off ? ": rings of many MiB cost more TLB misses" : ""),
         off ? "echo within_size > /sys/kernel/mm/transparent_hugepage/shmem_enabled" : ""});
}

void check_clock(std::vector<Check>& checks) {
    const std::string source =
        first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    const bool invariant = has_invariant_tsc();
    checks.push_back(
        {invariant ? Verdict::ok : Verdict::warn,
         "clock",
         fmt::format("{}, {}",
                     source.empty() ? "clocksource unknown" : source,
                     invariant ? "invariant TSC: a publish time costs some 10 ns"
                               : "no invariant TSC: a publish time costs a clock_gettime"),
         invariant ? "" : "tailrace create --publish-time off, where times aren't needed"});
}

void check_cores(std::vector<Check>& checks) {
    const long cores = ::sysconf(_SC_NPROCESSORS_ONLN);
    const std::string isolated = first_line("/sys/devices/system/cpu/isolated");
    checks.push_back(
        {cores > 1 ? Verdict::ok : Verdict::warn,
         "cores",
         fmt::format("{} online, {} isolated", cores, isolated.empty() ? "none" : isolated),
         cores > 1 ? "" : "wait with futex: a spinning reader would starve its publisher"});
}

void check_pid_namespace(std::vector<Check>& checks) {
    constexpr ino_t kInitialNamespace = 0xEFFFFFFC;
    struct stat status {};
    if (::stat("/proc/self/ns/pid", &status) != 0) {
        checks.push_back({Verdict::warn,
                          "pid namespace",
                          "/proc shows none: dead processes are told by their locks alone",
                          "mount -t proc proc /proc"});
        return;
    }
    const bool initial = status.st_ino == kInitialNamespace;
    checks.push_back({Verdict::ok,
                      "pid namespace",
                      initial
                          ? "the machine's own"
                          : "a container's: processes of others are judged by their locks alone",
                      ""});
}

// The deepest directory on the way to `path` that exists.
std::string existing_ancestor(const std::string& path) {
    std::error_code failed;
    fs::path at = path;
    while (!fs::exists(at, failed) && at.has_parent_path() && at != at.parent_path()) {
        at = at.parent_path();
    }
    return at.string();
}

void check_ring_memory(std::vector<Check>& checks, const std::string& directory) {
    const std::string place = existing_ancestor(directory);
    struct statvfs status {};
    struct statfs kind {};
    if (::statvfs(place.c_str(), &status) != 0 || ::statfs(place.c_str(), &kind) != 0) {
        checks.push_back({Verdict::fail,
                          "ring memory",
                          fmt::format("cannot look at {}", place),
                          "choose another place with --dir or TAILRACE_DIR"});
        return;
    }
    const std::uint64_t free_bytes = std::uint64_t{status.f_bavail} * status.f_frsize;
    const std::uint64_t total_bytes = std::uint64_t{status.f_blocks} * status.f_frsize;
    const bool in_memory = kind.f_type == TMPFS_MAGIC || kind.f_type == HUGETLBFS_MAGIC;
    constexpr std::uint64_t kComfortableBytes = 128 * kMiB;
    Check check{
        Verdict::ok,
        "ring memory",
        fmt::format("{}: {} of {} free", place, size_text(free_bytes), size_text(total_bytes)),
        ""};
    if (free_bytes < 2 * bus::kMinCapacityBytes) {
        check.verdict = Verdict::fail;
        check.hint = fmt::format(
            "tailrace rm --stale, or another --dir; mount -o remount,size=1G {} (in a container: "
            "--shm-size=1g)",
            place);
    } else if (free_bytes < kComfortableBytes) {
        check.verdict = Verdict::warn;
        check.hint = fmt::format(
            "a smaller --capacity, or mount -o remount,size=1G {}; in a container: "
            "--shm-size=1g",
            place);
    } else if (!in_memory) {
        check.verdict = Verdict::warn;
        check.value += ", but it is not in memory (tmpfs): the kernel writes rings to the disk";
        check.hint = "TAILRACE_DIR=/dev/shm/tailrace";
    }
    checks.push_back(std::move(check));
    if (::access(place.c_str(), W_OK | X_OK) != 0) {
        checks.push_back({Verdict::fail,
                          "ring directory",
                          fmt::format("{} may not be written by this user", place),
                          "choose another place with --dir or TAILRACE_DIR"});
    }
}

// What the rings here are made of.
void check_ring_pages(std::vector<Check>& checks, const std::string& directory) {
    std::map<bus::PageKind, std::uint64_t> rings;
    auto names = bus::Region::list(directory);
    for (const std::string& name : names ? *names : std::vector<std::string>{}) {
        auto header = bus::Region::peek(name, directory);
        if (header) ++rings[header->pages];
    }
    std::string text;
    for (const auto& [kind, count] : rings) {
        text += fmt::format(
            "{}{} on pages of {}", text.empty() ? "" : "; ", count, bus::page_kind_name(kind));
    }
    checks.push_back({Verdict::ok, "ring pages", text.empty() ? "no rings" : text, ""});
}

// What keeps rings from being opened, each called by its name: what can't be read here and now may
// be in use by others.
struct RingCounts {
    std::size_t all = 0;
    std::uint64_t stale = 0;
    std::uint64_t damaged = 0;
    std::uint64_t unreadable = 0;
    std::string damaged_example;
    std::string why_unreadable;
};

RingCounts count_rings(const std::string& directory) {
    RingCounts counts;
    auto names = bus::Region::list(directory);
    if (!names) return counts;
    counts.all = names->size();
    for (const std::string& name : *names) {
        auto region = bus::Region::open(name, bus::RegionAccess::observe, directory);
        if (region) continue;
        switch (region.error().code) {
            case ErrorCode::stale:
                ++counts.stale;
                break;
            case ErrorCode::not_tailrace:
            case ErrorCode::truncated:
            case ErrorCode::corrupt:
                ++counts.damaged;
                counts.damaged_example = name;
                break;
            case ErrorCode::not_found:  // removed meanwhile
            case ErrorCode::no_permission:
                break;
            default:
                ++counts.unreadable;
                counts.why_unreadable = region.error().message;
                if (!region.error().hint.empty())
                    counts.why_unreadable += "; try: " + region.error().hint;
                break;
        }
    }
    return counts;
}

void check_leftovers(std::vector<Check>& checks, const std::string& directory) {
    const RingCounts counts = count_rings(directory);
    std::uint64_t unfinished = 0;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(directory, failed)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with(".creating-") || name.starts_with(".removed-")) ++unfinished;
    }
    Check check{Verdict::ok,
                "leftovers",
                fmt::format("{} streams; {} of an earlier boot, {} damaged, {} half-made",
                            counts.all,
                            counts.stale,
                            counts.damaged,
                            unfinished),
                ""};
    if (counts.damaged != 0) {
        check.verdict = Verdict::warn;
        check.hint = fmt::format("tailrace inspect {0}; tailrace rm {0}", counts.damaged_example);
    }
    if (counts.stale + unfinished != 0) {
        check.verdict = Verdict::warn;
        check.hint = "tailrace rm --stale --yes";
    }
    checks.push_back(std::move(check));
    if (counts.unreadable == 0) return;
    checks.push_back({Verdict::warn,
                      "readable rings",
                      fmt::format("{} can't be opened here", counts.unreadable),
                      counts.why_unreadable});
}

std::string uring_hint(int uring_errno) {
    const std::string disabled = first_line("/proc/sys/kernel/io_uring_disabled");
    if (!disabled.empty() && disabled != "0") return "sysctl kernel.io_uring_disabled=0";
    if (uring_errno == EPERM || uring_errno == ENOSYS) {
        return "in Docker: --security-opt seccomp=unconfined, or a profile that allows io_uring_*";
    }
    if (uring_errno == ENOMEM) return "ulimit -l unlimited";
    return "journals work without it; the kernel's log may say more: dmesg";
}

}  // namespace

void check_machine(std::vector<Check>& checks) {
    check_kernel(checks);
    check_cores(checks);
    check_clock(checks);
    check_membarrier(checks);
    check_locked_memory(checks);
    check_huge_pages(checks);
    check_pid_namespace(checks);
}

namespace {

// One row for all streams that are well, and one for each that isn't.
void check_clocks(std::vector<Check>& checks, const std::string& directory) {
    const auto streams = bus::Region::list(directory);
    if (!streams) return;
    bool is_well = true;
    const auto report = [&](const std::string& stream,
                            const std::string& what,
                            const std::optional<ClockTrouble>& trouble) {
        if (!trouble) return;
        is_well = false;
        checks.push_back({Verdict::warn,
                          "publish times",
                          fmt::format("{}'{}': {}", what, stream, trouble->what),
                          trouble->hint});
    };
    for (const std::string& stream : *streams) {
        auto region = bus::Region::open(stream, bus::RegionAccess::observe, directory);
        if (!region) continue;
        report(stream, "stream ", find_clock_trouble(*region));
        const std::string journal = journal_directory_of((*region)->header());
        if (!journal.empty())
            report(stream, "the journal of ", find_journal_clock_trouble(stream, journal));
    }
    if (is_well && !streams->empty())
        checks.push_back({Verdict::ok, "publish times", "none is ahead of the clock", ""});
}

}  // namespace

void check_rings(std::vector<Check>& checks, const std::string& directory) {
    check_ring_memory(checks, directory);
    check_ring_pages(checks, directory);
    check_leftovers(checks, directory);
    check_clocks(checks, directory);
}

void check_journals(std::vector<Check>& checks, const std::string& directory) {
    const std::string place = existing_ancestor(directory);
    auto probe = journal::probe_io(place);
    if (!probe) {
        const bool forbidden = probe.error().code == ErrorCode::no_permission;
        checks.push_back({forbidden ? Verdict::warn : Verdict::fail,
                          "journal directory",
                          probe.error().message,
                          "choose another place with --journal-dir or TAILRACE_JOURNAL_DIR"});
        return;
    }
    const bool has_uring = probe->uring_errno == 0;
    checks.push_back({has_uring ? Verdict::ok : Verdict::warn,
                      "io_uring",
                      has_uring ? "available" : probe->reason,
                      has_uring ? "" : uring_hint(probe->uring_errno)});
    constexpr std::uint64_t kComfortableBytes = 1024 * kMiB;
    const bool roomy = probe->free_bytes >= kComfortableBytes;
    checks.push_back(
        {roomy ? Verdict::ok : Verdict::warn,
         "journal directory",
         fmt::format("{} ({}): {} free", place, probe->file_system, size_text(probe->free_bytes)),
         roomy ? ""
               : fmt::format("df {}; smaller segments: tailrace record --segment 16MiB", place)});
    checks.push_back({probe->overwrites_in_place ? Verdict::ok : Verdict::warn,
                      "file system",
                      probe->overwriting,
                      probe->overwrites_in_place ? "" : "a --journal-dir on ext4 or xfs"});
    checks.push_back({probe->direct_io ? Verdict::ok : Verdict::warn,
                      "O_DIRECT",
                      probe->direct_io_reason,
                      probe->direct_io ? "" : "a --journal-dir on ext4 or xfs"});
    checks.push_back({Verdict::ok, "durable write", probe->durable_write_reason, ""});
    checks.push_back({probe->fallocate ? Verdict::ok : Verdict::warn,
                      "fallocate",
                      probe->fallocate ? "room can be reserved" : probe->fallocate_reason,
                      probe->fallocate ? "" : "a --journal-dir on ext4 or xfs"});
}

}  // namespace tailrace::tool
