// MissingEvents: what is lost with segments that ought to be there and are not. Said here alone, so
// that every tool tells the same range. Law: docs/journal_format.md, "Held against SUPER". Any
// thread, read permission is enough.
#pragma once

#include "segment_census.hpp"
#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

namespace tailrace::journal {

struct MissingEvents {
    SegmentRange segments;
    std::optional<Sequence> first_sequence;  // where the segment before ends; nothing may say it
    std::optional<Sequence> end_sequence;    // where the one behind begins; the same
    std::string why = {};                    // when they are there, and can't be believed

    [[nodiscard]] Sequence first_or_end() const noexcept {
        return first_sequence.value_or(end_sequence.value_or(0));
    }
    [[nodiscard]] Sequence end_or_first() const noexcept {
        return std::max(first_or_end(), end_sequence.value_or(0));
    }
};

// With which sequence that segment, the oldest, began, by what isn't a segment: SUPER, or else the
// catalogue.
[[nodiscard]] std::optional<Sequence> stated_first_sequence(FileStore& files,
                                                            const std::string& directory,
                                                            const std::optional<SuperBlock>& super,
                                                            std::uint64_t oldest_number);

// Of one range of a census. Reads the segment before it.
[[nodiscard]] MissingEvents find_missing_events(FileStore& files,
                                                const std::string& directory,
                                                const SegmentCensus& census,
                                                const SegmentRange& segments);

// "events [100, 200) can't be read: segment '…' is missing"
[[nodiscard]] std::string missing_text(const std::string& directory, const MissingEvents& events);
// `corrupt`, with that text.
[[nodiscard]] Error missing_error(const std::string& directory, const MissingEvents& events);
// Of the first range of a census that isn't whole.
[[nodiscard]] Error missing_error(FileStore& files,
                                  const std::string& directory,
                                  const SegmentCensus& census);

}  // namespace tailrace::journal
