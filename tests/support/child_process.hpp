// ChildProcess: a forked process that runs a piece of a test, and may be killed, stopped and
// resumed.
//
// The child ends with _exit and never runs Catch's code: it says what it found by its exit code or
// in a SharedObject, and the parent asserts. A child dies with its parent. One thread; no other
// threads may run in the parent when it forks.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>

namespace tailrace::test {

// How a process ended.
struct Ending {
    int exit_code;  // -1: by a signal
    int signal;     // 0: by itself
    [[nodiscard]] bool was_killed() const noexcept;
};

class ChildProcess {
public:
    ChildProcess() noexcept = default;
    // Forks; the child runs `body` and exits with what it returns.
    explicit ChildProcess(const std::function<int()>& body);
    ChildProcess(ChildProcess&& other) noexcept;
    ChildProcess& operator=(ChildProcess&& other) noexcept;
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    // Kills it, if it still runs.
    ~ChildProcess();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] bool is_running() const noexcept { return pid_ > 0; }

    // Whether it has ended; wait() still reaps.
    [[nodiscard]] bool has_ended() const noexcept;
    // SIGKILL, and waits for the end. If it had ended before by itself, that ending is returned.
    Ending kill() noexcept;
    // Waits until it has ended by itself.
    Ending wait() noexcept;
    // SIGSTOP, and waits until it has stopped, or has ended before by itself.
    void stop() noexcept;
    void resume() noexcept;
    // Becomes a zombie when it ends, but isn't reaped yet: returns when it has ended. wait() still
    // reaps.
    void wait_without_reaping() const noexcept;

private:
    pid_t pid_ = 0;
    std::optional<int> ended_;  // its status, once it is reaped: the pid may be another's by now
};

// What `body` returns in a child that no pthread_atfork handler has seen, or minus the signal that
// ended it. Waits for it.
int raw_clone(const std::function<int()>& body);

// What `body` returns in a forked child, or 1000 and the signal that ended it. Waits for it; one
// that hangs is ended by its alarm after a minute.
int in_child(const std::function<int()>& body);

}  // namespace tailrace::test
