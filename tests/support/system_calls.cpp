#include "support/system_calls.hpp"

#include <linux/futex.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <numeric>

namespace tailrace::test {

namespace {

// No program makes this one: it marks where counting begins and ends.
constexpr long kMark = 0x7a11;

constexpr std::uintptr_t kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
constexpr int kSystemCallStop = SIGTRAP | 0x80;

bool wait_for(pid_t pid, int& status) noexcept {
    pid_t changed = -1;
    do {
        changed = ::waitpid(pid, &status, 0);
    } while (changed < 0 && errno == EINTR);
    return changed == pid;
}

// Lets the child run to its end. Its exit code, or -1.
int follow(pid_t pid, SystemCalls& calls) {
    int status = 0;
    int signal = 0;
    bool counts = false;
    for (;;) {
        if (::ptrace(PTRACE_SYSCALL, pid, nullptr, static_cast<std::uintptr_t>(signal)) != 0 ||
            !wait_for(pid, status))
            return -1;
        if (!WIFSTOPPED(status)) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        signal = WSTOPSIG(status) == kSystemCallStop ? 0 : WSTOPSIG(status);
        if (signal != 0) continue;
        __ptrace_syscall_info info{};
        if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0) return -1;
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
        const auto number = static_cast<long>(info.entry.nr);
        if (number == kMark) {
            counts = !counts;
        } else if (counts) {
            ++calls.counts[number];
            const auto operation = static_cast<int>(info.entry.args[1]) & FUTEX_CMD_MASK;
            const bool wakes = operation == FUTEX_WAKE || operation == FUTEX_WAKE_BITSET;
            if (number == SYS_futex && wakes)
                calls.futex_wakes += static_cast<std::uint32_t>(info.entry.args[2]);
        }
    }
}

}  // namespace

std::uint64_t SystemCalls::all() const noexcept {
    return std::accumulate(
        counts.begin(), counts.end(), std::uint64_t{0}, [](std::uint64_t sum, const auto& entry) {
            return sum + entry.second;
        });
}

std::uint64_t SystemCalls::of(long number) const noexcept {
    const auto found = counts.find(number);
    return found == counts.end() ? 0 : found->second;
}

std::string SystemCalls::text() const {
    std::string result;
    for (const auto& [number, count] : counts) {
        result += (result.empty() ? "call " : ", call ") + std::to_string(number) + ": " +
                  std::to_string(count);
    }
    return result;
}

std::optional<SystemCalls> count_system_calls(
    const std::function<int(const std::function<void()>& mark)>& body) {
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) return std::nullopt;
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        constexpr int kMayNotTrace = 99;
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(kMayNotTrace);
        ::raise(SIGSTOP);
        ::_exit(body([] { ::syscall(kMark); }));
    }
    SystemCalls calls;
    int status = 0;
    if (!wait_for(pid, status) || !WIFSTOPPED(status)) return std::nullopt;
    int exit_code = -1;
    if (::ptrace(PTRACE_SETOPTIONS, pid, nullptr, kOptions) == 0) exit_code = follow(pid, calls);
    if (exit_code == 0) return calls;
    ::kill(pid, SIGKILL);
    static_cast<void>(wait_for(pid, status));
    return std::nullopt;
}

}  // namespace tailrace::test
