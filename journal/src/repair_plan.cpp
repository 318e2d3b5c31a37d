#include "repair_plan.hpp"

#include "segment_census.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace tailrace::journal {

namespace {

// More numbers than this can't be missing in a row: then a name is wrong, not a segment gone.
constexpr std::uint64_t kMostMissing = 4096;

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

}  // namespace

Error RepairPlanner::beyond_repair(std::string message, std::string hint) {
    return make_error(ErrorCode::corrupt, std::move(message), std::move(hint));
}

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
    if (!numbers.empty()) {
        const std::uint64_t oldest = oldest_number_ == 0 ? numbers.front() : oldest_number_;
        stated_first_ = stated_first_sequence(files_, directory_, super_.newest, oldest);
    }
    if (numbers.empty()) numbers.swap(census->listing.disowned_numbers);
    if (numbers.empty() && !census->missing.empty()) {
        return beyond_repair(missing_error(files_, directory_, *census).message,
                             "restore it from a backup: 'tailrace backup --help'");
    }
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
    stand_in_for_front();
    if (donor_) return {};
    return beyond_repair("no segment of '" + directory_ + "' has a header that can be read",
                         "restore it from a backup: 'tailrace backup --help'");
}

// However many are missing before the oldest that is left, one segment in front of it states the
// gap. It is told from those by where it begins.
void RepairPlanner::stand_in_for_front() {
    const SegmentRepair& front = work_.segments.front();
    if (!stated_first_ || oldest_number_ == 0 || front.number <= oldest_number_) return;
    if (front.found && front.found->first_sequence <= *stated_first_) return;
    SegmentRepair segment;
    segment.number = front.number - 1;
    segment.path = segment_path(directory_, segment.number);
    work_.segments.insert(work_.segments.begin(), std::move(segment));
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
    const PreviousSegment* bound = bound_of(nth);
    std::optional<PreviousSegment> clean_end;
    if (!follows(nth) && super_.newest) clean_end = find_clean_end(scan_, *super_.newest);
    if (clean_end) bound = &*clean_end;
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

void RepairPlanner::plan_catalogue() {
    std::vector<SegmentHeader> headers;
    for (const SegmentRepair& segment : work_.segments)
        headers.push_back(segment.header);
    const CatalogueCheck check = check_catalogue(files_, directory_, headers);
    if (!check.is_damaged() && check.missing_entries == 0) return;
    work_.catalogue = catalogued(headers);
    RepairStep step;
    step.kind = RepairKind::rebuild_catalogue;
    step.path = catalogue_path(directory_);
    step.text = (check.is_damaged() ? check.text
                                    : "the catalogue '" + step.path + "' lacks " +
                                          std::to_string(check.missing_entries) + " segments") +
                ": it is made anew from their headers";
    step.first_sequence = step.end_sequence = headers.front().first_sequence;
    work_.plan.steps.push_back(std::move(step));
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
    super.features_compat |= kSuperNamesFirst;
    super.first_sequence = segments.front().header.first_sequence;
    super.newest_segment_number = segments.back().number;
    super.durable_sequence = std::max(super.durable_sequence, newest.first_sequence);
    work_.super = super;
    RepairStep step;
    step.kind = RepairKind::rewrite_super;
    step.path = super_path(directory_);
    if (starts_later) {
        step.text = "the segments before '" + segments.front().path +
                    "' are gone: the journal begins there from now on";
        if (!stated_first_) {
            step.text += "; how many events are lost with them, nothing says";
            work_.plan.may_have_lost_more = true;
        }
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
    plan_catalogue();
    plan_super();
    RepairPlan& plan = work_.plan;
    for (const RepairStep& step : plan.steps)
        plan.lost_events += step.end_sequence - step.first_sequence;
    plan.first_sequence = work_.segments.front().header.first_sequence;
    plan.end_sequence = work_.segments.back().end.sequence;
    return std::move(work_);
}

}  // namespace tailrace::journal
