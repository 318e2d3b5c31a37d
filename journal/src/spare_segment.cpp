#include "spare_segment.hpp"

#include "aligned_memory.hpp"
#include "segment_directory.hpp"

#include <tailrace/journal/format.hpp>

#include <system_error>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kFillWriteBytes = 1U << 20;

}  // namespace

SpareSegment::SpareSegment(FileStore& files, SpareOptions options)
    : files_(files),
      options_(std::move(options)),
      filled_path_(spare_path(options_.directory)),
      partial_path_(partial_spare_path(options_.directory)) {}

SpareSegment::~SpareSegment() {
    {
        const std::lock_guard guard(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void SpareSegment::prepare() noexcept {
    {
        const std::lock_guard guard(mutex_);
        if (state_ != State::none && state_ != State::error) return;
        state_ = State::making;
        os_errno_ = 0;
        wanted_ = false;
        requested_ = true;
    }
    if (options_.background && !thread_.joinable()) {
        try {
            thread_ = std::thread([this] { run_thread(); });
        } catch (const std::system_error&) {
            // No thread to be had: done here, which costs the caller a wait but loses nothing.
        }
    }
    if (thread_.joinable()) {
        changed_.notify_all();
    } else {
        make();
    }
}

void SpareSegment::run_thread() noexcept {
    while (true) {
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return requested_ || ending_; });
            // One that was asked for is still made, unfilled: the next writer begins with it.
            if (!requested_) return;
            requested_ = false;
        }
        make();
    }
}

void SpareSegment::set_state(State state, int os_errno) noexcept {
    {
        const std::lock_guard guard(mutex_);
        state_ = state;
        os_errno_ = os_errno;
        filling_ = state == State::allocated && options_.fill;
    }
    changed_.notify_all();
}

void SpareSegment::make() noexcept {
    bool filled = false;
    int refusal = allocate(filled);
    if (refusal != 0) {
        set_state(State::error, refusal);
        return;
    }
    set_state(filled ? State::filled : State::allocated, 0);
    if (filled || !options_.fill) return;

    refusal = fill_with_zeroes(partial_path_);
    const std::lock_guard guard(mutex_);
    filling_ = false;
    if (refusal == 0 && !wanted_ && !ending_) {
        // Unflushed: should the name be lost in a crash, the file is filled once more.
        if (files_.rename(partial_path_, filled_path_).ok()) state_ = State::filled;
    }
    // Whatever went wrong while filling, the room is there and the file is usable.
    changed_.notify_all();
}

// Finds a spare that an earlier writer left, or makes one. A file system that can't allocate gets
// its room by being written.
int SpareSegment::allocate(bool& filled) noexcept {
    for (const std::string* path : {&filled_path_, &partial_path_}) {
        const IoOutcome opened = files_.open(*path, {.write = true});
        if (!opened.ok()) continue;
        const StoredFile file(files_, static_cast<FileId>(opened.value));
        const IoOutcome size = files_.size_bytes(file.id());
        if (!size.ok() || size.value != options_.size_bytes) continue;
        // Again, since it costs nothing if the room is there, and a sparse copy would fail later,
        // in the middle of the log.
        if (!files_.allocate(file.id(), options_.size_bytes).ok()) continue;
        if (!files_.sync(file.id()).ok()) continue;
        filled = path == &filled_path_;
        return 0;
    }
    (void)files_.remove(filled_path_);
    const IoOutcome opened = files_.open(partial_path_, {.write = true, .create = true});
    if (!opened.ok()) return opened.os_errno;
    StoredFile file(files_, static_cast<FileId>(opened.value));
    IoOutcome outcome = files_.allocate(file.id(), options_.size_bytes);
    if (outcome.os_errno == EOPNOTSUPP) outcome.os_errno = fill_with_zeroes(partial_path_);
    if (outcome.ok()) outcome = files_.sync(file.id());
    if (outcome.ok()) return 0;
    file.reset();
    (void)files_.remove(partial_path_);
    return outcome.os_errno;
}

int SpareSegment::fill_with_zeroes(const std::string& path) noexcept {
    // Never through O_DSYNC: many writes, one flush at the end.
    IoOutcome opened = files_.open(path, {.write = true, .unbuffered = options_.unbuffered});
    if (opened.os_errno == EINVAL) opened = files_.open(path, {.write = true});
    if (!opened.ok()) return opened.os_errno;
    const StoredFile file(files_, static_cast<FileId>(opened.value));
    const AlignedMemory zeroes(kFillWriteBytes);
    if (zeroes.bytes().empty()) return ENOMEM;
    for (std::uint64_t at = 0; at < options_.size_bytes; at += kFillWriteBytes) {
        {
            const std::lock_guard guard(mutex_);
            if ((wanted_ && filling_) || ending_) return ECANCELED;
        }
        const std::uint64_t size = std::min(kFillWriteBytes, options_.size_bytes - at);
        const IoOutcome outcome = files_.write(file.id(), at, zeroes.bytes().first(size));
        if (!outcome.ok()) return outcome.os_errno;
    }
    return files_.sync(file.id()).os_errno;
}

std::string SpareSegment::take() noexcept {
    prepare();
    const std::lock_guard guard(mutex_);
    if (state_ == State::filled) {
        state_ = State::none;
        return filled_path_;
    }
    if (state_ != State::allocated) return {};
    wanted_ = true;
    if (filling_) return {};  // within one write it will have stopped
    state_ = State::none;
    return partial_path_;
}

void SpareSegment::wait(std::uint64_t timeout_ns) noexcept {
    std::unique_lock lock(mutex_);
    const auto is_making = [this] {
        return state_ == State::making || (state_ == State::allocated && filling_);
    };
    changed_.wait_for(
        lock, std::chrono::nanoseconds(timeout_ns), [&is_making] { return !is_making(); });
}

SpareSegment::State SpareSegment::state() noexcept {
    const std::lock_guard guard(mutex_);
    return state_;
}

int SpareSegment::os_errno() noexcept {
    const std::lock_guard guard(mutex_);
    return os_errno_;
}

}  // namespace tailrace::journal
