#include "retention.hpp"

#include <algorithm>

namespace tailrace::journal {

KeptSegment kept_segment(const SegmentHeader& segment,
                         const SegmentHeader& successor,
                         std::uint64_t age_now_ns) noexcept {
    const bool is_compressed = (segment.features_incompat & kFeatureCompressed) != 0;
    return {segment.segment_number,
            is_compressed ? segment.stored_size_bytes : successor.previous.end_offset,
            successor.age_clock_ns != 0 ? successor.age_clock_ns : age_now_ns,
            segment.first_sequence};
}

void Retention::add(const KeptSegment& segment) {
    if (!segments_.empty() && segments_.back().number >= segment.number) return;
    segments_.push_back(segment);
    kept_bytes_ += segment.size_bytes;
}

void Retention::resize(std::uint64_t number, std::uint64_t size_bytes) noexcept {
    const auto found = std::lower_bound(
        segments_.begin(),
        segments_.end(),
        number,
        [](const KeptSegment& segment, std::uint64_t wanted) { return segment.number < wanted; });
    if (found == segments_.end() || found->number != number) return;
    kept_bytes_ -= found->size_bytes;
    found->size_bytes = size_bytes;
    kept_bytes_ += size_bytes;
}

std::uint64_t Retention::oldest_to_keep(std::uint64_t active_size_bytes,
                                        std::uint64_t now_ns,
                                        std::uint64_t most_by_age) const noexcept {
    std::uint64_t bytes = kept_bytes_ + active_size_bytes;
    std::size_t kept_from = 0;
    for (std::size_t nth = 0; nth + 1 < segments_.size(); ++nth) {
        const KeptSegment& segment = segments_[nth];
        const bool too_much = limits_.size_bytes != 0 && bytes > limits_.size_bytes;
        const bool too_old = limits_.age_ns != 0 && now_ns > segment.last_append_ns &&
                             now_ns - segment.last_append_ns > limits_.age_ns;
        if (!too_much && (!too_old || most_by_age == 0)) break;
        if (!too_much) --most_by_age;
        bytes -= segment.size_bytes;
        kept_from = nth + 1;
    }
    return number_of(first_held(kept_from));
}

std::uint64_t Retention::oldest_without(std::uint64_t wanted) const noexcept {
    std::size_t kept_from = 0;
    while (kept_from + 1 < segments_.size() && segments_[kept_from].number < wanted)
        ++kept_from;
    return number_of(first_held(kept_from));
}

std::uint64_t Retention::number_of(std::size_t kept_from) const noexcept {
    return kept_from == 0 ? 0 : segments_[kept_from].number;
}

// Of the segments before that one the oldest that somebody holds, or that one.
std::size_t Retention::first_held(std::size_t kept_from) const noexcept {
    std::size_t first = kept_from;
    for (const HeldBack& held : held_) {
        std::uint64_t bytes = 0;
        // A segment ends where the next one begins.
        for (std::size_t nth = kept_from; nth > 0 && segments_[nth].first_sequence > held.sequence;
             --nth) {
            bytes += segments_[nth - 1].size_bytes;
            if (bytes > held.size_bytes) break;
            first = std::min(first, nth - 1);
        }
    }
    return first;
}

void Retention::forget_below(std::uint64_t oldest_number) noexcept {
    while (!segments_.empty() && segments_.front().number < oldest_number) {
        kept_bytes_ -= segments_.front().size_bytes;
        segments_.pop_front();
    }
}

}  // namespace tailrace::journal
