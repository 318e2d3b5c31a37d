// Preconditions and invariants. A failed check is a bug in this program, never the fault of foreign
// bytes or of the environment (those return a Result): it prints the expression and aborts.
//
// TAILRACE_CHECK is always on and belongs on cold paths or where it costs one predictable branch.
// TAILRACE_DCHECK is on in debug and sanitizer builds (TAILRACE_DCHECKS) and may stand on hot
// paths.
#pragma once

namespace tailrace::detail {

[[noreturn]] void check_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace tailrace::detail

#define TAILRACE_CHECK(expression) \
    ((expression) ? void(0) : ::tailrace::detail::check_failed(#expression, __FILE__, __LINE__))

#ifdef TAILRACE_DCHECKS
#define TAILRACE_DCHECK(expression) TAILRACE_CHECK(expression)
#else
#define TAILRACE_DCHECK(expression) void(0)
#endif
