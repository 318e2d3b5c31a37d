#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>

#include <cerrno>
#include <cstddef>

namespace tailrace {

namespace {

constexpr int kFirstAbove = STDERR_FILENO + 1;

// Whether it had been closed. The kernel gives the lowest number that is free.
bool take(int fd) noexcept {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) return false;
    const int taken = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (taken == fd) return true;
    if (taken >= 0) ::close(taken);
    return false;
}

}  // namespace

int above_standard(int fd) noexcept {
    if (fd < 0 || fd >= kFirstAbove) return fd;
    const int higher = ::fcntl(fd, F_DUPFD_CLOEXEC, kFirstAbove);
    const int os_errno = errno;
    ::close(fd);
    errno = os_errno;
    return higher;
}

StandardTaken::StandardTaken() noexcept {
    for (int fd = 0; fd < kFirstAbove; ++fd)
        taken_[static_cast<std::size_t>(fd)] = take(fd);
}

StandardTaken::~StandardTaken() {
    for (int fd = 0; fd < kFirstAbove; ++fd) {
        if (taken_[static_cast<std::size_t>(fd)]) ::close(fd);
    }
}

void take_standard_descriptors() noexcept {
    for (int fd = 0; fd < kFirstAbove; ++fd) {
        // What this program executes finds them, too.
        if (take(fd)) (void)::fcntl(fd, F_SETFD, 0);
    }
}

}  // namespace tailrace
