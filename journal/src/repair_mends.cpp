// The part of RepairPlanner that walks a segment and puts mended batches in the places of what
// can't be read.

#include "repair_plan.hpp"

#include <tailrace/base/sequence_range.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace tailrace::journal {

namespace {

std::string why_not(const FoundBatch& batch) {
    if (batch.os_errno != 0) return os_error(batch.os_errno, "it can't be read").message;
    if (batch.verdict == BatchVerdict::valid) return "it doesn't continue the batch before it";
    return std::string(batch_verdict_text(batch.verdict));
}

}  // namespace

BatchHeader RepairPlanner::mend_header(Sequence first_sequence,
                                       std::uint64_t covered_bytes,
                                       std::uint64_t chain) const {
    BatchHeader header{};
    header.flags = kBatchMarker | kBatchMended;
    if (first_sequence > position_.sequence) header.flags |= kBatchGapBefore;
    header.first_sequence = first_sequence;
    header.first_time_ns = position_.max_time_ns;
    header.max_time_ns = position_.max_time_ns;
    header.sealed_ns = position_.sealed_ns;
    header.previous_checksum = position_.last_checksum;
    header.mended_blocks = static_cast<std::uint32_t>(covered_bytes / kBlockSizeBytes);
    header.mended_checksum = chain;
    return header;
}

// Where the next batch begins that is sound and may come behind this place.
std::optional<FoundBatch> RepairPlanner::next_sound(std::uint64_t end_offset,
                                                    std::uint64_t& offset) {
    for (offset = position_.offset + kBlockSizeBytes; offset < end_offset;
         offset += kBlockSizeBytes) {
        FoundBatch found = scan_.header_at(offset);
        if (found.os_errno != 0 || found.verdict != BatchVerdict::valid) continue;
        const BatchHeader& header = found.header;
        const bool states_gap = (header.flags & kBatchGapBefore) != 0;
        if (header.first_sequence < position_.sequence + (states_gap ? 1U : 0U)) continue;
        if (header.first_time_ns < position_.max_time_ns) continue;
        if (offset + batch_extent_bytes(header) > end_offset) continue;
        found = scan_.batch_at(offset);
        if (found.os_errno == 0 && found.verdict == BatchVerdict::valid) return found;
    }
    return std::nullopt;
}

// Seals the mend, so that what stands behind can chain to it, and goes on behind it.
void RepairPlanner::add_mend(SegmentRepair& segment, const Mend& mend, const std::string& why) {
    std::array<std::byte, kBlockSizeBytes> block{};
    Mend sealed = mend;
    const BatchPlace place{segment.number,
                           segment.header.salt,
                           mend.offset,
                           segment.header.segment_size_bytes,
                           segment.header.event_alignment_bytes};
    seal_batch(block, mend.header, place);
    std::memcpy(&sealed.header, block.data(), sizeof(sealed.header));
    segment.mends.push_back(sealed);
    if (!why.empty()) {
        add_step(RepairKind::mend_batches,
                 segment,
                 "'" + segment.path + "', offset " + std::to_string(mend.offset) + ": " + why);
        RepairStep& step = work_.plan.steps.back();
        step.offset = mend.offset;
        step.end_offset = mend.offset + mend.covered_bytes;
        step.first_sequence = position_.sequence;
        step.end_sequence = std::max(position_.sequence, mend.header.first_sequence);
    }
    advance(position_, sealed.header);
}

void RepairPlanner::drop_tail(SegmentRepair& segment, int os_errno) {
    segment.has_bad_tail = true;
    add_step(RepairKind::mend_batches,
             segment,
             os_error(os_errno,
                      "'" + segment.path +
                          "' can't be read behind its end, where nothing stands "
                          "that was promised: it is made anew up to there")
                 .message);
    RepairStep& step = work_.plan.steps.back();
    step.offset = position_.offset;
    step.end_offset = segment.header.segment_size_bytes;
    step.first_sequence = step.end_sequence = position_.sequence;
}

// False when nothing of the log stands behind.
Result<bool> RepairPlanner::mend_here(SegmentRepair& segment,
                                      const PreviousSegment* bound,
                                      Sequence known_end,
                                      const std::string& why) {
    const std::uint64_t offset = position_.offset;
    const std::uint64_t end_offset =
        bound != nullptr ? bound->end_offset : segment.header.segment_size_bytes;
    std::uint64_t next_offset = 0;
    if (const auto next = next_sound(end_offset, next_offset)) {
        const BatchHeader& header = next->header;
        const bool states_gap = (header.flags & kBatchGapBefore) != 0;
        Mend mend{offset, next_offset - offset, {}};
        mend.header = mend_header(states_gap ? position_.sequence : header.first_sequence,
                                  mend.covered_bytes,
                                  header.previous_checksum);
        add_mend(segment, mend, why);
        // A gap that the next batch states itself begins somewhere in what was lost.
        work_.plan.steps.back().end_sequence = header.first_sequence;
        return true;
    }
    if (bound != nullptr) {
        Mend mend{offset, end_offset - offset, {}};
        mend.header = mend_header(bound->end_sequence, mend.covered_bytes, bound->last_checksum);
        add_mend(segment, mend, why);
        return false;
    }
    if (offset + kBlockSizeBytes > segment.header.segment_size_bytes) {
        return beyond_repair("'" + segment.path + "' is full up to its end, and events " +
                                 range_text(position_.sequence, known_end) +
                                 " that should follow are not there",
                             "restore it from a backup: 'tailrace backup --help'");
    }
    Mend mend{offset, kBlockSizeBytes, {}};
    mend.header = mend_header(known_end, kBlockSizeBytes, 0);
    add_mend(segment, mend, why);
    return false;
}

// What is promised behind the place where the walk over the newest segment has stopped. What nobody
// promised is no loss: the log ends here.
Sequence RepairPlanner::end_of_newest(SegmentRepair& segment, Sequence known_end) {
    const BeyondEnd beyond =
        scan_beyond(scan_, position_.offset, segment.header.segment_size_bytes);
    known_end = std::max(known_end, beyond.promised_sequence);
    // Recovery reads all of it, and refuses what it can't read.
    if (known_end <= position_.sequence && beyond.os_errno != 0) {
        drop_tail(segment, beyond.os_errno);
    }
    return known_end;
}

Result<void> RepairPlanner::walk(SegmentRepair& segment,
                                 const PreviousSegment* bound,
                                 Sequence known_end) {
    position_ = first_position(segment.header);
    const auto reached_end = [&] {
        return bound != nullptr ? position_.offset >= bound->end_offset : position_.sealed;
    };
    bool goes_on = true;
    while (goes_on && !reached_end()) {
        const FoundBatch batch = scan_.batch_at(position_.offset);
        const bool is_valid = batch.os_errno == 0 && batch.verdict == BatchVerdict::valid;
        const bool is_inside =
            bound == nullptr || lies_within(position_, batch.header, bound->end_offset);
        if (is_valid && is_inside && continues(position_, batch.header)) {
            advance(position_, batch.header);
            continue;
        }
        if (batch.os_errno == 0 && batch.verdict == BatchVerdict::unknown) {
            return make_error(
                ErrorCode::incompatible,
                "'" + segment.path + "' holds a batch of a newer format at " +
                    std::to_string(position_.offset),
                "use the Tailrace that wrote it; 'tailrace --version' shows this one");
        }
        if (bound == nullptr) {
            known_end = end_of_newest(segment, known_end);
            if (known_end <= position_.sequence) break;
        }
        auto mended = mend_here(segment, bound, known_end, why_not(batch));
        if (!mended) return mended.error();
        goes_on = *mended;
    }
    segment.end = position_;
    if (bound != nullptr && position_.sequence != bound->end_sequence) {
        return beyond_repair("'" + segment.path + "' ends before sequence " +
                                 std::to_string(position_.sequence) + ", its successor says " +
                                 std::to_string(bound->end_sequence),
                             "restore it from a backup: 'tailrace backup --help'");
    }
    return {};
}

}  // namespace tailrace::journal
