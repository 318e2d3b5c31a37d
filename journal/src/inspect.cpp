#include "batch_scan.hpp"
#include "catalogue_file.hpp"
#include "lease.hpp"
#include "lock_file.hpp"
#include "missing_events.hpp"
#include "posix_files.hpp"
#include "segment_census.hpp"

#include <tailrace/base/file_lock.hpp>
#include <tailrace/journal/inspect.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kStatBlockBytes = 512;

std::uint64_t allocated_bytes_of(const std::string& path) noexcept {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return 0;
    return static_cast<std::uint64_t>(status.st_blocks) * kStatBlockBytes;
}

std::string hexadecimal(const JournalId& id) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : id) {
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 0xFU];
    }
    return text;
}

class Inspector {
public:
    explicit Inspector(const std::string& directory) { summary_.directory = directory; }

    Result<JournalSummary> run();

private:
    void read_headers(const DirectoryListing& listing);
    void summarize(std::size_t nth);
    void walk_to_end(SegmentSummary& segment, const SegmentHeader& header);
    void look_at_spare(const DirectoryListing& listing);
    void add_missing(const MissingEvents& lost);
    void close_summary(const std::optional<SuperBlock>& super);

    JournalSummary summary_;
    std::vector<std::optional<SegmentHeader>> headers_;
    BatchScan scan_{posix_files()};
    bool newest_closed_ = false;
};

void Inspector::read_headers(const DirectoryListing& listing) {
    for (const std::uint64_t number : listing.segment_numbers) {
        SegmentSummary segment;
        segment.segment_number = number;
        segment.path = segment_path(summary_.directory, number);
        segment.state = SegmentState::damaged;
        segment.allocated_bytes = allocated_bytes_of(segment.path);
        const std::string index = index_path(summary_.directory, number);
        const std::uint64_t index_bytes = allocated_bytes_of(index);
        segment.has_index = index_bytes > 0;
        summary_.allocated_bytes += segment.allocated_bytes + index_bytes;

        std::optional<SegmentHeader> header;
        if (auto file = open_leased(posix_files(), segment.path); file) {
            // Its own hold doesn't count.
            segment.is_leased = is_locked(file->id(), 0);
            segment.size_bytes = posix_files().size_bytes(file->id()).value;
            auto read = read_segment_header(posix_files(), *file, segment.path, Access::reading);
            if (read) header = *read;
        }
        if (header) {
            segment.first_sequence = header->first_sequence;
            segment.end_sequence = header->first_sequence;
            segment.floor_time_ns = header->floor_time_ns;
            segment.max_time_ns = header->floor_time_ns;
            segment.created_ns = header->created_ns;
            segment.writer_epoch = header->writer_epoch;
            segment.is_recycled = (header->features_compat & kSegmentRecycled) != 0;
        }
        headers_.push_back(header);
        summary_.segments.push_back(std::move(segment));
    }
}

void Inspector::walk_to_end(SegmentSummary& segment, const SegmentHeader& header) {
    LogPosition position = first_position(header);
    while (!position.sealed) {
        const FoundBatch found = scan_.header_at(position.offset);
        if (found.os_errno != 0 || found.verdict != BatchVerdict::valid ||
            !continues(position, found.header)) {
            break;
        }
        summary_.promised_sequence =
            std::max(summary_.promised_sequence, found.header.durable_sequence);
        newest_closed_ = (found.header.flags & kBatchCleanClose) != 0;
        advance(position, found.header);
    }
    segment.state = position.sealed ? SegmentState::sealed : SegmentState::active;
    segment.used_bytes = position.offset;
    segment.end_sequence = position.sequence;
    segment.max_time_ns = position.max_time_ns;
}

void Inspector::summarize(std::size_t nth) {
    if (!headers_[nth]) return;
    const SegmentHeader& header = *headers_[nth];
    SegmentSummary& segment = summary_.segments[nth];
    auto file = open_leased(posix_files(), segment.path);
    if (!file || !scan_.attach(std::move(*file), header)) return;
    const bool is_followed = nth + 1 < headers_.size() && headers_[nth + 1] &&
                             headers_[nth + 1]->segment_number == header.segment_number + 1;
    if (!is_followed) {
        walk_to_end(segment, header);
        return;
    }
    const SegmentHeader& successor = *headers_[nth + 1];
    segment.end_sequence = successor.previous.end_sequence;
    segment.used_bytes = successor.previous.end_offset;
    segment.max_time_ns = successor.floor_time_ns;
    segment.state = SegmentState::cut;
    if (segment.used_bytes >= 2 * kBlockSizeBytes) {
        const FoundBatch last = scan_.header_at(segment.used_bytes - kBlockSizeBytes);
        if (last.verdict == BatchVerdict::valid && (last.header.flags & kBatchSeal) != 0) {
            segment.state = SegmentState::sealed;
        }
    }
}

void Inspector::look_at_spare(const DirectoryListing& listing) {
    for (const std::uint64_t number : listing.retired_numbers) {
        ++summary_.retired_segments;
        summary_.retired_bytes += allocated_bytes_of(retired_path(summary_.directory, number));
    }
    summary_.allocated_bytes += summary_.retired_bytes;
    const std::uint64_t partial = allocated_bytes_of(partial_spare_path(summary_.directory));
    const std::uint64_t ready = allocated_bytes_of(spare_path(summary_.directory));
    if (partial > 0) summary_.spare = SpareState::allocated;
    if (ready > 0) summary_.spare = SpareState::ready;
    summary_.spare_bytes = partial + ready;
    auto settings = load_settings(summary_.directory);
    if (settings) {
        summary_.settings = *settings;
    } else {
        summary_.settings_refusal = settings.error().message;
    }
}

void Inspector::close_summary(const std::optional<SuperBlock>& super) {
    for (const auto& header : headers_) {
        if (!header) continue;
        summary_.stream_name = stream_name_of(*header);
        summary_.journal_id = hexadecimal(header->journal_id);
        summary_.format_major = header->format_major;
        summary_.format_minor = header->format_minor;
        summary_.event_alignment_bytes = header->event_alignment_bytes;
    }
    for (const SegmentSummary& segment : summary_.segments) {
        summary_.used_bytes += segment.used_bytes;
        summary_.end_sequence = std::max(summary_.end_sequence, segment.end_sequence);
        summary_.max_time_ns = std::max(summary_.max_time_ns, segment.max_time_ns);
    }
    summary_.first_sequence = summary_.segments.front().first_sequence;
    summary_.oldest_segment_number = summary_.segments.front().segment_number;
    if (super) {
        summary_.promised_sequence = std::max(summary_.promised_sequence, super->durable_sequence);
        summary_.clean_close =
            newest_closed_ && (super->flags & kSuperCleanClose) != 0 &&
            super->newest_segment_number == summary_.segments.back().segment_number;
    }
    const LockHolder holder = look_at_lock(summary_.directory);
    summary_.writer_runs = holder.is_held;
    summary_.writer_pid = holder.pid;
    if (const auto catalogue = read_catalogue(posix_files(), summary_.directory)) {
        for (const CataloguedSegment& segment : catalogue->segments) {
            const bool is_there = segment.number >= summary_.oldest_segment_number;
            summary_.catalogued_segments += is_there ? 1U : 0U;
        }
    }
    for (const std::string& path : {super_path(summary_.directory),
                                    catalogue_path(summary_.directory),
                                    spare_path(summary_.directory),
                                    partial_spare_path(summary_.directory)}) {
        summary_.allocated_bytes += allocated_bytes_of(path);
    }
}

void Inspector::add_missing(const MissingEvents& lost) {
    summary_.missing.push_back({lost.segments.first_number,
                                lost.segments.end_number,
                                lost.first_or_end(),
                                lost.end_or_first(),
                                missing_text(summary_.directory, lost)});
}

Result<JournalSummary> Inspector::run() {
    auto census = take_census(posix_files(), summary_.directory);
    if (!census) return census.error();
    const DirectoryListing& listing = census->listing;
    if (listing.segment_numbers.empty() && !census->missing.empty()) {
        return missing_error(posix_files(), summary_.directory, *census);
    }
    if (listing.segment_numbers.empty()) {
        return no_journal(summary_.directory, census->super.newest.has_value());
    }
    read_headers(listing);
    for (std::size_t i = 0; i < headers_.size(); ++i)
        summarize(i);
    look_at_spare(listing);
    for (const SegmentRange& range : census->missing)
        add_missing(find_missing_events(posix_files(), summary_.directory, *census, range));
    close_summary(census->super.newest);
    return std::move(summary_);
}

}  // namespace

std::string_view spare_state_name(SpareState state) noexcept {
    switch (state) {
        case SpareState::none:
            return "none";
        case SpareState::allocated:
            return "allocated";
        case SpareState::ready:
            return "ready";
    }
    return "unknown";
}

std::string_view segment_state_name(SegmentState state) noexcept {
    switch (state) {
        case SegmentState::active:
            return "active";
        case SegmentState::sealed:
            return "sealed";
        case SegmentState::cut:
            return "cut";
        case SegmentState::damaged:
            return "damaged";
    }
    return "unknown";
}

Result<JournalSummary> inspect(const std::string& directory) noexcept {
    return Inspector(directory).run();
}

bool is_journal(const std::string& directory) noexcept {
    // Nearly every one has it, and the names of its segments may be many.
    const auto super = read_super(posix_files(), directory, Access::reading);
    const bool says_it = super && super->newest;
    if (says_it && super->newest->newest_segment_number != 0) return true;
    auto listing = list_journal(posix_files(), directory);
    if (!listing) return false;
    // With a SUPER that names none it was only begun.
    return !listing->segment_numbers.empty() || (listing->has_super && !says_it);
}

}  // namespace tailrace::journal
