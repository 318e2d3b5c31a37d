// PollDescriptor: what a subscriber's event loop waits on, and how a publisher makes it readable.
//
//     waker --1 byte--> the stream's FIFO --+
//                                           +--> epoll descriptor --> the loop of its owner
//                                   timer --+
//
// All subscribers of a stream watch one FIFO, so that whoever wakes writes once, however many they
// are (decision 0029). The timer stands in for a waker that died: nobody else would make the
// descriptor readable then. One owner, one thread; any process may be the waker. Law:
// docs/ring_protocol.md, "Waiting".
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/bus/region.hpp>

#include <cstdint>
#include <string>

namespace tailrace::bus {

class PollDescriptor {
public:
    // Doesn't listen yet. Errors: no descriptors left, no write permission for the FIFO, or there
    // is none: the stream was removed, or its file system has no FIFOs.
    [[nodiscard]] static Result<PollDescriptor> make(const Region& region);

    PollDescriptor(PollDescriptor&&) = default;
    PollDescriptor& operator=(PollDescriptor&&) = default;
    PollDescriptor(const PollDescriptor&) = delete;
    PollDescriptor& operator=(const PollDescriptor&) = delete;
    ~PollDescriptor() = default;

    [[nodiscard]] int fd() const noexcept { return epoll_.get(); }
    // Readable only by what wakers write from now on.
    void listen() noexcept;
    // Not readable any more, whatever wakers write.
    void stop() noexcept;
    // Readable in `from_now_ns` at the latest. Costs a system call when the timer isn't set yet, or
    // must end earlier.
    void set_timer(std::uint64_t from_now_ns) noexcept;

private:
    PollDescriptor() = default;

    UniqueFd fifo_;
    UniqueFd timer_;
    UniqueFd epoll_;
    std::uint64_t due_ns_ = 0;  // when the timer ends; 0: it isn't set
    bool listens_ = false;
};

// Wakes the stream's sleeping subscribers and makes the armed poll descriptors readable. Cold: a
// few system calls, however many they are. Requires: the region isn't open to observe.
void wake_subscribers(const Region& region) noexcept;

// The FIFO's name within the stream's directory. Older layouts had several that begin like it.
inline constexpr const char* kPollFifo = "poll.fifo";
inline constexpr const char* kPollFifoPrefix = "poll.";

}  // namespace tailrace::bus
