#include "pwrite_storage.hpp"

#include "durable_call.hpp"

#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace tailrace::journal {

namespace {

std::int64_t write_once(FileId file,
                        std::uint64_t offset,
                        std::span<const std::byte> bytes) noexcept {
    // iovec isn't const-correct; pwritev2 doesn't write to it.
    iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};  // NOLINT
    ssize_t count = ::pwritev2(file, &piece, 1, static_cast<off_t>(offset), 0);
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) {
        // An old kernel, or a filter that doesn't know the newer call.
        count = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    }
    return count < 0 ? -errno : count;
}

}  // namespace

PwriteStorage::PwriteStorage(std::size_t depth) noexcept : depth_(depth) {
    done_.reserve(depth);
}

bool PwriteStorage::submit_write(FileId file,
                                 std::uint64_t offset,
                                 std::span<const std::byte> bytes,
                                 std::uint64_t tag) noexcept {
    if (done_.size() == depth_) return false;
    done_.push_back({tag, write_once(file, offset, bytes), 0});
    return true;
}

bool PwriteStorage::submit_flush(FileId file, std::uint64_t tag) noexcept {
    if (done_.size() == depth_) return false;
    done_.push_back({tag, ::fdatasync(file) == 0 ? 0 : -errno, 0});
    return true;
}

bool PwriteStorage::submit_durable_write(DurableWrite kind,
                                         FileId file,
                                         std::uint64_t offset,
                                         std::span<const std::byte> bytes,
                                         std::uint64_t tag) noexcept {
    if (done_.size() == depth_) return false;
    done_.push_back(call_durable_write(kind, file, offset, bytes, tag));
    return true;
}

std::span<const DurableWrite> PwriteStorage::durable_writes() const noexcept {
    static constexpr std::array<DurableWrite, 2> kKinds = {DurableWrite::dsync_call,
                                                           DurableWrite::flushed_call};
    return kKinds;
}

IoOutcome PwriteStorage::reap(std::span<Completion> into, std::uint64_t /*timeout_ns*/) noexcept {
    const std::size_t count = std::min(into.size(), done_.size());
    const auto end = done_.begin() + static_cast<std::ptrdiff_t>(count);
    std::copy(done_.begin(), end, into.begin());
    done_.erase(done_.begin(), end);
    return {count, 0};
}

}  // namespace tailrace::journal
