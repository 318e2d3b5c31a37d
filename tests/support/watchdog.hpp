// Watchdog: ends the program with a message that names the test, when the test hangs.
//
// It rests on SIGALRM, not on a thread, so that tests may fork. One at a time, on the main thread.
// Children end by themselves when the program does (child_process.hpp).
#pragma once

namespace tailrace::test {

class Watchdog {
public:
    // Requires: `what` outlives the watchdog. $TAILRACE_PATIENCE times the limit, if it is set.
    explicit Watchdog(const char* what, unsigned limit_s = 60) noexcept;
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;
    ~Watchdog();
};

}  // namespace tailrace::test
