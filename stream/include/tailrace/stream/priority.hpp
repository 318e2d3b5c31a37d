// Priority: how the kernel schedules the thread that writes a journal.
//
// On a machine whose cores are all busy the wait for a turn, up to several milliseconds, is most of
// what a durable acknowledge takes; the disk is the lesser part. A priority above the ordinary one
// ends that wait. Linux keeps it for each thread; threads that a thread starts later, io_uring's
// workers among them, begin with the same. Figures: docs/decisions/0025.
#pragma once

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <string>

namespace tailrace::stream {

enum class PriorityKind : std::uint8_t {
    normal,  // whatever the thread has: of its process, of its systemd unit
    nice,    // SCHED_OTHER with this nice value: a larger share, and sooner on a core
    fifo,    // SCHED_FIFO: before every ordinary thread, at once
};

// Levels of fifo go from 1 to 99. The kernel's threads for interrupts, those of the disk among
// them, have 50: stay below.
inline constexpr int kDefaultFifoLevel = 10;

struct Priority {
    PriorityKind kind = PriorityKind::normal;
    int level = 0;  // nice: -20 (most) to 19; fifo: 1 to 99 (most)

    friend bool operator==(const Priority&, const Priority&) = default;
};

// Gives it to the calling thread. Errors: invalid_argument; no_permission says what forbids it, and
// nothing has changed.
[[nodiscard]] Result<void> take_priority(const Priority& wanted);

// "normal", "nice=-10", "fifo=10", "rr=5", "batch", "idle", "deadline": what a thread has at this
// moment. `thread_id` 0: the calling one. Empty: there is none of that number.
[[nodiscard]] std::string priority_in_use(int thread_id = 0);

// Whether the calling thread is scheduled in real time: one that doesn't wait then keeps its core
// from everybody else.
[[nodiscard]] bool is_real_time() noexcept;

// "normal", "nice=-10", "fifo=10".
[[nodiscard]] std::string priority_text(const Priority& priority);

}  // namespace tailrace::stream
