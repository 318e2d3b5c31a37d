#include "durable_call.hpp"

#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace tailrace::journal {

Completion call_durable_write(DurableWrite kind,
                              FileId file,
                              std::uint64_t offset,
                              std::span<const std::byte> bytes,
                              std::uint64_t tag) noexcept {
    Completion done{tag, 0, 0};
    ssize_t count = 0;
    if (kind == DurableWrite::dsync_call) {
        // iovec isn't const-correct; pwritev2 doesn't write to it.
        iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};  // NOLINT
        count = ::pwritev2(file, &piece, 1, static_cast<off_t>(offset), RWF_DSYNC);
    } else {
        count = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    }
    done.outcome = count < 0 ? -errno : count;
    if (kind == DurableWrite::flushed_call) {
        // A short write is completed before anything is flushed.
        const bool is_whole = count == static_cast<ssize_t>(bytes.size());
        done.flush_errno = !is_whole ? ECANCELED : ::fdatasync(file) == 0 ? 0 : errno;
    }
    return done;
}

}  // namespace tailrace::journal
