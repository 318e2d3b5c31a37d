#include "posix_files.hpp"

#include "copy_on_write.hpp"
#include "file_owner.hpp"
#include "flush_witness.hpp"
#include "fork_guard.hpp"
#include "uring_reads.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/base/file_size_signal.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <dirent.h>
#include <string_view>

namespace tailrace::journal {

namespace {

IoOutcome outcome_of(int status) noexcept {
    return {0, status == 0 ? 0 : errno};
}

IoOutcome sync_descriptor(int fd, int (*sync_call)(int)) noexcept {
    int status = 0;
    do {
        status = sync_call(fd);
    } while (status != 0 && errno == EINTR);
    if (status == 0) return {0, errno_after_flush(fd)};
    return outcome_of(status);
}

}  // namespace

// No link is followed: in a directory that others may write to it would lead where they like.
IoOutcome PosixFiles::open(const std::string& path, OpenFlags flags) noexcept {
    const int direct = flags.unbuffered ? O_DIRECT : 0;
    if (flags.create) {
        const int fd = create_file(path, direct | O_NOCTTY, access_beside(path));
        if (fd < 0) return {0, errno};
        avoid_copies(fd);
        return {static_cast<std::uint64_t>(fd), 0};
    }
    // A pipe in a file's place would wait for somebody at its other end. A file that somebody holds
    // alone (a lease) says EAGAIN, which a pipe never does: it is waited for.
    int how = flags.write ? O_RDWR : O_RDONLY | O_NONBLOCK;
    int fd = -1;
    do {
        fd = above_standard(::open(path.c_str(), how | direct | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY));
        if (fd < 0 && errno == EAGAIN) how &= ~O_NONBLOCK;
    } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    if (fd < 0) return {0, errno};
    if (!flags.write) {
        (void)::fcntl(fd, F_SETFL, direct);
    } else if (!is_trusted(fd, path)) {
        ::close(fd);
        return {0, EPERM};
    }
    return {static_cast<std::uint64_t>(fd), 0};
}

void PosixFiles::close(FileId file) noexcept {
    release_guard(file);
    ::close(file);
}

IoOutcome PosixFiles::size_bytes(FileId file) noexcept {
    struct stat status {};
    if (::fstat(file, &status) != 0) return {0, errno};
    if (!S_ISREG(status.st_mode)) return {0, S_ISDIR(status.st_mode) ? EISDIR : EINVAL};
    return {static_cast<std::uint64_t>(status.st_size), 0};
}

// Open file description locks: the kernel drops them with the description. Each request of io_uring
// has a reference to that, and ends after the process that made it (docs/durability.md).
IoOutcome PosixFiles::hold(FileId file, FileHold hold) noexcept {
    const bool is_writing = hold == FileHold::writing;
    struct flock range {};
    range.l_type = F_WRLCK;
    if (hold == FileHold::none) range.l_type = F_UNLCK;
    if (hold == FileHold::shared) range.l_type = F_RDLCK;
    range.l_whence = SEEK_SET;
    range.l_start = is_writing ? 1 : 0;
    range.l_len = hold == FileHold::none ? 2 : 1;
    // Before it is locked: a child forked in between would keep the lock.
    if (is_writing) guard_from_children(file);
    int status = 0;
    do {
        status = ::fcntl(file, F_OFD_SETLK, &range);
    } while (status != 0 && errno == EINTR);
    const int os_errno = status == 0 ? 0 : errno;
    if (hold == FileHold::none || (is_writing && status != 0)) release_guard(file);
    return {0, os_errno == EACCES ? EAGAIN : os_errno};  // POSIX allows either
}

IoOutcome PosixFiles::await_writing(FileId file) noexcept {
    constexpr int kMostTries = 60'000;
    const timespec pause{0, 1'000'000};
    for (int tries = 0; tries < kMostTries; ++tries) {
        const IoOutcome outcome = hold(file, FileHold::writing);
        if (outcome.os_errno != EAGAIN) return outcome;
        (void)::nanosleep(&pause, nullptr);
    }
    return {0, ETIMEDOUT};
}

bool PosixFiles::is_named(FileId file, const std::string& path) noexcept {
    struct stat ours {};
    struct stat named {};
    return ::fstat(file, &ours) == 0 && ::stat(path.c_str(), &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

bool PosixFiles::has_lost_name(FileId file, const std::string& path) noexcept {
    struct stat ours {};
    struct stat named {};
    if (::fstat(file, &ours) != 0) return false;
    if (::stat(path.c_str(), &named) != 0) return errno == ENOENT || errno == ENOTDIR;
    return ours.st_ino != named.st_ino || ours.st_dev != named.st_dev;
}

IoOutcome PosixFiles::read(FileId file, std::uint64_t offset, std::span<std::byte> into) noexcept {
    std::uint64_t done = 0;
    while (done < into.size()) {
        const ssize_t count = ::pread(
            file, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
        if (count == 0) break;
        if (count < 0) {
            if (errno == EINTR) continue;
            return {done, errno};
        }
        done += static_cast<std::uint64_t>(count);
        // An unbuffered read stops unaligned only at the end of the file.
        if (done % 512 != 0) break;
    }
    return {done, 0};
}

IoOutcome PosixFiles::write(FileId file,
                            std::uint64_t offset,
                            std::span<const std::byte> bytes) noexcept {
    const FileSizeSignalHold hold;
    std::uint64_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count = ::pwrite(
            file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
        if (count < 0) {
            if (errno == EINTR) continue;
            return {done, errno};
        }
        if (count == 0) return {done, EIO};
        done += static_cast<std::uint64_t>(count);
    }
    return {done, 0};
}

IoOutcome PosixFiles::copy_range(FileId from,
                                 FileId into,
                                 std::uint64_t offset,
                                 std::uint64_t size_bytes) noexcept {
    const FileSizeSignalHold hold;
    auto from_offset = static_cast<off64_t>(offset);
    off64_t into_offset = from_offset;
    ssize_t count = 0;
    do {
        count = ::copy_file_range(from, &from_offset, into, &into_offset, size_bytes, 0);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return {0, errno};
    return {static_cast<std::uint64_t>(count), 0};
}

IoOutcome PosixFiles::allocate(FileId file, std::uint64_t size_bytes) noexcept {
    if (!is_file_size_allowed(size_bytes)) return {0, EFBIG};
    const FileSizeSignalHold hold;
    int status = 0;
    do {
        status = ::fallocate(file, 0, 0, static_cast<off_t>(size_bytes));
    } while (status != 0 && errno == EINTR);
    // Refused by a filter, not by the disk: as good as a file system that can't do it.
    if (status != 0 && (errno == ENOSYS || errno == EPERM)) return {0, EOPNOTSUPP};
    return outcome_of(status);
}

bool PosixFiles::overwrites_in_place(FileId file) noexcept {
    return journal::overwrites_in_place(file);
}

bool PosixFiles::allows_size(std::uint64_t size_bytes) noexcept {
    return is_file_size_allowed(size_bytes);
}

void PosixFiles::deallocate(FileId file, std::uint64_t offset, std::uint64_t size_bytes) noexcept {
    // A file system without holes keeps the room: nothing is lost by it.
    (void)::fallocate(file,
                      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(offset),
                      static_cast<off_t>(size_bytes));
}

IoOutcome PosixFiles::sync(FileId file) noexcept {
    return sync_descriptor(file, ::fdatasync);
}

void PosixFiles::forget_cache(FileId file) noexcept {
    (void)::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

void PosixFiles::will_read(FileId file, std::uint64_t offset, std::uint64_t size_bytes) noexcept {
    (void)::posix_fadvise(
        file, static_cast<off_t>(offset), static_cast<off_t>(size_bytes), POSIX_FADV_WILLNEED);
}

// cachestat, since Linux 6.5; Debian 12's headers don't know it.
IoOutcome PosixFiles::cached_bytes(FileId file,
                                   std::uint64_t offset,
                                   std::uint64_t size_bytes) noexcept {
    constexpr long kCachestat = 451;
    struct {
        std::uint64_t offset;
        std::uint64_t size_bytes;
    } range{offset, size_bytes};
    struct {
        std::uint64_t cached_pages;
        std::uint64_t others[4];
    } found{};
    if (::syscall(kCachestat, file, &range, &found, 0) != 0) return {0, errno};
    return {found.cached_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)), 0};
}

// By its descriptor: the name may lead to another file by now.
IoOutcome PosixFiles::open_past_cache(FileId file) noexcept {
    const std::string path = "/proc/self/fd/" + std::to_string(file);
    const int fd = above_standard(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC | O_NOCTTY));
    if (fd < 0) return {0, errno};
    return {static_cast<std::uint64_t>(fd), 0};
}

std::unique_ptr<ReadQueue> PosixFiles::make_read_queue(std::size_t depth) noexcept {
    return make_uring_reads(depth);
}

IoOutcome PosixFiles::rename(const std::string& from, const std::string& to) noexcept {
    return outcome_of(::rename(from.c_str(), to.c_str()));
}

IoOutcome PosixFiles::exchange(const std::string& one, const std::string& other) noexcept {
    const int status = ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE);
    // Refused like this where the file system or the kernel doesn't know it.
    if (status != 0 && (errno == EINVAL || errno == ENOSYS)) return {0, EOPNOTSUPP};
    return outcome_of(status);
}

IoOutcome PosixFiles::remove(const std::string& path) noexcept {
    return outcome_of(::unlink(path.c_str()));
}

IoOutcome PosixFiles::link(const std::string& from, const std::string& to) noexcept {
    return outcome_of(::link(from.c_str(), to.c_str()));
}

IoOutcome PosixFiles::make_directory(const std::string& path) noexcept {
    struct stat status {};
    bool made = false;
    const JournalAccess access = access_beside(path);
    if (::lstat(path.c_str(), &status) == 0)
        return {0, S_ISDIR(status.st_mode) ? EEXIST : ENOTDIR};  // nor a link to one
    return {0, make_journal_directory(path, access, made)};
}

IoOutcome PosixFiles::sync_directory(const std::string& directory) noexcept {
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open()) return {0, errno};
    return sync_descriptor(fd.get(), ::fsync);
}

IoOutcome PosixFiles::list(const std::string& directory, std::vector<std::string>& names) noexcept {
    names.clear();
    DIR* stream = ::opendir(directory.c_str());
    if (stream == nullptr) return {0, errno};
    IoOutcome outcome;
    while (true) {
        errno = 0;
        // readdir is safe here: the stream belongs to this call alone.
        const dirent* entry = ::readdir(stream);  // NOLINT(concurrency-mt-unsafe)
        if (entry == nullptr) {
            outcome.os_errno = errno;
            break;
        }
        const std::string_view name = &entry->d_name[0];
        if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(stream);
    return outcome;
}

PosixFiles& posix_files() noexcept {
    static PosixFiles files;
    return files;
}

std::uint64_t SystemTime::wall_ns() noexcept {
    return wall_clock_ns();
}
std::uint64_t SystemTime::elapsed_ns() noexcept {
    return monotonic_ns();
}

SystemTime& system_time() noexcept {
    static SystemTime time;
    return time;
}

}  // namespace tailrace::journal
