#include "verify_core.hpp"

#include <algorithm>
#include <cstring>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kProgressStepBytes = 8U << 20;

std::string range_text(Sequence first, Sequence end) {
    return "[" + std::to_string(first) + ", " + std::to_string(end) + ")";
}

FindingKind kind_of(BatchVerdict verdict) noexcept {
    return verdict == BatchVerdict::damaged_event ? FindingKind::damaged_event
                                                  : FindingKind::damaged_batch;
}

}  // namespace

void VerifyCore::add(
    FindingKind kind, const Candidate& segment, Sequence first, Sequence end, std::string text) {
    report_.findings.push_back(
        {kind, segment.number, position_.offset, first, end, std::move(text)});
}

void VerifyCore::show_progress(std::uint64_t more_bytes) {
    done_bytes_ += more_bytes;
    if (!progress_ || done_bytes_ - shown_bytes_ < kProgressStepBytes) return;
    shown_bytes_ = done_bytes_;
    progress_(std::min(done_bytes_, total_bytes_), total_bytes_);
}

Result<void> VerifyCore::look_at_names() {
    auto super = read_super(files_, directory_, Access::reading);
    if (!super && super.error().code != ErrorCode::incompatible) return super.error();
    auto listing = list_journal(files_, directory_);
    if (!listing) return listing.error();
    if (listing->segment_numbers.empty()) {
        return make_error(ErrorCode::not_found,
                          "there is no journal in '" + directory_ + "'",
                          "'tailrace record' makes one");
    }
    if (super && super->newest) {
        super_ = super->newest;
    } else {
        const Error* const why = !super           ? &super.error()
                                 : super->refusal ? &*super->refusal
                                                  : nullptr;
        report_.findings.push_back({FindingKind::damaged_super,
                                    0,
                                    0,
                                    0,
                                    0,
                                    why != nullptr
                                        ? why->message
                                        : "'" + super_path(directory_) + "' is missing or blank"});
    }
    for (const std::string& name : listing->foreign_names) {
        report_.findings.push_back({FindingKind::foreign_file,
                                    0,
                                    0,
                                    0,
                                    0,
                                    "'" + directory_ + "/" + name + "' is not part of a journal"});
    }
    for (const std::uint64_t number : listing->segment_numbers) {
        Candidate segment;
        segment.number = number;
        segment.path = segment_path(directory_, number);
        segments_.push_back(std::move(segment));
    }
    return {};
}

void VerifyCore::check_headers() {
    for (Candidate& segment : segments_) {
        auto file = open_file(files_, segment.path, {});
        if (!file) {
            segment.refusal = file.error();
            continue;
        }
        const IoOutcome size = files_.size_bytes(file->id());
        segment.size_bytes = size.ok() ? size.value : 0;
        total_bytes_ += segment.size_bytes;
        auto header = read_segment_header(files_, *file, segment.path, Access::reading);
        if (!header) {
            segment.refusal = header.error();
        } else if (header->segment_number != segment.number) {
            segment.refusal = make_error(ErrorCode::corrupt,
                                         "'" + segment.path + "' says that it is number " +
                                             std::to_string(header->segment_number));
        } else {
            segment.header = *header;
        }
    }
}

void VerifyCore::check_chain(const Candidate& before, const Candidate& segment) {
    position_.offset = 0;
    if (segment.number != before.number + 1) {
        const Sequence first = report_.end_sequence;
        const Sequence end = segment.header ? segment.header->first_sequence : first;
        add(FindingKind::missing_segment,
            segment,
            first,
            std::max(first, end),
            "segments between '" + before.path + "' and '" + segment.path + "' are missing");
        return;
    }
    if (!before.header || !segment.header) return;
    const PreviousSegment& claim = segment.header->previous;
    if (segment.header->journal_id != before.header->journal_id ||
        claim.salt != before.header->salt || segment.header->first_sequence != claim.end_sequence) {
        add(FindingKind::broken_chain,
            segment,
            segment.header->first_sequence,
            segment.header->first_sequence,
            "'" + segment.path + "' doesn't follow '" + before.path + "'");
    }
}

void VerifyCore::count(const FoundBatch& batch, std::uint32_t alignment_bytes) {
    const BatchHeader& header = batch.header;
    ++report_.batch_count;
    report_.event_count += header.event_count;
    if ((header.flags & kBatchGapBefore) != 0) {
        ++report_.gap_count;
        report_.gap_events += header.first_sequence - position_.sequence;
    }
    // The events were walked when the batch was checked, so their sizes hold.
    for (std::uint64_t at = 0; at < batch.body.size();) {
        EventHeader event{};
        std::memcpy(&event, batch.body.data() + at, sizeof(event));
        if ((event.flags & kTombstone) != 0) ++report_.tombstone_count;
        at += event_size_bytes(event.payload_size_bytes, event.extension_words, alignment_bytes);
    }
}

// Finds the next sound batch of this segment behind damage and stands on it. False when there is
// none.
bool VerifyCore::resume_behind_damage(std::uint64_t end_offset) {
    for (std::uint64_t at = position_.offset + kBlockSizeBytes; at < end_offset;
         at += kBlockSizeBytes) {
        const FoundBatch found = scan_.header_at(at);
        if (found.os_errno != 0) return false;
        if (found.verdict != BatchVerdict::valid) continue;
        if (found.header.first_sequence < position_.sequence) continue;
        const bool states_gap = (found.header.flags & kBatchGapBefore) != 0;
        position_.offset = at;
        position_.sequence = found.header.first_sequence - (states_gap ? 1U : 0U);
        position_.last_checksum = found.header.previous_checksum;
        position_.max_time_ns = std::min(position_.max_time_ns, found.header.first_time_ns);
        return true;
    }
    return false;
}

void VerifyCore::check_newest_end(const Candidate& segment, const FoundBatch& stopped_by) {
    if (stopped_by.os_errno != 0) {
        add(FindingKind::damaged_batch,
            segment,
            position_.sequence,
            position_.sequence,
            os_error(stopped_by.os_errno,
                     "'" + segment.path + "' can't be read at " + std::to_string(position_.offset))
                .message);
        return;
    }
    const BeyondEnd beyond =
        scan_beyond(files_, scan_, position_.offset, segment.header->segment_size_bytes);
    report_.read_bytes += beyond.scanned_bytes;
    const Sequence promised = std::max({beyond.promised_sequence,
                                        segment.header->durable_sequence,
                                        super_ ? super_->durable_sequence : 0});
    if (promised > position_.sequence) {
        add(kind_of(stopped_by.verdict),
            segment,
            position_.sequence,
            promised,
            "acknowledged events " + range_text(position_.sequence, promised) +
                " can't be read: '" + segment.path + "', offset " +
                std::to_string(position_.offset) + ": " +
                std::string(batch_verdict_text(stopped_by.verdict)));
        return;
    }
    if (beyond.data_end_offset > position_.offset) {
        add(FindingKind::torn_tail,
            segment,
            position_.sequence,
            position_.sequence,
            "'" + segment.path + "' ends in a write that was never acknowledged, at " +
                std::to_string(position_.offset));
    }
}

// False when nothing sound stands behind the damage.
bool VerifyCore::pass_damage(const Candidate& segment,
                             const PreviousSegment& bound,
                             const FoundBatch& damaged) {
    const Sequence first = position_.sequence;
    const std::uint64_t offset = position_.offset;
    const bool resumed = resume_behind_damage(bound.end_offset);
    const Sequence end = resumed ? position_.sequence : bound.end_sequence;
    std::string why(batch_verdict_text(damaged.verdict));
    if (damaged.os_errno != 0) why = os_error(damaged.os_errno, "it can't be read").message;
    if (damaged.os_errno == 0 && damaged.verdict == BatchVerdict::valid) {
        why = "it doesn't continue the batch before it";
    }
    report_.findings.push_back({kind_of(damaged.verdict),
                                segment.number,
                                offset,
                                first,
                                end,
                                "events " + range_text(first, end) + " can't be read: '" +
                                    segment.path + "', offset " + std::to_string(offset) + ": " +
                                    why});
    return resumed;
}

FoundBatch VerifyCore::next_batch(bool& fits) {
    FoundBatch found = scan_.batch_at(position_.offset);
    fits = found.os_errno == 0 && found.verdict == BatchVerdict::valid &&
           continues(position_, found.header);
    return found;
}

void VerifyCore::walk(const Candidate& segment, const PreviousSegment* bound) {
    const std::uint64_t end_offset =
        bound != nullptr ? bound->end_offset : segment.header->segment_size_bytes;
    while (position_.offset < end_offset && !(bound == nullptr && position_.sealed)) {
        bool fits = false;
        FoundBatch found = next_batch(fits);
        if (!fits && bound != nullptr) {
            if (!pass_damage(segment, *bound, found)) return;
            continue;
        }
        if (!fits) {
            // A writer may have gone on since the window was read.
            scan_.refresh();
            found = next_batch(fits);
        }
        if (!fits) {
            check_newest_end(segment, found);
            return;
        }
        count(found, segment.header->event_alignment_bytes);
        if (!is_zero(found.padding)) {
            add(FindingKind::dirty_padding,
                segment,
                found.header.first_sequence,
                found.header.first_sequence,
                "'" + segment.path + "' has bytes that should be zero behind the batch at " +
                    std::to_string(position_.offset));
        }
        advance(position_, found.header);
        show_progress(batch_slot_bytes(found.header.body_size_bytes));
    }
}

void VerifyCore::check_index(const Candidate& segment) {
    const std::string path = index_path(directory_, segment.number);
    auto index = read_index(files_, path, *segment.header);
    if (index || index.error().code != ErrorCode::corrupt) return;
    add(FindingKind::damaged_index,
        segment,
        position_.sequence,
        position_.sequence,
        index.error().message);
}

void VerifyCore::check_segment(const Candidate& segment, const Candidate* successor) {
    const std::uint64_t done_before = done_bytes_;
    const Sequence next_first = successor != nullptr && successor->header
                                    ? successor->header->first_sequence
                                    : report_.end_sequence;
    if (!segment.header) {
        position_ = {};
        position_.offset = 0;
        add(segment.refusal->code == ErrorCode::truncated ? FindingKind::truncated_segment
                                                          : FindingKind::damaged_segment_header,
            segment,
            report_.end_sequence,
            std::max(report_.end_sequence, next_first),
            segment.refusal->message);
        return;
    }
    position_ = first_position(*segment.header);
    if (segment.size_bytes < segment.header->segment_size_bytes) {
        add(FindingKind::truncated_segment,
            segment,
            position_.sequence,
            std::max(position_.sequence, next_first),
            "'" + segment.path + "' has " + std::to_string(segment.size_bytes) +
                " bytes, its header says " + std::to_string(segment.header->segment_size_bytes));
    }
    const PreviousSegment* const bound =
        successor != nullptr && successor->header ? &successor->header->previous : nullptr;
    auto file = open_file(files_, segment.path, {});
    if (!file || !scan_.attach(std::move(*file), *segment.header)) {
        add(FindingKind::damaged_segment_header,
            segment,
            position_.sequence,
            position_.sequence,
            file ? "no memory to read '" + segment.path + "'" : file.error().message);
        return;
    }
    walk(segment, bound);
    report_.end_sequence = bound != nullptr ? bound->end_sequence : position_.sequence;
    check_index(segment);
    done_bytes_ = done_before;
    show_progress(segment.size_bytes);
}

Result<VerifyReport> VerifyCore::run() {
    if (auto names = look_at_names(); !names) return names.error();
    check_headers();
    for (const Candidate& segment : segments_) {
        if (segment.header) {
            report_.first_sequence = segment.header->first_sequence;
            report_.end_sequence = report_.first_sequence;
            break;
        }
    }
    report_.segment_count = segments_.size();
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        if (i > 0) check_chain(segments_[i - 1], segments_[i]);
        const bool is_followed =
            i + 1 < segments_.size() && segments_[i + 1].number == segments_[i].number + 1;
        check_segment(segments_[i], is_followed ? &segments_[i + 1] : nullptr);
    }
    if (super_ && segments_.back().number < super_->newest_segment_number) {
        position_.offset = 0;
        add(FindingKind::missing_segment,
            segments_.back(),
            report_.end_sequence,
            std::max(report_.end_sequence, super_->durable_sequence),
            "'" + segment_path(directory_, super_->newest_segment_number) +
                "' is missing: SUPER names it as the newest");
    }
    report_.read_bytes += scan_.read_bytes();
    if (progress_) progress_(total_bytes_, total_bytes_);
    return std::move(report_);
}

}  // namespace tailrace::journal
