#include "write_pipeline.hpp"

#include <tailrace/base/check.hpp>

#include <array>
#include <cerrno>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kFlushTag = ~std::uint64_t{0};
constexpr std::uint32_t kMaxAttempts = 64;  // without progress, before a retry counts as a failure
constexpr std::size_t kReapAtOnce = 32;
// While writes keep coming, an acknowledge waits no longer than this for flush_size_bytes to
// gather.
constexpr std::uint64_t kMaxFlushDelayNs = 2'000'000;
constexpr std::uint64_t kDrainWaitNs = 100'000'000;
constexpr int kMaxDrainWaits = 600;
constexpr std::uint64_t kSmallWriteBytes = 64U << 10;
constexpr std::uint64_t kRoomRetryNs = 100'000'000;

bool means_no_room(std::int64_t outcome) noexcept {
    return outcome == -ENOSPC || outcome == -EDQUOT;
}

bool is_transient(std::int64_t outcome) noexcept {
    return outcome == -EINTR || outcome == -EAGAIN;
}

}  // namespace

WritePipeline::WritePipeline(WriteQueue& queue,
                             TimeSource& time,
                             BlockPool& pool,
                             const FlushPolicy& policy,
                             std::uint32_t depth)
    : queue_(queue),
      time_(time),
      pool_(pool),
      policy_(policy),
      slots_(depth) {}

WritePipeline::~WritePipeline() {
    if (failure_ == PipelineFailure::none) failure_ = PipelineFailure::queue;  // nothing new
    for (int waits = 0; operations_in_flight_ > 0 && waits < kMaxDrainWaits; ++waits) {
        if (queue_gone_) break;
        (void)reap(kDrainWaitNs);
    }
}

void WritePipeline::begin_segment(FileId file, Sequence sequence) noexcept {
    TAILRACE_CHECK(is_settled());
    file_ = file;
    written_ = sequence;
    durable_ = sequence;
}

void WritePipeline::fail(PipelineFailure failure, int os_errno, std::uint64_t offset) noexcept {
    if (failure_ != PipelineFailure::none) return;
    failure_ = failure;
    failure_errno_ = os_errno;
    failure_offset_ = offset;
}

void WritePipeline::submit(std::span<const std::byte> batch,
                           std::uint64_t offset,
                           Sequence end_sequence,
                           std::optional<BufferIndex> buffer) noexcept {
    TAILRACE_CHECK(has_room());
    const std::size_t index = (slot_front_ + slot_count_) % slots_.size();
    slots_[index] = {batch, offset, 0, end_sequence, buffer};
    ++slot_count_;
    start(index);
}

void WritePipeline::submit_durable(std::span<const std::byte> batch,
                                   std::uint64_t offset,
                                   Sequence end_sequence,
                                   std::optional<BufferIndex> buffer) noexcept {
    TAILRACE_CHECK(can_write_durably());
    const std::size_t index = (slot_front_ + slot_count_) % slots_.size();
    slots_[index] = {batch, offset, 0, end_sequence, buffer};
    slots_[index].is_durable_write = true;
    ++slot_count_;
    durable_kind_ = durable_chooser_.next();
    durable_began_ns_ = time_.elapsed_ns();
    if (queue_.submit_durable_write(durable_kind_, file_, offset, batch, index)) {
        ++operations_in_flight_;
        ++flush_count_;
        last_flush_ns_ = durable_began_ns_;
    } else {
        fail(PipelineFailure::queue, EBUSY, offset);
    }
}

void WritePipeline::start(std::size_t index) noexcept {
    const Slot& write = slots_[index];
    if (queue_.submit_write(
            file_, write.offset + write.done_bytes, write.batch.subspan(write.done_bytes), index)) {
        ++operations_in_flight_;
    } else {
        fail(PipelineFailure::queue, EBUSY, write.offset);
    }
}

// What isn't durable at once is a written batch like any other, or the beginning of one.
void WritePipeline::judge_durable_write(Slot& write, const Completion& completion) noexcept {
    const bool is_whole = completion.outcome == static_cast<std::int64_t>(write.batch.size());
    const int flush_errno = completion.flush_errno;
    if (is_whole && flush_errno == 0) {
        if (!is_durable_now(write.offset)) {
            write.is_durable_write = false;
            return;
        }
        // Large ones take the time of their bytes.
        if (write.batch.size() <= kSmallWriteBytes)
            durable_chooser_.note(durable_kind_, time_.elapsed_ns() - durable_began_ns_);
        return;
    }
    write.is_durable_write = false;
    const bool was_begun = flush_errno != 0 && flush_errno != ECANCELED && flush_errno != EINTR &&
                           flush_errno != EAGAIN;
    if (was_begun) fail(PipelineFailure::flush, flush_errno, write.offset);
}

void WritePipeline::complete_write(std::size_t index, const Completion& completion) noexcept {
    Slot& write = slots_[index];
    const std::int64_t outcome = completion.outcome;
    if (write.is_durable_write) judge_durable_write(write, completion);
    if (means_no_room(outcome)) return note_shortage(write, static_cast<int>(-outcome));
    if (outcome < 0 && !is_transient(outcome)) {
        fail(PipelineFailure::write, static_cast<int>(-outcome), write.offset);
        return;
    }
    std::uint64_t progress = 0;
    if (outcome > 0) {
        if (shortage_errno_ != 0) note_room();
        const std::uint64_t end = write.done_bytes + static_cast<std::uint64_t>(outcome);
        if (end >= write.batch.size()) {
            write.completed = true;
            return;
        }
        // The rest begins on a whole block: unbuffered writes can't start elsewhere, and these
        // bytes are the same.
        progress = align_down(end, kBlockSizeBytes) - write.done_bytes;
    }
    write.done_bytes += progress;
    write.attempts = progress > 0 ? 0 : write.attempts + 1;
    if (write.attempts > kMaxAttempts) {
        fail(PipelineFailure::write,
             outcome < 0 ? static_cast<int>(-outcome) : EIO,
             write.offset + write.done_bytes);
        return;
    }
    if (failure_ != PipelineFailure::none) return;
    ++resubmission_count_;
    start(index);
}

// Two witnesses, of what a flush that succeeded doesn't say: whether the file system has stopped
// meanwhile, and whether anybody will find the file.
bool WritePipeline::is_durable_now(std::uint64_t offset) noexcept {
    if (const int stopped = queue_.errno_after_flush(file_); stopped != 0) {
        fail(PipelineFailure::flush, stopped, offset);
        return false;
    }
    if (is_in_place_ && !is_in_place_()) {
        fail(PipelineFailure::moved, ENOENT, offset);
        return false;
    }
    return true;
}

// Nothing of it is on its way, and nothing of it was promised: it can be made again.
void WritePipeline::note_shortage(Slot& write, int os_errno) noexcept {
    write.lacks_room = true;
    shortage_errno_ = os_errno;
    next_room_try_ns_ = time_.elapsed_ns() + kRoomRetryNs;
}

void WritePipeline::note_room() noexcept {
    for (std::size_t nth = 0; nth < slot_count_; ++nth) {
        if (slot(nth).lacks_room) return;
    }
    shortage_errno_ = 0;
}

bool WritePipeline::retry_for_room() noexcept {
    if (failure_ != PipelineFailure::none) return false;
    const std::uint64_t now_ns = time_.elapsed_ns();
    if (now_ns < next_room_try_ns_) return false;
    next_room_try_ns_ = now_ns + kRoomRetryNs;
    bool moved = false;
    for (std::size_t nth = 0; nth < slot_count_; ++nth) {
        Slot& write = slot(nth);
        if (!write.lacks_room) continue;
        write.lacks_room = false;
        ++resubmission_count_;
        start((slot_front_ + nth) % slots_.size());
        moved = true;
    }
    return moved;
}

void WritePipeline::complete_flush(std::int64_t outcome) noexcept {
    flush_in_flight_ = false;
    if (is_transient(outcome) && flush_attempts_ < kMaxAttempts) {
        // Not begun at all, so nothing can be lost by it: what it should cover is unflushed again.
        ++flush_attempts_;
        ++resubmission_count_;
        unflushed_bytes_ += flush_bytes_;
        flush_requested_ = true;
        return;
    }
    if (outcome < 0) {
        fail(PipelineFailure::flush, static_cast<int>(-outcome), 0);
        return;
    }
    if (failure_ != PipelineFailure::none) return;
    if (!is_durable_now(0)) return;
    flush_attempts_ = 0;
    TAILRACE_CHECK(flush_sequence_ >= durable_ && flush_sequence_ <= written_);
    durable_ = flush_sequence_;
}

void WritePipeline::retire_completed() noexcept {
    while (slot_count_ > 0 && slots_[slot_front_].completed) {
        const Slot& write = slots_[slot_front_];
        if (write.buffer) pool_.release(*write.buffer);
        written_ = write.end_sequence;
        written_bytes_ += write.batch.size();
        if (!write.is_durable_write) {
            unflushed_bytes_ += write.batch.size();
        } else if (failure_ == PipelineFailure::none) {
            // Everything before it was durable when it began, and no flush has begun since.
            TAILRACE_CHECK(unflushed_bytes_ == 0 && !flush_in_flight_);
            durable_ = write.end_sequence;
        }
        slot_front_ = (slot_front_ + 1) % slots_.size();
        --slot_count_;
    }
}

bool WritePipeline::should_flush() noexcept {
    if (flush_in_flight_ || unflushed_bytes_ == 0 || failure_ != PipelineFailure::none) {
        return false;
    }
    if (flush_requested_) return true;
    switch (policy_.sync_policy) {
        case SyncPolicy::none:
            return false;
        case SyncPolicy::interval:
            return time_.elapsed_ns() - last_flush_ns_ >= policy_.sync_interval_ns;
        case SyncPolicy::group:
            break;
    }
    if (slot_count_ == 0 && !expects_more_) return true;
    if (unflushed_bytes_ >= policy_.flush_size_bytes) return true;
    return time_.elapsed_ns() - last_flush_ns_ >= kMaxFlushDelayNs;
}

std::uint64_t WritePipeline::idle_ns() const noexcept {
    if (operations_in_flight_ > 0) return 0;
    if (unflushed_bytes_ == 0 || failure_ != PipelineFailure::none) return UINT64_MAX;
    if (flush_requested_ || policy_.sync_policy == SyncPolicy::group) return 0;
    if (policy_.sync_policy == SyncPolicy::none) return UINT64_MAX;
    const std::uint64_t since_ns = time_.elapsed_ns() - last_flush_ns_;
    return since_ns >= policy_.sync_interval_ns ? 0 : policy_.sync_interval_ns - since_ns;
}

void WritePipeline::start_flush() noexcept {
    // What is covered is decided here and now: I2.
    flush_sequence_ = written_;
    flush_bytes_ = unflushed_bytes_;
    if (!queue_.submit_flush(file_, kFlushTag)) {
        fail(PipelineFailure::queue, EBUSY, 0);
        return;
    }
    ++operations_in_flight_;
    ++flush_count_;
    flush_in_flight_ = true;
    flush_requested_ = false;
    unflushed_bytes_ = 0;
    if (policy_.sync_policy != SyncPolicy::none) last_flush_ns_ = time_.elapsed_ns();
}

bool WritePipeline::reap(std::uint64_t timeout_ns) noexcept {
    std::array<Completion, kReapAtOnce> completions;
    const IoOutcome outcome = queue_.reap(completions, timeout_ns);
    if (!outcome.ok()) {
        queue_gone_ = true;
        fail(PipelineFailure::queue, outcome.os_errno, 0);
        return false;
    }
    for (std::size_t i = 0; i < outcome.value; ++i) {
        --operations_in_flight_;
        if (completions[i].tag == kFlushTag) {
            complete_flush(completions[i].outcome);
        } else {
            complete_write(completions[i].tag, completions[i]);
        }
    }
    retire_completed();
    return outcome.value > 0;
}

bool WritePipeline::pump(std::uint64_t timeout_ns) noexcept {
    bool moved = shortage_errno_ != 0 && retry_for_room();
    if (operations_in_flight_ == 0 && !should_flush()) return moved;
    if (operations_in_flight_ > 0 && reap(0)) moved = true;
    if (should_flush()) {
        start_flush();
        moved = true;
    }
    if (!moved && timeout_ns > 0 && operations_in_flight_ > 0) moved = reap(timeout_ns);
    if (should_flush()) start_flush();
    kick();
    return moved;
}

void WritePipeline::kick() noexcept {
    if (failure_ != PipelineFailure::none) return;
    if (const int refusal = queue_.kick(); refusal != 0) {
        fail(PipelineFailure::queue, refusal, 0);
    }
}

}  // namespace tailrace::journal
