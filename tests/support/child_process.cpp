#include "support/child_process.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace tailrace::test {

bool Ending::was_killed() const noexcept {
    return signal == SIGKILL;
}

ChildProcess::ChildProcess(const std::function<int()>& body) {
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) {
        std::perror("fork");
        std::abort();
    }
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::_exit(body());
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
    if (this != &other) {
        static_cast<void>(kill());
        pid_ = std::exchange(other.pid_, 0);
    }
    return *this;
}

ChildProcess::~ChildProcess() {
    static_cast<void>(kill());
}

Ending ChildProcess::kill() noexcept {
    if (pid_ <= 0) return {-1, 0};
    ::kill(pid_, SIGKILL);
    return wait();
}

Ending ChildProcess::wait() noexcept {
    if (pid_ <= 0) return {-1, 0};
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) {
    }
    pid_ = 0;
    if (WIFEXITED(status)) return {WEXITSTATUS(status), 0};
    return {-1, WTERMSIG(status)};
}

bool ChildProcess::has_ended() const noexcept {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
           info.si_pid == pid_;
}

void ChildProcess::stop() noexcept {
    ::kill(pid_, SIGSTOP);
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
}

void ChildProcess::resume() noexcept {
    ::kill(pid_, SIGCONT);
}

void ChildProcess::wait_without_reaping() const noexcept {
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
}

}  // namespace tailrace::test
