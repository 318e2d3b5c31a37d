// ReaderCore: what stands behind Reader, over any storage. See reader.hpp for the contract.
//
// I1 Nothing is handed out before its header, body, stamps and its place in the chain have been
//    checked.
// I2 A segment ends where its successor says. Valid batches behind that place were discarded by a
//    recovery.
// I3 In the newest segment the first batch that isn't valid is the end so far, unless a promise
//    behind it says that it was once durable: then it is corruption.
// I4 No end is told while SUPER, or a name, speaks of a segment behind it.
#pragma once

#include "batch_scan.hpp"
#include "catalogue_lookup.hpp"
#include "index_builder.hpp"
#include "segment_map.hpp"
#include "storage.hpp"

#include <tailrace/journal/reader.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace tailrace::journal {

class ReaderCore {
public:
    [[nodiscard]] static Result<std::unique_ptr<ReaderCore>> open(FileStore& files,
                                                                  const std::string& directory);
    ReaderCore(const ReaderCore&) = delete;
    ReaderCore& operator=(const ReaderCore&) = delete;
    ~ReaderCore() = default;

    [[nodiscard]] Result<void> seek_sequence(Sequence sequence);
    [[nodiscard]] Result<void> seek_time(std::uint64_t time_ns);
    [[nodiscard]] Result<void> seek_end();
    [[nodiscard]] Result<BatchStep> next_batch();
    [[nodiscard]] Result<EventStep> next();
    [[nodiscard]] Result<void> pass_damage();

    [[nodiscard]] Sequence next_sequence() const noexcept { return next_sequence_; }
    [[nodiscard]] Sequence first_sequence() const noexcept { return first_sequence_; }
    [[nodiscard]] Result<Sequence> end_sequence();
    [[nodiscard]] const std::string& stream_name() const noexcept { return stream_name_; }
    [[nodiscard]] std::uint32_t event_alignment_bytes() const noexcept { return alignment_bytes_; }
    [[nodiscard]] JournalId journal_id() const noexcept { return common_.journal_id; }

private:
    // A place in one segment, with the scan that reads there.
    struct Track {
        explicit Track(FileStore& files) noexcept : scan(files) {}

        BatchScan scan;
        LogPosition position;
        std::string path;
    };

    ReaderCore(FileStore& files, const std::string& directory);

    [[nodiscard]] Result<void> enter(Track& track, std::uint64_t segment_number);
    [[nodiscard]] Result<void> enter_successor(const SegmentHeader& successor);
    // Loads the next batch with events, or a gap, or the end.
    [[nodiscard]] Result<ReadKind> load();
    [[nodiscard]] Result<ReadKind> judge_end(const FoundBatch& stopped_by, bool& try_again);
    [[nodiscard]] Result<ReadKind> judge_left_behind(bool& try_again);
    [[nodiscard]] Result<ReadKind> judge_newest(const FoundBatch& stopped_by, bool& try_again);
    [[nodiscard]] static std::optional<SoundBatch> find_promised(Track& track, Sequence promised);
    [[nodiscard]] std::optional<ReadKind> take(const FoundBatch& batch);
    [[nodiscard]] Result<ReadKind> judge_missing(const Error* why, bool& try_again);
    void trim_front(Sequence sequence);
    [[nodiscard]] Gap take_gap() noexcept;

    [[nodiscard]] Result<void> enter_oldest();
    [[nodiscard]] Result<void> refresh_segments();
    // Where the journal begins: by its oldest segment, or by what is known of that.
    [[nodiscard]] Result<void> note_first_sequence();
    // The oldest segment is lost: stands at its beginning, and reading tells the loss.
    [[nodiscard]] Result<void> stand_in_lost_front();
    [[nodiscard]] Error newest_is_lost(const Error* why);
    [[nodiscard]] Result<void> go_to_sequence(Sequence sequence);
    [[nodiscard]] Result<void> go_to_time(std::uint64_t time_ns);
    [[nodiscard]] Result<void> go_to_end();

    using EntryPredicate = std::function<bool(const IndexEntry&)>;
    using HeaderPredicate = std::function<bool(const BatchHeader&)>;

    // Brings end_ to the end of what is valid in the newest segment, or to the first damage there.
    [[nodiscard]] Result<void> find_end();
    // From there behind damage, as far as something behind it says that it was once durable. Reads
    // up to 64 MiB for each place where an end was found.
    void pass_damage_to_end();
    // What find_end() and pass_damage_to_end() have come to.
    [[nodiscard]] Sequence found_end_sequence() const noexcept {
        return std::max(end_->position.sequence, promised_end_sequence_);
    }
    // Where reading_'s segment ends, as far as that is known; 0: it isn't.
    [[nodiscard]] std::uint64_t known_end_offset() const noexcept;
    void walk_to_end(Track& track);
    void walk_while_valid(Track& track);
    // In a segment whose end nobody states: where a batch without events is damaged below a
    // promise, the log goes on behind it.
    [[nodiscard]] static bool pass_eventless(Track& track);
    [[nodiscard]] Result<void> enter_or_stand_lost(std::uint64_t number);
    // Moves reading_ within its segment: by the index to the last entry that lies before, then
    // batch by batch while they do.
    [[nodiscard]] Result<void> approach(const EntryPredicate& entry_lies_before,
                                        const HeaderPredicate& batch_lies_before);
    // The index of reading_'s segment, or what was walked of the newest.
    [[nodiscard]] std::vector<IndexEntry> entries_at_hand();
    [[nodiscard]] static bool place_at_entry(Track& track, const IndexEntry& entry);
    [[nodiscard]] Result<void> settle_on_time(std::uint64_t time_ns);
    void forget_batch() noexcept;

    // By catalogue and index (reader_lookup.cpp). False: not found that way; nothing has changed.
    [[nodiscard]] bool look_up_sequence(Sequence sequence);
    [[nodiscard]] bool look_up_time(std::uint64_t time_ns);
    [[nodiscard]] bool enter_catalogued(Track& track, const CataloguedSegment& segment);
    [[nodiscard]] bool approach_catalogued(Track& track,
                                           const CataloguedSegment& segment,
                                           const EntryPredicate& entry_lies_before,
                                           const HeaderPredicate& batch_lies_before);
    void settle_on_catalogued(const CataloguedSegment& segment);
    [[nodiscard]] bool give_up_lookup();
    [[nodiscard]] Result<void> confirm_hints();

    [[nodiscard]] Error corrupt_range(Sequence end,
                                      std::string_view why,
                                      const std::optional<SoundBatch>& behind);
    [[nodiscard]] Error lost_segments(MissingEvents lost, const Error* why);
    [[nodiscard]] Error read_error(int os_errno) const;
    [[nodiscard]] Error newer_batch() const;

    // A writer has less than this in flight and unflushed, so that behind a durable batch a promise
    // for it stands within this.
    static constexpr std::uint64_t kPromiseReachBytes = 64U << 20;

    FileStore& files_;
    SegmentMap segments_;
    CatalogueLookup lookup_;
    std::optional<std::uint64_t> guessed_number_;  // of the segment that is sought
    SegmentHeader common_{};  // what all segments have in common, in the header of one of them
    std::string stream_name_;
    std::uint32_t alignment_bytes_ = 16;
    Sequence first_sequence_ = 0;

    std::unique_ptr<Track> reading_;
    std::optional<PreviousSegment>
        bound_;  // where reading_'s segment ends, once a successor says it
    Sequence next_sequence_ = 0;
    std::optional<Error> lost_here_;  // what reading says as long as it stands in a lost segment
    // What reading was last refused for: where the log goes on behind that, as far as it is known.
    struct Damage {
        std::optional<Sequence> end_sequence;
        std::optional<LogPosition> behind;  // in the same segment
    };
    std::optional<Damage> damage_;
    BatchView batch_;                              // what is left of the batch at hand
    GapKind gap_kind_ = GapKind::never_journaled;  // of the gap before that
    bool looked_behind_ =
        false;  // the promise behind this end has been looked for since the last seek

    // reading_ was found by catalogue and index: what they say of its segment, bound_ too, is to be
    // confirmed before more than the one batch is read from it.
    bool is_hinted_ = false;
    bool has_taken_ = false;            // a batch, since the last seek
    std::unique_ptr<Track> looked_up_;  // where the next lookup is made

    std::unique_ptr<Track> end_;              // the end of the newest segment, as last seen
    std::uint64_t looked_behind_offset_ = 0;  // of an end there: damage was looked for behind it
    Sequence promised_end_sequence_ = 0;      // durable once, and nothing sound stands behind end_
    IndexBuilder walked_;                     // of end_'s segment, as far as it was walked
};

}  // namespace tailrace::journal
