#include "segment_census.hpp"

#include <algorithm>

namespace tailrace::journal {

namespace {

// Each time something is missing, retention must have moved on while the names were read, or SUPER
// have been half written while it was.
constexpr int kMostLooks = 8;

// The newest of the segments that SUPER doesn't name yet, if it can be believed.
std::optional<SegmentHeader> newest_unnamed(FileStore& files,
                                            const std::string& directory,
                                            const SegmentCensus& census) {
    const auto& super = census.super.newest;
    const auto& numbers = census.listing.segment_numbers;
    for (std::size_t left = numbers.size(); left > 0; --left) {
        const std::uint64_t number = numbers[left - 1];
        if (super && number <= super->newest_segment_number) break;
        const std::string path = segment_path(directory, number);
        auto file = open_file(files, path, {});
        if (!file) continue;
        auto header = read_segment_header(files, *file, path, Access::reading);
        if (!header || header->segment_number != number) continue;
        if (super && header->journal_id != super->journal_id) continue;
        return *header;
    }
    return std::nullopt;
}

// A segment that SUPER doesn't name: either SUPER is about to be written, or its last slot is lost
// and with it what it said. Nothing tells the two apart, and in the second case what the header
// gives up may be gone.
std::uint64_t find_oldest(FileStore& files,
                          const std::string& directory,
                          const SegmentCensus& census) {
    const auto& super = census.super.newest;
    const std::uint64_t oldest = super ? super->oldest_segment_number : 0;
    if (super && (super->flags & kSuperCopy) != 0) return oldest;
    const auto header = newest_unnamed(files, directory, census);
    if (!header || (header->features_compat & kSegmentNamesOldest) == 0) return oldest;
    return std::max(oldest, header->oldest_segment_number);
}

Result<SegmentCensus> look_once(FileStore& files, const std::string& directory, Access access) {
    SegmentCensus census;
    // SUPER before the names: a writer that rolls meanwhile makes the segment first.
    if (auto super = read_super(files, directory, access); super) {
        census.super = std::move(*super);
    } else {
        census.super_refusal = super.error();
    }
    auto listing = list_journal(files, directory);
    if (!listing) return listing.error();
    census.listing = std::move(*listing);
    census.oldest_segment_number = find_oldest(files, directory, census);
    disown_below(census.listing, census.oldest_segment_number);
    const auto& numbers = census.listing.segment_numbers;
    for (std::size_t nth = 1; nth < numbers.size() && !census.missing_number; ++nth) {
        if (numbers[nth] != numbers[nth - 1] + 1) census.missing_number = numbers[nth - 1] + 1;
    }
    return census;
}

}  // namespace

Result<SegmentCensus> take_census(FileStore& files, const std::string& directory, Access access) {
    auto census = look_once(files, directory, access);
    for (int look = 1; look < kMostLooks; ++look) {
        if (!census || (!census->missing_number && !census->lacks_oldest())) break;
        census = look_once(files, directory, access);
    }
    return census;
}

std::uint64_t oldest_segment_number(FileStore& files, const std::string& directory) {
    const auto census = take_census(files, directory);
    return census ? census->oldest_segment_number : 0;
}

}  // namespace tailrace::journal
