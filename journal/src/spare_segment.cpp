#include "spare_segment.hpp"

#include "aligned_memory.hpp"
#include "batch_codec.hpp"
#include "segment_directory.hpp"

#include <tailrace/journal/background_thread.hpp>
#include <tailrace/journal/format.hpp>

#include <system_error>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kFillWriteBytes = 1U << 20;
constexpr auto kHeldCheck = std::chrono::milliseconds(200);

}  // namespace

SpareSegment::SpareSegment(FileStore& files, RetiredSegments& retired, SpareOptions options)
    : files_(files),
      retired_(retired),
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

void SpareSegment::wake_thread() noexcept {
    if (options_.background && !thread_.joinable()) {
        try {
            thread_ = std::thread([this] { run_thread(); });
        } catch (const std::system_error&) {
            // No thread to be had: done here, which costs the caller a wait but loses nothing.
        }
    }
    changed_.notify_all();
}

void SpareSegment::prepare(std::uint64_t fill_limit_bytes) noexcept {
    {
        const std::lock_guard guard(mutex_);
        if (state_ != State::none && state_ != State::error) return;
        state_ = State::making;
        os_errno_ = 0;
        wanted_ = false;
        recycled_ = false;
        requested_ = true;
        fill_limit_bytes_ = fill_limit_bytes;
    }
    wake_thread();
    if (!thread_.joinable()) make();
}

void SpareSegment::limit_fill(std::uint64_t size_bytes) noexcept {
    {
        const std::lock_guard guard(mutex_);
        fill_limit_bytes_ = size_bytes;
    }
    changed_.notify_all();
}

void SpareSegment::remove_retired() noexcept {
    {
        const std::lock_guard guard(mutex_);
        removal_requested_ = true;
    }
    wake_thread();
    if (!thread_.joinable()) retired_.unlink_all();
}

void SpareSegment::run_thread() noexcept {
    leave_real_time();
    while (true) {
        bool is_asked_for = false;
        {
            std::unique_lock lock(mutex_);
            const auto has_work = [this] {
                return requested_ || removal_requested_ || ending_;
            };
            // Nobody tells when a reader lets go of a retired segment.
            if (retired_.is_empty()) {
                changed_.wait(lock, has_work);
            } else {
                changed_.wait_for(lock, kHeldCheck, has_work);
            }
            // One that was asked for is still made, unfilled: the next writer begins with it.
            if (!requested_ && ending_) return;
            is_asked_for = requested_;
            requested_ = false;
            removal_requested_ = false;
        }
        if (is_asked_for) {
            make();
        } else {
            retired_.unlink_all();
        }
    }
}

void SpareSegment::set_state(State state, int os_errno, bool fills) noexcept {
    {
        const std::lock_guard guard(mutex_);
        state_ = state;
        os_errno_ = os_errno;
        filling_ = fills;
    }
    changed_.notify_all();
}

void SpareSegment::make() noexcept {
    bool filled = false;
    if (!files_.allows_size(options_.size_bytes)) {
        set_state(State::error, EFBIG);
        return;
    }
    if (!find_earlier(filled)) {
        if (retired_.recycle_one(filled_path_)) {
            (void)files_.remove(partial_path_);
            filled = true;
            const std::lock_guard guard(mutex_);
            recycled_ = true;
        } else {
            retired_.unlink_all();  // first: it may be the room that is missing
            if (const int refusal = allocate(); refusal != 0) {
                set_state(State::error, refusal);
                return;
            }
        }
    }
    const bool fills = !filled && options_.fill && gains_by_filling();
    set_state(filled ? State::filled : State::allocated, 0, fills);
    retired_.unlink_all();
    if (!fills) return;

    const int refusal = fill_with_zeroes(partial_path_);
    const std::lock_guard guard(mutex_);
    filling_ = false;
    if (refusal == 0 && !wanted_ && !ending_) {
        // Unflushed: should the name be lost in a crash, the file is filled once more.
        if (files_.rename(partial_path_, filled_path_).ok()) state_ = State::filled;
    }
    // Whatever went wrong while filling, the room is there and the file is usable.
    changed_.notify_all();
}

// Zeroes that can't be written over in place would only take the room of what follows them.
bool SpareSegment::gains_by_filling() noexcept {
    const IoOutcome opened = files_.open(partial_path_, {});
    if (!opened.ok()) return false;
    const StoredFile file(files_, static_cast<FileId>(opened.value));
    return files_.overwrites_in_place(file.id());
}

// A spare that an earlier writer left. One that was a segment still begins as one.
bool SpareSegment::find_earlier(bool& filled) noexcept {
    for (const std::string* path : {&filled_path_, &partial_path_}) {
        const IoOutcome opened = files_.open(*path, {.write = true});
        if (!opened.ok()) continue;
        const StoredFile file(files_, static_cast<FileId>(opened.value));
        const IoOutcome size = files_.size_bytes(file.id());
        if (!size.ok() || size.value != options_.size_bytes) continue;
        if (!files_.overwrites_in_place(file.id())) continue;  // made anew
        // Again, since it costs nothing if the room is there, and a sparse copy would fail later,
        // in the middle of the log.
        if (!files_.allocate(file.id(), options_.size_bytes).ok()) continue;
        if (!files_.sync(file.id()).ok()) continue;
        std::array<std::byte, sizeof(std::uint64_t)> front{};
        if (!files_.read(file.id(), 0, front).ok()) continue;
        filled = path == &filled_path_;
        const std::lock_guard guard(mutex_);
        recycled_ = !is_zero(front);
        return true;
    }
    return false;
}

// A file system that can't allocate gets its room by being written.
int SpareSegment::allocate() noexcept {
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
    for (std::uint64_t at = 0; at < options_.size_bytes;) {
        const std::uint64_t size = next_fill_bytes(at);
        if (size == 0) return ECANCELED;
        const IoOutcome outcome = files_.write(file.id(), at, zeroes.bytes().first(size));
        if (!outcome.ok()) return outcome.os_errno;
        at += size;
    }
    return files_.sync(file.id()).os_errno;
}

// Waits until the limit lets something be written; 0: the file is needed as it is.
std::uint64_t SpareSegment::next_fill_bytes(std::uint64_t at) noexcept {
    std::unique_lock lock(mutex_);
    const auto is_needed = [this] {
        return (wanted_ && filling_) || ending_;
    };
    const std::uint64_t most = std::min(kFillWriteBytes, options_.size_bytes - at);
    if (!options_.background || !filling_) return is_needed() ? 0 : most;
    changed_.wait(lock, [&] { return is_needed() || fill_limit_bytes_ >= at + kBlockSizeBytes; });
    if (is_needed()) return 0;
    return std::min(most, align_down(fill_limit_bytes_ - at, kBlockSizeBytes));
}

std::string SpareSegment::take() noexcept {
    prepare();
    const std::lock_guard guard(mutex_);
    if (state_ == State::filled) {
        state_ = State::none;
        took_recycled_ = recycled_;
        return filled_path_;
    }
    wanted_ = true;  // as soon as there is room: filling it would only take time
    if (state_ != State::allocated) return {};
    if (filling_) {
        changed_.notify_all();
        return {};  // within one write it will have stopped
    }
    state_ = State::none;
    took_recycled_ = recycled_;
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
