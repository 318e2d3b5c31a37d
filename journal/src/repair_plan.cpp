#include "repair_plan.hpp"

#include "posix_files.hpp"
#include "segment_census.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace tailrace::journal {

namespace {

// More numbers than this can't be missing in a row: then a name is wrong, not a segment gone.
constexpr std::uint64_t kMostMissing = 4096;

std::string range_text(Sequence first, Sequence end) {
    return "[" + std::to_string(first) + ", " + std::to_string(end) + ")";
}

Error beyond_repair(std::string message, std::string hint) {
    return make_error(ErrorCode::corrupt, std::move(message), std::move(hint));
}

// The files of each repair are kept in a directory of their own: repaired/1, repaired/2, …
std::string next_kept_directory(FileStore& files, const std::string& directory) {
    std::vector<std::string> names;
    (void)files.list(kept_parent(directory), names);
    std::uint64_t last = 0;
    for (const std::string& name : names) {
        std::uint64_t number = 0;
        std::from_chars(name.data(), name.data() + name.size(), number);
        last = std::max(last, number);
    }
    return kept_parent(directory) + "/" + std::to_string(last + 1);
}

// The header of a batch that covers `covered_bytes` and is followed by what chains to `chain`.
BatchHeader mend_header(const LogPosition& position,
                        Sequence first_sequence,
                        std::uint64_t covered_bytes,
                        std::uint64_t chain) {
    BatchHeader header{};
    header.flags = kBatchMarker | kBatchMended;
    if (first_sequence > position.sequence) header.flags |= kBatchGapBefore;
    header.first_sequence = first_sequence;
    header.first_time_ns = position.max_time_ns;
    header.max_time_ns = position.max_time_ns;
    header.sealed_ns = position.sealed_ns;
    header.previous_checksum = position.last_checksum;
    header.mended_blocks = static_cast<std::uint32_t>(covered_bytes / kBlockSizeBytes);
    header.mended_checksum = chain;
    return header;
}

}  // namespace

bool RepairPlanner::follows(std::size_t nth) const noexcept {
    return nth + 1 < work_.segments.size();
}

const PreviousSegment* RepairPlanner::bound_of(std::size_t nth) const noexcept {
    if (!follows(nth)) return nullptr;
    const auto& successor = work_.segments[nth + 1];
    return successor.found ? &successor.found->previous : nullptr;
}

void RepairPlanner::add_step(RepairKind kind, const SegmentRepair& segment, std::string text) {
    RepairStep step;
    step.kind = kind;
    step.segment_number = segment.number;
    step.path = segment.path;
    step.text = std::move(text);
    if (segment.has_file && kind != RepairKind::rebuild_index) {
        step.kept_path = work_.plan.kept_directory + segment.path.substr(directory_.size());
    }
    work_.plan.steps.push_back(std::move(step));
}

Result<void> RepairPlanner::look() {
    auto census = take_census(files_, directory_, Access::writing);
    if (!census) return census.error();
    if (census->super_refusal) return *census->super_refusal;
    super_ = std::move(census->super);
    if (super_.newest) promised_ = super_.newest->durable_sequence;
    oldest_number_ = census->oldest_segment_number;
    // What retention gave up is no loss, unless nothing else is left.
    auto& numbers = census->listing.segment_numbers;
    if (numbers.empty()) numbers.swap(census->listing.disowned_numbers);
    if (numbers.empty()) {
        return make_error(
            ErrorCode::not_found,
            "there is no journal in '" + directory_ + "', or no segment is left of it",
            "'tailrace record' makes a new one; a backup is restored by copying it");
    }
    work_.plan.kept_directory = next_kept_directory(files_, directory_);
    std::uint64_t last = numbers.back();
    if (super_.newest) last = std::max(last, super_.newest->newest_segment_number);
    if (last - numbers.front() >= numbers.size() + kMostMissing) {
        return beyond_repair("between '" + segment_path(directory_, numbers.front()) + "' and '" +
                                 segment_path(directory_, last) +
                                 "' more segments are missing than there can be",
                             "is a file of another journal among them? move it away");
    }
    for (std::uint64_t number = numbers.front(); number <= last; ++number) {
        SegmentRepair segment;
        segment.number = number;
        segment.path = segment_path(directory_, number);
        if (auto looked = look_at_segment(segment); !looked) return looked.error();
        work_.segments.push_back(std::move(segment));
    }
    if (donor_) return {};
    return beyond_repair("no segment of '" + directory_ + "' has a header that can be read",
                         "restore it from a backup: 'tailrace backup --help'");
}

Result<void> RepairPlanner::look_at_segment(SegmentRepair& segment) {
    auto file = open_file(files_, segment.path, {});
    if (!file) {
        if (file.error().code == ErrorCode::not_found) return {};
        return file.error();
    }
    segment.has_file = true;
    const IoOutcome size = files_.size_bytes(file->id());
    segment.file_size_bytes = size.ok() ? size.value : 0;
    auto header = read_segment_header(files_, *file, segment.path, Access::writing);
    if (!header) {
        if (header.error().code == ErrorCode::incompatible) return header.error();
        segment.keeps_content = true;  // behind a header that is lost they may be whole
        header = header_copy(*file, segment);
        if (!header) return {};
        segment.header_from_copy = true;
    }
    const bool is_ours =
        header->segment_number == segment.number &&
        (!super_.newest || header->journal_id == super_.newest->journal_id) &&
        (!donor_ || (header->journal_id == donor_->journal_id &&
                     header->event_alignment_bytes == donor_->event_alignment_bytes));
    segment.keeps_content = is_ours;
    if (!is_ours) return {};
    segment.found = *header;
    if (!donor_) donor_ = *header;
    return {};
}

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

// A sound header that doesn't fit its neighbours is of another journal or another time. Which of
// two is the stranger, the other neighbours tell.
Result<void> RepairPlanner::find_strangers() {
    auto& segments = work_.segments;
    const auto fits = [&segments](std::size_t nth) {
        const auto& before = segments[nth].found;
        const auto& after = segments[nth + 1].found;
        return before && after && after->previous.salt == before->salt &&
               after->previous.end_offset <= before->segment_size_bytes &&
               after->previous.end_sequence == after->first_sequence &&
               after->first_sequence >= before->first_sequence;
    };
    for (std::size_t nth = 0; nth + 1 < segments.size(); ++nth) {
        if (!segments[nth].found || !segments[nth + 1].found || fits(nth)) continue;
        const bool first_belongs = nth > 0 && fits(nth - 1);
        const bool second_belongs = nth + 2 < segments.size() && fits(nth + 1);
        if (first_belongs == second_belongs) {
            return beyond_repair("'" + segments[nth].path + "' and '" + segments[nth + 1].path +
                                     "' are both sound, but don't belong together",
                                 "one of them is of another journal or time: put the right file "
                                 "back, or move the wrong one away");
        }
        SegmentRepair& stranger = segments[first_belongs ? nth + 1 : nth];
        stranger.found.reset();
        stranger.keeps_content = false;
    }
    return {};
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
        mend.header =
            mend_header(position_, bound->end_sequence, mend.covered_bytes, bound->last_checksum);
        step.end_sequence = bound->end_sequence;
    } else if (!follows(nth) && promised_ > position_.sequence) {
        mend.header = mend_header(position_, promised_, kBlockSizeBytes, 0);
        step.end_sequence = promised_;
    } else {
        segment.end = position_;
        return;
    }
    add_mend(segment, mend, {});
    segment.end = position_;
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
        mend.header = mend_header(position_,
                                  states_gap ? position_.sequence : header.first_sequence,
                                  mend.covered_bytes,
                                  header.previous_checksum);
        add_mend(segment, mend, why);
        // A gap that the next batch states itself begins somewhere in what was lost.
        work_.plan.steps.back().end_sequence = header.first_sequence;
        return true;
    }
    if (bound != nullptr) {
        Mend mend{offset, end_offset - offset, {}};
        mend.header =
            mend_header(position_, bound->end_sequence, mend.covered_bytes, bound->last_checksum);
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
    mend.header = mend_header(position_, known_end, kBlockSizeBytes, 0);
    add_mend(segment, mend, why);
    return false;
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
            bound == nullptr ||
            position_.offset + batch_extent_bytes(batch.header) <= bound->end_offset;
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
            // In the newest segment what nobody promised is no loss: the log ends here.
            const BeyondEnd beyond =
                scan_beyond(scan_, position_.offset, segment.header.segment_size_bytes);
            known_end = std::max(known_end, beyond.promised_sequence);
            if (known_end <= position_.sequence) {
                // Recovery reads all of it, and refuses what it can't read.
                if (beyond.os_errno != 0) drop_tail(segment, beyond.os_errno);
                break;
            }
        }
        const std::string why = batch.os_errno != 0
                                    ? os_error(batch.os_errno, "it can't be read").message
                                : is_valid ? "it doesn't continue the batch before it"
                                           : std::string(batch_verdict_text(batch.verdict));
        auto mended = mend_here(segment, bound, known_end, why);
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

Result<void> RepairPlanner::examine(std::size_t nth) {
    SegmentRepair& segment = work_.segments[nth];
    segment.is_bounded = follows(nth);
    if (segment.found) {
        segment.header = *segment.found;
        if (segment.header_from_copy) {
            add_step(RepairKind::rebuild_header,
                     segment,
                     "the header of '" + segment.path +
                         "' can't be believed: the copy at the end of the file takes its place");
            work_.plan.steps.back().end_offset = kBlockSizeBytes;
        }
    } else if (segment.has_file && segment.keeps_content) {
        rebuild_header(nth);
    } else {
        make_placeholder(nth);
    }
    if (!segment.keeps_content) return {};
    if (segment.file_size_bytes < stored_file_bytes(segment.header)) {
        add_step(RepairKind::restore_size,
                 segment,
                 "'" + segment.path + "' has " + std::to_string(segment.file_size_bytes) +
                     " bytes instead of " + std::to_string(stored_file_bytes(segment.header)) +
                     ": it gets its size back, filled with zeroes");
        work_.plan.steps.back().offset = segment.file_size_bytes;
        work_.plan.steps.back().end_offset = stored_file_bytes(segment.header);
    }
    auto file = open_file(files_, segment.path, {});
    if (!file) return file.error();
    if (!scan_.attach(std::move(*file), segment.header)) {
        return os_error(
            ENOMEM, "no memory to read '" + segment.path + "'", "'free -m' shows what is left");
    }
    const PreviousSegment* const bound = bound_of(nth);
    Sequence known_end = 0;
    if (!follows(nth)) {
        known_end = std::max(promised_, segment.header.durable_sequence);
    } else if (bound == nullptr) {
        // The successor's header is lost; its first batch still says where it began.
        const auto first = first_batch_of(work_.segments[nth + 1], std::nullopt);
        if (first) {
            const bool states_gap = (first->flags & kBatchGapBefore) != 0;
            known_end = states_gap ? first->durable_sequence : first->first_sequence;
        }
    }
    return walk(segment, bound, known_end);
}

void RepairPlanner::plan_index(SegmentRepair& segment) {
    const std::string path = index_path(directory_, segment.number);
    const auto index = read_index(files_, path, segment.header);
    const bool is_damaged = !index && index.error().code == ErrorCode::corrupt;
    const bool is_missing = !index && !is_damaged && segment.is_bounded && segment.end.sealed;
    segment.needs_index = is_damaged || is_missing || (segment.is_bounded && segment.needs_file());
    if (!is_damaged && !is_missing) return;
    add_step(RepairKind::rebuild_index,
             segment,
             "the index '" + path + "' is " + (is_damaged ? "damaged" : "missing") +
                 ": it is made anew from the segment");
    work_.plan.steps.back().path = path;
}

void RepairPlanner::plan_super() {
    const auto& segments = work_.segments;
    const SegmentHeader& newest = segments.back().header;
    const bool starts_later =
        super_.newest && oldest_number_ != 0 && segments.front().number > oldest_number_;
    if (super_.newest && !starts_later) return;
    SuperBlock super{};
    if (super_.newest) super = *super_.newest;
    ++super.generation;
    super.journal_id = donor_->journal_id;
    super.writer_epoch = std::max(super.writer_epoch, newest.writer_epoch);
    super.oldest_segment_number = segments.front().number;
    super.newest_segment_number = segments.back().number;
    super.durable_sequence = std::max(super.durable_sequence, newest.first_sequence);
    work_.super = super;
    RepairStep step;
    step.kind = RepairKind::rewrite_super;
    step.path = super_path(directory_);
    if (starts_later) {
        step.text = "the segments before '" + segments.front().path +
                    "' are gone: the journal begins there from now on";
        // How many events that are, nothing says any more.
        step.first_sequence = step.end_sequence = segments.front().header.first_sequence;
    } else {
        step.text = "'" + step.path + "' is missing or damaged: it is made anew from the segments";
    }
    if (!super_.blank) step.kept_path = work_.plan.kept_directory + "/SUPER";
    work_.plan.steps.push_back(std::move(step));
}

Result<RepairWork> RepairPlanner::run() {
    if (auto looked = look(); !looked) return looked.error();
    if (auto strangers = find_strangers(); !strangers) return strangers.error();
    for (std::size_t nth = 0; nth < work_.segments.size(); ++nth) {
        if (auto examined = examine(nth); !examined) return examined.error();
        plan_index(work_.segments[nth]);
    }
    plan_super();
    RepairPlan& plan = work_.plan;
    for (const RepairStep& step : plan.steps)
        plan.lost_events += step.end_sequence - step.first_sequence;
    plan.first_sequence = work_.segments.front().header.first_sequence;
    plan.end_sequence = work_.segments.back().end.sequence;
    return std::move(work_);
}

}  // namespace tailrace::journal
