// What went wrong in the environment: a file, a foreign byte, a permission, a full disk.
//
// An Error is made where the failure is met and carries everything a person needs: what was tried
// and on which object and why it failed (`message`), and one command or setting that helps (`hint`,
// may be empty). Cold paths only: it allocates. Hot paths answer with small enums instead.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace tailrace {

// Stable: tools map each code to its own exit code, and JSON output prints the names.
enum class ErrorCode {
    io_failure,        // the kernel refused or failed an operation for a reason of its own
    invalid_argument,  // the caller asked for something that can never work
    not_found,         // no such stream, journal or file
    already_exists,    // something of that name is there
    no_permission,     // EACCES, EPERM
    no_space,          // shared memory, disk or quota is full
    not_tailrace,      // foreign bytes: the magic is not ours
    truncated,         // ours, but shorter than it says
    corrupt,           // ours, but a checksum or an invariant is broken
    incompatible,      // ours, but of an older or newer format
    stale,             // a ring of an earlier boot
    too_large,         // an event larger than the stream allows, a task larger than its bound
    sequence_gone,     // asked for a sequence that was overwritten or retired
    sequence_ahead,    // asked for a sequence that is not there yet
    busy,              // all slots taken, or somebody else holds the role
    timed_out,         // the deadline passed
    closed,            // the stream was removed while in use
    no_writer,         // durability was asked for and no journal writer runs
    unsupported,       // this kernel or file system cannot do it
};

// "io_failure" and so on.
[[nodiscard]] std::string_view error_code_name(ErrorCode code) noexcept;

struct [[nodiscard]] Error {
    ErrorCode code = ErrorCode::io_failure;
    int os_errno = 0;  // 0 when no system call was involved
    std::string message;
    std::string hint;
};

// `message` as given; the code is derived from `os_errno` (ENOENT: not_found, ENOSPC: no_space, …),
// and the errno's text and name are appended (alone, when `message` is empty).
[[nodiscard]] Error os_error(int os_errno, std::string message, std::string hint = {});

[[nodiscard]] inline Error make_error(ErrorCode code, std::string message, std::string hint = {}) {
    return Error{code, 0, std::move(message), std::move(hint)};
}

[[nodiscard]] inline Error invalid_argument(std::string message, std::string hint = {}) {
    return make_error(ErrorCode::invalid_argument, std::move(message), std::move(hint));
}

}  // namespace tailrace
