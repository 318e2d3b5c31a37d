#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/step.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <vector>

namespace tailrace {

namespace {

// The descriptors that a forked child must not keep. The child closes them by number: its copies of
// the FileLock objects then hold stale numbers, so the child also forgets them (is_held stays true
// there, which is harmless: the child has no business with its parent's handles).
struct HeldDescriptors {
    std::mutex mutex;
    std::vector<int> fds;
};

HeldDescriptors& held_descriptors() {
    static auto* held =
        new HeldDescriptors;  // never destroyed: locks may outlive static destruction
    return *held;
}

void before_fork() {
    held_descriptors().mutex.lock();
}
void after_fork_in_parent() {
    held_descriptors().mutex.unlock();
}
void after_fork_in_child() {
    for (const int fd : held_descriptors().fds)
        ::close(fd);
    held_descriptors().fds.clear();
    held_descriptors().mutex.unlock();
}

// Opens, and remembers before anybody can fork: a child that had the descriptor without a note of
// it would keep the lock that its parent puts on it later.
UniqueFd open_remembered(const std::string& path) {
    static std::once_flag registered;
    std::call_once(registered, [] {
        ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    });
    const std::lock_guard guard(held_descriptors().mutex);
    auto& fds = held_descriptors().fds;
    fds.reserve(fds.size() + 1);  // so that nothing throws between open and note
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    TAILRACE_STEP("file_lock.opened");
    if (fd.is_open()) fds.push_back(fd.get());
    return fd;
}

// True when `fd` was still remembered: in a forked child it isn't, and the number may be somebody
// else's by now.
bool forget(int fd) noexcept {
    const std::lock_guard guard(held_descriptors().mutex);
    auto& fds = held_descriptors().fds;
    const auto found = std::find(fds.begin(), fds.end(), fd);
    if (found == fds.end()) return false;
    fds.erase(found);
    return true;
}

bool is_remembered(int fd) noexcept {
    const std::lock_guard guard(held_descriptors().mutex);
    const auto& fds = held_descriptors().fds;
    return std::find(fds.begin(), fds.end(), fd) != fds.end();
}

struct flock one_byte(std::uint64_t offset) noexcept {
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(offset);
    range.l_len = 1;
    return range;
}

Result<UniqueFd> open_and_lock(const std::string& path, std::uint64_t offset, int command) {
    UniqueFd fd = open_remembered(path);
    if (!fd.is_open()) return os_error(errno, "cannot open '" + path + "' to lock it");
    struct flock range = one_byte(offset);
    int outcome = 0;
    do {
        outcome = ::fcntl(fd.get(), command, &range);
    } while (outcome != 0 && errno == EINTR);
    if (outcome == 0) return fd;
    const int os_errno = errno;
    forget(fd.get());
    errno = os_errno;
    if (errno == EAGAIN || errno == EACCES) {
        return make_error(ErrorCode::busy, "'" + path + "' is locked by another process");
    }
    return os_error(errno, "cannot lock '" + path + "'");
}

}  // namespace

FileLock::FileLock(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
FileLock::FileLock(FileLock&& other) noexcept = default;

FileLock& FileLock::operator=(FileLock&& other) noexcept {
    if (this != &other) {
        unlock();
        fd_ = std::move(other.fd_);
        home_ = other.home_;
    }
    return *this;
}

FileLock::~FileLock() {
    unlock();
}

void FileLock::unlock() noexcept {
    if (!fd_.is_open()) return;
    const int fd = fd_.release();
    if (!forget(fd)) return;
    TAILRACE_STEP("file_lock.forgotten");
    // Explicitly: a copy of the descriptor in a child that ran no handler (clone, vfork before its
    // exec) would keep the lock beyond the close. In such a child it is the parent's lock, and only
    // closed. The whole file: a lock has a description of its own.
    if (home_.is_here()) {
        struct flock everything {};
        everything.l_type = F_UNLCK;
        everything.l_whence = SEEK_SET;
        ::fcntl(fd, F_OFD_SETLK, &everything);
    }
    ::close(fd);
}

Result<FileLock> FileLock::try_lock(const std::string& path, std::uint64_t offset) {
    auto fd = open_and_lock(path, offset, F_OFD_SETLK);
    if (!fd) return fd.error();
    return FileLock(std::move(*fd));
}

Result<FileLock> FileLock::lock(const std::string& path, std::uint64_t offset) {
    auto fd = open_and_lock(path, offset, F_OFD_SETLKW);
    if (!fd) return fd.error();
    return FileLock(std::move(*fd));
}

Result<LockFile> LockFile::open(const std::string& path) {
    LockFile file;
    file.fd_ = open_remembered(path);
    if (!file.fd_.is_open()) return os_error(errno, "cannot open '" + path + "' to lock it");
    return file;
}

LockFile& LockFile::operator=(LockFile&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::move(other.fd_);
    }
    return *this;
}

LockFile::~LockFile() {
    close();
}

void LockFile::close() noexcept {
    if (!fd_.is_open()) return;
    const int fd = fd_.release();
    if (forget(fd)) ::close(fd);
}

bool LockFile::try_lock(std::uint64_t offset) noexcept {
    if (!fd_.is_open() || !is_remembered(fd_.get())) return false;
    struct flock range = one_byte(offset);
    return ::fcntl(fd_.get(), F_OFD_SETLK, &range) == 0;
}

void LockFile::unlock(std::uint64_t offset) noexcept {
    struct flock range = one_byte(offset);
    range.l_type = F_UNLCK;
    ::fcntl(fd_.get(), F_OFD_SETLK, &range);
}

bool is_locked_anywhere(int fd) noexcept {
    struct flock range = one_byte(0);
    range.l_len = 0;                                         // to the end of all files
    if (::fcntl(fd, F_OFD_GETLK, &range) != 0) return true;  // as below
    return range.l_type != F_UNLCK;
}

bool is_locked(int fd, std::uint64_t offset) noexcept {
    struct flock range = one_byte(offset);
    if (::fcntl(fd, F_OFD_GETLK, &range) != 0) return true;  // can't tell: take it for alive
    return range.l_type != F_UNLCK;
}

}  // namespace tailrace
