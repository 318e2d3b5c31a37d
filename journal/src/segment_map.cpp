#include "segment_map.hpp"

#include "lease.hpp"
#include "segment_census.hpp"

#include <algorithm>

namespace tailrace::journal {

Result<void> SegmentMap::refresh() {
    auto census = take_census(*files_, directory_);
    if (!census) return census.error();
    const auto& numbers = census->listing.segment_numbers;
    if (numbers.empty()) {
        return make_error(ErrorCode::not_found,
                          "there is no journal in '" + directory_ + "'",
                          "'tailrace record' makes one");
    }
    if (census->missing_number) {
        return make_error(ErrorCode::corrupt,
                          "segment '" + segment_path(directory_, *census->missing_number) +
                              "' is missing between others",
                          "'tailrace verify " + directory_ + "' lists all damage");
    }
    std::vector<Entry> entries;
    entries.reserve(numbers.size());
    for (const std::uint64_t number : numbers) {
        const auto known =
            std::find_if(entries_.begin(), entries_.end(), [number](const Entry& entry) {
                return entry.number == number;
            });
        entries.push_back(known != entries_.end() ? *known : Entry{number, {}});
    }
    entries_ = std::move(entries);
    return {};
}

Result<SegmentHeader> SegmentMap::header(std::size_t nth) {
    Entry& entry = entries_[nth];
    if (!entry.header) {
        const std::string path = segment_path(directory_, entry.number);
        auto file = open_leased(*files_, path);
        if (!file) return file.error();
        auto header = read_segment_header(*files_, *file, path, Access::reading);
        if (!header) return header.error();
        entry.header = *header;
    }
    return *entry.header;
}

Result<OpenSegment> SegmentMap::open(std::uint64_t segment_number) {
    OpenSegment segment;
    segment.path = segment_path(directory_, segment_number);
    auto file = open_leased(*files_, segment.path);
    if (!file) return file.error();
    segment.file = std::move(*file);
    auto header = read_segment_header(*files_, segment.file, segment.path, Access::reading);
    if (!header) return header.error();
    segment.header = *header;
    if (header->segment_number != segment_number) {
        return make_error(ErrorCode::corrupt,
                          "segment '" + segment.path + "' says that it is number " +
                              std::to_string(header->segment_number) + ": was it renamed?",
                          "'tailrace verify " + directory_ + "' lists all damage");
    }
    const IoOutcome size = files_->size_bytes(segment.file.id());
    if (!size.ok()) return os_error(size.os_errno, "cannot look at '" + segment.path + "'");
    if (size.value < stored_file_bytes(*header)) {
        return make_error(ErrorCode::truncated,
                          "segment '" + segment.path + "' has " + std::to_string(size.value) +
                              " bytes, its header says " +
                              std::to_string(stored_file_bytes(*header)),
                          "'tailrace verify " + directory_ + "' lists all damage");
    }
    return segment;
}

Result<std::optional<SegmentHeader>> SegmentMap::successor(const SegmentHeader& segment) {
    const std::string path = segment_path(directory_, segment.segment_number + 1);
    auto file = open_leased(*files_, path);
    if (!file) {
        if (file.error().code == ErrorCode::not_found) return std::optional<SegmentHeader>{};
        return file.error();
    }
    auto header = read_segment_header(*files_, *file, path, Access::reading);
    if (!header) return header.error();
    if (header->journal_id != segment.journal_id || header->previous.salt != segment.salt ||
        header->event_alignment_bytes != segment.event_alignment_bytes) {
        return make_error(ErrorCode::corrupt,
                          "segment '" + path + "' doesn't follow the one before it",
                          "'tailrace verify " + directory_ + "' lists all damage");
    }
    return std::optional<SegmentHeader>(*header);
}

std::optional<SegmentIndex> SegmentMap::index(const SegmentHeader& segment) {
    auto index = read_index(*files_, index_path(directory_, segment.segment_number), segment);
    if (!index) return std::nullopt;
    return std::move(*index);
}

}  // namespace tailrace::journal
