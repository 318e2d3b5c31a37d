// The seam between the journal and the disk. Above it no system call is made; below it stand the
// kernel's files with io_uring or pwrite, and in tests a simulated disk.
//
// FileStore: what is done to names and whole files, and reads; every call is complete when it
// returns. May be used from several threads at once. WriteQueue: the writes and flushes of the
// journal thread, in flight many at a time, completions in any order; one thread. Outcomes carry an
// errno, and the caller, who knows the object's name, makes the Error.
#pragma once

#include <tailrace/base/error.hpp>
#include <tailrace/journal/durable_write.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tailrace::journal {

using FileId = int;
inline constexpr FileId kNoFile = -1;

struct IoOutcome {
    std::uint64_t value = 0;
    int os_errno = 0;

    [[nodiscard]] bool ok() const noexcept { return os_errno == 0; }
};

struct OpenFlags {
    bool write = false;
    bool create = false;      // makes the file, or empties the one that is there
    bool unbuffered = false;  // O_DIRECT: offsets, sizes and memory are multiples of 4096
};

// How a file is held. Shared: others may share it, nobody may hold it alone. Writing: beside both,
// nobody else may hold it so; lasts until the last write through the open file has ended, whatever
// becomes of its process.
enum class FileHold : std::uint8_t { none, shared, alone, writing };

// How an operation in flight ended.
struct Completion {
    std::uint64_t tag = 0;
    std::int64_t outcome = 0;  // bytes moved, 0 for a flush, or a negative errno
    // Of a durable write that wrote all of its bytes: 0 when they are durable; ECANCELED, EINTR or
    // EAGAIN when the flush did not begin, so that one is still owed; else the errno of the flush.
    int flush_errno = 0;
};

// Reads in flight, several at a time, completions in any order; one thread at a time.
class ReadQueue {
public:
    ReadQueue() = default;
    ReadQueue(const ReadQueue&) = delete;
    ReadQueue& operator=(const ReadQueue&) = delete;
    virtual ~ReadQueue() = default;

    // Queues a read; it starts now or with the next reap(). The memory is the queue's until the
    // completion has been reaped. False when the queue is full.
    [[nodiscard]] virtual bool submit_read(FileId file,
                                           std::uint64_t offset,
                                           std::span<std::byte> into,
                                           std::uint64_t tag) noexcept = 0;
    // Waits for the first completion, and takes what else is there. value: how many. An errno ends
    // the queue.
    [[nodiscard]] virtual IoOutcome reap(std::span<Completion> into) noexcept = 0;
};

class FileStore {
public:
    FileStore() = default;
    FileStore(const FileStore&) = delete;
    FileStore& operator=(const FileStore&) = delete;
    virtual ~FileStore() = default;

    // value: a FileId. EINVAL when unbuffered access is refused here.
    [[nodiscard]] virtual IoOutcome open(const std::string& path, OpenFlags flags) noexcept = 0;
    virtual void close(FileId file) noexcept = 0;
    [[nodiscard]] virtual IoOutcome size_bytes(FileId file) noexcept = 0;

    // Holds the file until it is closed, at the latest by the holder's death. EAGAIN when somebody
    // else's hold is in the way. `alone` and `writing` take a file that is open for writing.
    [[nodiscard]] virtual IoOutcome hold(FileId file, FileHold hold) noexcept = 0;
    // Holds it for writing as soon as nobody else does: waits for a dead writer's last write. A
    // minute is longer than any device takes; then ETIMEDOUT.
    [[nodiscard]] virtual IoOutcome await_writing(FileId file) noexcept {
        return hold(file, FileHold::writing);
    }
    // Whether the name leads to this very file.
    [[nodiscard]] virtual bool is_named(FileId file, const std::string& path) noexcept = 0;
    // Whether the name is gone or another file's. False when that can't be told.
    [[nodiscard]] virtual bool has_lost_name(FileId file, const std::string& path) noexcept {
        return !is_named(file, path);
    }

    // value: bytes read; fewer than asked only at the end of the file.
    [[nodiscard]] virtual IoOutcome read(FileId file,
                                         std::uint64_t offset,
                                         std::span<std::byte> into) noexcept = 0;
    // All of it, or an errno.
    [[nodiscard]] virtual IoOutcome write(FileId file,
                                          std::uint64_t offset,
                                          std::span<const std::byte> bytes) noexcept = 0;

    // The same range from one file into another, by the kernel or the file system alone. value: how
    // much of it, from the front. An errno: not here; read and write.
    [[nodiscard]] virtual IoOutcome copy_range(FileId /*from*/,
                                               FileId /*into*/,
                                               std::uint64_t /*offset*/,
                                               std::uint64_t /*size_bytes*/) noexcept {
        return {0, EOPNOTSUPP};
    }

    // Room for [0, size_bytes), which becomes the file's size; unwritten bytes read as zero.
    // EOPNOTSUPP: not here. EFBIG: a limit of this process doesn't allow it.
    [[nodiscard]] virtual IoOutcome allocate(FileId file, std::uint64_t size_bytes) noexcept = 0;
    // Whether what was written can be written over without any new room. Not where the file system
    // copies on write, or the file shares its blocks with another.
    [[nodiscard]] virtual bool overwrites_in_place(FileId /*file*/) noexcept { return true; }
    // Whether this process may write to a file as far as that.
    [[nodiscard]] virtual bool allows_size(std::uint64_t /*size_bytes*/) noexcept { return true; }
    // Gives back the room of a range, which reads as zero from now on. The size stays. Best effort.
    virtual void deallocate(FileId file,
                            std::uint64_t offset,
                            std::uint64_t size_bytes) noexcept = 0;

    // Returns when the bytes written so far, and what is needed to find them, survive power loss.
    [[nodiscard]] virtual IoOutcome sync(FileId file) noexcept = 0;
    // Drops clean cached pages, so that the next read comes from the device. Best effort.
    virtual void forget_cache(FileId file) noexcept = 0;
    // The range will be read soon: a store that can fetches it meanwhile. Best effort.
    virtual void will_read(FileId /*file*/,
                           std::uint64_t /*offset*/,
                           std::uint64_t /*size_bytes*/) noexcept {}
    // value: how much of the range a read would find in a cache. An errno: nobody knows.
    [[nodiscard]] virtual IoOutcome cached_bytes(FileId /*file*/,
                                                 std::uint64_t /*offset*/,
                                                 std::uint64_t /*size_bytes*/) noexcept {
        return {0, EOPNOTSUPP};
    }
    // value: the same file, opened once more to be read unbuffered, past any cache. An errno: not
    // here.
    [[nodiscard]] virtual IoOutcome open_past_cache(FileId /*file*/) noexcept {
        return {0, EOPNOTSUPP};
    }
    // Null: not here.
    [[nodiscard]] virtual std::unique_ptr<ReadQueue> make_read_queue(
        std::size_t /*depth*/) noexcept {
        return nullptr;
    }

    [[nodiscard]] virtual IoOutcome rename(const std::string& from,
                                           const std::string& to) noexcept = 0;
    [[nodiscard]] virtual IoOutcome remove(const std::string& path) noexcept = 0;
    // Two names change places in one step; both must be there. EOPNOTSUPP: not here.
    [[nodiscard]] virtual IoOutcome exchange(const std::string& /*one*/,
                                             const std::string& /*other*/) noexcept {
        return {0, EOPNOTSUPP};
    }
    // A second name for the same file. EOPNOTSUPP: not here.
    [[nodiscard]] virtual IoOutcome link(const std::string& /*from*/,
                                         const std::string& /*to*/) noexcept {
        return {0, EOPNOTSUPP};
    }
    [[nodiscard]] virtual IoOutcome make_directory(const std::string& /*path*/) noexcept {
        return {0, EOPNOTSUPP};
    }
    // Names made, renamed and removed in the directory so far survive power loss.
    [[nodiscard]] virtual IoOutcome sync_directory(const std::string& directory) noexcept = 0;
    // The names in a directory, without "." and "..", in any order.
    [[nodiscard]] virtual IoOutcome list(const std::string& directory,
                                         std::vector<std::string>& names) noexcept = 0;
};

// A file of a FileStore, closed at the end of its scope.
class StoredFile {
public:
    StoredFile() noexcept = default;
    StoredFile(FileStore& files, FileId id) noexcept : files_(&files), id_(id) {}
    StoredFile(StoredFile&& other) noexcept
        : files_(other.files_),
          id_(std::exchange(other.id_, kNoFile)) {}
    StoredFile& operator=(StoredFile&& other) noexcept {
        if (this != &other) {
            reset();
            files_ = other.files_;
            id_ = std::exchange(other.id_, kNoFile);
        }
        return *this;
    }
    StoredFile(const StoredFile&) = delete;
    StoredFile& operator=(const StoredFile&) = delete;
    ~StoredFile() { reset(); }

    [[nodiscard]] FileId id() const noexcept { return id_; }
    [[nodiscard]] bool is_open() const noexcept { return id_ != kNoFile; }
    void reset() noexcept {
        if (id_ != kNoFile) files_->close(id_);
        id_ = kNoFile;
    }

private:
    FileStore* files_ = nullptr;
    FileId id_ = kNoFile;
};

class WriteQueue {
public:
    WriteQueue() = default;
    WriteQueue(const WriteQueue&) = delete;
    WriteQueue& operator=(const WriteQueue&) = delete;
    virtual ~WriteQueue() = default;

    // Queues one operation; it may start now or with the next kick() or reap(). The bytes stay
    // untouched until its completion. False when the queue is full. A flush covers the writes that
    // were reaped before it was submitted, and no others.
    [[nodiscard]] virtual bool submit_write(FileId file,
                                            std::uint64_t offset,
                                            std::span<const std::byte> bytes,
                                            std::uint64_t tag) noexcept = 0;
    [[nodiscard]] virtual bool submit_flush(FileId file, std::uint64_t tag) noexcept = 0;

    // A write that is durable when it completes with all of its bytes and flush_errno 0. It says
    // nothing about any other write. When it completes short, or as an error, nothing of it is
    // durable. One at a time: false while another is in flight. The kinds that run in the calling
    // thread have completed when it returns; reap() tells.
    [[nodiscard]] virtual bool submit_durable_write(DurableWrite /*kind*/,
                                                    FileId /*file*/,
                                                    std::uint64_t /*offset*/,
                                                    std::span<const std::byte> /*bytes*/,
                                                    std::uint64_t /*tag*/) noexcept {
        return false;
    }
    // The kinds that submit_durable_write knows here; none: a write and a flush do it. The kernel
    // may still refuse one (EOPNOTSUPP, EINVAL, ENOSYS, EPERM).
    [[nodiscard]] virtual std::span<const DurableWrite> durable_writes() const noexcept {
        return {};
    }

    // Asked when a flush or a durable write of the file has succeeded, before anybody is told: 0,
    // or the errno with which its file system has stopped since. Then the success says nothing.
    [[nodiscard]] virtual int errno_after_flush(FileId /*file*/) noexcept { return 0; }

    // Hands everything queued to the kernel. 0 or an errno that ends the queue.
    [[nodiscard]] virtual int kick() noexcept = 0;

    // Completions so far; with a timeout, waits that long for the first one. value: how many.
    [[nodiscard]] virtual IoOutcome reap(std::span<Completion> into,
                                         std::uint64_t timeout_ns) noexcept = 0;

    [[nodiscard]] virtual std::string_view name() const noexcept = 0;
};

// The clocks, so that a test can set them.
class TimeSource {
public:
    TimeSource() = default;
    TimeSource(const TimeSource&) = delete;
    TimeSource& operator=(const TimeSource&) = delete;
    virtual ~TimeSource() = default;

    [[nodiscard]] virtual std::uint64_t wall_ns() noexcept = 0;
    [[nodiscard]] virtual std::uint64_t elapsed_ns() noexcept = 0;  // monotonic
};

}  // namespace tailrace::journal
