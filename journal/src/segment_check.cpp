#include "segment_check.hpp"

#include "lease.hpp"
#include "segment_directory.hpp"

#include <tailrace/base/sequence_range.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace tailrace::journal {

namespace {

// Enough to keep a device busy while what came is checked.
constexpr std::uint64_t kReadAheadBytes = 8U << 20;

FindingKind kind_of(BatchVerdict verdict) noexcept {
    return verdict == BatchVerdict::damaged_event ? FindingKind::damaged_event
                                                  : FindingKind::damaged_batch;
}

}  // namespace

void SegmentCheck::add(FindingKind kind, Sequence first, Sequence end, std::string text) {
    report_.findings.push_back(
        {kind, segment_->number, position_.offset, first, end, std::move(text)});
}

void SegmentCheck::read_ahead() {
    if (scan_.is_reading_ahead()) return;
    if (position_.offset + kReadAheadBytes / 2 < asked_ahead_offset_) return;
    const std::uint64_t from = std::max(position_.offset, asked_ahead_offset_);
    files_.will_read(scan_.file(), from, kReadAheadBytes);
    asked_ahead_offset_ = from + kReadAheadBytes;
}

void SegmentCheck::count_gap(const BatchHeader& header) {
    if (std::exchange(is_gap_told_, false)) return;
    const std::uint64_t events = header.first_sequence - position_.sequence;
    if (!position_.is_loss(header)) {
        ++report_.gap_count;
        report_.gap_events += events;
        return;
    }
    report_.lost_events += events;
    add(FindingKind::lost_events,
        position_.sequence,
        header.first_sequence,
        "events " + range_text(position_.sequence, header.first_sequence) +
            " were journaled and are lost to damage; a repair made a stated gap of them: '" +
            segment_->path + "', offset " + std::to_string(position_.offset));
}

void SegmentCheck::count(const FoundBatch& batch) {
    const std::uint32_t alignment_bytes = segment_->header->event_alignment_bytes;
    const BatchHeader& header = batch.header;
    ++report_.batch_count;
    report_.event_count += header.event_count;
    if ((header.flags & kBatchGapBefore) != 0) count_gap(header);
    // The events were walked when the batch was checked, so their sizes hold.
    for (std::uint64_t at = 0; at < batch.body.size();) {
        EventHeader event{};
        std::memcpy(&event, batch.body.data() + at, sizeof(event));
        if ((event.flags & kTombstone) != 0) ++report_.tombstone_count;
        at += event_size_bytes(event.payload_size_bytes, event.extension_words, alignment_bytes);
    }
}

// Events [from, end) are missing here; none, where only batches without any stood.
void SegmentCheck::add_damage(const FoundBatch& damaged,
                              const LogPosition& from,
                              Sequence end,
                              bool is_acknowledged) {
    std::string why(batch_verdict_text(damaged.verdict));
    if (damaged.os_errno != 0) why = os_error(damaged.os_errno, "it can't be read").message;
    if (damaged.os_errno == 0 && damaged.verdict == BatchVerdict::valid) {
        why = "it doesn't continue the batch before it";
    }
    const std::string place =
        "'" + segment_->path + "', offset " + std::to_string(from.offset) + ": " + why;
    const bool is_eventless = end == from.sequence && damaged.os_errno == 0;
    report_.findings.push_back(
        {is_eventless ? FindingKind::damaged_marker : kind_of(damaged.verdict),
         segment_->number,
         from.offset,
         from.sequence,
         end,
         is_eventless ? "a batch without events is damaged, none is missing: " + place
                      : (is_acknowledged ? "acknowledged events " : "events ") +
                            range_text(from.sequence, end) + " can't be read: " + place});
}

// Of the newest segment, or of one whose successor is missing: nobody states its end. True when the
// log goes on behind.
bool SegmentCheck::check_newest_end(const FoundBatch& stopped_by) {
    const LogPosition stop = position_;
    // What SUPER promises may have stood in a segment behind this one, which is missing.
    const bool is_newest = super_ && segment_->number >= super_->newest_segment_number;
    const BeyondEnd beyond = scan_beyond(scan_, stop.offset, segment_->header->segment_size_bytes);
    report_.read_bytes += beyond.scanned_bytes;
    const Sequence promised = std::max({beyond.promised_sequence,
                                        segment_->header->durable_sequence,
                                        is_newest ? super_->durable_sequence : 0});
    if (promised > stop.sequence) {
        const auto next = find_sound(scan_, stop, segment_->header->segment_size_bytes);
        add_damage(stopped_by, stop, next ? next->header.first_sequence : promised, true);
        return resume_at(next);
    }
    const int os_errno = stopped_by.os_errno != 0 ? stopped_by.os_errno : beyond.os_errno;
    if (os_errno != 0) {
        add(FindingKind::damaged_batch,
            stop.sequence,
            stop.sequence,
            os_error(os_errno,
                     "'" + segment_->path + "' can't be read behind its end, at " +
                         std::to_string(stop.offset))
                .message);
        return false;
    }
    if (beyond.data_end_offset > stop.offset) {
        add(FindingKind::torn_tail,
            stop.sequence,
            stop.sequence,
            "'" + segment_->path + "' ends in a write that was never acknowledged, at " +
                std::to_string(stop.offset));
    }
    return false;
}

// False when nothing sound stands behind the damage.
bool SegmentCheck::pass_damage(const PreviousSegment& bound, const FoundBatch& damaged) {
    const LogPosition stop = position_;
    const auto next = find_sound(scan_, stop, bound.end_offset);
    add_damage(damaged,
               stop,
               next ? next->header.first_sequence : std::max(stop.sequence, bound.end_sequence),
               false);
    return resume_at(next);
}

bool SegmentCheck::resume_at(const std::optional<SoundBatch>& next) {
    if (!next) return false;
    position_ = next->position;
    is_gap_told_ = (next->header.flags & kBatchGapBefore) != 0;
    return true;
}

FoundBatch SegmentCheck::next_batch(std::uint64_t end_offset, bool& fits) {
    FoundBatch found = scan_.batch_at(position_.offset);
    fits = found.os_errno == 0 && found.verdict == BatchVerdict::valid &&
           continues(position_, found.header) && lies_within(position_, found.header, end_offset);
    return found;
}

void SegmentCheck::walk(const PreviousSegment* bound) {
    const std::uint64_t end_offset =
        bound != nullptr ? bound->end_offset : segment_->header->segment_size_bytes;
    while (position_.offset < end_offset && !(bound == nullptr && position_.sealed)) {
        bool fits = false;
        FoundBatch found = next_batch(end_offset, fits);
        if (!fits && bound != nullptr) {
            if (!pass_damage(*bound, found)) return;
            continue;
        }
        if (!fits) {
            // A writer may have gone on since the window was read.
            scan_.refresh();
            found = next_batch(end_offset, fits);
        }
        if (!fits) {
            if (!check_newest_end(found)) return;
            continue;
        }
        count(found);
        if (!is_zero(found.padding)) {
            add(FindingKind::dirty_padding,
                found.header.first_sequence,
                found.header.first_sequence,
                "'" + segment_->path + "' has bytes that should be zero behind the batch at " +
                    std::to_string(position_.offset));
        }
        advance(position_, found.header);
        const std::uint64_t extent = batch_extent_bytes(found.header);
        walked_bytes_ += extent;
        // relaxed: a sum to look at; nothing is read on the strength of it.
        done_bytes_.fetch_add(extent, std::memory_order_relaxed);
        read_ahead();
    }
}

void SegmentCheck::check_index(const std::string& path) {
    auto index = read_index(files_, path, *segment_->header);
    if (index || index.error().code != ErrorCode::corrupt) return;
    add(FindingKind::damaged_index, position_.sequence, position_.sequence, index.error().message);
}

VerifyReport SegmentCheck::run(const SegmentCandidate& segment,
                               const PreviousSegment* bound,
                               const std::string& index_path) {
    segment_ = &segment;
    report_ = {};
    position_ = first_position(*segment.header);
    asked_ahead_offset_ = 0;
    walked_bytes_ = 0;
    const std::uint64_t read_before = scan_.read_bytes();
    report_.first_sequence = position_.sequence;
    report_.end_sequence = position_.sequence;
    if (segment.size_bytes < stored_file_bytes(*segment.header)) {
        add(FindingKind::truncated_segment,
            position_.sequence,
            bound != nullptr ? std::max(position_.sequence, bound->end_sequence)
                             : position_.sequence,
            "'" + segment.path + "' has " + std::to_string(segment.size_bytes) +
                " bytes, its header says " + std::to_string(stored_file_bytes(*segment.header)));
    }
    auto file = open_leased(files_, segment.path);
    was_gone_ = !file && file.error().code == ErrorCode::not_found;
    SegmentHeader header = *segment.header;
    if (file) {
        // Another file may stand in its place since the headers were read: compressed, or mended.
        auto now = read_segment_header(files_, *file, segment.path, Access::reading);
        if (now && now->salt == header.salt) header = *now;
    }
    if (!file || !scan_.attach(std::move(*file), header)) {
        add(FindingKind::damaged_segment_header,
            position_.sequence,
            position_.sequence,
            file ? "no memory to read '" + segment.path + "'" : file.error().message);
        return std::move(report_);
    }
    std::optional<PreviousSegment> clean_end;
    if (bound == nullptr && super_) clean_end = find_clean_end(scan_, *super_);
    if (clean_end) bound = &*clean_end;
    read_ahead();
    walk(bound);
    // relaxed: as above. What stands behind the log needs no look, or had one.
    done_bytes_.fetch_add(segment.size_bytes - std::min(segment.size_bytes, walked_bytes_),
                          std::memory_order_relaxed);
    report_.end_sequence = bound != nullptr ? bound->end_sequence : position_.sequence;
    check_index(index_path);
    report_.read_bytes += scan_.read_bytes() - read_before;
    return std::move(report_);
}

}  // namespace tailrace::journal
