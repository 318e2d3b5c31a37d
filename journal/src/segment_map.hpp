// SegmentMap: the segments of a journal that a reader knows of, their headers read when they are
// first asked for. One thread.
#pragma once

#include "missing_events.hpp"
#include "segment_census.hpp"
#include "segment_directory.hpp"
#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::journal {

struct OpenSegment {
    SegmentHeader header{};
    StoredFile file;
    std::string path;
};

class SegmentMap {
public:
    SegmentMap(FileStore& files, std::string directory)
        : files_(&files),
          directory_(std::move(directory)) {}

    // Looks anew from which to which number the journal goes. Costs the same however many there
    // are. Error `not_found`: no journal.
    [[nodiscard]] Result<void> refresh();

    [[nodiscard]] const SegmentExtent& extent() const noexcept { return extent_; }
    [[nodiscard]] std::uint64_t oldest_number() const noexcept { return extent_.oldest_number; }
    [[nodiscard]] std::uint64_t newest_number() const noexcept { return extent_.newest_number; }
    [[nodiscard]] Result<SegmentHeader> header(std::uint64_t segment_number);

    // Opens a segment, leased, and checks that it is whole and belongs to this journal. `not_found`
    // when retention has given it up since the last refresh(), here as for header().
    [[nodiscard]] Result<OpenSegment> open(std::uint64_t segment_number);
    // The header of the segment behind, when there is one by now, or still.
    [[nodiscard]] Result<std::optional<SegmentHeader>> successor(const SegmentHeader& segment);
    [[nodiscard]] std::optional<SegmentIndex> index(const SegmentHeader& segment);

    // Whether SUPER, as it is now, or a name that was seen speaks of a segment behind this one.
    [[nodiscard]] bool goes_on_behind(std::uint64_t segment_number);
    // What is lost with the segments from that one on up to the next whose header can be believed.
    // `first_sequence`: where the ones before it end.
    [[nodiscard]] MissingEvents missing_from(std::uint64_t segment_number,
                                             std::optional<Sequence> first_sequence);
    // With which sequence the journal begins, when its oldest segment is missing.
    [[nodiscard]] std::optional<Sequence> stated_first_sequence() {
        return journal::stated_first_sequence(
            *files_, directory_, extent_.super, extent_.oldest_number);
    }

    // The last segment for which `lies_before(header)` holds, which must hold for a front part of
    // them; the first if for none. Segments without a header that can be believed are passed over.
    // It reads two headers when the number that was guessed is right, one when it is the newest,
    // else O(log n).
    template <typename Predicate>
    [[nodiscard]] Result<std::uint64_t> last_where(const Predicate& lies_before,
                                                   std::optional<std::uint64_t> guessed_number) {
        std::uint64_t low = oldest_number();
        std::uint64_t high = newest_number() + 1;
        std::uint64_t middle = high - 1;  // the newest is asked for most
        if (guessed_number && *guessed_number >= low && *guessed_number < middle) {
            middle = *guessed_number;
        }
        bool was_guess = middle + 1 < high;
        while (high - low > 1) {
            auto found = first_header(middle, high);
            if (!found) return found.error();
            if (*found && lies_before(**found)) {
                low = (*found)->segment_number;
            } else {
                high = middle;
            }
            middle = was_guess && low + 1 < high ? low + 1 : low + (high - low) / 2;
            was_guess = false;
        }
        return low;
    }

    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

private:
    // Of the first segment in [from, end) that has one that can be believed.
    [[nodiscard]] Result<std::optional<SegmentHeader>> first_header(std::uint64_t from,
                                                                    std::uint64_t end);

    FileStore* files_;
    std::string directory_;
    SegmentExtent extent_;
    std::map<std::uint64_t, SegmentHeader> headers_;   // some of those that were read
    std::optional<std::vector<std::uint64_t>> names_;  // once a hole was met
};

// Whether a header, a file or a name can't be believed, so that the events that stood there are
// lost. Not so what this program or this moment is to blame for.
[[nodiscard]] inline bool is_damage(const Error& error) noexcept {
    return error.code == ErrorCode::corrupt || error.code == ErrorCode::truncated ||
           error.code == ErrorCode::not_tailrace;
}

// Does `look` again while segments that it had seen are given up under it.
template <typename Look>
[[nodiscard]] Result<void> while_segments_go(const Look& look) {
    constexpr int kMostLooks = 16;
    Result<void> outcome;
    for (int nth = 0; nth < kMostLooks; ++nth) {
        outcome = look();
        if (outcome || outcome.error().code != ErrorCode::not_found) break;
    }
    return outcome;
}

}  // namespace tailrace::journal
