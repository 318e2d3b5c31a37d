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
#include <bit>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <optional>

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

constexpr std::uint32_t kBitsPerWord = 64;

std::atomic<std::uint64_t>& word_of(SlotBits& bits, std::uint32_t slot_index) noexcept {
    return bits[slot_index / kBitsPerWord];
}
std::uint64_t bit_of(std::uint32_t slot_index) noexcept {
    return std::uint64_t{1} << slot_index % kBitsPerWord;
}

// How many descriptors are told by whoever wakes, and by each one that is told. Two: then a loop
// that is stopped, or busy elsewhere, holds nobody up as long as another goes on.
constexpr std::uint32_t kToldByEach = 2;
constexpr std::uint32_t kLooksByEach = 4;

enum class Telling : std::uint8_t { told, nobody_there, out_of_descriptors };

// Makes the slot's descriptor readable.
Telling tell_poll_fifo(const Region& region, std::uint32_t slot_index) noexcept {
    // A dead owner's FIFO can be written, but the dead tell nobody else.
    if (!region.is_lock_held(kSubscriberLocks + slot_index)) return Telling::nobody_there;
    const UniqueFd fd = open_fifo(region, fifo_name(slot_index).data());
    if (!fd.is_open()) {
        const bool is_out = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
        return is_out ? Telling::out_of_descriptors : Telling::nobody_there;
    }
    TAILRACE_STEP("wake.fifo_open");
    const std::byte byte{1};
    // A full FIFO is readable, which is all that is wanted.
    static_cast<void>(::write(fd.get(), &byte, sizeof(byte)) == 1);
    return Telling::told;
}

// Takes a slot that is owed. Relaxed, all: one of those who take it gets it.
std::optional<std::uint32_t> take_owed(const Region& region) noexcept {
    SlotBits& owed = region.state().polls.owed;
    const std::uint32_t slots = region.header().subscriber_slots;
    for (std::uint32_t first = 0; first < slots; first += kBitsPerWord) {
        std::atomic<std::uint64_t>& word = word_of(owed, first);
        std::uint64_t bits = word.load(std::memory_order_relaxed);
        while (bits != 0) {
            const std::uint64_t bit = bits & (~bits + 1);
            bits = word.fetch_and(~bit, std::memory_order_relaxed);
            const auto index = first + static_cast<std::uint32_t>(std::countr_zero(bit));
            if ((bits & bit) != 0 && index < slots) return index;
            bits &= ~bit;
        }
    }
    return std::nullopt;
}

// The next commit, of whatever process, goes on with those that are owed.
void call_for_wakers(const Region& region) noexcept {
    // [sync:poll_armed] Release: whoever lowers the flag finds what is owed.
    region.state().subscribers_wait.sleeping.fetch_or(kSomebodyPolls, std::memory_order_release);
}

void give_back(const Region& region, std::uint32_t slot_index) noexcept {
    // Relaxed: carried by the flag.
    word_of(region.state().polls.owed, slot_index)
        .fetch_or(bit_of(slot_index), std::memory_order_relaxed);
    call_for_wakers(region);
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

bool PollDescriptor::drain() noexcept {
    std::array<std::byte, 64> bytes;
    ssize_t count = ::read(fifo_.get(), bytes.data(), bytes.size());
    const bool had_some = count > 0;
    // A full read: there may be more.
    while (count == static_cast<ssize_t>(bytes.size()))
        count = ::read(fifo_.get(), bytes.data(), bytes.size());
    return had_some;
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

void arm_poll(const Region& region, std::uint32_t slot_index) noexcept {
    // Relaxed: wakers take it away; the flag's own order carries it (edge poll_armed).
    word_of(region.state().polls.armed, slot_index)
        .fetch_or(bit_of(slot_index), std::memory_order_relaxed);
}

void disarm_poll(const Region& region, std::uint32_t slot_index) noexcept {
    PollBoard& polls = region.state().polls;
    for (SlotBits* const bits : {&polls.armed, &polls.owed}) {
        std::atomic<std::uint64_t>& word = word_of(*bits, slot_index);
        // Relaxed, both: nobody else raises this bit, but for a waker that is at it; that one tells
        // the descriptor then, which costs its loop a turn.
        if ((word.load(std::memory_order_relaxed) & bit_of(slot_index)) != 0)
            word.fetch_and(~bit_of(slot_index), std::memory_order_relaxed);
    }
}

bool is_poll_armed(const Region& region, std::uint32_t slot_index) noexcept {
    PollBoard& polls = region.state().polls;
    // Relaxed, both: a hint.
    const std::uint64_t bits = word_of(polls.armed, slot_index).load(std::memory_order_relaxed) |
                               word_of(polls.owed, slot_index).load(std::memory_order_relaxed);
    return (bits & bit_of(slot_index)) != 0;
}

void tell_next_polls(const Region& region) noexcept {
    std::uint32_t told = 0;
    // The dead are looked at and left; what they leave undone is done for others here.
    for (std::uint32_t looks = 0; looks < kLooksByEach && told < kToldByEach; ++looks) {
        const auto index = take_owed(region);
        if (!index) return;
        TAILRACE_STEP("wake.disarmed");
        switch (tell_poll_fifo(region, *index)) {
            case Telling::told:
                ++told;
                break;
            case Telling::nobody_there:
                break;
            case Telling::out_of_descriptors:
                give_back(region, *index);
                return;
        }
    }
    // Nobody was told, so nobody goes on.
    if (told == 0) call_for_wakers(region);
}

void wake_subscribers(const Region& region) noexcept {
    if ((wake_first(region.state().subscribers_wait) & kSomebodyPolls) == 0) return;
    PollBoard& polls = region.state().polls;
    for (std::size_t index = 0; index < polls.armed.size(); ++index) {
        // Relaxed, all: wake_first acquired the flag that was raised behind what is armed (edge
        // poll_armed). From here on a subscriber that arms anew is of the next wake-up.
        if (polls.armed[index].load(std::memory_order_relaxed) == 0) continue;
        const std::uint64_t armed = polls.armed[index].exchange(0, std::memory_order_relaxed);
        TAILRACE_STEP("wake.disarming");
        polls.owed[index].fetch_or(armed, std::memory_order_relaxed);
    }
    tell_next_polls(region);
}

}  // namespace tailrace::bus
