#include "catalogue_lookup.hpp"

#include <algorithm>

namespace tailrace::journal {

void CatalogueLookup::read() {
    segments_.clear();
    auto catalogue = read_catalogue(*files_, directory_);
    if (!catalogue || catalogue->header.journal_id != journal_id_) return;
    segments_ = std::move(catalogue->segments);
    std::erase_if(segments_, [this](const CataloguedSegment& segment) {
        return segment.number < oldest_number_;
    });
}

std::optional<CataloguedSegment> CatalogueLookup::find_or_read(Find find, std::uint64_t place) {
    if (auto found = (this->*find)(place)) return found;
    read();
    return (this->*find)(place);
}

std::optional<CataloguedSegment> CatalogueLookup::with_sequence(Sequence sequence) {
    return find_or_read(&CatalogueLookup::find_sequence, sequence);
}

std::optional<CataloguedSegment> CatalogueLookup::with_time(std::uint64_t time_ns) {
    return find_or_read(&CatalogueLookup::find_time, time_ns);
}

std::optional<CataloguedSegment> CatalogueLookup::find_sequence(std::uint64_t sequence) const {
    const auto behind =
        std::partition_point(segments_.begin(), segments_.end(), [&](const auto& segment) {
            return segment.entry.first_sequence <= sequence;
        });
    if (behind == segments_.begin()) return std::nullopt;
    const CataloguedSegment& found = *(behind - 1);
    if (sequence >= found.entry.end_sequence) return std::nullopt;
    return found;
}

std::optional<CataloguedSegment> CatalogueLookup::find_time(std::uint64_t time_ns) const {
    const auto behind =
        std::partition_point(segments_.begin(), segments_.end(), [&](const auto& segment) {
            return segment.entry.floor_time_ns < time_ns;
        });
    if (behind == segments_.begin()) return std::nullopt;
    const CataloguedSegment& found = *(behind - 1);
    if (time_ns > found.entry.max_time_ns) return std::nullopt;
    return found;
}

}  // namespace tailrace::journal
