#include "missing_events.hpp"

#include "batch_scan.hpp"
#include "catalogue_file.hpp"
#include "lease.hpp"

#include <tailrace/base/sequence_range.hpp>

namespace tailrace::journal {

namespace {

std::optional<SegmentHeader> header_of(FileStore& files,
                                       const std::string& directory,
                                       std::uint64_t number,
                                       StoredFile& file) {
    const std::string path = segment_path(directory, number);
    auto opened = open_leased(files, path);
    if (!opened) return std::nullopt;
    auto header = read_segment_header(files, *opened, path, Access::reading);
    if (!header || header->segment_number != number) return std::nullopt;
    file = std::move(*opened);
    return *header;
}

// A segment whose successor is missing says by itself alone where it ends.
std::optional<Sequence> end_of(FileStore& files,
                               const std::string& directory,
                               std::uint64_t number) {
    StoredFile file;
    const auto header = header_of(files, directory, number, file);
    BatchScan scan(files);
    if (!header || !scan.attach(std::move(file), *header)) return std::nullopt;
    LogPosition position = first_position(*header);
    while (!position.sealed) {
        const FoundBatch found = scan.batch_at(position.offset);
        if (found.os_errno != 0 || found.verdict != BatchVerdict::valid ||
            !continues(position, found.header)) {
            break;
        }
        advance(position, found.header);
    }
    return position.sequence;
}

}  // namespace

std::optional<Sequence> stated_first_sequence(FileStore& files,
                                              const std::string& directory,
                                              const std::optional<SuperBlock>& super,
                                              std::uint64_t oldest_number) {
    if (super && (super->features_compat & kSuperNamesFirst) != 0 &&
        super->oldest_segment_number == oldest_number) {
        return super->first_sequence;
    }
    const auto catalogue = read_catalogue(files, directory);
    if (!catalogue || (super && catalogue->header.journal_id != super->journal_id)) {
        return std::nullopt;
    }
    for (const CataloguedSegment& segment : catalogue->segments) {
        if (segment.number == oldest_number) return segment.entry.first_sequence;
        if (segment.number + 1 == oldest_number) return segment.entry.end_sequence;
    }
    return std::nullopt;
}

MissingEvents find_missing_events(FileStore& files,
                                  const std::string& directory,
                                  const SegmentCensus& census,
                                  const SegmentRange& segments) {
    MissingEvents lost;
    lost.segments = segments;
    const auto& super = census.super.newest;
    const auto& numbers = census.listing.segment_numbers;
    const bool is_front = numbers.empty() || segments.first_number < numbers.front();
    lost.first_sequence =
        is_front ? stated_first_sequence(files, directory, super, segments.first_number)
                 : end_of(files, directory, segments.first_number - 1);
    StoredFile file;
    if (const auto next = header_of(files, directory, segments.end_number, file)) {
        lost.end_sequence = next->first_sequence;
    } else if (super && super->durable_sequence > lost.first_or_end()) {
        lost.end_sequence = super->durable_sequence;
    }
    return lost;
}

std::string missing_text(const std::string& directory, const MissingEvents& events) {
    const SegmentRange& segments = events.segments;
    std::string text = "segment '" + segment_path(directory, segments.first_number) + "'";
    if (!events.why.empty()) {
        text = events.why;
    } else if (segments.end_number - segments.first_number > 1) {
        text = "segments '" + segment_path(directory, segments.first_number) + "' to '" +
               segment_path(directory, segments.end_number - 1) + "' are missing";
    } else {
        text += " is missing";
    }
    const Sequence first = events.first_or_end();
    const Sequence end = events.end_or_first();
    if (!events.first_sequence) {
        return "events before " + std::to_string(end) +
               " can't be read, how many nothing says: " + text;
    }
    if (!events.end_sequence) {
        return "events from " + std::to_string(first) +
               " on can't be read, how many nothing says: " + text;
    }
    return "events " + range_text(first, end) + " can't be read: " + text;
}

Error missing_error(const std::string& directory, const MissingEvents& events) {
    return make_error(ErrorCode::corrupt,
                      missing_text(directory, events),
                      "'tailrace verify " + directory + "' lists all damage");
}

Error missing_error(FileStore& files, const std::string& directory, const SegmentCensus& census) {
    return missing_error(directory,
                         find_missing_events(files, directory, census, census.missing.front()));
}

}  // namespace tailrace::journal
