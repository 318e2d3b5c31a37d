#include <tailrace/base/file_size_signal.hpp>

#include <sys/resource.h>

#include <cerrno>
#include <ctime>

namespace tailrace {

namespace {

sigset_t the_signal() noexcept {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGXFSZ);
    return signals;
}

}  // namespace

FileSizeSignalHold::FileSizeSignalHold() noexcept {
    const sigset_t held = the_signal();
    if (::pthread_sigmask(SIG_BLOCK, &held, &before_) != 0) return;
    is_ours_ = ::sigismember(&before_, SIGXFSZ) == 0;
}

FileSizeSignalHold::~FileSizeSignalHold() {
    if (!is_ours_) return;
    const int os_errno = errno;
    // The kernel sent it to this thread, so this thread takes it: without the hold it would come
    // as soon as it may.
    const sigset_t held = the_signal();
    const timespec at_once{0, 0};
    (void)::sigtimedwait(&held, nullptr, &at_once);
    (void)::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = os_errno;
}

bool is_file_size_allowed(unsigned long long size_bytes) noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_FSIZE, &limit) != 0) return true;
    return limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= size_bytes;
}

}  // namespace tailrace
