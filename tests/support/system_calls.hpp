// SystemCalls: how many system calls a piece of a test makes, counted from outside by ptrace.
//
// The piece runs in a child of its own, since a process can't trace itself. One thread; no other
// threads may run in the parent.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace tailrace::test {

// By number (SYS_futex, …).
class SystemCalls {
public:
    [[nodiscard]] std::uint64_t all() const noexcept;
    [[nodiscard]] std::uint64_t of(long number) const noexcept;
    // "futex 2, openat 3", for the message of a failed check.
    [[nodiscard]] std::string text() const;

    std::map<long, std::uint64_t> counts = {};
    std::uint64_t futex_wakes = 0;  // how many sleepers its calls asked to wake, at most
};

// Forks; the child calls `body(mark)`, and what it does between the first and the second `mark()`
// is counted. Empty: this process may not trace, or the body didn't return 0.
[[nodiscard]] std::optional<SystemCalls> count_system_calls(
    const std::function<int(const std::function<void()>& mark)>& body);

}  // namespace tailrace::test
