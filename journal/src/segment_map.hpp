// SegmentMap: the segments of a journal that a reader knows of, their headers read when they are
// first asked for. One thread.
#pragma once

#include "segment_directory.hpp"
#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <cstdint>
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

    // Looks at the names anew. Errors: `not_found` (no journal), `corrupt` (a number is missing
    // between others).
    [[nodiscard]] Result<void> refresh();

    [[nodiscard]] std::size_t count() const noexcept { return entries_.size(); }
    [[nodiscard]] Result<SegmentHeader> header(std::size_t nth);
    [[nodiscard]] std::uint64_t number(std::size_t nth) const noexcept {
        return entries_[nth].number;
    }

    // Opens a segment, leased, and checks that it is whole and belongs to this journal. `not_found`
    // when retention has given it up since the last refresh(), here as for header().
    [[nodiscard]] Result<OpenSegment> open(std::uint64_t segment_number);
    // The header of the segment behind, when there is one by now, or still.
    [[nodiscard]] Result<std::optional<SegmentHeader>> successor(const SegmentHeader& segment);
    [[nodiscard]] std::optional<SegmentIndex> index(const SegmentHeader& segment);

    // The last segment for which `lies_before(header)` holds, which must hold for a front part of
    // them; the first if for none. It reads two headers when the number that was guessed is right,
    // one when it is the newest, else O(log n).
    template <typename Predicate>
    [[nodiscard]] Result<std::size_t> last_where(const Predicate& lies_before,
                                                 std::optional<std::uint64_t> guessed_number) {
        std::size_t low = 0;
        std::size_t high = entries_.size();
        std::size_t middle = high - 1;  // the newest is asked for most
        if (guessed_number && *guessed_number >= number(0) && *guessed_number < number(middle)) {
            middle = static_cast<std::size_t>(*guessed_number - number(0));
        }
        bool was_guess = middle + 1 < high;
        while (high - low > 1) {
            auto candidate = header(middle);
            if (!candidate) return candidate.error();
            (lies_before(*candidate) ? low : high) = middle;
            middle = was_guess && low + 1 < high ? low + 1 : low + (high - low) / 2;
            was_guess = false;
        }
        return low;
    }

    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

private:
    struct Entry {
        std::uint64_t number = 0;
        std::optional<SegmentHeader> header;
    };

    FileStore* files_;
    std::string directory_;
    std::vector<Entry> entries_;
};

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
