#include "assessment.hpp"

#include "batch_scan.hpp"
#include "lease.hpp"
#include "missing_events.hpp"
#include "segment_census.hpp"

#include <tailrace/base/sequence_range.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tailrace::journal {

namespace {

class Assessor {
public:
    Assessor(FileStore& files, const std::string& directory, AssessMode mode)
        : files_(files),
          directory_(directory),
          mode_(mode) {}

    Result<Assessment> run();
    // Segments that were there when it looked have been given up since.
    [[nodiscard]] bool is_outdated() const {
        return oldest_segment_number(files_, directory_) != census_.oldest_segment_number;
    }

private:
    [[nodiscard]] Access access() const noexcept {
        return mode_ == AssessMode::deciding ? Access::writing : Access::reading;
    }
    [[nodiscard]] std::string verify_hint() const {
        return "nothing has been changed; 'tailrace verify " + directory_ + "' lists all damage";
    }
    [[nodiscard]] Error corrupt(std::string message) const {
        return make_error(ErrorCode::corrupt, std::move(message), verify_hint());
    }

    Result<void> await_last_write(const std::string& path);
    Result<void> make_durable(const std::string& path);
    Result<void> flush_before_reading();
    Result<void> read_super_and_names();
    Result<void> check_numbers();
    Result<void> read_headers();
    Result<void> check_chain(const SegmentHeader& header, const std::string& path) const;
    Result<void> find_end();
    Result<void> open_newest(BatchScan& scan);
    void walk(BatchScan& scan, FoundBatch& stopped_by);
    bool ends_cleanly(BatchScan& scan);
    bool pass_eventless(BatchScan& scan, const FoundBatch& stopped_by);
    Result<void> judge(BatchScan& scan, const FoundBatch& stopped_by, bool& goes_on);

    FileStore& files_;
    const std::string& directory_;
    AssessMode mode_;
    SegmentCensus census_;
    Assessment found_;
};

// A write that the last writer had handed to the kernel may land after that writer's death, and
// after its lock is free. It ends before anything is read: what is found then is all there will be.
Result<void> Assessor::await_last_write(const std::string& path) {
    auto file = open_file(files_, path, {.write = true});
    if (!file) return file.error();
    // Refused for another reason: this file system has no locks.
    if (files_.await_writing(file->id()).os_errno != ETIMEDOUT) return {};
    return os_error(ETIMEDOUT,
                    "a write of the last writer to '" + path + "' is still under way",
                    "does the disk answer ('dmesg')? or is a child of that writer left, with its "
                    "files open ('fuser " +
                        path + "')?");
}

// What only a cache holds must not be taken for durable: a crash of the machine during recovery
// could still lose it.
Result<void> Assessor::make_durable(const std::string& path) {
    auto file = open_file(files_, path, {.write = true});
    if (!file) return file.error();
    const IoOutcome outcome = files_.sync(file->id());
    if (outcome.ok()) {
        files_.forget_cache(file->id());
        return {};
    }
    return os_error(outcome.os_errno,
                    "cannot flush '" + path + "' before recovery",
                    "look at 'dmesg' for errors of the disk");
}

Result<void> Assessor::read_super_and_names() {
    auto census = take_census(files_, directory_, access());
    if (!census) return census.error();
    if (census->super_refusal) return *census->super_refusal;
    census_ = std::move(*census);
    found_.super = census_.super.newest;
    found_.disowned_numbers = census_.listing.disowned_numbers;
    found_.retired_numbers = census_.listing.retired_numbers;
    found_.oldest_segment_number = census_.oldest_segment_number;
    if (found_.super || census_.super.blank) return {};
    // Foreign bytes and no segment: somebody else's directory. With segments they say it all, and
    // SUPER is made anew.
    if (census_.listing.segment_numbers.empty() && census_.super.refusal)
        return *census_.super.refusal;
    return {};
}

Result<void> Assessor::check_numbers() {
    if (census_.missing.empty()) return {};
    return corrupt(missing_error(files_, directory_, census_).message);
}

Result<void> Assessor::check_chain(const SegmentHeader& header, const std::string& path) const {
    if (found_.super && header.journal_id != found_.super->journal_id) {
        return corrupt("segment '" + path + "' belongs to another journal than SUPER");
    }
    if (found_.segments.empty()) return {};
    const SegmentHeader& before = found_.segments.back();
    if (header.journal_id != before.journal_id) {
        return corrupt("segment '" + path + "' belongs to another journal than its predecessor");
    }
    if (header.previous.salt != before.salt ||
        header.previous.end_sequence != header.first_sequence ||
        header.first_sequence < before.first_sequence ||
        header.event_alignment_bytes != before.event_alignment_bytes ||
        header.previous.end_offset > before.segment_size_bytes) {
        return corrupt("segment '" + path + "' doesn't follow '" +
                       segment_path(directory_, before.segment_number) +
                       "': what it says of its predecessor's end doesn't fit");
    }
    return {};
}

Result<void> Assessor::read_headers() {
    for (const std::uint64_t number : census_.listing.segment_numbers) {
        const std::string path = segment_path(directory_, number);
        auto file = open_leased(files_, path);
        if (!file) return file.error();
        auto header = read_segment_header(files_, *file, path, access());
        if (!header) return header.error();
        if (header->segment_number != number) {
            return corrupt("segment '" + path + "' says that it is number " +
                           std::to_string(header->segment_number) + ": was it renamed?");
        }
        const IoOutcome size = files_.size_bytes(file->id());
        if (!size.ok()) return os_error(size.os_errno, "cannot look at '" + path + "'");
        if (size.value < stored_file_bytes(*header)) {
            return make_error(ErrorCode::truncated,
                              "segment '" + path + "' has " + std::to_string(size.value) +
                                  " bytes, its header says " +
                                  std::to_string(stored_file_bytes(*header)),
                              verify_hint());
        }
        if (auto fits = check_chain(*header, path); !fits) return fits.error();
        found_.segments.push_back(*header);
    }
    return {};
}

Result<void> Assessor::open_newest(BatchScan& scan) {
    const std::string path = segment_path(directory_, found_.newest().segment_number);
    // Unbuffered: a page that a failed flush left in the cache is not what the device holds. Frames
    // lie at any offset; a compressed segment was flushed before it got its name.
    bool unbuffered = (found_.newest().features_incompat & kFeatureCompressed) == 0;
    // Beside a writer it may have become an old one by now, and the next one.
    auto file = mode_ == AssessMode::deciding ? open_unbuffered(files_, path, {}, unbuffered)
                                              : open_leased(files_, path);
    if (!file) return file.error();
    if (!scan.attach(std::move(*file), found_.newest())) {
        return os_error(ENOMEM, "no memory to read '" + path + "'", "'free -m' shows what is left");
    }
    if (unbuffered) scan.expect_no_cache();
    return {};
}

void Assessor::walk(BatchScan& scan, FoundBatch& stopped_by) {
    LogPosition& end = found_.end;
    while (!end.sealed) {
        const FoundBatch batch = scan.batch_at(end.offset);
        if (batch.os_errno != 0 || batch.verdict != BatchVerdict::valid ||
            !continues(end, batch.header)) {
            stopped_by = batch;
            return;
        }
        found_.report.promised_sequence =
            std::max(found_.report.promised_sequence, batch.header.durable_sequence);
        found_.index.note(end, batch.header);
        advance(end, batch.header);
    }
    stopped_by = {};
}

// A clean close leaves its seal where SUPER says; then nothing needs to be walked.
bool Assessor::ends_cleanly(BatchScan& scan) {
    const auto end = found_.super ? find_clean_end(scan, *found_.super) : std::nullopt;
    if (!end) return false;
    found_.end.offset = end->end_offset - kBlockSizeBytes;
    advance(found_.end, scan.batch_at(found_.end.offset).header);
    found_.data_end_offset = end->end_offset;
    found_.report.clean_close = true;
    return true;
}

// Below a promise a batch without events that is damaged is no tail and no loss: the log goes on
// behind it.
bool Assessor::pass_eventless(BatchScan& scan, const FoundBatch& stopped_by) {
    if (stopped_by.os_errno != 0 || stopped_by.verdict == BatchVerdict::unknown) return false;
    const auto next = find_sound_nearby(scan, found_.end);
    if (next) found_.end = next->position;
    return next.has_value();
}

Result<void> Assessor::judge(BatchScan& scan, const FoundBatch& stopped_by, bool& goes_on) {
    const std::string path = segment_path(directory_, found_.newest().segment_number);
    if (stopped_by.os_errno != 0) {
        return os_error(stopped_by.os_errno,
                        "cannot read '" + path + "' at " + std::to_string(found_.end.offset),
                        "look at 'dmesg' for errors of the disk");
    }
    if (stopped_by.verdict == BatchVerdict::unknown) {
        // Sound, but of a format that isn't known here: neither the end nor damage.
        return make_error(ErrorCode::incompatible,
                          "'" + path + "' holds a batch of a newer format at " +
                              std::to_string(found_.end.offset),
                          "use the Tailrace that wrote it; 'tailrace --version' shows this one");
    }
    RecoveryReport& report = found_.report;
    const BeyondEnd beyond = scan_beyond(scan, found_.end.offset, kMaxSegmentSizeBytes);
    report.scanned_bytes += beyond.scanned_bytes;
    if (beyond.os_errno != 0) {
        return os_error(beyond.os_errno,
                        "cannot read '" + path + "' behind " + std::to_string(found_.end.offset),
                        "look at 'dmesg' for errors of the disk");
    }
    report.promised_sequence = std::max(report.promised_sequence, beyond.promised_sequence);
    report.discarded_batches = beyond.valid_batches;
    report.discarded_events = beyond.valid_events;
    report.torn = beyond.data_end_offset > found_.end.offset;
    report.torn_offset = report.torn ? found_.end.offset : 0;
    found_.data_end_offset = beyond.data_end_offset;
    if (report.promised_sequence <= found_.end.sequence) return {};
    goes_on = pass_eventless(scan, stopped_by);
    if (goes_on) return {};
    const std::string_view why = stopped_by.verdict == BatchVerdict::valid
                                     ? "it doesn't continue the batch before it"
                                     : batch_verdict_text(stopped_by.verdict);
    return corrupt("acknowledged events " +
                   range_text(found_.end.sequence, report.promised_sequence) +
                   " can't be read: segment '" + path + "', offset " +
                   std::to_string(found_.end.offset) + ": " + std::string(why));
}

Result<void> Assessor::find_end() {
    RecoveryReport& report = found_.report;
    const SegmentHeader& newest = found_.newest();
    found_.end = first_position(newest);
    found_.index.begin(newest.segment_size_bytes);
    report.promised_sequence =
        std::max(newest.durable_sequence, found_.super ? found_.super->durable_sequence : 0);
    BatchScan scan(files_);
    if (auto opened = open_newest(scan); !opened) return opened.error();
    if (!ends_cleanly(scan)) {
        // Beside a running writer the end moves on while we look behind it: then there is more to
        // walk.
        Result<void> verdict;
        std::uint64_t last_offset = 0;
        bool goes_on = false;
        do {
            last_offset = found_.end.offset;
            scan.refresh();
            FoundBatch stopped_by;
            walk(scan, stopped_by);
            goes_on = false;
            verdict = judge(scan, stopped_by, goes_on);
        } while (goes_on ||
                 (!verdict && mode_ == AssessMode::looking && found_.end.offset != last_offset));
        if (!verdict) return verdict.error();
    }
    report.scanned_bytes += scan.read_bytes();
    report.end_sequence = found_.end.sequence;
    report.end_offset = found_.end.offset;
    report.max_time_ns = found_.end.max_time_ns;
    return {};
}

// The newest segment alone: one is flushed to its end before its successor's header is written. And
// SUPER, since what it disowns will be taken away.
Result<void> Assessor::flush_before_reading() {
    auto listing = list_journal(files_, directory_);
    if (!listing) return listing.error();
    if (!listing->segment_numbers.empty()) {
        auto ended = await_last_write(segment_path(directory_, listing->segment_numbers.back()));
        if (!ended) return ended.error();
    }
    if (listing->has_super) {
        auto durable = make_durable(super_path(directory_));
        if (!durable) return durable.error();
    }
    if (!listing->segment_numbers.empty()) {
        auto durable = make_durable(segment_path(directory_, listing->segment_numbers.back()));
        if (!durable) return durable.error();
    }
    const IoOutcome outcome = files_.sync_directory(directory_);
    if (outcome.ok()) return {};
    return os_error(outcome.os_errno, "cannot flush the directory '" + directory_ + "'");
}

Result<Assessment> Assessor::run() {
    if (mode_ == AssessMode::deciding) {
        if (auto flushed = flush_before_reading(); !flushed) return flushed.error();
    }
    if (auto names = read_super_and_names(); !names) return names.error();
    if (auto numbers = check_numbers(); !numbers) return numbers.error();
    if (census_.listing.segment_numbers.empty()) return std::move(found_);
    if (auto headers = read_headers(); !headers) return headers.error();
    if (auto end = find_end(); !end) return end.error();
    if (mode_ == AssessMode::deciding && !found_.report.clean_close) {
        // Where there are no locks, a write that a killed writer had on its way may have landed
        // since that flush, and been seen: what is concluded from it must last.
        auto durable = make_durable(segment_path(directory_, found_.newest().segment_number));
        if (!durable) return durable.error();
    }

    RecoveryReport& report = found_.report;
    report.first_sequence = found_.segments.front().first_sequence;
    report.segment_count = found_.segments.size();
    static_assert(sizeof(report.journal_id) == sizeof(JournalId));
    std::memcpy(report.journal_id.data(), found_.newest().journal_id.data(), sizeof(JournalId));
    report.newest_segment_number = found_.newest().segment_number;
    report.writer_epoch =
        std::max(found_.newest().writer_epoch, found_.super ? found_.super->writer_epoch : 0);
    return std::move(found_);
}

}  // namespace

// Beside a running writer, retention may take away what the look rests on. Then it is done again.
Result<Assessment> assess(FileStore& files, const std::string& directory, AssessMode mode) {
    constexpr int kMostLooks = 16;
    for (int look = 1;; ++look) {
        Assessor assessor(files, directory, mode);
        auto found = assessor.run();
        const bool is_final = found || mode == AssessMode::deciding || look == kMostLooks;
        if (is_final || !assessor.is_outdated()) return found;
    }
}

}  // namespace tailrace::journal
