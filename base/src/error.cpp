#include <tailrace/base/error.hpp>
#include <tailrace/base/shortage.hpp>

#include <cerrno>

namespace tailrace {

std::string_view error_code_name(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::io_failure:
            return "io_failure";
        case ErrorCode::invalid_argument:
            return "invalid_argument";
        case ErrorCode::not_found:
            return "not_found";
        case ErrorCode::already_exists:
            return "already_exists";
        case ErrorCode::no_permission:
            return "no_permission";
        case ErrorCode::no_space:
            return "no_space";
        case ErrorCode::not_tailrace:
            return "not_tailrace";
        case ErrorCode::truncated:
            return "truncated";
        case ErrorCode::corrupt:
            return "corrupt";
        case ErrorCode::incompatible:
            return "incompatible";
        case ErrorCode::stale:
            return "stale";
        case ErrorCode::too_large:
            return "too_large";
        case ErrorCode::sequence_gone:
            return "sequence_gone";
        case ErrorCode::sequence_ahead:
            return "sequence_ahead";
        case ErrorCode::busy:
            return "busy";
        case ErrorCode::timed_out:
            return "timed_out";
        case ErrorCode::closed:
            return "closed";
        case ErrorCode::no_writer:
            return "no_writer";
        case ErrorCode::unsupported:
            return "unsupported";
    }
    return "unknown";
}

namespace {

ErrorCode code_of(int os_errno) noexcept {
    switch (os_errno) {
        case ENOENT:
        case ENOTDIR:
            return ErrorCode::not_found;
        case EEXIST:
        case ENOTEMPTY:
            return ErrorCode::already_exists;
        case EACCES:
        case EPERM:
        case EROFS:
            return ErrorCode::no_permission;
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
        case ENOMEM:
            return ErrorCode::no_space;
        case EINVAL:
        case ENAMETOOLONG:
            return ErrorCode::invalid_argument;
        case EBUSY:
            return ErrorCode::busy;
        case ETIMEDOUT:
            return ErrorCode::timed_out;
        case ENOSYS:
        case EOPNOTSUPP:
            return ErrorCode::unsupported;
        default:
            return ErrorCode::io_failure;
    }
}

}  // namespace

Error os_error(int os_errno, std::string message, std::string hint) {
    Error error{code_of(os_errno), os_errno, std::move(message), std::move(hint)};
    if (!error.message.empty()) error.message += ": ";
    error.message += errno_text(os_errno);
    return error;
}

}  // namespace tailrace
