#include "support/child_process.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace tailrace::test {

namespace {

// False: there is no such child. A signal that was handled meanwhile changes nothing.
bool wait_for(pid_t pid, int& status, int options) noexcept {
    pid_t changed = -1;
    do {
        changed = ::waitpid(pid, &status, options);
    } while (changed < 0 && errno == EINTR);
    return changed == pid;
}

}  // namespace

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

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      ended_(std::exchange(other.ended_, std::nullopt)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
    if (this != &other) {
        static_cast<void>(kill());
        pid_ = std::exchange(other.pid_, 0);
        ended_ = std::exchange(other.ended_, std::nullopt);
    }
    return *this;
}

ChildProcess::~ChildProcess() {
    static_cast<void>(kill());
}

Ending ChildProcess::kill() noexcept {
    if (pid_ <= 0) return {-1, 0};
    if (!ended_) ::kill(pid_, SIGKILL);
    return wait();
}

Ending ChildProcess::wait() noexcept {
    if (pid_ <= 0) return {-1, 0};
    int status = 0;
    if (!ended_ && wait_for(pid_, status, 0)) ended_ = status;
    pid_ = 0;
    const std::optional<int> ended = std::exchange(ended_, std::nullopt);
    if (!ended) return {-1, 0};
    if (WIFEXITED(*ended)) return {WEXITSTATUS(*ended), 0};
    return {-1, WTERMSIG(*ended)};
}

bool ChildProcess::has_ended() const noexcept {
    if (ended_) return true;
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
           info.si_pid == pid_;
}

void ChildProcess::stop() noexcept {
    if (pid_ <= 0 || ended_) return;
    ::kill(pid_, SIGSTOP);
    int status = 0;
    if (wait_for(pid_, status, WUNTRACED) && !WIFSTOPPED(status)) ended_ = status;
}

void ChildProcess::resume() noexcept {
    if (pid_ > 0 && !ended_) ::kill(pid_, SIGCONT);
}

void ChildProcess::wait_without_reaping() const noexcept {
    if (ended_) return;
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
}

int raw_clone(const std::function<int()>& body) {
    const long pid = ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid == 0) ::_exit(body());
    int status = 0;
    if (pid < 0 || ::waitpid(static_cast<pid_t>(pid), &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int in_child(const std::function<int()>& body) {
    constexpr unsigned kChildSeconds = 60;
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(kChildSeconds);
        ::_exit(body());
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace tailrace::test
