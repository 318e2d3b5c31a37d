#include "segment_census.hpp"

#include <algorithm>
#include <cerrno>

namespace tailrace::journal {

namespace {

// Each time something is missing, retention must have moved on while the names were read, or SUPER
// have been half written while it was.
constexpr int kMostCensusLooks = 8;

// Behind the newest that SUPER names, a writer that was killed again and again before it wrote
// SUPER leaves one for each time; one of those may be missing.
constexpr std::uint64_t kNamesBehindNewest = 16;

// The newest of the segments that SUPER doesn't name yet, if it can be believed.
std::optional<SegmentHeader> newest_unnamed(FileStore& files,
                                            const std::string& directory,
                                            const std::optional<SuperBlock>& super,
                                            const std::vector<std::uint64_t>& numbers) {
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
                          const std::optional<SuperBlock>& super,
                          const std::vector<std::uint64_t>& numbers) {
    const std::uint64_t oldest = super ? super->oldest_segment_number : 0;
    if (super && (super->flags & kSuperCopy) != 0) return oldest;
    const auto header = newest_unnamed(files, directory, super, numbers);
    if (!header || (header->features_compat & kSegmentNamesOldest) == 0) return oldest;
    return std::max(oldest, header->oldest_segment_number);
}

std::vector<SegmentRange> find_missing(const SegmentCensus& census) {
    std::vector<SegmentRange> missing;
    const auto& numbers = census.listing.segment_numbers;
    std::uint64_t next = census.oldest_segment_number;
    for (const std::uint64_t number : numbers) {
        if (next != 0 && number > next) missing.push_back({next, number});
        next = number + 1;
    }
    const auto& super = census.super.newest;
    const std::uint64_t newest = super ? super->newest_segment_number : 0;
    if (newest >= std::max<std::uint64_t>(next, 1)) {
        missing.push_back({std::max<std::uint64_t>(next, 1), newest + 1});
    }
    return missing;
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
    if (listing->is_half_removed) return half_removed(directory);
    census.listing = std::move(*listing);
    census.oldest_segment_number =
        find_oldest(files, directory, census.super.newest, census.listing.segment_numbers);
    disown_below(census.listing, census.oldest_segment_number);
    census.missing = find_missing(census);
    return census;
}

// Not there, or there and out of reach: that is for who opens it to say.
bool is_there(FileStore& files, const std::string& directory, std::uint64_t number) {
    const IoOutcome opened = files.open(segment_path(directory, number), {});
    if (opened.ok()) files.close(static_cast<FileId>(opened.value));
    return opened.os_errno != ENOENT;
}

bool is_half_removed(FileStore& files, const std::string& directory) {
    const IoOutcome opened = files.open(directory + "/" + std::string(kRemovingName), {});
    if (opened.ok()) files.close(static_cast<FileId>(opened.value));
    return opened.ok();
}

// By SUPER and the names that it leads to.
SegmentExtent extent_by_super(FileStore& files,
                              const std::string& directory,
                              const SuperBlock& super) {
    SegmentExtent extent;
    extent.super = super;
    extent.newest_number = super.newest_segment_number;
    extent.lacks_newest = !is_there(files, directory, extent.newest_number);
    std::vector<std::uint64_t> unnamed;
    for (std::uint64_t number = extent.newest_number + 1;
         number <= extent.newest_number + kNamesBehindNewest;
         ++number) {
        if (!is_there(files, directory, number)) continue;
        unnamed.push_back(number);
        extent.newest_number = number;
        extent.lacks_newest = false;
    }
    extent.stated_oldest_number = find_oldest(files, directory, super, unnamed);
    extent.oldest_number = std::max<std::uint64_t>(extent.stated_oldest_number, 1);
    extent.lacks_oldest = !is_there(files, directory, extent.oldest_number);
    return extent;
}

SegmentExtent extent_by_names(const SegmentCensus& census) {
    SegmentExtent extent;
    extent.super = census.super.newest;
    extent.stated_oldest_number = census.oldest_segment_number;
    const auto& numbers = census.listing.segment_numbers;
    if (!numbers.empty()) {
        extent.oldest_number = numbers.front();
        extent.newest_number = numbers.back();
    }
    if (const auto* const front = census.missing_front()) {
        extent.oldest_number = front->first_number;
        extent.lacks_oldest = true;
    }
    if (const auto* const back = census.missing_back()) {
        extent.newest_number = back->end_number - 1;
        extent.lacks_newest = true;
        if (numbers.empty()) extent.oldest_number = back->first_number;
        if (numbers.empty()) extent.lacks_oldest = true;
    }
    return extent;
}

}  // namespace

Result<SegmentCensus> take_census(FileStore& files, const std::string& directory, Access access) {
    auto census = look_once(files, directory, access);
    for (int look = 1; look < kMostCensusLooks; ++look) {
        if (!census || census->missing.empty()) break;
        census = look_once(files, directory, access);
    }
    return census;
}

Result<SegmentExtent> take_extent(FileStore& files, const std::string& directory) {
    for (int look = 1; look <= kMostCensusLooks; ++look) {
        auto super = read_super(files, directory, Access::reading);
        const bool is_known =
            super && super->is_whole() && super->newest->newest_segment_number > 0;
        if (!is_known) break;
        SegmentExtent extent = extent_by_super(files, directory, *super->newest);
        if (!extent.lacks_oldest && !extent.lacks_newest) return extent;
        if (look == kMostCensusLooks && !is_half_removed(files, directory)) return extent;
    }
    auto census = take_census(files, directory);
    if (!census) return census.error();
    return extent_by_names(*census);
}

std::uint64_t oldest_segment_number(FileStore& files, const std::string& directory) {
    const auto extent = take_extent(files, directory);
    return extent ? extent->stated_oldest_number : 0;
}

}  // namespace tailrace::journal
