#include "machine.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/clock.hpp>

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <utility>

namespace tailrace::bench {

namespace {

// The cores that were ours before the first pinning.
const cpu_set_t& allowed_cores() noexcept {
    static const cpu_set_t allowed = [] {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        if (::sched_getaffinity(0, sizeof(cores), &cores) != 0) CPU_SET(0, &cores);
        return cores;
    }();
    return allowed;
}

}  // namespace

int core_count() noexcept {
    return CPU_COUNT(&allowed_cores());
}

bool pin_to_core(int index) noexcept {
    int wanted = index % core_count();
    for (unsigned core = 0; core < CPU_SETSIZE; ++core) {
        if (!CPU_ISSET(core, &allowed_cores()) || wanted-- != 0) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(core, &one);
        return ::sched_setaffinity(0, sizeof(one), &one) == 0;
    }
    return false;
}

void unpin() noexcept {
    static_cast<void>(::sched_setaffinity(0, sizeof(cpu_set_t), &allowed_cores()));
}

std::string machine_description() {
    std::string model = "unknown processor";
    std::ifstream cpuinfo("/proc/cpuinfo");
    for (std::string line; std::getline(cpuinfo, line);) {
        if (!line.starts_with("model name")) continue;
        model = line.substr(line.find(':') + 2);
        break;
    }
    utsname system{};
    ::uname(&system);
    return model + ", " + std::to_string(core_count()) + " cores, " + system.sysname + " " +
           system.release;
}

std::uint64_t read_ticks() noexcept {
#if defined(__x86_64__)
    static const bool invariant = has_invariant_tsc();
    if (invariant) return __builtin_ia32_rdtsc();
#endif
    return monotonic_ns();
}

double ns_per_tick() noexcept {
    static const double rate = [] {
        constexpr std::uint64_t kMeasureNs = 20'000'000;
        const std::uint64_t begin_ns = monotonic_ns();
        const std::uint64_t begin_ticks = read_ticks();
        std::uint64_t now_ns = begin_ns;
        while (now_ns - begin_ns < kMeasureNs)
            now_ns = monotonic_ns();
        return static_cast<double>(now_ns - begin_ns) /
               static_cast<double>(read_ticks() - begin_ticks);
    }();
    return rate;
}

void* allocate_shared(std::size_t size_bytes) {
    void* const memory = ::mmap(nullptr,
                                size_bytes,
                                PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
                                -1,
                                0);
    TAILRACE_CHECK(memory != MAP_FAILED);
    return memory;
}

void release_shared(void* memory, std::size_t size_bytes) noexcept {
    ::munmap(memory, size_bytes);
}

int BenchChild::fork_child() {
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    TAILRACE_CHECK(pid >= 0);
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(1);
    }
    return pid;
}

void BenchChild::exit_child(int code) noexcept {
    ::_exit(code);
}

BenchChild::BenchChild(BenchChild&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      ended_(other.ended_),
      status_(other.status_) {}

BenchChild& BenchChild::operator=(BenchChild&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(ended_, other.ended_);
    std::swap(status_, other.status_);
    return *this;
}

BenchChild::~BenchChild() {
    if (pid_ <= 0 || ended_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

bool BenchChild::has_ended() noexcept {
    if (!ended_ && pid_ > 0) ended_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
    return ended_;
}

void BenchChild::kill() noexcept {
    if (!ended_ && pid_ > 0) ::kill(pid_, SIGKILL);
}

bool BenchChild::join() noexcept {
    if (!ended_ && pid_ > 0) ended_ = ::waitpid(pid_, &status_, 0) == pid_;
    return ended_ && WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
}

}  // namespace tailrace::bench
