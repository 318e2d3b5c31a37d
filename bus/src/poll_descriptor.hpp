// PollDescriptor: what a subscriber's event loop waits on, and how a publisher makes it readable.
//
//     waker --1 byte--> FIFO poll.N --+
//                                     +--> epoll descriptor --> the loop of its owner
//                             timer --+
//
// N is the subscriber's slot; the FIFO lies in the stream's directory. The timer stands in for a
// waker that died: nobody else would make the descriptor readable then. One owner, one thread; any
// process may be the waker: a publisher for the first, then those who were told themselves. Law:
// docs/ring_layout.md, "Waiting".
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/bus/region.hpp>

#include <cstdint>
#include <string>

namespace tailrace::bus {

class PollDescriptor {
public:
    // Replaces what a former owner of the slot left. Errors: no descriptors left, no write
    // permission for the stream's directory, or the stream was removed.
    [[nodiscard]] static Result<PollDescriptor> make(const Region& region,
                                                     std::uint32_t slot_index);

    PollDescriptor(PollDescriptor&&) = default;
    PollDescriptor& operator=(PollDescriptor&&) = default;
    PollDescriptor(const PollDescriptor&) = delete;
    PollDescriptor& operator=(const PollDescriptor&) = delete;
    ~PollDescriptor() = default;

    [[nodiscard]] int fd() const noexcept { return epoll_.get(); }
    // Takes what wakers wrote, so that it is readable only by what comes from now on.
    // True: there was something.
    bool drain() noexcept;
    // Readable in `from_now_ns` at the latest. Costs a system call when the timer isn't set yet, or
    // must end earlier.
    void set_timer(std::uint64_t from_now_ns) noexcept;
    void stop_timer() noexcept;

private:
    PollDescriptor() = default;

    UniqueFd fifo_;
    UniqueFd timer_;
    UniqueFd epoll_;
    std::uint64_t due_ns_ = 0;  // when the timer ends; 0: it isn't set
};

// Takes the FIFO's name away: its slot is about to be free.
void remove_poll_fifo(const Region& region, std::uint32_t slot_index) noexcept;

// Asks for the slot's descriptor to be told of what comes. The flag has to be raised afterwards
// (announce_poll).
void arm_poll(const Region& region, std::uint32_t slot_index) noexcept;
// Takes it back. A waker that is at it tells the descriptor all the same.
void disarm_poll(const Region& region, std::uint32_t slot_index) noexcept;
// Whether it waits to be told.
[[nodiscard]] bool is_poll_armed(const Region& region, std::uint32_t slot_index) noexcept;

// Tells the next ones of those that were armed at the last wake-up: two, however many there are.
// Whoever is told calls it again before it does anything else. Some system calls for each.
void tell_next_polls(const Region& region) noexcept;

// Wakes the stream's sleeping subscribers and tells the armed poll descriptors: the first ones of
// both, who go on with the others. Cold: a fixed number of system calls at most. Requires: the
// region isn't open to observe.
void wake_subscribers(const Region& region) noexcept;

// The name of a slot's FIFO within the stream's directory begins with this.
inline constexpr const char* kPollFifoPrefix = "poll.";

}  // namespace tailrace::bus
