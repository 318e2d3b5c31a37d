#include "machine_file.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/wait.hpp>
#include <tailrace/observe/machine_check.hpp>
#include <tailrace/observe/quantity_text.hpp>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <utility>

namespace tailrace::observe {

namespace {

constexpr auto kCheckFigures = std::to_array<Figure<Check>>({
    {"verdict",
     Unit::text,
     "ok, warn (slower, or with a risk), FAIL (it won't work here), skip (can't be told)",
     [](const Check& row) -> Value {
         return std::string(verdict_name(row.verdict));
     }},
    {"name",
     Unit::text,
     "what was looked at",
     [](const Check& row) -> Value {
         return row.name;
     }},
    {"value",
     Unit::text,
     "what was found",
     [](const Check& row) -> Value {
         return row.value;
     }},
    {"hint",
     Unit::text,
     "what helps, where something is amiss",
     [](const Check& row) -> Value {
         return row.hint.empty() ? Value(Absent{}) : Value(row.hint);
     }},
});

// A warning with its hint unless all is well.
Check ok_or_warn(bool is_well, const char* name, std::string value, const char* hint) {
    return {is_well ? Verdict::ok : Verdict::warn, name, std::move(value), is_well ? "" : hint};
}

// "always [madvise] never": the word in brackets.
std::string chosen_word(const std::string& line) {
    const std::size_t begin = line.find('[');
    const std::size_t end = line.find(']');
    if (begin == std::string::npos || end == std::string::npos || end < begin) return line;
    return line.substr(begin + 1, end - begin - 1);
}

Check check_kernel() {
    struct utsname name {};
    ::uname(&name);
    const std::string release = name.release;
    int major = 0;
    int minor = 0;
    const char* const end = release.data() + release.size();
    const auto [dot, status] = std::from_chars(release.data(), end, major);
    if (status == std::errc() && dot != end) std::from_chars(dot + 1, end, minor);
    const bool is_new = major > 5 || (major == 5 && minor >= 11);
    return ok_or_warn(is_new,
                      "kernel",
                      std::string(name.sysname) + " " + release,
                      "a kernel from 5.11 on writes journals with io_uring");
}

Check check_membarrier() {
    const bool works = bus::register_for_membarrier();
    return ok_or_warn(
        works,
        "membarrier",
        works ? "available: publishing costs no fence" : "refused: each publish pays a fence",
        "allow the system call membarrier in the container's seccomp profile");
}

Check check_locked_memory() {
    struct rlimit limit {};
    ::getrlimit(RLIMIT_MEMLOCK, &limit);
    const bool unlimited = limit.rlim_cur == RLIM_INFINITY;
    // io_uring's registered buffers count as locked memory on kernels before 5.12.
    constexpr std::uint64_t kEnoughBytes = std::uint64_t{8} << 20U;
    return ok_or_warn(unlimited || limit.rlim_cur >= kEnoughBytes,
                      "locked memory",
                      unlimited ? "unlimited" : size_text(limit.rlim_cur),
                      "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit");
}

Check check_huge_pages() {
    const std::string count = first_line("/proc/sys/vm/nr_hugepages");
    if (count.empty()) return {Verdict::skip, "huge pages", "not shown here", ""};
    return {Verdict::ok, "huge pages", count + " reserved (not needed)", ""};
}

Check check_huge_pages_in_tmpfs() {
    const std::string shared =
        chosen_word(first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
    if (shared.empty()) return {Verdict::skip, "huge pages in tmpfs", "not shown here", ""};
    const bool off = shared == "never" || shared == "deny";
    return ok_or_warn(
        !off,
        "huge pages in tmpfs",
        "shmem_enabled=" + shared + (off ? ": rings of many MiB cost more TLB misses" : ""),
        "echo within_size > /sys/kernel/mm/transparent_hugepage/shmem_enabled");
}

Check check_clock() {
    std::string source =
        first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    if (source.empty()) source = "clocksource unknown";
    const bool invariant = has_invariant_tsc();
    return ok_or_warn(invariant,
                      "clock",
                      source + (invariant ? ", invariant TSC: a publish time costs some 10 ns"
                                          : ", no invariant TSC: a publish time costs a "
                                            "clock_gettime"),
                      "tailrace create --publish-time off, where times aren't needed");
}

Check check_cores() {
    const long cores = ::sysconf(_SC_NPROCESSORS_ONLN);
    const std::string isolated = first_line("/sys/devices/system/cpu/isolated");
    return ok_or_warn(
        cores > 1,
        "cores",
        std::to_string(cores) + " online, " + (isolated.empty() ? "none" : isolated) + " isolated",
        "wait with futex: a spinning reader would starve its publisher");
}

Check check_pid_namespace() {
    constexpr ino_t kInitialNamespace = 0xEFFFFFFC;
    struct stat status {};
    if (::stat("/proc/self/ns/pid", &status) != 0) {
        return {Verdict::warn,
                "pid namespace",
                "/proc shows none: dead processes are told by their locks alone",
                "mount -t proc proc /proc"};
    }
    const bool initial = status.st_ino == kInitialNamespace;
    return {Verdict::ok,
            "pid namespace",
            initial ? "the machine's own"
                    : "a container's: processes of others are judged by their locks alone",
            ""};
}

}  // namespace

std::string_view verdict_name(Verdict verdict) noexcept {
    switch (verdict) {
        case Verdict::ok:
            return "ok";
        case Verdict::warn:
            return "warn";
        case Verdict::fail:
            return "FAIL";
        case Verdict::skip:
            return "skip";
    }
    return "unknown";
}

std::span<const Figure<Check>> check_figures() noexcept {
    return kCheckFigures;
}

void check_machine(std::vector<Check>& checks) {
    checks.push_back(check_kernel());
    checks.push_back(check_cores());
    checks.push_back(check_clock());
    checks.push_back(check_membarrier());
    checks.push_back(check_locked_memory());
    checks.push_back(check_huge_pages());
    checks.push_back(check_huge_pages_in_tmpfs());
    checks.push_back(check_pid_namespace());
}

std::vector<Check> check_host(const std::string& rings, const std::string& journals) {
    std::vector<Check> checks;
    check_machine(checks);
    check_rings(checks, rings);
    check_journals(checks, journals);
    check_cleaners(checks, rings, journals);
    return checks;
}

}  // namespace tailrace::observe
