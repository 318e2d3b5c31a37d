#include "fork_guard.hpp"

#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace tailrace::journal {

namespace {

struct Guarded {
    std::mutex mutex;
    std::vector<int> fds;
    int null_fd = above_standard(::open("/dev/null", O_RDWR | O_CLOEXEC));
};

Guarded& guarded() {
    static auto* all = new Guarded;  // never destroyed: files may outlive static destruction
    return *all;
}

void before_fork() {
    guarded().mutex.lock();
}
void after_fork_in_parent() {
    guarded().mutex.unlock();
}
void after_fork_in_child() {
    for (const int fd : guarded().fds)
        (void)::dup3(guarded().null_fd, fd, O_CLOEXEC);
    guarded().fds.clear();
    guarded().mutex.unlock();
}

}  // namespace

void guard_from_children(int fd) noexcept {
    static std::once_flag registered;
    std::call_once(registered, [] {
        ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    });
    const std::lock_guard guard(guarded().mutex);
    auto& fds = guarded().fds;
    if (std::find(fds.begin(), fds.end(), fd) == fds.end()) fds.push_back(fd);
}

void release_guard(int fd) noexcept {
    const std::lock_guard guard(guarded().mutex);
    std::erase(guarded().fds, fd);
}

}  // namespace tailrace::journal
