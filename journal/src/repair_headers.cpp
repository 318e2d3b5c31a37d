// The part of RepairPlanner that makes the headers of segments anew.

#include "repair_plan.hpp"

#include <tailrace/base/random.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace tailrace::journal {

// A compressed segment ends with a copy of its header.
Result<SegmentHeader> RepairPlanner::header_copy(const StoredFile& file,
                                                 const SegmentRepair& segment) {
    std::array<std::byte, kBlockSizeBytes> block{};
    if (segment.file_size_bytes < 2 * kBlockSizeBytes) {
        return make_error(ErrorCode::truncated, "'" + segment.path + "' holds no copy");
    }
    const IoOutcome outcome =
        files_.read(file.id(), segment.file_size_bytes - kBlockSizeBytes, block);
    if (!outcome.ok()) return os_error(outcome.os_errno, "cannot read '" + segment.path + "'");
    auto header =
        decode_segment_header(std::span(block).first(outcome.value), segment.path, Access::writing);
    if (header && stored_file_bytes(*header) != segment.file_size_bytes) {
        return make_error(ErrorCode::corrupt, "'" + segment.path + "' holds no copy");
    }
    return header;
}

std::optional<BatchHeader> RepairPlanner::first_batch_of(const SegmentRepair& segment,
                                                         std::optional<std::uint64_t> salt) {
    auto file = open_file(files_, segment.path, {});
    if (!file) return std::nullopt;
    std::array<std::byte, kBlockSizeBytes> block{};
    const IoOutcome outcome = files_.read(file->id(), kBlockSizeBytes, block);
    if (!outcome.ok() || outcome.value < sizeof(BatchHeader)) return std::nullopt;
    BatchHeader header{};
    std::memcpy(&header, block.data(), sizeof(header));
    // A checksum that is seeded by the salt which it is to prove still proves both.
    const BatchPlace place{segment.number,
                           salt.value_or(header.salt),
                           kBlockSizeBytes,
                           kMaxSegmentSizeBytes,
                           donor_->event_alignment_bytes};
    if (check_batch_header(block, place, header) != BatchVerdict::valid) return std::nullopt;
    return header;
}

// What a header says of the segment before it, and what follows from that.
void RepairPlanner::take_place_behind(std::size_t nth, SegmentHeader& header) const {
    const std::uint64_t number = work_.segments[nth].number;
    header.journal_id = donor_->journal_id;
    header.segment_number = number;
    header.segment_size_bytes = donor_->segment_size_bytes;
    header.event_alignment_bytes = donor_->event_alignment_bytes;
    set_stream_name(header, stream_name_of(*donor_));
    header.writer_epoch = donor_->writer_epoch;
    header.previous.segment_number = number - 1;
    if (nth == 0) return;
    const SegmentRepair& before = work_.segments[nth - 1];
    header.writer_epoch = before.header.writer_epoch;
    header.first_sequence = before.end.sequence;
    header.created_ns = before.end.sealed_ns;
    header.floor_time_ns = before.end.max_time_ns;
    header.previous = {before.number,
                       before.header.salt,
                       before.end.offset,
                       before.end.sequence,
                       before.end.last_checksum};
}

void RepairPlanner::rebuild_header(std::size_t nth) {
    SegmentRepair& segment = work_.segments[nth];
    const PreviousSegment* const bound = bound_of(nth);
    const auto salt = bound != nullptr ? std::optional(bound->salt) : std::nullopt;
    const auto first = first_batch_of(segment, salt);
    if (!first && !salt) {
        make_placeholder(nth);
        return;
    }
    SegmentHeader header{};
    take_place_behind(nth, header);
    header.salt = salt ? *salt : first->salt;
    const std::uint64_t size = segment.file_size_bytes;
    if (size % kBlockSizeBytes == 0 && size >= kMinSegmentSizeBytes &&
        size <= kMaxSegmentSizeBytes) {
        header.segment_size_bytes = size;
    }
    if (bound != nullptr) {
        header.segment_size_bytes = std::max(header.segment_size_bytes, bound->end_offset);
    }
    if (nth == 0) {
        header.first_sequence = first ? first->first_sequence : bound->end_sequence;
        if (stated_first_) header.first_sequence = std::min(header.first_sequence, *stated_first_);
        header.previous.end_sequence = header.first_sequence;
        header.floor_time_ns = first ? first->first_time_ns : 0;
    }
    if (first) {
        header.features_incompat |= kFeatureMended;
        header.mended_checksum = first->previous_checksum;
    }
    seal_segment_header(header);
    segment.header = header;
    segment.keeps_content = true;
    add_step(RepairKind::rebuild_header,
             segment,
             "the header of '" + segment.path +
                 "' can't be believed: it is made anew from its batches and its neighbours");
    work_.plan.steps.back().end_offset = kBlockSizeBytes;
}

void RepairPlanner::make_placeholder(std::size_t nth) {
    SegmentRepair& segment = work_.segments[nth];
    const PreviousSegment* const bound = bound_of(nth);
    SegmentHeader header{};
    take_place_behind(nth, header);
    header.salt = bound != nullptr ? bound->salt : random_word();
    if (bound != nullptr) {
        header.segment_size_bytes = std::max(header.segment_size_bytes, bound->end_offset);
        if (nth == 0) header.first_sequence = bound->end_sequence;
    }
    if (nth == 0 && stated_first_) {
        header.first_sequence =
            bound != nullptr ? std::min(*stated_first_, bound->end_sequence) : *stated_first_;
    }
    header.previous.end_sequence = header.first_sequence;
    seal_segment_header(header);
    segment.header = header;
    segment.keeps_content = false;
    position_ = first_position(header);
    add_step(RepairKind::replace_segment,
             segment,
             "'" + segment.path + (segment.has_file ? "' is not of this journal" : "' is missing") +
                 ": an empty segment takes its place");
    RepairStep& step = work_.plan.steps.back();
    step.first_sequence = step.end_sequence = header.first_sequence;
    step.end_offset = segment.file_size_bytes;
    Mend mend{kBlockSizeBytes, kBlockSizeBytes, {}};
    if (bound != nullptr && bound->end_offset > kBlockSizeBytes) {
        mend.covered_bytes = bound->end_offset - kBlockSizeBytes;
        mend.header = mend_header(bound->end_sequence, mend.covered_bytes, bound->last_checksum);
        step.end_sequence = bound->end_sequence;
    } else if (!follows(nth)) {
        const Sequence end = std::max(promised_, position_.sequence);
        mend.header = mend_header(end, kBlockSizeBytes, 0);
        step.end_sequence = end;
        const bool was_closed = super_.newest && (super_.newest->flags & kSuperCleanClose) != 0 &&
                                super_.newest->newest_segment_number == segment.number;
        if (!was_closed) {
            step.text += "; what it held from sequence " + std::to_string(end) +
                         " on, nothing says: a gap that follows is told as lost";
            work_.plan.may_have_lost_more = true;
        }
    } else {
        segment.end = position_;
        return;
    }
    add_mend(segment, mend, {});
    segment.end = position_;
}

}  // namespace tailrace::journal
