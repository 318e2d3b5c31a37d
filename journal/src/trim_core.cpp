#include "trim_core.hpp"

#include "age_clock.hpp"
#include "assessment.hpp"
#include "ledger_file.hpp"
#include "retention.hpp"
#include "retired_segments.hpp"
#include "segment_directory.hpp"

#include <algorithm>
#include <utility>

namespace tailrace::journal {

namespace {

// Nothing else says where a journal begins, durably.
Result<Assessment> found_with_super(FileStore& files,
                                    const std::string& directory,
                                    AssessMode mode) {
    auto found = assess(files, directory, mode);
    if (!found) return found;
    if (found->segments.empty()) {
        return no_journal(directory, found->super.has_value());
    }
    if (!found->super) {
        return make_error(ErrorCode::corrupt,
                          "'" + super_path(directory) +
                              "' can't be believed, and it has to say where the journal begins",
                          "tailrace repair " + directory);
    }
    return found;
}

// Of those that may go: all, or beside a writer all but its own.
Retention kept_segments(const Assessment& found, const RetentionLimits& limits, bool writer_runs) {
    Retention kept(limits);
    const std::uint64_t age_now_ns =
        AgeClock::estimate_ns({found.super->age_mark_ns, found.super->age_mark_wall_ns},
                              found.newest().age_clock_ns,
                              limits.age_ns,
                              0);
    for (std::size_t nth = 0; nth < found.segments.size(); ++nth) {
        const bool is_newest = nth + 1 == found.segments.size();
        if (is_newest && writer_runs) break;
        kept.add(is_newest
                     ? KeptSegment{found.newest().segment_number,
                                   found.end.offset,
                                   UINT64_MAX,
                                   found.newest().first_sequence}
                     : kept_segment(found.segments[nth], found.segments[nth + 1], age_now_ns));
    }
    return kept;
}

class Planner {
public:
    Planner(const std::string& directory,
            const TrimLimits& limits,
            const TrimSurroundings& around,
            Assessment found,
            Ledger ledger)
        : directory_(directory),
          limits_(limits),
          around_(around),
          found_(std::move(found)),
          ledger_(std::move(ledger)),
          kept_(kept_segments(found_,
                              {limits.keep_size_bytes.value_or(0), limits.keep_age_ns.value_or(0)},
                              around.writer_runs)) {}

    [[nodiscard]] Result<TrimPlan> run();

private:
    [[nodiscard]] Result<std::uint64_t> wanted_by_position() const;
    [[nodiscard]] std::uint64_t wanted_by_limits() const;
    [[nodiscard]] std::uint64_t with_all_held(std::uint64_t wanted);
    void stop_at_cursor(std::uint64_t wanted);
    void stop_at_reader();
    void fill_in();

    const std::string& directory_;
    const TrimLimits& limits_;
    const TrimSurroundings& around_;
    Assessment found_;
    Ledger ledger_;
    Retention kept_;
    TrimPlan plan_;
};

// Of the segments the first that doesn't end before the position.
Result<std::uint64_t> Planner::wanted_by_position() const {
    const Sequence first = found_.report.first_sequence;
    const Sequence end = found_.end.sequence;
    Boundary before;
    if (limits_.before) before = resolve(*limits_.before, first, end, around_.wall_ns);
    if (before.time_ns && found_.end.max_time_ns == 0) {
        return make_error(ErrorCode::invalid_argument,
                          "the events of '" + directory_ + "' carry no times",
                          "name a sequence, or how many events are to be kept");
    }
    Sequence sequence = before.sequence.value_or(0);
    if (limits_.keep_events)
        sequence = std::max(sequence, end - std::min(end, *limits_.keep_events));
    std::uint64_t wanted = found_.segments.front().segment_number;
    for (std::size_t nth = 0; nth < found_.segments.size(); ++nth) {
        const bool is_newest = nth + 1 == found_.segments.size();
        const Sequence segment_end = is_newest ? end : found_.segments[nth + 1].first_sequence;
        const std::uint64_t last_time_ns =
            is_newest ? found_.end.max_time_ns : found_.segments[nth + 1].floor_time_ns;
        const bool is_before = segment_end <= sequence;
        const bool is_earlier = before.time_ns && last_time_ns < *before.time_ns;
        if (!is_before && !is_earlier) break;
        wanted = found_.segments[nth].segment_number + 1;
    }
    return wanted;
}

std::uint64_t Planner::wanted_by_limits() const {
    const std::uint64_t active_bytes = around_.writer_runs ? found_.newest().segment_size_bytes : 0;
    const std::uint64_t age_now_ns =
        AgeClock::estimate_ns({found_.super->age_mark_ns, found_.super->age_mark_wall_ns},
                              found_.newest().age_clock_ns,
                              limits_.keep_age_ns.value_or(0),
                              around_.wall_ns);
    return kept_.oldest_to_keep(active_bytes, age_now_ns);
}

// As retention would spare it.
std::uint64_t Planner::with_all_held(std::uint64_t wanted) {
    kept_.hold_back(held_back(ledger_));
    return kept_.oldest_without(wanted);
}

void Planner::stop_at_cursor(std::uint64_t wanted) {
    for (const LedgerCursor& cursor : ledger_.cursors) {
        if (cursor.hold_bytes == 0) continue;
        kept_.hold_back({{cursor.sequence, cursor.hold_bytes}});
        if (std::max(kept_.oldest_without(wanted), plan_.oldest_number) != plan_.kept_number)
            continue;
        plan_.stop = TrimStop::cursor;
        plan_.stopped_by = cursor.name;
        return;
    }
}

// Who reads a segment reads on into those behind it.
void Planner::stop_at_reader() {
    for (std::uint64_t number = plan_.oldest_number; number < plan_.kept_number; ++number) {
        const std::string path = segment_path(directory_, number);
        if (!around_.is_read || !around_.is_read(path)) continue;
        plan_.kept_number = number;
        plan_.stop = TrimStop::reader;
        plan_.stopped_by = path;
        return;
    }
}

void Planner::fill_in() {
    for (std::size_t nth = 0; nth < found_.segments.size(); ++nth) {
        const SegmentHeader& segment = found_.segments[nth];
        if (segment.segment_number == plan_.kept_number) {
            plan_.kept_sequence = segment.first_sequence;
            break;
        }
        plan_.size_bytes += kept_segment(segment, found_.segments[nth + 1], 1).size_bytes;
    }
    plan_.first_sequence = found_.report.first_sequence;
    plan_.end_sequence = found_.end.sequence;
    for (const LedgerCursor& cursor : ledger_.cursors) {
        const Sequence next = std::max(cursor.sequence, plan_.first_sequence);
        if (next < plan_.kept_sequence)
            plan_.cursors.push_back({cursor.name, plan_.kept_sequence - next});
    }
}

Result<TrimPlan> Planner::run() {
    plan_.directory = directory_;
    plan_.writer_runs = around_.writer_runs;
    plan_.writer_pid = around_.writer_pid;
    plan_.oldest_number = found_.segments.front().segment_number;
    auto by_position = wanted_by_position();
    if (!by_position) return by_position.error();
    const std::uint64_t wanted = std::max(*by_position, wanted_by_limits());
    const std::uint64_t possible = std::max(kept_.oldest_without(wanted), plan_.oldest_number);
    if (possible < wanted) plan_.stop = TrimStop::newest;
    plan_.kept_number = std::max(with_all_held(wanted), plan_.oldest_number);
    if (plan_.kept_number < possible) stop_at_cursor(wanted);
    stop_at_reader();
    fill_in();
    return std::move(plan_);
}

// Into both slots: whichever is damaged later, the other one knows it too.
Result<void> make_oldest(FileStore& files,
                         const std::string& directory,
                         const Assessment& found,
                         std::uint64_t kept_number) {
    SuperBlock super = *found.super;
    const auto kept =
        std::find_if(found.segments.begin(), found.segments.end(), [&](const auto& one) {
            return one.segment_number == kept_number;
        });
    super.oldest_segment_number = kept_number;
    super.features_compat |= kSuperNamesFirst;
    super.first_sequence = kept->first_sequence;
    if (super.newest_segment_number != found.newest().segment_number) {
        super.newest_segment_number = found.newest().segment_number;
        super.flags &= ~kSuperCleanClose;
        super.clean_end_offset = 0;
    }
    for (int slot = 0; slot < 2; ++slot) {
        ++super.generation;
        if (auto written = write_super(files, directory, super); !written) return written;
    }
    return {};
}

}  // namespace

Result<TrimPlan> plan_trim(FileStore& files,
                           const std::string& directory,
                           const TrimLimits& limits,
                           const TrimSurroundings& around) {
    auto found = found_with_super(files, directory, AssessMode::looking);
    if (!found) return found.error();
    auto ledger = read_ledger(files, directory);
    // It may name a cursor that holds.
    if (!ledger) return ledger.error();
    return Planner(directory, limits, around, std::move(*found), std::move(*ledger)).run();
}

Result<TrimReport> give_up_below(FileStore& files,
                                 const std::string& directory,
                                 std::uint64_t kept_number) {
    auto found = found_with_super(files, directory, AssessMode::deciding);
    if (!found) return found.error();
    auto ledger = read_ledger(files, directory);
    if (!ledger) return ledger.error();
    Retention retention = kept_segments(*found, {}, false);
    retention.hold_back(held_back(*ledger));
    const std::uint64_t first = found->segments.front().segment_number;
    const std::uint64_t oldest = std::max(retention.oldest_without(kept_number), first);
    RetiredSegments retired(files, directory, found->newest().segment_size_bytes);
    for (const std::uint64_t number : found->retired_numbers)
        retired.add_held(number);
    for (const std::uint64_t number : found->disowned_numbers)
        retired.add(number);
    TrimReport report;
    report.oldest_number = oldest;
    retention.forget_below(oldest);
    report.first_sequence = retention.first_sequence();
    if (oldest > first) {
        if (auto made = make_oldest(files, directory, *found, oldest); !made) return made.error();
    }
    for (std::uint64_t number = first; number < oldest; ++number)
        retired.add(number);
    retired.unlink_all();
    report.held_segments = retired.figures().held_segments;
    // What isn't flushed comes back after a power cut, below the oldest, and goes with the next.
    (void)files.sync_directory(directory);
    return report;
}

}  // namespace tailrace::journal
