#include "storage_choice.hpp"

#include "aligned_memory.hpp"
#include "copy_on_write.hpp"
#include "durable_choice.hpp"
#include "posix_files.hpp"
#include "pwrite_storage.hpp"
#include "uring_storage.hpp"

#include <tailrace/base/file_size_signal.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace tailrace::journal {

Result<QueueChoice> choose_queue(IoBackend backend,
                                 std::size_t depth,
                                 std::span<const std::byte> registered) noexcept {
    QueueChoice choice;
    if (backend != IoBackend::pwrite) {
        auto uring = make_uring_storage(depth, registered);
        if (uring) {
            choice.queue = std::move(*uring);
            choice.reason = "io_uring works here";
            return choice;
        }
        if (backend == IoBackend::uring) {
            Error& error = uring.error();
            error.message = "io_uring was asked for: " + error.message;
            error.hint =
                "leave the choice to the journal (automatic), or look at 'tailrace doctor'";
            return std::move(error);
        }
        choice.uring_errno = uring.error().os_errno;
        choice.reason = uring.error().message;
    } else {
        choice.reason = "asked for";
    }
    choice.queue = std::make_unique<PwriteStorage>(depth);
    return choice;
}

namespace {

// A file without a name, so that nothing is left behind however this ends.
Result<UniqueFd> make_nameless(const std::string& directory) {
    UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (fd.is_open()) return fd;
    if (errno != EOPNOTSUPP && errno != EISDIR) {
        return os_error(errno,
                        "cannot make a file in '" + directory + "'",
                        "check the path and its permissions with 'ls -ld'");
    }
    std::string name = directory + "/probe-XXXXXX";
    UniqueFd named(::mkostemp(name.data(), O_CLOEXEC));
    if (!named.is_open()) {
        return os_error(errno,
                        "cannot make a file in '" + directory + "'",
                        "check the path and its permissions with 'ls -ld'");
    }
    ::unlink(name.c_str());
    return named;
}

void probe_direct(int fd, IoProbe& probe) {
    const AlignedMemory block(kBlockSizeBytes);
    const int flags = ::fcntl(fd, F_GETFL);
    if (::fcntl(fd, F_SETFL, flags | O_DIRECT) != 0) {
        probe.direct_io_reason = os_error(errno, "the file system refuses O_DIRECT").message;
        return;
    }
    if (::pwrite(fd, block.bytes().data(), block.bytes().size(), 0) !=
        static_cast<ssize_t>(block.bytes().size())) {
        probe.direct_io_reason = os_error(errno, "an unbuffered write of 4096 bytes fails").message;
        return;
    }
    probe.direct_io = true;
    probe.direct_io_reason = "unbuffered writes of 4096 bytes work";
}

// Some blocks that were written before, as in a spare segment.
void probe_durable_writes(int fd, WriteQueue& queue, IoProbe& probe) {
    constexpr std::uint64_t kFirstWriteBytes = 64 * kBlockSizeBytes;
    const AlignedMemory zeroes(kFirstWriteBytes);
    if (zeroes.bytes().empty()) return;
    IoOutcome outcome = posix_files().write(fd, 0, zeroes.bytes());
    if (outcome.ok()) outcome = posix_files().sync(fd);
    if (!outcome.ok()) {
        probe.durable_write_reason = os_error(outcome.os_errno, "a flush fails").message;
        return;
    }
    auto choice = choose_durable_write(queue,
                                       system_time(),
                                       fd,
                                       zeroes.bytes().first(kBlockSizeBytes),
                                       0,
                                       kFirstWriteBytes,
                                       DurableWrite::automatic);
    probe.durable_write_reason = choice ? choice->reason : choice.error().message;
}

}  // namespace

Result<IoProbe> probe_io(const std::string& directory) noexcept {
    const FileSizeSignalHold hold;
    IoProbe probe;
    struct statfs status {};
    if (::statfs(directory.c_str(), &status) != 0) {
        return os_error(errno,
                        "cannot look at '" + directory + "'",
                        "check the path and its permissions with 'ls -ld'");
    }
    probe.file_system = file_system_name(status.f_type);
    probe.free_bytes =
        static_cast<std::uint64_t>(status.f_bavail) * static_cast<std::uint64_t>(status.f_bsize);

    auto choice = choose_queue(IoBackend::automatic, 8, {});
    if (!choice) return choice.error();
    probe.backend_name = choice->queue->name();
    probe.reason = choice->reason;
    probe.uring_errno = choice->uring_errno;

    auto fd = make_nameless(directory);
    if (!fd) return fd.error();
    avoid_copies(fd->get());
    probe.overwrites_in_place = overwrites_in_place(fd->get());
    probe.overwriting = overwriting_text(fd->get());
    probe.fallocate = ::fallocate(fd->get(), 0, 0, kBlockSizeBytes) == 0;
    probe.fallocate_reason = probe.fallocate ? "room can be reserved"
                                             : os_error(errno, "room can't be reserved").message;
    probe_direct(fd->get(), probe);
    probe_durable_writes(fd->get(), *choice->queue, probe);
    return probe;
}

}  // namespace tailrace::journal
