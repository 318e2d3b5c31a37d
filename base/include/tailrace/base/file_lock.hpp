// FileLock: one byte of a file, locked for as long as this object or its process lives.
//
// An open-file-description lock: the kernel drops it when the last descriptor of the description is
// closed, so at the latest when the process ends, however it ends. Two locks of one process exclude
// each other, and closing another descriptor of the same file does no harm (POSIX record locks fail
// at both). Its one hole is fork: a child inherits the description and would keep the lock alive.
// Every FileLock is therefore registered, and closed in the child by a pthread_atfork handler; a
// child made by a raw clone() is caught by the process identity that users store beside the lock.
// Set-up and cold paths only: every call is a system call.
#pragma once

#include <tailrace/base/home_process.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <cstdint>
#include <string>

namespace tailrace {

class FileLock {
public:
    FileLock() noexcept = default;
    FileLock(FileLock&& other) noexcept;
    FileLock& operator=(FileLock&& other) noexcept;
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;
    ~FileLock();

    // Locks byte `offset` of `path` for this process alone. Error `busy` when somebody holds it.
    [[nodiscard]] static Result<FileLock> try_lock(const std::string& path, std::uint64_t offset);
    // The same, but waits for it.
    [[nodiscard]] static Result<FileLock> lock(const std::string& path, std::uint64_t offset);

    [[nodiscard]] bool is_held() const noexcept { return fd_.is_open(); }
    void unlock() noexcept;

private:
    explicit FileLock(UniqueFd fd) noexcept;

    UniqueFd fd_;
    HomeProcess home_;
};

// LockFile: a file opened for locking ahead of time, for whoever must be able to lock when no
// descriptor is left. One description of its own, so two LockFiles exclude each other. One thread.
class LockFile {
public:
    LockFile() noexcept = default;
    LockFile(LockFile&& other) noexcept = default;
    LockFile& operator=(LockFile&& other) noexcept;
    LockFile(const LockFile&) = delete;
    LockFile& operator=(const LockFile&) = delete;
    ~LockFile();

    [[nodiscard]] static Result<LockFile> open(const std::string& path);

    // False when somebody else holds the byte, or this process is a forked child of the one that
    // opened it.
    [[nodiscard]] bool try_lock(std::uint64_t offset) noexcept;
    void unlock(std::uint64_t offset) noexcept;

private:
    void close() noexcept;

    UniqueFd fd_;
};

// Whether anybody holds byte `offset`. `fd` may be open for reading only. A lock held through `fd`
// itself doesn't count.
[[nodiscard]] bool is_locked(int fd, std::uint64_t offset) noexcept;
// The same of any byte.
[[nodiscard]] bool is_locked_anywhere(int fd) noexcept;

}  // namespace tailrace
