// ForkGuard: descriptors that a forked child must not keep.
//
// A lock on an open file description lives as long as anybody has the description, and a child
// inherits it. In the child these descriptors lead to /dev/null, so that their numbers stay taken.
// A child made by a raw clone() runs no handler and keeps them until it executes something. Any
// thread.
#pragma once

namespace tailrace::journal {

// Until it is released; call that before it is closed.
void guard_from_children(int fd) noexcept;
void release_guard(int fd) noexcept;

}  // namespace tailrace::journal
