// What threads that work beside a journal's writer do first. Any thread, once.
#pragma once

#include <sched.h>

namespace tailrace::journal {

// A thread begins with the scheduling of the one that started it, and that may be a writer in real
// time; filling and packing files is not worth a core that nobody else can have. Lowering oneself
// is always allowed. Its nice value stays.
inline void leave_real_time() noexcept {
    const int policy = ::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    if (policy != SCHED_FIFO && policy != SCHED_RR) return;
    const sched_param ordinary{};
    (void)::sched_setscheduler(0, SCHED_OTHER, &ordinary);
}

}  // namespace tailrace::journal
