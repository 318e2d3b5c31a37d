#include "verify_core.hpp"

#include "catalogue_file.hpp"
#include "lease.hpp"
#include "ledger_file.hpp"
#include "schema_file.hpp"
#include "segment_census.hpp"
#include "segment_map.hpp"

#include <system_error>

#include <algorithm>
#include <chrono>
#include <thread>

namespace tailrace::journal {

namespace {

constexpr auto kProgressEvery = std::chrono::milliseconds(100);

}  // namespace

void VerifyCore::add(FindingKind kind,
                     const SegmentCandidate& segment,
                     Sequence first,
                     Sequence end,
                     std::string text) {
    report_.findings.push_back({kind, segment.number, 0, first, end, std::move(text)});
}

Result<void> VerifyCore::look_at_names() {
    auto census = take_census(files_, directory_);
    if (!census) return census.error();
    const auto& refusal = census->super_refusal;
    if (refusal && refusal->code != ErrorCode::incompatible) return *refusal;
    const DirectoryListing& listing = census->listing;
    if (listing.segment_numbers.empty() && census->missing.empty()) {
        return no_journal(directory_, census->super.newest.has_value());
    }
    super_ = census->super.newest;
    missing_back_.reset();
    if (const auto* const back = census->missing_back()) missing_back_ = *back;
    oldest_number_ = census->oldest_segment_number;
    if (oldest_number_ == 0 && !listing.segment_numbers.empty()) {
        oldest_number_ = listing.segment_numbers.front();
    }
    if (!super_) {
        const auto& why = refusal ? refusal : census->super.refusal;
        report_.findings.push_back(
            {FindingKind::damaged_super,
             0,
             0,
             0,
             0,
             why ? why->message : "'" + super_path(directory_) + "' is missing or blank"});
    }
    for (const std::string& name : listing.foreign_names) {
        report_.findings.push_back({FindingKind::foreign_file,
                                    0,
                                    0,
                                    0,
                                    0,
                                    "'" + directory_ + "/" + name + "' is not part of a journal"});
    }
    for (const std::uint64_t number : listing.segment_numbers) {
        SegmentCandidate segment;
        segment.number = number;
        segment.path = segment_path(directory_, number);
        segments_.push_back(std::move(segment));
    }
    return {};
}

void VerifyCore::check_headers() {
    for (SegmentCandidate& segment : segments_) {
        auto file = open_leased(files_, segment.path);
        if (!file) {
            segment.refusal = file.error();
            if (file.error().code == ErrorCode::not_found) one_is_gone_ = true;
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
        } else if (super_ && header->journal_id != super_->journal_id) {
            segment.refusal = make_error(ErrorCode::corrupt,
                                         "'" + segment.path +
                                             "' belongs to another journal than "
                                             "SUPER");
        } else {
            segment.header = *header;
        }
    }
}

// Retention went on while we were looking: what it gave up is no part of the journal any more,
// whether it was still to be seen or not.
void VerifyCore::drop_given_up() {
    const std::uint64_t oldest = oldest_segment_number(files_, directory_);
    oldest_number_ = std::max(oldest_number_, oldest);
    std::size_t count = 0;
    while (count < segments_.size() && segments_[count].number < oldest)
        ++count;
    const auto gone = static_cast<std::ptrdiff_t>(count);
    segments_.erase(segments_.begin(), segments_.begin() + gone);
    if (!parts_.empty()) parts_.erase(parts_.begin(), parts_.begin() + gone);
}

void VerifyCore::check_chain(const SegmentCandidate& before, const SegmentCandidate& segment) {
    if (segment.number != before.number + 1) {
        MissingEvents lost;
        lost.segments = {before.number + 1, segment.number};
        lost.first_sequence = report_.end_sequence;
        if (segment.header) lost.end_sequence = segment.header->first_sequence;
        add_missing(lost);
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

const SegmentCandidate* VerifyCore::successor_of(std::size_t nth) const noexcept {
    const bool is_followed =
        nth + 1 < segments_.size() && segments_[nth + 1].number == segments_[nth].number + 1;
    return is_followed ? &segments_[nth + 1] : nullptr;
}

void VerifyCore::check_some() {
    SegmentCheck check(files_, super_, done_bytes_);
    while (true) {  // ends: each round takes another segment
        // relaxed: only who gets which; the segments themselves don't change any more.
        const std::size_t nth = next_segment_.fetch_add(1, std::memory_order_relaxed);
        if (nth >= segments_.size()) return;
        const SegmentCandidate& segment = segments_[nth];
        if (!segment.header) continue;
        const SegmentCandidate* const successor = successor_of(nth);
        const PreviousSegment* const bound =
            successor != nullptr && successor->header ? &successor->header->previous : nullptr;
        parts_[nth] = check.run(segment, bound, index_path(directory_, segment.number));
        if (check.was_gone()) one_is_gone_ = true;
    }
}

void VerifyCore::show_progress() {
    if (!progress_) return;
    // relaxed: a sum to look at.
    progress_(std::min(done_bytes_.load(std::memory_order_relaxed), total_bytes_), total_bytes_);
}

void VerifyCore::check_contents() {
    parts_.resize(segments_.size());
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    const std::size_t wanted = std::min(jobs_ == 0 ? cores : jobs_, segments_.size());
    std::size_t running = 0;
    std::vector<std::thread> threads;
    try {
        for (std::size_t i = 0; i < wanted; ++i) {
            {
                const std::lock_guard lock(mutex_);
                ++running;
            }
            threads.emplace_back([this, &running] {
                check_some();
                const std::lock_guard lock(mutex_);
                --running;
                one_is_done_.notify_one();
            });
        }
    } catch (const std::system_error&) {
        const std::lock_guard lock(mutex_);  // no more threads here: fewer will do
        --running;
    }
    if (threads.empty()) check_some();
    {
        std::unique_lock lock(mutex_);
        while (!one_is_done_.wait_for(lock, kProgressEvery, [&] { return running == 0; })) {
            lock.unlock();
            show_progress();
            lock.lock();
        }
    }
    for (std::thread& thread : threads)
        thread.join();
}

void VerifyCore::merge(std::size_t nth) {
    const SegmentCandidate& segment = segments_[nth];
    if (nth > 0) check_chain(segments_[nth - 1], segment);
    if (!segment.header) {
        const SegmentCandidate* const successor = successor_of(nth);
        const Sequence next_first = successor != nullptr && successor->header
                                        ? successor->header->first_sequence
                                        : report_.end_sequence;
        add(segment.refusal->code == ErrorCode::truncated ? FindingKind::truncated_segment
                                                          : FindingKind::damaged_segment_header,
            segment,
            report_.end_sequence,
            std::max(report_.end_sequence, next_first),
            segment.refusal->message);
        return;
    }
    VerifyReport& part = parts_[nth];
    report_.batch_count += part.batch_count;
    report_.event_count += part.event_count;
    report_.tombstone_count += part.tombstone_count;
    report_.gap_count += part.gap_count;
    report_.gap_events += part.gap_events;
    report_.lost_events += part.lost_events;
    report_.read_bytes += part.read_bytes;
    report_.end_sequence = part.end_sequence;
    std::move(part.findings.begin(), part.findings.end(), std::back_inserter(report_.findings));
}

void VerifyCore::check_against_catalogue() {
    std::vector<SegmentHeader> headers;
    for (const SegmentCandidate& segment : segments_) {
        if (segment.header) headers.push_back(*segment.header);
    }
    CatalogueCheck check = check_catalogue(files_, directory_, headers);
    if (!check.is_damaged()) return;
    report_.findings.push_back({FindingKind::damaged_catalogue, 0, 0, 0, 0, std::move(check.text)});
}

void VerifyCore::check_ledger() {
    const auto tell = [this](std::string text) {
        report_.findings.push_back({FindingKind::damaged_ledger, 0, 0, 0, 0, std::move(text)});
    };
    if (!ledger_) return tell(ledger_.error().message);
    for (const LedgerCursor& cursor : ledger_->cursors) {
        if (cursor.sequence <= report_.end_sequence) continue;
        tell("the cursor '" + cursor.name + "' stands at " + std::to_string(cursor.sequence) +
             ", behind the end of the log");
    }
    if (!ledger_->identities || ledger_->identities->as_of_sequence <= report_.end_sequence) return;
    tell("what publishers have published is known up to " +
         std::to_string(ledger_->identities->as_of_sequence) + ", behind the end of the log");
}

void VerifyCore::check_schema() {
    const auto types = read_schema_file(files_, directory_);
    if (types) return;
    report_.findings.push_back({FindingKind::damaged_schema, 0, 0, 0, 0, types.error().message});
}

Result<void> VerifyCore::look() {
    report_ = {};
    segments_.clear();
    parts_.clear();
    total_bytes_ = 0;
    done_bytes_ = 0;
    next_segment_ = 0;
    one_is_gone_ = false;
    if (auto names = look_at_names(); !names) return names.error();
    check_headers();
    if (one_is_gone_) drop_given_up();
    one_is_gone_ = false;
    check_contents();
    if (one_is_gone_) drop_given_up();
    if (!segments_.empty() || missing_back_) return {};
    return make_error(ErrorCode::not_found, "retention was faster than the look at it");
}

void VerifyCore::add_missing(const MissingEvents& lost) {
    report_.findings.push_back({FindingKind::missing_segment,
                                lost.segments.first_number,
                                0,
                                lost.first_or_end(),
                                lost.end_or_first(),
                                missing_text(directory_, lost)});
}

// The journal begins where SUPER says, whether that is there or not.
void VerifyCore::begin_report() {
    const auto first = std::find_if(segments_.begin(), segments_.end(), [](const auto& segment) {
        return segment.header.has_value();
    });
    MissingEvents lost;
    if (first != segments_.end()) lost.end_sequence = first->header->first_sequence;
    if (first != segments_.end() && first->number == oldest_number_) {
        report_.first_sequence = report_.end_sequence = first->header->first_sequence;
        return;
    }
    lost.first_sequence = stated_first_sequence(files_, directory_, super_, oldest_number_);
    report_.first_sequence = report_.end_sequence = lost.first_or_end();
    // Retention may have given it up since.
    const bool is_missing =
        !segments_.empty() && segments_.front().number > oldest_number_ && oldest_number_ != 0;
    if (!is_missing) return;
    lost.segments = {oldest_number_, segments_.front().number};
    add_missing(lost);
    report_.end_sequence = lost.end_or_first();
}

Result<VerifyReport> VerifyCore::run() {
    // Before the log, which may go on meanwhile, and its cursors with it.
    ledger_ = read_ledger(files_, directory_);
    if (auto looked = while_segments_go([this] { return look(); }); !looked) return looked.error();
    begin_report();
    report_.segment_count = segments_.size();
    for (std::size_t nth = 0; nth < segments_.size(); ++nth)
        merge(nth);
    if (missing_back_) {
        MissingEvents lost;
        lost.segments = *missing_back_;
        lost.first_sequence = report_.end_sequence;
        if (super_ && super_->durable_sequence > report_.end_sequence) {
            lost.end_sequence = super_->durable_sequence;
        }
        add_missing(lost);
    }
    check_against_catalogue();
    check_ledger();
    check_schema();
    if (progress_) progress_(total_bytes_, total_bytes_);
    return std::move(report_);
}

}  // namespace tailrace::journal
