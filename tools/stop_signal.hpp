// Stop signals: Ctrl-C and SIGTERM ask a command to end; a second one of the same kind ends it at
// once.
//
// SIGPIPE is ignored: a closed pipe is an error code of write(), and a normal end (output.hpp).
#pragma once

#include <atomic>
#include <cstdint>

namespace tailrace::tool {

// Call once, at the start of main.
void install_stop_signals() noexcept;

// For a long job that changes nothing, or may be killed at any point: from now on the first one
// ends it.
void end_at_first_signal() noexcept;

// Called before a second signal ends the process; null: nothing. A signal handler calls it.
void before_sudden_end(void (*hook)() noexcept) noexcept;

[[nodiscard]] const std::atomic<bool>& stop_flag() noexcept;
[[nodiscard]] bool stop_requested() noexcept;

// Sleeps until `monotonic_ns()` is `until_ns`; a stop signal ends it early. False when a stop was
// requested.
bool sleep_until_ns(std::uint64_t until_ns) noexcept;

}  // namespace tailrace::tool
