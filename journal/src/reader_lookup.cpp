// The part of ReaderCore that finds a place by catalogue and index: three reads: the
// catalogue, which is kept, the index, and the place itself.
//
// Neither is believed. What they lead to counts when a sound batch of that segment's salt and
// number stands there and holds the place; and before a second batch is read, the headers of the
// segment and of its successor are, and must say the same. Whatever doesn't fit costs time: the
// place is then found by the headers alone.

#include "lease.hpp"
#include "reader_core.hpp"

#include <algorithm>

namespace tailrace::journal {

namespace {

bool fits(const IndexHeader& index, const CataloguedSegment& segment) noexcept {
    return index.end_offset == segment.entry.end_offset &&
           index.end_sequence == segment.entry.end_sequence &&
           index.max_time_ns == segment.entry.max_time_ns;
}

}  // namespace

// The file by its name, leased, and its size: no read.
bool ReaderCore::enter_catalogued(Track& track, const CataloguedSegment& segment) {
    track.path = segment_path(segments_.directory(), segment.number);
    auto file = open_leased(files_, track.path);
    if (!file) return false;
    const IoOutcome size = files_.size_bytes(file->id());
    // Another size: it is compressed, and its header says how.
    if (!size.ok() || size.value != segment.entry.segment_size_bytes) return false;
    SegmentHeader header = common_;
    header.segment_number = segment.number;
    header.salt = segment.entry.salt;
    header.first_sequence = segment.entry.first_sequence;
    header.floor_time_ns = segment.entry.floor_time_ns;
    header.segment_size_bytes = segment.entry.segment_size_bytes;
    track.position = first_position(header);
    return track.scan.attach(std::move(*file), header);
}

// Places the track at the batch that the index leads to: the first that doesn't lie before, or,
// when it is in a gap, at the end of the last that does. One read of the index, one of the segment.
bool ReaderCore::approach_catalogued(Track& track,
                                     const CataloguedSegment& segment,
                                     const EntryPredicate& entry_lies_before,
                                     const HeaderPredicate& batch_lies_before) {
    const auto index = segments_.index(track.scan.segment());
    if (!index || !fits(index->header, segment)) return false;
    const auto& entries = index->entries;
    const auto next = std::partition_point(entries.begin(), entries.end(), entry_lies_before);
    // Nothing in the index bears out that it begins in this segment.
    if (next == entries.begin()) return false;
    const IndexEntry& entry = *(next - 1);
    const std::uint64_t end_offset =
        next == entries.end() ? segment.entry.end_offset : next->offset;
    if (end_offset <= entry.offset) return false;
    track.scan.fetch(entry.offset, end_offset - entry.offset);
    if (!place_at_entry(track, entry)) return false;
    while (track.position.offset < end_offset) {
        const FoundBatch found = track.scan.header_at(track.position.offset);
        if (found.os_errno != 0 || found.verdict != BatchVerdict::valid ||
            !continues(track.position, found.header)) {
            return false;
        }
        if (!batch_lies_before(found.header)) return true;
        advance(track.position, found.header);
    }
    return track.position.offset == end_offset && next != entries.end();
}

void ReaderCore::settle_on_catalogued(const CataloguedSegment& segment) {
    std::swap(reading_, looked_up_);
    looked_up_->scan.release();
    forget_batch();
    bound_ = PreviousSegment{segment.number,
                             segment.entry.salt,
                             segment.entry.end_offset,
                             segment.entry.end_sequence,
                             0};
    is_hinted_ = true;
}

bool ReaderCore::look_up_sequence(Sequence sequence) {
    if (sequence < first_sequence_) return false;
    const auto segment = lookup_.with_sequence(sequence);
    if (!segment) return false;
    guessed_number_ = segment->number;
    if (!looked_up_) looked_up_ = std::make_unique<Track>(files_);
    Track& track = *looked_up_;
    if (!enter_catalogued(track, *segment)) return false;
    const bool is_there = approach_catalogued(
        track,
        *segment,
        [sequence](const IndexEntry& entry) { return entry.first_sequence <= sequence; },
        [sequence](const BatchHeader& header) {
            return header.first_sequence + header.event_count <= sequence;
        });
    if (!is_there) return give_up_lookup();
    settle_on_catalogued(*segment);
    next_sequence_ = sequence;
    return true;
}

bool ReaderCore::look_up_time(std::uint64_t time_ns) {
    const auto segment = lookup_.with_time(time_ns);
    if (!segment) return false;
    guessed_number_ = segment->number;
    if (!looked_up_) looked_up_ = std::make_unique<Track>(files_);
    Track& track = *looked_up_;
    if (!enter_catalogued(track, *segment)) return false;
    const bool is_there = approach_catalogued(
        track,
        *segment,
        [time_ns](const IndexEntry& entry) { return entry.floor_time_ns < time_ns; },
        [time_ns](const BatchHeader& header) { return header.max_time_ns < time_ns; });
    if (!is_there) return give_up_lookup();
    // Wholly sound, or it is not for here to say which event it is.
    const FoundBatch found = track.scan.batch_at(track.position.offset);
    const bool is_sound = found.os_errno == 0 && found.verdict == BatchVerdict::valid &&
                          continues(track.position, found.header) &&
                          found.header.max_time_ns >= time_ns;
    if (!is_sound) return give_up_lookup();
    settle_on_catalogued(*segment);
    return settle_on_time(time_ns).has_value();
}

// False. Either is wrong, catalogue or index, or the segment is damaged there.
bool ReaderCore::give_up_lookup() {
    looked_up_->scan.release();
    lookup_.forget();
    return false;
}

// The hints have led to where the reader stands. From here on the headers count.
Result<void> ReaderCore::confirm_hints() {
    is_hinted_ = false;
    const SegmentHeader& assumed = reading_->scan.segment();
    auto header =
        read_segment_header(files_, reading_->scan.stored_file(), reading_->path, Access::reading);
    const bool is_right = header && header->segment_number == assumed.segment_number &&
                          header->salt == assumed.salt &&
                          header->journal_id == assumed.journal_id &&
                          header->segment_size_bytes == assumed.segment_size_bytes &&
                          header->event_alignment_bytes == assumed.event_alignment_bytes &&
                          (header->features_incompat & kFeatureCompressed) == 0;
    if (!is_right) {
        lookup_.forget();
        return while_segments_go([this] { return go_to_sequence(next_sequence_); });
    }
    reading_->scan.adopt(*header);
    bound_.reset();
    auto successor = segments_.successor(*header);
    // A damaged one is told when reading has come there.
    if (!successor && !is_damage(successor.error())) return successor.error();
    if (successor && *successor) bound_ = (*successor)->previous;
    return {};
}

}  // namespace tailrace::journal
