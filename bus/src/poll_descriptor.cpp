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
#include <cstdio>
#include <ctime>

namespace tailrace::bus {

namespace {

std::array<char, 16> fifo_name(std::uint32_t slot_index) noexcept {
    std::array<char, 16> name{};
    std::snprintf(name.data(), name.size(), "%s%u", kPollFifoPrefix, slot_index);
    return name;
}

Error cannot_make(int os_errno, const Region& region, const std::string& what) {
    return os_error(os_errno,
                    "cannot make a poll descriptor for stream '" + region.name() + "' (" + what +
                        " in " + region.path() + ")",
                    "ls -ld " + region.path() + "; ulimit -n");
}

// Opened for both directions: a FIFO whose last writer has gone would be readable for ever, and a
// writer whose last reader has just died would get SIGPIPE.
UniqueFd open_fifo(const Region& region, const char* name) noexcept {
    constexpr int kFlags = O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
    UniqueFd fd(::openat(region.directory_fd(), name, kFlags));
    if (!fd.is_open()) return fd;
    // Whoever may write into the directory may put anything in the FIFO's place.
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0 || !S_ISFIFO(status.st_mode)) {
        errno = EEXIST;
        return UniqueFd();
    }
    return fd;
}

bool add(int epoll_fd, int fd) noexcept {
    epoll_event event{};
    event.events = EPOLLIN;
    return ::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

void start_timer(int fd, std::uint64_t from_now_ns) noexcept {
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(from_now_ns / kNsPerSecond);
    when.it_value.tv_nsec = static_cast<long>(from_now_ns % kNsPerSecond);
    ::timerfd_settime(fd, 0, &when, nullptr);
}

}  // namespace

Result<PollDescriptor> PollDescriptor::make(const Region& region, std::uint32_t slot_index) {
    const auto name = fifo_name(slot_index);
    const int directory = region.directory_fd();
    ::unlinkat(directory, name.data(), 0);
    if (::mkfifoat(directory, name.data(), 0600) != 0)
        return cannot_make(errno, region, name.data());
    PollDescriptor made;
    made.fifo_ = open_fifo(region, name.data());
    if (!made.fifo_.is_open()) return cannot_make(errno, region, name.data());
    // Whoever may write `control` may be the waker. The group is given as far as this process may.
    struct stat control {};
    if (::fstatat(directory, "control", &control, AT_SYMLINK_NOFOLLOW) == 0) {
        if (::fchown(made.fifo_.get(), static_cast<uid_t>(-1), control.st_gid) != 0) errno = 0;
        if (::fchmod(made.fifo_.get(), control.st_mode & 0666U) != 0)
            return cannot_make(errno, region, name.data());
    }
    made.timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    made.epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    if (!made.timer_.is_open() || !made.epoll_.is_open() ||
        !add(made.epoll_.get(), made.fifo_.get()) || !add(made.epoll_.get(), made.timer_.get())) {
        return cannot_make(errno, region, "its timer");
    }
    return made;
}

void PollDescriptor::drain() noexcept {
    std::array<std::byte, 64> bytes;
    // A full read: there may be more.
    while (::read(fifo_.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) {
    }
}

void PollDescriptor::set_timer(std::uint64_t from_now_ns) noexcept {
    const std::uint64_t now_ns = monotonic_ns();
    if (due_ns_ > now_ns && due_ns_ - now_ns <= from_now_ns) return;
    due_ns_ = now_ns + from_now_ns;
    start_timer(timer_.get(), from_now_ns);  // also takes back that it has ended
}

void PollDescriptor::stop_timer() noexcept {
    due_ns_ = 0;
    start_timer(timer_.get(), 0);
}

void remove_poll_fifo(const Region& region, std::uint32_t slot_index) noexcept {
    ::unlinkat(region.directory_fd(), fifo_name(slot_index).data(), 0);
}

bool tell_poll_fifo(const Region& region, std::uint32_t slot_index) noexcept {
    const UniqueFd fd = open_fifo(region, fifo_name(slot_index).data());
    if (!fd.is_open()) return errno != EMFILE && errno != ENFILE && errno != ENOMEM;
    TAILRACE_STEP("wake.fifo_open");
    const std::byte byte{1};
    // A full FIFO is readable, which is all that is wanted.
    static_cast<void>(::write(fd.get(), &byte, sizeof(byte)) == 1);
    return true;
}

void wake_subscribers(const Region& region) noexcept {
    WaitCell& cell = region.state().subscribers_wait;
    if ((wake_all(cell) & kSomebodyPolls) == 0) return;
    bool out_of_descriptors = false;
    for (std::uint32_t index = 0; index < region.header().subscriber_slots; ++index) {
        std::atomic<std::uint32_t>& armed = region.subscriber_slot(index).notice.poll_armed;
        // Relaxed, all: wake_all acquired the flag that was raised behind it (edge poll_armed). The
        // exchange comes before the byte: a subscriber that is told arms anew.
        if (armed.load(std::memory_order_relaxed) == 0) continue;
        if (armed.exchange(0, std::memory_order_relaxed) == 0) continue;  // another waker is at it
        TAILRACE_STEP("wake.disarmed");
        if (tell_poll_fifo(region, index)) continue;
        armed.store(1, std::memory_order_relaxed);
        out_of_descriptors = true;
    }
    if (!out_of_descriptors) return;
    // [sync:poll_armed] Release: the next commit, of whatever process, tries again.
    cell.sleeping.fetch_or(kSomebodyPolls, std::memory_order_release);
}

}  // namespace tailrace::bus
