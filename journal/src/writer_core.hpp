// WriterCore: what stands behind Writer, over any storage. See writer.hpp for the contract.
//
// One loop, drive(), does everything; each step is short and leaves a state from which the next
// call goes on:
//   writing   full batches are placed and submitted, up to the queue depth (bulk); one that isn't
//             full only when nothing is in flight, so that one write and flush are under way while
//             the next batch fills (group commit)
//   draining  the segment is full: its seal is submitted, all must become durable
//   waiting   for the next segment's file
// I1 Batches are placed back to back, in order; a block once submitted is never submitted again
//    with other bytes.
// I2 A segment's header is flushed before the segment gets its name, its name before its first
//    batch is submitted, and its predecessor is durable to the end before that header is made. So
//    only the newest segment can have a bad tail.
// I3 The promise in a header is durable_sequence() at that moment, never more.
#pragma once

#include "age_clock.hpp"
#include "assessment.hpp"
#include "batch_filler.hpp"
#include "block_pool.hpp"
#include "catalogue_file.hpp"
#include "durable_choice.hpp"
#include "index_builder.hpp"
#include "retention.hpp"
#include "retired_segments.hpp"
#include "segment_directory.hpp"
#include "spare_segment.hpp"
#include "storage.hpp"
#include "write_pipeline.hpp"

#include <tailrace/base/file_lock.hpp>
#include <tailrace/journal/writer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::journal {

// What a writer runs on. Everything outlives it.
struct WriterEnvironment {
    FileStore* files = nullptr;
    TimeSource* time = nullptr;
    // Makes the queue for writes from `memory`; the reason is for people.
    std::function<Result<std::unique_ptr<WriteQueue>>(
        std::size_t depth, std::span<const std::byte> memory, std::string& reason)>
        make_queue;
    std::function<std::uint64_t()> random;  // salts and ids
    bool background = true;                 // spare segments are made by a thread of their own
    // Smaller where many writers live short lives.
    std::uint64_t max_batch_size_bytes = kMaxBatchSizeBytes;
};

class WriterCore {
public:
    // The directory exists and is locked by the caller.
    [[nodiscard]] static Result<std::unique_ptr<WriterCore>> open(const JournalOptions& options,
                                                                  const WriterEnvironment& around);
    WriterCore(const WriterCore&) = delete;
    WriterCore& operator=(const WriterCore&) = delete;
    ~WriterCore();

    void hold(FileLock lock) noexcept { lock_ = std::move(lock); }

    [[nodiscard]] AppendResult append(const Run& run) noexcept;
    [[nodiscard]] AppendStatus append_tombstone(Sequence sequence,
                                                std::uint64_t record_salt) noexcept;
    [[nodiscard]] AppendStatus note_gap(Sequence first, std::uint64_t count) noexcept;
    void take_back_unfinished() noexcept;
    void end_unfinished() noexcept { filler_.end_unfinished(); }
    bool drive(std::uint64_t timeout_ns) noexcept;
    [[nodiscard]] bool has_full_batch() const noexcept { return filler_.has_ready(); }
    void request_flush() noexcept;
    void note_stored_size(std::uint64_t segment_number, std::uint64_t stored_bytes) noexcept {
        retention_.resize(segment_number, stored_bytes);
    }
    void hold_back(std::vector<HeldBack> held) noexcept { retention_.hold_back(std::move(held)); }
    [[nodiscard]] Result<void> sync(std::uint64_t timeout_ns) noexcept;
    [[nodiscard]] Result<void> close(std::uint64_t timeout_ns) noexcept;

    [[nodiscard]] Sequence next_sequence() const noexcept { return filler_.next_sequence(); }
    [[nodiscard]] Sequence written_sequence() const noexcept { return pipeline_->written(); }
    [[nodiscard]] Sequence durable_sequence() const noexcept { return pipeline_->durable(); }
    [[nodiscard]] std::uint64_t idle_ns() const noexcept;
    [[nodiscard]] WriterState state() const noexcept;
    [[nodiscard]] int failure_errno() const noexcept;
    [[nodiscard]] Error failure() const;
    [[nodiscard]] const RecoveryReport& recovery() const noexcept { return report_; }
    [[nodiscard]] std::uint64_t max_event_size_bytes() const noexcept {
        return filler_.max_event_size_bytes();
    }
    [[nodiscard]] std::array<std::uint64_t, 2> journal_id() const noexcept;
    [[nodiscard]] const std::string& stream_name() const noexcept { return options_.stream_name; }
    [[nodiscard]] std::uint32_t event_alignment_bytes() const noexcept {
        return options_.event_alignment_bytes;
    }
    [[nodiscard]] std::string_view io_backend_name() const noexcept { return queue_->name(); }
    [[nodiscard]] std::string_view io_backend_reason() const noexcept { return reason_; }
    [[nodiscard]] DurableWrite durable_write() const noexcept { return pipeline_->durable_write(); }
    [[nodiscard]] std::string_view durable_write_reason() const noexcept {
        return durable_choice_.reason;
    }
    [[nodiscard]] WriterStatistics statistics() const noexcept;

private:
    enum class Phase : std::uint8_t { writing, draining, waiting, closed };

    struct ActiveSegment {
        SegmentHeader header{};
        StoredFile file;
        std::string path;
        LogPosition next;  // where the next batch will be placed
        IndexBuilder index;
    };

    // A segment that has its name already, while SUPER doesn't say so yet.
    struct Entering {
        std::optional<SegmentHeader> before;
        LogPosition end;
        bool is_flushed;  // the name
    };

    // By hand. While nothing is under way, or when that was waited for long enough.
    struct Trim {
        std::uint64_t kept_number;
        std::uint64_t patience_until_ns;
    };

    WriterCore(JournalOptions options, WriterEnvironment around, const Assessment& found);

    [[nodiscard]] Result<void> start(const Assessment& found);
    [[nodiscard]] Result<void> take_super(const Assessment& found);
    [[nodiscard]] Result<std::string> take_first_spare();
    [[nodiscard]] Result<void> begin_segment(const std::string& from,
                                             const SegmentHeader* before,
                                             const LogPosition& end);
    [[nodiscard]] Result<StoredFile> open_for_writing(const std::string& path);
    void end_writing() noexcept;
    [[nodiscard]] SegmentHeader next_header(const SegmentHeader* before, const LogPosition& end);
    [[nodiscard]] Result<void> calibrate(FileId file);
    [[nodiscard]] Result<void> enter_segment();
    [[nodiscard]] Result<void> write_next_super();
    void wait_or_fail(const Error& error) noexcept;
    [[nodiscard]] Result<void> note_newest(std::uint64_t flags, std::uint64_t clean_end_offset);
    // Of the oldest segment, for SUPER.
    void note_first_sequence(Sequence sequence) noexcept;
    [[nodiscard]] Result<void> note_oldest();
    void begin_keeping(const Assessment& found);
    [[nodiscard]] Result<void> give_up_first(const Assessment& found);
    void give_up_oldest();
    void give_up_below(std::uint64_t oldest);
    [[nodiscard]] bool retire_now() noexcept;
    void retire_disowned();
    [[nodiscard]] std::uint64_t age_now_ns() const noexcept {
        return age_clock_.now_ns(around_.time->elapsed_ns());
    }
    bool retire_by_age_if_idle() noexcept;
    void watch() noexcept;
    void watch_spare(std::uint64_t now_ns) noexcept;
    [[nodiscard]] Error no_room() const;
    // Neither the next segment nor, where room isn't reserved for good, the rest of this one.
    [[nodiscard]] bool lacks_room() const noexcept {
        return no_space_errno_ != 0 || pipeline_->shortage_errno() != 0;
    }
    [[nodiscard]] bool wait_for_room(std::uint64_t timeout_ns);
    [[nodiscard]] Error is_gone() const;
    [[nodiscard]] bool is_in_place() const noexcept;
    void watch_names(std::uint64_t now_ns) noexcept;
    void watch_trim(std::uint64_t now_ns) noexcept;
    bool trim_if_asked() noexcept;

    bool place_batches() noexcept;
    [[nodiscard]] bool is_gathering() noexcept;
    [[nodiscard]] bool fits(std::uint64_t slot_bytes) const noexcept;
    enum class Placing : std::uint8_t { plain, durable };
    void place(const FilledBatch& batch, Placing placing) noexcept;
    void place_bare(std::span<std::byte> block, std::uint16_t flags) noexcept;
    [[nodiscard]] BatchHeader header_at_next(Sequence first_sequence) noexcept;
    void submit(std::span<std::byte> block,
                const BatchHeader& header,
                std::optional<BufferIndex> buffer,
                Placing placing = Placing::plain) noexcept;
    bool advance_roll() noexcept;
    void roll() noexcept;
    void write_segment_index() noexcept;
    void index_recovered(const Assessment& found) noexcept;
    bool mark_if_idle() noexcept;
    void pace_spare() noexcept;
    void fail_with(Error error) noexcept;
    // Gives up sooner when there has been no room for `patience_ns`.
    [[nodiscard]] Result<void> settle(std::uint64_t deadline_ns,
                                      std::uint64_t patience_ns) noexcept;
    [[nodiscard]] Result<void> finish_close() noexcept;
    [[nodiscard]] bool is_running() const noexcept;

    JournalOptions options_;
    WriterEnvironment around_;
    FileLock lock_;
    RecoveryReport report_;
    SuperBlock super_{};
    std::string reason_;
    bool unbuffered_;
    bool is_calibrated_ = false;
    DurableChoice durable_choice_;

    // The order matters: the pipeline waits for its writes before the buffers and the file go.
    BlockPool pool_;
    ActiveSegment segment_;
    std::unique_ptr<WriteQueue> queue_;
    BatchFiller filler_;
    std::unique_ptr<WritePipeline> pipeline_;
    Retention retention_;
    AgeClock age_clock_;
    std::vector<std::uint64_t> disowned_;  // segments that go as soon as SUPER says so
    std::optional<Trim> trim_;
    std::unique_ptr<RetiredSegments> retired_;
    CatalogueFile catalogue_;
    std::unique_ptr<SpareSegment> spare_;

    Phase phase_ = Phase::writing;
    std::optional<Entering> entering_;
    bool closing_ = false;
    bool placed_full_ = false;      // in the last round: more will likely follow
    std::optional<Error> refusal_;  // what made the writer fail, if not the pipeline
    int no_space_errno_ = 0;        // the next segment has no room; tried again
    int low_space_errno_ = 0;       // the one behind the active one has none; tried again
    std::uint64_t next_spare_try_ns_ = 0;
    std::uint64_t next_spare_look_ns_ = 0;
    std::uint64_t next_age_look_ns_ = 0;
    std::uint64_t next_age_turn_ns_ = 0;
    std::uint64_t next_name_look_ns_ = 0;
    std::uint64_t next_trim_look_ns_ = 0;
    Sequence marked_sequence_ = 0;         // the promise that stands on disk
    bool is_spare_asked_for_ = false;      // for the segment in use
    std::uint64_t spare_limit_bytes_ = 0;  // how far the spare may be filled by now
    std::uint64_t idle_offset_ = 0;        // where the log ended when it was last looked at
    std::uint64_t idle_look_ns_ = 0;       // and when
    Sequence gathered_durable_ = 0;        // as it was when the last gathering began
    Sequence gathered_sequence_ = 0;       // what has come by now
    std::uint64_t gathered_last_ns_ = 0;
    std::uint64_t gather_until_ns_ = 0;
    Sequence seen_durable_ = 0;
    std::uint64_t durable_since_ns_ = 0;
    std::uint64_t sealed_ns_ = 0;

    std::uint64_t event_count_ = 0;
    std::uint64_t event_bytes_ = 0;
    // Publish times beyond it are of a wrong clock, and count as this for the index of times.
    std::uint64_t latest_time_ns_ = 0;
    std::uint64_t batch_count_ = 0;
    std::uint64_t segment_count_ = 0;
};

}  // namespace tailrace::journal
