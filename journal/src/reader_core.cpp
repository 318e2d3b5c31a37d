#include "reader_core.hpp"

#include <tailrace/base/sequence_range.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tailrace::journal {

ReaderCore::ReaderCore(FileStore& files, const std::string& directory)
    : files_(files),
      segments_(files, directory),
      lookup_(files, directory),
      reading_(std::make_unique<Track>(files)) {}

Result<std::unique_ptr<ReaderCore>> ReaderCore::open(FileStore& files,
                                                     const std::string& directory) {
    std::unique_ptr<ReaderCore> core(new ReaderCore(files, directory));
    auto entered = while_segments_go([&core] { return core->enter_oldest(); });
    if (!entered) return entered.error();
    const SegmentHeader& header = core->common_;
    core->lookup_.look_at(header.journal_id, core->segments_.oldest_number());
    core->stream_name_ = stream_name_of(header);
    core->alignment_bytes_ = header.event_alignment_bytes;
    return core;
}

Result<void> ReaderCore::enter_oldest() {
    if (auto looked = segments_.refresh(); !looked) return looked.error();
    if (segments_.extent().lacks_oldest) return stand_in_lost_front();
    auto entered = enter(*reading_, segments_.oldest_number());
    if (!entered) return is_damage(entered.error()) ? stand_in_lost_front() : entered.error();
    common_ = reading_->scan.segment();
    first_sequence_ = common_.first_sequence;
    next_sequence_ = common_.first_sequence;
    return {};
}

Result<void> ReaderCore::refresh_segments() {
    if (auto looked = segments_.refresh(); !looked) return looked.error();
    lookup_.look_at(common_.journal_id, segments_.oldest_number());
    return {};
}

Result<void> ReaderCore::note_first_sequence() {
    auto oldest = segments_.header(segments_.oldest_number());
    if (oldest) {
        first_sequence_ = oldest->first_sequence;
        return {};
    }
    if (!segments_.extent().lacks_oldest && !is_damage(oldest.error())) return oldest.error();
    first_sequence_ =
        segments_.missing_from(segments_.oldest_number(), segments_.stated_first_sequence())
            .first_or_end();
    return {};
}

Result<void> ReaderCore::stand_in_lost_front() {
    const std::uint64_t oldest = segments_.oldest_number();
    const auto refused = segments_.open(oldest);
    const bool is_missing = !refused && refused.error().code == ErrorCode::not_found;
    const auto lost = segments_.missing_from(oldest, segments_.stated_first_sequence());
    const Error told = lost_segments(lost, refused || is_missing ? nullptr : &refused.error());
    auto next = segments_.header(lost.segments.end_number);
    if (!next) return told;  // nothing is left to read
    common_ = *next;
    reading_->scan.release();
    bound_.reset();
    is_hinted_ = false;
    forget_batch();
    first_sequence_ = lost.first_or_end();
    next_sequence_ = first_sequence_;
    lost_here_ = told;
    damage_ = Damage{lost.end_sequence, {}};
    return {};
}

Error ReaderCore::lost_segments(MissingEvents lost, const Error* why) {
    if (why != nullptr) lost.why = why->message;
    damage_ = Damage{lost.end_sequence, {}};
    Error error = missing_error(segments_.directory(), lost);
    // Foreign bytes and a file that is cut off are told from rot.
    if (why != nullptr && is_damage(*why)) error.code = why->code;
    return error;
}

Error ReaderCore::read_error(int os_errno) const {
    return os_error(
        os_errno,
        "cannot read '" + reading_->path + "' at " + std::to_string(reading_->position.offset),
        "look at 'dmesg' for errors of the disk");
}

Error ReaderCore::newer_batch() const {
    return make_error(ErrorCode::incompatible,
                      "'" + reading_->path + "' holds a batch of a newer format at " +
                          std::to_string(reading_->position.offset),
                      "use the Tailrace that wrote it; 'tailrace --version' shows this one");
}

// `behind`: the batch with which the log goes on in the same segment.
Error ReaderCore::corrupt_range(Sequence end,
                                std::string_view why,
                                const std::optional<SoundBatch>& behind) {
    damage_ = Damage{end, {}};
    if (behind) damage_ = Damage{behind->header.first_sequence, behind->position};
    return make_error(ErrorCode::corrupt,
                      "events " + range_text(reading_->position.sequence, end) +
                          " can't be read: '" + reading_->path + "', offset " +
                          std::to_string(reading_->position.offset) + ": " + std::string(why),
                      "'tailrace verify " + segments_.directory() + "' lists all damage");
}

Result<void> ReaderCore::enter(Track& track, std::uint64_t segment_number) {
    auto segment = segments_.open(segment_number);
    if (!segment) return segment.error();
    if (!track.scan.attach(std::move(segment->file), segment->header)) {
        return os_error(
            ENOMEM, "no memory to read '" + segment->path + "'", "'free -m' shows what is left");
    }
    track.path = std::move(segment->path);
    track.position = first_position(segment->header);
    if (&track == end_.get()) {
        walked_.begin(segment->header.segment_size_bytes);
        looked_behind_offset_ = 0;
        promised_end_sequence_ = 0;
    }
    if (&track == reading_.get()) {
        is_hinted_ = false;
        bound_.reset();
        auto successor = segments_.successor(segment->header);
        // A damaged one is told when reading has come there.
        if (!successor && !is_damage(successor.error())) return successor.error();
        if (successor && *successor) bound_ = (*successor)->previous;
        forget_batch();
    }
    return {};
}

void ReaderCore::forget_batch() noexcept {
    batch_ = {};
    looked_behind_ = false;
    has_taken_ = false;
    lost_here_.reset();
    damage_.reset();
}

// Reading was refused where it stands; what can't be read is passed over.
Result<void> ReaderCore::pass_damage() {
    if (!damage_ || !damage_->end_sequence || *damage_->end_sequence <= next_sequence_) {
        return make_error(ErrorCode::corrupt,
                          "where '" + segments_.directory() + "' goes on behind sequence " +
                              std::to_string(next_sequence_) + " isn't known",
                          "'tailrace verify " + segments_.directory() + "' lists all damage");
    }
    const Damage damage = *damage_;
    if (!damage.behind) return seek_sequence(*damage.end_sequence);
    forget_batch();
    reading_->position = *damage.behind;
    next_sequence_ = *damage.end_sequence;
    return {};
}

// A batch that is valid here. Nothing to hand out for a marker or seal that states no gap.
std::optional<ReadKind> ReaderCore::take(const FoundBatch& batch) {
    const BatchHeader& header = batch.header;
    has_taken_ = true;
    gap_kind_ = reading_->position.is_loss(header) ? GapKind::lost : GapKind::never_journaled;
    advance(reading_->position, header);
    batch_.first_sequence = header.first_sequence;
    batch_.event_count = header.event_count;
    batch_.bytes = batch.body;
    batch_.record_salt = header.record_salt;
    batch_.max_time_ns = header.max_time_ns;
    batch_.event_alignment_bytes = alignment_bytes_;
    if (next_sequence_ < header.first_sequence) return ReadKind::gap;
    if (next_sequence_ > header.first_sequence) trim_front(next_sequence_);
    if (batch_.event_count == 0) return std::nullopt;
    return ReadKind::event;
}

void ReaderCore::trim_front(Sequence sequence) {
    while (batch_.event_count != 0 && batch_.first_sequence < sequence)
        batch_.drop_front();
}

Result<void> ReaderCore::enter_successor(const SegmentHeader& successor) {
    if (reading_->position.sequence != successor.previous.end_sequence) {
        return corrupt_range(
            successor.previous.end_sequence, "its successor says that it ends elsewhere", {});
    }
    // Who followed the journal to here has looked behind an end before; a new segment is no reason
    // to do it again.
    const bool looked_behind = looked_behind_;
    auto entered = enter(*reading_, successor.segment_number);
    looked_behind_ = looked_behind;
    return entered;
}

// Nothing valid stands at the position: the end of the segment, the end of the journal so far, or
// damage.
Result<ReadKind> ReaderCore::judge_end(const FoundBatch& stopped_by, bool& try_again) {
    const std::uint64_t number = reading_->scan.segment().segment_number;
    auto successor = segments_.successor(reading_->scan.segment());
    if (!successor) {
        if (!is_damage(successor.error())) return successor.error();
        return judge_missing(&successor.error(), try_again);
    }
    if (!*successor) {
        // Segments go in order: as long as this one has its name, none behind it has gone.
        const bool is_named = files_.is_named(reading_->scan.file(), reading_->path);
        if (!is_named) return judge_left_behind(try_again);
        if (segments_.goes_on_behind(number)) return judge_missing(nullptr, try_again);
        return judge_newest(stopped_by, try_again);
    }

    const PreviousSegment& end = (*successor)->previous;
    const bool is_news = !bound_;
    bound_ = end;
    // Between a place of that sequence and the end stand only batches without events: whatever
    // became of them, nothing is missing.
    if (reading_->position.offset == end.end_offset ||
        reading_->position.sequence == end.end_sequence) {
        auto entered = enter_successor(**successor);
        // Retention has taken it between the two looks, and this one with it.
        if (!entered && entered.error().code == ErrorCode::not_found) {
            return judge_left_behind(try_again);
        }
        if (!entered) return entered.error();
        try_again = true;
        return ReadKind::end;
    }
    if (reading_->position.offset > end.end_offset) {
        return make_error(ErrorCode::stale,
                          "recovery cut '" + reading_->path + "' back to sequence " +
                              std::to_string(end.end_sequence) +
                              "; what was read behind it had never been acknowledged",
                          "open the journal anew and seek to where it goes on");
    }
    if (is_news) {
        // It ended after we had looked: what stands between may have been written since.
        try_again = true;
        return ReadKind::end;
    }
    const auto next = find_sound(reading_->scan, reading_->position, end.end_offset);
    if (next && next->shows_no_loss_since(reading_->position)) {
        reading_->position = next->position;
        try_again = true;
        return ReadKind::end;
    }
    return corrupt_range(next ? next->header.first_sequence : end.end_sequence,
                         batch_verdict_text(stopped_by.verdict),
                         next);
}

// SUPER or a name speaks of a segment behind this one, and it isn't there or can't be believed.
Result<ReadKind> ReaderCore::judge_missing(const Error* why, bool& try_again) {
    const SegmentHeader& segment = reading_->scan.segment();
    if (why == nullptr) {
        // It may have been made, and this one been given up, since the look at its name.
        auto successor = segments_.successor(segment);
        if (successor && *successor) {
            try_again = true;
            return ReadKind::end;
        }
        if (!files_.is_named(reading_->scan.file(), reading_->path)) {
            return judge_left_behind(try_again);
        }
    }
    if (pass_eventless(*reading_)) {
        try_again = true;
        return ReadKind::end;
    }
    return lost_segments(
        segments_.missing_from(segment.segment_number + 1, reading_->position.sequence), why);
}

// Retention has passed the reader: what follows the segment that it holds is not there any more.
Result<ReadKind> ReaderCore::judge_left_behind(bool& try_again) {
    const Sequence wanted = next_sequence_;
    auto sought = seek_sequence(wanted);
    if (sought) {
        try_again = true;
        return ReadKind::end;
    }
    if (sought.error().code != ErrorCode::sequence_gone) return sought.error();
    return make_error(ErrorCode::sequence_gone,
                      "events " + range_text(wanted, first_sequence_) + " left '" +
                          segments_.directory() + "' before they were read",
                      "the first that is there is " + std::to_string(first_sequence_));
}

// The batch with which the newest segment goes on behind damage, if that was once durable.
std::optional<SoundBatch> ReaderCore::find_promised(Track& track, Sequence promised) {
    auto next = find_sound(track.scan, track.position, track.scan.segment().segment_size_bytes);
    if (next && next->header.first_sequence > promised) next.reset();
    return next;
}

Result<ReadKind> ReaderCore::judge_newest(const FoundBatch& stopped_by, bool& try_again) {
    if (stopped_by.verdict == BatchVerdict::unknown) return newer_batch();
    if (looked_behind_ || reading_->position.sealed) return ReadKind::end;
    looked_behind_ = true;
    const BeyondEnd beyond =
        scan_beyond(reading_->scan, reading_->position.offset, kPromiseReachBytes);
    if (beyond.os_errno != 0) return read_error(beyond.os_errno);
    if (beyond.promised_sequence <= reading_->position.sequence) return ReadKind::end;

    // The promise may be younger than our look at the batch: then the batch is there by now.
    reading_->scan.refresh();
    const FoundBatch again = reading_->scan.batch_at(reading_->position.offset);
    if (again.os_errno != 0) return read_error(again.os_errno);
    if (again.verdict == BatchVerdict::valid && continues(reading_->position, again.header)) {
        looked_behind_ = false;
        try_again = true;
        return ReadKind::end;
    }
    looked_behind_ = false;  // so that asking again finds the same
    if (pass_eventless(*reading_)) {
        try_again = true;
        return ReadKind::end;
    }
    return corrupt_range(beyond.promised_sequence,
                         batch_verdict_text(again.verdict),
                         find_promised(*reading_, beyond.promised_sequence));
}

Result<ReadKind> ReaderCore::load() {
    bool is_second_look = false;
    // Ends: each round reads on, confirms once, enters a later segment, or looks a second time.
    while (true) {
        if (is_hinted_ && has_taken_) {
            if (auto confirmed = confirm_hints(); !confirmed) return confirmed.error();
        }
        // Also when it was sought anew just now, since a hint was wrong or retention has passed it.
        if (lost_here_) return *lost_here_;
        const bool at_bound = bound_ && reading_->position.offset >= bound_->end_offset;
        FoundBatch found;
        if (!at_bound && !reading_->position.sealed) {
            found = reading_->scan.batch_at(reading_->position.offset);
            if (found.os_errno != 0) return read_error(found.os_errno);
            if (found.verdict == BatchVerdict::valid &&
                continues(reading_->position, found.header) &&
                (!bound_ || lies_within(reading_->position, found.header, bound_->end_offset))) {
                is_second_look = false;
                if (const auto kind = take(found)) return *kind;
                continue;
            }
            if (is_hinted_) {
                if (auto confirmed = confirm_hints(); !confirmed) return confirmed.error();
                continue;
            }
            if (!is_second_look) {
                // The window may be older than the file.
                is_second_look = true;
                reading_->scan.refresh();
                continue;
            }
        }
        bool try_again = false;
        auto verdict = judge_end(found, try_again);
        if (!verdict) return verdict.error();
        if (!try_again) return ReadKind::end;
        is_second_look = false;
        if (!lost_here_) reading_->scan.refresh();
    }
}

Gap ReaderCore::take_gap() noexcept {
    const Gap gap{next_sequence_, batch_.first_sequence - next_sequence_, gap_kind_};
    next_sequence_ = batch_.first_sequence;
    return gap;
}

Result<BatchStep> ReaderCore::next_batch() {
    BatchStep step;
    while (
        true) {  // ends: each round hands something out or loads more of a journal of finite length
        if (next_sequence_ < batch_.first_sequence) {
            step.kind = ReadKind::gap;
            step.gap = take_gap();
            return step;
        }
        if (batch_.event_count > 0) {
            step.kind = ReadKind::event;
            step.batch = batch_;
            next_sequence_ = batch_.end_sequence();
            batch_.event_count = 0;
            batch_.bytes = {};
            return step;
        }
        auto kind = load();
        if (!kind) return kind.error();
        if (*kind == ReadKind::end) return step;
    }
}

Result<EventStep> ReaderCore::next() {
    EventStep step;
    while (true) {  // as above
        if (next_sequence_ < batch_.first_sequence) {
            step.kind = ReadKind::gap;
            step.gap = take_gap();
            return step;
        }
        if (batch_.event_count > 0) {
            step.kind = ReadKind::event;
            step.event = *batch_.begin();
            next_sequence_ = batch_.first_sequence + 1;
            trim_front(next_sequence_);
            return step;
        }
        auto kind = load();
        if (!kind) return kind.error();
        if (*kind == ReadKind::end) return step;
    }
}

}  // namespace tailrace::journal
