#include "segment_map.hpp"

#include "lease.hpp"

#include <algorithm>

namespace tailrace::journal {

namespace {

// A header takes a block; a search reads some twenty.
constexpr std::size_t kMostHeaders = 256;

}  // namespace

Result<void> SegmentMap::refresh() {
    auto extent = take_extent(*files_, directory_);
    if (!extent) return extent.error();
    if (extent->newest_number == 0) {
        return no_journal(directory_, extent->super.has_value());
    }
    extent_ = *extent;
    names_.reset();
    headers_.erase(headers_.begin(), headers_.lower_bound(extent_.oldest_number));
    return {};
}

Result<SegmentHeader> SegmentMap::header(std::uint64_t segment_number) {
    const auto known = headers_.find(segment_number);
    if (known != headers_.end()) return known->second;
    const std::string path = segment_path(directory_, segment_number);
    auto file = open_leased(*files_, path);
    if (!file) return file.error();
    auto header = read_segment_header(*files_, *file, path, Access::reading);
    if (!header) return header.error();
    if (header->segment_number != segment_number ||
        (extent_.super && header->journal_id != extent_.super->journal_id)) {
        return make_error(ErrorCode::corrupt,
                          "segment '" + path + "' is another one, or of another journal",
                          "'tailrace verify " + directory_ + "' lists all damage");
    }
    if (headers_.size() >= kMostHeaders) headers_.clear();
    headers_.emplace(segment_number, *header);
    return *header;
}

Result<std::optional<SegmentHeader>> SegmentMap::first_header(std::uint64_t from,
                                                              std::uint64_t end) {
    const auto is_lost = [](const Error& error) {
        return error.code == ErrorCode::not_found || is_damage(error);
    };
    if (from >= end) return std::optional<SegmentHeader>{};
    auto found = header(from);
    if (found) return std::optional(*found);
    if (!is_lost(found.error())) return found.error();
    // How far the hole goes the names tell: what SUPER says may be any number.
    if (!names_) {
        auto listing = list_journal(*files_, directory_);
        if (!listing) return listing.error();
        names_ = std::move(listing->segment_numbers);
    }
    const auto behind = std::upper_bound(names_->begin(), names_->end(), from);
    for (auto number = behind; number != names_->end() && *number < end; ++number) {
        found = header(*number);
        if (found) return std::optional(*found);
        if (!is_lost(found.error())) return found.error();
    }
    return std::optional<SegmentHeader>{};
}

bool SegmentMap::goes_on_behind(std::uint64_t segment_number) {
    if (extent_.newest_number > segment_number) return true;
    const auto super = read_super(*files_, directory_, Access::reading);
    return super && super->newest && super->newest->newest_segment_number > segment_number;
}

MissingEvents SegmentMap::missing_from(std::uint64_t segment_number,
                                       std::optional<Sequence> first_sequence) {
    (void)refresh();
    MissingEvents lost;
    lost.segments = {segment_number, std::max(segment_number, extent_.newest_number) + 1};
    lost.first_sequence = first_sequence;
    const auto next = first_header(segment_number, lost.segments.end_number);
    if (next && *next) {
        lost.segments.end_number = (*next)->segment_number;
        lost.end_sequence = (*next)->first_sequence;
    } else if (extent_.super && extent_.super->durable_sequence > first_sequence.value_or(0)) {
        lost.end_sequence = extent_.super->durable_sequence;
    }
    return lost;
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
