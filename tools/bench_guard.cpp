#include "bench_guard.hpp"

#include "journal_place.hpp"

#include <tailrace/bus/region.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <string_view>

namespace tailrace::tool {

namespace {

// Whether a benchmark in that process called it so: "bench-PID-0", "bench-read-PID".
bool is_made_by(std::string_view name, pid_t pid) {
    const std::string padded = fmt::format("{}-", name);
    return name.starts_with("bench-") && padded.find(fmt::format("-{}-", pid)) != std::string::npos;
}

void remove_what_is_left(pid_t pid) {
    if (const auto streams = bus::Region::list(settings().directory)) {
        for (const std::string& name : *streams) {
            if (is_made_by(name, pid))
                static_cast<void>(bus::Region::unlink(name, true, settings().directory));
        }
    }
    // It may have been killed while it made one.
    static_cast<void>(bus::Region::remove_leftovers(settings().directory));
    std::error_code failed;  // what can't be removed stays
    for (const std::string& directory :
         {usual_journal_parent(), usual_journal_parent() + "/bench"}) {
        std::vector<std::filesystem::path> found;
        for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
            if (is_made_by(entry.path().filename().string(), pid)) found.push_back(entry.path());
        }
        for (const std::filesystem::path& path : found)
            std::filesystem::remove_all(path, failed);
    }
}

sigset_t watched_signals() noexcept {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGINT);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGCHLD);
    return signals;
}

// The terminal sends Ctrl-C to both: only the parent heeds it, and the child ends with the parent.
void become_child(pid_t parent, const sigset_t& signals_before) noexcept {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGINT, &ignore, nullptr);
    ::sigaction(SIGTERM, &ignore, nullptr);
    ::sigprocmask(SIG_SETMASK, &signals_before, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
}

Result<ExitCode> outcome_of(int status) {
    if (WIFEXITED(status)) return static_cast<ExitCode>(WEXITSTATUS(status));
    return make_error(ErrorCode::io_failure,
                      fmt::format("the benchmark was ended by signal {}", WTERMSIG(status)),
                      "dmesg, when it was the kernel for want of memory");
}

}  // namespace

Result<ExitCode> run_guarded(const CommandBody& body) {
    const sigset_t watched = watched_signals();
    sigset_t before;
    ::sigprocmask(SIG_BLOCK, &watched, &before);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) {
        become_child(parent, before);
        return body();
    }
    if (child < 0) return os_error(errno, "cannot start the benchmark", "ulimit -u");
    for (;;) {
        const int signal = ::sigwaitinfo(&watched, nullptr);
        if (signal == SIGINT || signal == SIGTERM) {
            ::kill(child, SIGKILL);
            ::waitpid(child, nullptr, 0);
            remove_what_is_left(child);
            say("interrupted: nothing was measured to its end");
            return ExitCode::interrupted;
        }
        int status = 0;
        if (signal == SIGCHLD && ::waitpid(child, &status, WNOHANG) == child)
            return outcome_of(status);
    }
}

}  // namespace tailrace::tool
