#include "lock_file.hpp"

#include "file_owner.hpp"
#include "segment_directory.hpp"

#include <tailrace/base/file_size_signal.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/journal/inspect.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

namespace tailrace::journal {

namespace {

constexpr std::string_view kPrefix = "pid ";

std::uint32_t pid_in(int fd) noexcept {
    std::array<char, 64> text{};
    const ssize_t count = ::pread(fd, text.data(), text.size(), 0);
    const std::string_view line(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
    std::uint32_t pid = 0;
    if (line.starts_with(kPrefix)) {
        std::from_chars(line.data() + kPrefix.size(), line.data() + line.size(), pid);
    }
    return pid;
}

// Whoever comes first makes it, and with it says whose the journal is.
int open_or_make(const std::string& path, const JournalAccess& access) noexcept {
    constexpr int kTries = 8;
    // Before there is a LOCK: it would be asked about itself.
    const JournalAccess wanted =
        access.mode != JournalAccess::kUnsaid ? access : access_beside(path);
    int fd = -1;
    for (int tries = 0; tries < kTries && fd < 0; ++tries) {
        fd = ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
        if (fd >= 0 || errno != ENOENT) return fd;
        fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST) return fd;
    }
    if (fd >= 0) give(fd, wanted);
    return fd;
}

Result<UniqueFd> open_trusted(const std::string& directory, const JournalAccess& access) {
    const std::string path = lock_path(directory);
    UniqueFd fd(open_or_make(path, access));
    if (fd.is_open() && is_trusted(fd.get(), path)) return fd;
    const int os_errno = fd.is_open() ? EPERM : errno;
    return os_error(os_errno,
                    "cannot open '" + path + "'" + why_refused(os_errno),
                    "check the permissions of the directory with 'ls -la " + directory + "'");
}

}  // namespace

Result<std::string> make_lock_file(const std::string& directory, const JournalAccess& access) {
    auto opened = open_trusted(directory, access);
    if (!opened) return opened.error();
    return lock_path(directory);
}

Result<FileLock> lock_journal(const std::string& directory, const JournalAccess& access) {
    const std::string path = lock_path(directory);
    auto opened = open_trusted(directory, access);
    if (!opened) return opened.error();
    const UniqueFd fd = std::move(*opened);
    auto lock = FileLock::try_lock(path, kWriterByte);
    if (!lock && lock.error().code == ErrorCode::busy) {
        const std::uint32_t pid = pid_in(fd.get());
        return make_error(ErrorCode::busy,
                          "the journal '" + directory + "' has a writer already" +
                              (pid != 0 ? ", process " + std::to_string(pid) : std::string()),
                          "stop that one first; 'tailrace inspect " + directory + "' shows it");
    }
    if (!lock) return lock.error();
    const std::string line = std::string(kPrefix) + std::to_string(::getpid()) + "\n";
    // For people; the lock holds without it.
    const FileSizeSignalHold hold;
    if (::pwrite(fd.get(), line.data(), line.size(), 0) == static_cast<ssize_t>(line.size())) {
        (void)!::ftruncate(fd.get(), static_cast<off_t>(line.size()));
    }
    return lock;
}

Result<JournalWriterLook> look_for_writer(const std::string& directory) noexcept {
    const UniqueFd fd(::open(lock_path(directory).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (fd.is_open()) {
        if (!is_locked(fd.get(), kWriterByte)) return JournalWriterLook{};
        return JournalWriterLook{true, pid_in(fd.get())};
    }
    if (errno == ENOENT || errno == ENOTDIR) return JournalWriterLook{};
    return os_error(errno,
                    "whether somebody writes the journal '" + directory + "' can't be told",
                    errno == EMFILE ? "ulimit -n" : "ls -l " + lock_path(directory));
}

LockHolder look_at_lock(const std::string& directory) noexcept {
    const UniqueFd fd(
        ::open(lock_path(directory).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.is_open() || !is_locked(fd.get(), kWriterByte)) return {};
    return {true, pid_in(fd.get())};
}

}  // namespace tailrace::journal
