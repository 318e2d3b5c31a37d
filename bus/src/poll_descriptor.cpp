#include "poll_descriptor.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/wait.hpp>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

namespace tailrace::bus {

namespace {

Error cannot_make(int os_errno, const Region& region, const std::string& what) {
    return os_error(os_errno,
                    "cannot make a poll descriptor for stream '" + region.name() + "' (" + what +
                        " in " + region.path() + ")",
                    "ls -ld " + region.path() + "; ulimit -n");
}

// Opened for both directions: a FIFO whose last writer has gone would be readable for ever, and a
// writer whose last reader has just died would get SIGPIPE.
UniqueFd open_fifo(const Region& region) noexcept {
    constexpr int kFlags = O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
    UniqueFd fd(::openat(region.directory_fd(), kPollFifo, kFlags));
    if (!fd.is_open()) return fd;
    // Whoever may write into the directory may put anything in the FIFO's place.
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0 || !S_ISFIFO(status.st_mode)) {
        errno = EEXIST;
        return UniqueFd();
    }
    return fd;
}

// Each byte that comes makes the descriptor readable once, whatever lies in the FIFO already:
// nobody has to take what was written for all.
constexpr std::uint32_t kEachByte = EPOLLIN | EPOLLET;

bool watch(int epoll_fd, int operation, int fd, std::uint32_t events) noexcept {
    epoll_event event{};
    event.events = events;
    return ::epoll_ctl(epoll_fd, operation, fd, &event) == 0;
}

// Makes all descriptors readable whose owners listen. False: this process has no descriptor left to
// do it with. True otherwise, also when there is nobody to tell.
bool tell_polls(const Region& region) noexcept {
    const UniqueFd fd = open_fifo(region);
    if (!fd.is_open()) return errno != EMFILE && errno != ENFILE && errno != ENOMEM;
    TAILRACE_STEP("wake.fifo_open");
    const std::byte byte{1};
    if (::write(fd.get(), &byte, sizeof(byte)) != 1 && errno == EAGAIN) {
        // It is full. A page less is room again, and never empty: those who have been told but
        // haven't looked yet must find something in it.
        std::array<std::byte, 4096> page;
        static_cast<void>(::read(fd.get(), page.data(), page.size()) > 0 &&
                          ::write(fd.get(), &byte, sizeof(byte)) == 1);
    }
    TAILRACE_STEP("wake.told");
    return true;
}

void start_timer(int fd, std::uint64_t from_now_ns) noexcept {
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(from_now_ns / kNsPerSecond);
    when.it_value.tv_nsec = static_cast<long>(from_now_ns % kNsPerSecond);
    ::timerfd_settime(fd, 0, &when, nullptr);
}

}  // namespace

Result<PollDescriptor> PollDescriptor::make(const Region& region) {
    PollDescriptor made;
    made.fifo_ = open_fifo(region);
    if (!made.fifo_.is_open()) return cannot_make(errno, region, kPollFifo);
    made.timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    made.epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    if (!made.timer_.is_open() || !made.epoll_.is_open() ||
        !watch(made.epoll_.get(), EPOLL_CTL_ADD, made.fifo_.get(), 0) ||
        !watch(made.epoll_.get(), EPOLL_CTL_ADD, made.timer_.get(), EPOLLIN)) {
        return cannot_make(errno, region, "its timer");
    }
    return made;
}

void PollDescriptor::listen() noexcept {
    // What lies in the FIFO counts as one more byte.
    if (!listens_) {
        watch(epoll_.get(), EPOLL_CTL_MOD, fifo_.get(), kEachByte);
        listens_ = true;
    }
    std::array<epoll_event, 2> told;
    static_cast<void>(::epoll_wait(epoll_.get(), told.data(), told.size(), 0));
}

void PollDescriptor::stop() noexcept {
    due_ns_ = 0;
    start_timer(timer_.get(), 0);
    watch(epoll_.get(), EPOLL_CTL_MOD, fifo_.get(), 0);
    listens_ = false;
}

void PollDescriptor::set_timer(std::uint64_t from_now_ns) noexcept {
    const std::uint64_t now_ns = monotonic_ns();
    if (due_ns_ > now_ns && due_ns_ - now_ns <= from_now_ns) return;
    due_ns_ = now_ns + from_now_ns;
    start_timer(timer_.get(), from_now_ns);  // also takes back that it has ended
}

void wake_subscribers(const Region& region) noexcept {
    WaitCell& cell = region.state().subscribers_wait;
    if ((wake_first(cell) & kSomebodyPolls) == 0 || tell_polls(region)) return;
    // [sync:poll_armed] Release: the next commit, of whatever process, tries again.
    cell.sleeping.fetch_or(kSomebodyPolls, std::memory_order_release);
}

}  // namespace tailrace::bus
