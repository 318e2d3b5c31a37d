// WritePipeline: the writes and flushes in flight to the active segment, and what may be called
// written and durable.
//
// The journal thread alone. Never allocates after it was made.
// I1 Writes complete in any order; written() covers only the contiguous prefix of them, in the
//    order of submission.
// I2 durable() moves only when a flush has succeeded, and only to what written() was when that
//    flush was submitted: a write that completes while the flush runs is not covered by it.
// I3 After any failure nothing is submitted any more, durable() never moves again, and the
//    descriptor is never flushed again: a second flush may succeed although the data of the first
//    is lost.
// I4 A durable write begins only when everything before it is durable, and counts only when it
//    completed whole, at once and flushed. Otherwise it is a plain write that a flush has to cover.
// I5 A write that finds no room keeps its place and is made again, with the same bytes; until then
//    nothing behind it is begun.
#pragma once

#include "block_pool.hpp"
#include "durable_choice.hpp"
#include "storage.hpp"

#include <tailrace/journal/writer.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace tailrace::journal {

struct FlushPolicy {
    SyncPolicy sync_policy = SyncPolicy::group;
    std::uint64_t sync_interval_ns = 0;
    std::uint64_t flush_size_bytes = 0;
};

// `moved`: the file has lost its name, so nobody would find what is in it.
enum class PipelineFailure : std::uint8_t { none, write, flush, queue, moved };

class WritePipeline {
public:
    WritePipeline(WriteQueue& queue,
                  TimeSource& time,
                  BlockPool& pool,
                  const FlushPolicy& policy,
                  std::uint32_t depth);
    WritePipeline(const WritePipeline&) = delete;
    WritePipeline& operator=(const WritePipeline&) = delete;
    // Waits for what is in flight: the kernel still reads from the buffers.
    ~WritePipeline();

    // What was written to the segment before is durable. Requires: is_settled().
    void begin_segment(FileId file, Sequence sequence) noexcept;

    [[nodiscard]] bool has_room() const noexcept {
        return failure_ == PipelineFailure::none && slot_count_ < slots_.size() &&
               shortage_errno_ == 0;
    }
    // A batch that ends at `end_sequence`. The buffer, if any, returns to the pool on completion.
    // Requires: has_room().
    void submit(std::span<const std::byte> batch,
                std::uint64_t offset,
                Sequence end_sequence,
                std::optional<BufferIndex> buffer) noexcept;

    // Whether everything so far is durable, and one write can become so by itself.
    [[nodiscard]] bool can_write_durably() const noexcept {
        return durable_chooser_.has_any() && is_settled();
    }
    // As submit(), in one operation that is durable when it completes. May wait for the disk.
    // Requires: can_write_durably().
    void submit_durable(std::span<const std::byte> batch,
                        std::uint64_t offset,
                        Sequence end_sequence,
                        std::optional<BufferIndex> buffer) noexcept;
    void set_durable_writes(const DurableChooser& chooser) noexcept { durable_chooser_ = chooser; }
    [[nodiscard]] DurableWrite durable_write() const noexcept { return durable_chooser_.fastest(); }

    // Reaps, resubmits, flushes. True when something completed or was begun. Waits up to
    // `timeout_ns` for a completion when something is in flight and nothing has completed yet.
    bool pump(std::uint64_t timeout_ns) noexcept;

    // Hands what was submitted to the kernel.
    void kick() noexcept;

    // The next pump flushes all that is written, whatever the policy.
    void request_flush() noexcept { flush_requested_ = true; }

    // Full batches keep coming: a flush may wait for more of them to cover, though not for long.
    // Matters where a write has completed when it was submitted, so that nothing in flight tells.
    void expect_more(bool more) noexcept { expects_more_ = more; }

    // Asked before anything is called durable: whether the file is still where it is looked for.
    void set_place_witness(std::function<bool()> is_in_place) {
        is_in_place_ = std::move(is_in_place);
    }
    // Why a write in the middle of the segment finds no room, while it does: where what was
    // reserved has to be taken anew for each write. It is tried again, and nothing is lost.
    [[nodiscard]] int shortage_errno() const noexcept { return shortage_errno_; }
    [[nodiscard]] bool is_in_flight() const noexcept { return operations_in_flight_ > 0; }

    [[nodiscard]] bool is_writing() const noexcept { return slot_count_ > 0; }
    [[nodiscard]] bool is_busy() const noexcept { return slot_count_ > 0 || flush_in_flight_; }
    // Nothing in flight, and all that was submitted is durable. Never after a failure: what a
    // failed flush should have covered is neither in flight nor unflushed, and not durable either.
    [[nodiscard]] bool is_settled() const noexcept {
        return failure_ == PipelineFailure::none && !is_busy() && unflushed_bytes_ == 0;
    }

    // When pump() has something to do again: 0 while something is in flight, so that waiting is its
    // affair; else how long until the policy lets a flush begin, UINT64_MAX for never.
    [[nodiscard]] std::uint64_t idle_ns() const noexcept;

    [[nodiscard]] Sequence written() const noexcept { return written_; }
    [[nodiscard]] Sequence durable() const noexcept { return durable_; }

    [[nodiscard]] PipelineFailure failure() const noexcept { return failure_; }
    [[nodiscard]] int failure_errno() const noexcept { return failure_errno_; }
    [[nodiscard]] std::uint64_t failure_offset() const noexcept { return failure_offset_; }
    void fail(PipelineFailure failure, int os_errno, std::uint64_t offset) noexcept;

    [[nodiscard]] std::uint64_t flush_count() const noexcept { return flush_count_; }
    [[nodiscard]] std::uint64_t written_bytes() const noexcept { return written_bytes_; }
    [[nodiscard]] std::uint64_t resubmission_count() const noexcept { return resubmission_count_; }

private:
    struct Slot {
        std::span<const std::byte> batch;
        std::uint64_t offset = 0;
        std::uint64_t done_bytes = 0;
        Sequence end_sequence = 0;
        std::optional<BufferIndex> buffer;
        std::uint32_t attempts = 0;  // without progress
        bool completed = false;
        bool lacks_room = false;        // refused for want of room: not in flight
        bool is_durable_write = false;  // still, after it was completed: it needs no flush
    };

    [[nodiscard]] Slot& slot(std::size_t nth) noexcept {
        return slots_[(slot_front_ + nth) % slots_.size()];
    }
    void start(std::size_t index) noexcept;
    void note_shortage(Slot& write, int os_errno) noexcept;
    void note_room() noexcept;
    [[nodiscard]] bool retry_for_room() noexcept;
    [[nodiscard]] bool is_durable_now(std::uint64_t offset) noexcept;
    void complete_write(std::size_t index, const Completion& completion) noexcept;
    void judge_durable_write(Slot& write, const Completion& completion) noexcept;
    void complete_flush(std::int64_t outcome) noexcept;
    void retire_completed() noexcept;
    [[nodiscard]] bool should_flush() noexcept;
    void start_flush() noexcept;
    [[nodiscard]] bool reap(std::uint64_t timeout_ns) noexcept;

    WriteQueue& queue_;
    TimeSource& time_;
    BlockPool& pool_;
    FlushPolicy policy_;
    FileId file_ = kNoFile;

    std::vector<Slot> slots_;  // a ring in the order of submission
    std::size_t slot_front_ = 0;
    std::size_t slot_count_ = 0;
    std::uint64_t operations_in_flight_ = 0;

    Sequence written_ = 0;
    Sequence durable_ = 0;
    std::uint64_t unflushed_bytes_ =
        0;  // of the written prefix, since the last flush was submitted or succeeded
    std::uint64_t last_flush_ns_ = 0;
    bool flush_in_flight_ = false;
    bool flush_requested_ = false;
    bool expects_more_ = false;
    DurableChooser durable_chooser_;
    DurableWrite durable_kind_ = DurableWrite::separate;  // of the durable write in flight
    std::uint64_t durable_began_ns_ = 0;
    std::uint32_t flush_attempts_ = 0;
    Sequence flush_sequence_ = 0;  // what the flush in flight makes durable
    std::uint64_t flush_bytes_ = 0;

    std::function<bool()> is_in_place_;  // none: nobody asks
    int shortage_errno_ = 0;
    std::uint64_t next_room_try_ns_ = 0;

    bool queue_gone_ = false;  // no completion will come any more
    PipelineFailure failure_ = PipelineFailure::none;
    int failure_errno_ = 0;
    std::uint64_t failure_offset_ = 0;

    std::uint64_t flush_count_ = 0;
    std::uint64_t written_bytes_ = 0;
    std::uint64_t resubmission_count_ = 0;
};

}  // namespace tailrace::journal
