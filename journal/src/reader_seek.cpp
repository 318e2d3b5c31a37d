// The part of ReaderCore that finds places: by sequence, by time, and the end.

#include "reader_core.hpp"

#include <algorithm>
#include <cerrno>

namespace tailrace::journal {

Result<void> ReaderCore::seek_sequence(Sequence sequence) {
    guessed_number_.reset();
    if (look_up_sequence(sequence)) return {};
    return while_segments_go([this, sequence] { return go_to_sequence(sequence); });
}

Result<void> ReaderCore::seek_time(std::uint64_t time_ns) {
    guessed_number_.reset();
    if (look_up_time(time_ns)) return {};
    return while_segments_go([this, time_ns] { return go_to_time(time_ns); });
}

Result<void> ReaderCore::seek_end() {
    return while_segments_go([this] { return go_to_end(); });
}

Result<void> ReaderCore::find_end() {
    if (auto listed = refresh_segments(); !listed) return listed.error();
    if (auto noted = note_first_sequence(); !noted) return noted.error();
    const std::uint64_t newest = segments_.newest_number();
    if (!end_) end_ = std::make_unique<Track>(files_);
    if (segments_.extent().lacks_newest) return newest_is_lost(nullptr);
    if (!end_->scan.is_attached() || end_->scan.segment().segment_number != newest) {
        auto entered = enter(*end_, newest);
        if (!entered && is_damage(entered.error())) return newest_is_lost(&entered.error());
        if (!entered) return entered.error();
    }
    end_->scan.refresh();
    walk_to_end(*end_);
    return {};
}

// Nobody says where the segments end that are left, but they themselves.
Error ReaderCore::newest_is_lost(const Error* why) {
    auto last = segments_.last_where([](const SegmentHeader& /*header*/) { return true; }, {});
    if (!last) return last.error();
    std::optional<Sequence> first = segments_.stated_first_sequence();
    std::uint64_t number = segments_.oldest_number();
    if (auto entered = enter(*end_, *last); entered) {
        walk_to_end(*end_);
        pass_damage_to_end();
        first = end_->position.sequence;
        number = *last + 1;
    }
    end_->scan.release();
    return lost_segments(segments_.missing_from(number, first), why);
}

// Hops from header to header. Below a promise the bodies are sound or it is corruption, which
// reading will tell; from the largest promise on, each batch must be checked wholly, since a torn
// one may have sound ones behind it.
void ReaderCore::walk_while_valid(Track& track) {
    LogPosition checked = track.position;
    LogPosition ahead = track.position;
    Sequence promised = 0;
    while (!ahead.sealed) {
        const FoundBatch found = track.scan.header_at(ahead.offset);
        if (found.os_errno != 0 || found.verdict != BatchVerdict::valid ||
            !continues(ahead, found.header)) {
            break;
        }
        promised = std::max(promised, found.header.durable_sequence);
        if (&track == end_.get()) walked_.note(ahead, found.header);
        advance(ahead, found.header);
        // A checkpoint whenever the promises have caught up with where an earlier one stood.
        if (track.position.sequence <= promised) {
            checked = track.position;
            track.position = ahead;
        }
    }
    // `checked` lies below a promise and close to the end: no further back than two rounds of
    // promises.
    track.position = checked;
    while (!track.position.sealed) {
        const FoundBatch found = track.scan.batch_at(track.position.offset);
        if (found.os_errno != 0 || found.verdict != BatchVerdict::valid ||
            !continues(track.position, found.header)) {
            break;
        }
        advance(track.position, found.header);
    }
}

bool ReaderCore::pass_eventless(Track& track) {
    if (track.position.sealed) return false;
    const auto next = find_sound_nearby(track.scan, track.position);
    if (!next) return false;
    const BeyondEnd beyond = scan_beyond(track.scan, track.position.offset, kPromiseReachBytes);
    if (beyond.promised_sequence <= track.position.sequence) return false;
    track.position = next->position;
    return true;
}

void ReaderCore::walk_to_end(Track& track) {
    do {
        walk_while_valid(track);
    } while (pass_eventless(track));  // each time it stands further back in the segment
}

// Reading stops at such a place and tells it; the log is longer all the same, and what stands
// behind it has its sequences. Only what a promise behind it covers counts: the rest may be a torn
// end.
void ReaderCore::pass_damage_to_end() {
    Track& track = *end_;
    while (!track.position.sealed && looked_behind_offset_ != track.position.offset) {
        looked_behind_offset_ = track.position.offset;
        const BeyondEnd beyond = scan_beyond(track.scan, track.position.offset, kPromiseReachBytes);
        if (beyond.promised_sequence <= track.position.sequence) return;
        // The promise may be younger than our look at the batch: then the batch is there by now.
        // Whoever writes may stay ahead of any number of looks, so this is the last.
        track.scan.refresh();
        const FoundBatch again = track.scan.batch_at(track.position.offset);
        if (again.os_errno == 0 && again.verdict == BatchVerdict::valid &&
            continues(track.position, again.header)) {
            walk_to_end(track);
            return;
        }
        if (const auto next = find_promised(track, beyond.promised_sequence)) {
            track.position = next->position;
            // As far as what is lost may have come: no place behind it is sought by less.
            track.position.max_time_ns = next->header.first_time_ns;
            walk_to_end(track);
        } else {
            promised_end_sequence_ = beyond.promised_sequence;
        }
    }
}

Result<Sequence> ReaderCore::end_sequence() {
    auto found = while_segments_go([this] { return find_end(); });
    if (!found) return found.error();
    pass_damage_to_end();
    return found_end_sequence();
}

Result<void> ReaderCore::go_to_end() {
    if (auto found = find_end(); !found) return found.error();
    pass_damage_to_end();
    if (auto entered = enter(*reading_, end_->scan.segment().segment_number); !entered) {
        return entered.error();
    }
    reading_->position = end_->position;
    next_sequence_ = found_end_sequence();
    return {};
}

// An entry is a hint: it counts when a sound header of that sequence stands there.
bool ReaderCore::place_at_entry(Track& track, const IndexEntry& entry) {
    const FoundBatch found = track.scan.header_at(entry.offset);
    if (found.os_errno != 0 || found.verdict != BatchVerdict::valid) return false;
    if (found.header.first_sequence != entry.first_sequence) return false;
    const bool states_gap = (found.header.flags & kBatchGapBefore) != 0;
    LogPosition position;
    position.offset = entry.offset;
    position.sequence = entry.first_sequence - (states_gap ? 1U : 0U);
    position.last_checksum = found.header.previous_checksum;
    position.max_time_ns = std::min(entry.floor_time_ns, found.header.first_time_ns);
    track.position = position;
    return true;
}

std::vector<IndexEntry> ReaderCore::entries_at_hand() {
    const SegmentHeader& segment = reading_->scan.segment();
    if (bound_) {
        auto index = segments_.index(segment);
        if (!index) return {};
        // What lies behind the end that the successor states is no part of the log.
        std::erase_if(index->entries, [this](const IndexEntry& entry) {
            return entry.offset >= bound_->end_offset;
        });
        return std::move(index->entries);
    }
    if (!end_ || !end_->scan.is_attached() || end_->scan.segment().salt != segment.salt) return {};
    const auto walked = walked_.entries();
    return {walked.begin(), walked.end()};
}

std::uint64_t ReaderCore::known_end_offset() const noexcept {
    if (bound_) return bound_->end_offset;
    const bool is_newest = end_ && end_->scan.is_attached() &&
                           end_->scan.segment().salt == reading_->scan.segment().salt;
    return is_newest ? end_->position.offset : 0;
}

Result<void> ReaderCore::approach(const EntryPredicate& entry_lies_before,
                                  const HeaderPredicate& batch_lies_before) {
    const auto entries = entries_at_hand();
    const auto after = std::partition_point(entries.begin(), entries.end(), entry_lies_before);
    if (after != entries.begin()) {
        const IndexEntry& entry = *(after - 1);
        if (after != entries.end())
            reading_->scan.fetch(entry.offset, after->offset - entry.offset);
        (void)place_at_entry(*reading_, entry);
    }
    while (!reading_->position.sealed) {
        if (bound_ && reading_->position.offset >= bound_->end_offset) break;
        const FoundBatch found = reading_->scan.header_at(reading_->position.offset);
        if (found.os_errno != 0) return read_error(found.os_errno);
        if (found.verdict != BatchVerdict::valid || !continues(reading_->position, found.header)) {
            // The end so far, or damage. Reading on from here tells which; but what is sought may
            // be whole behind it. Not so a time that the first event there has reached: it may be
            // that of one that is lost.
            const auto next = find_sound(reading_->scan, reading_->position, known_end_offset());
            if (!next) break;
            const IndexEntry entry{
                next->header.first_sequence, next->header.first_time_ns, next->position.offset};
            if (!entry_lies_before(entry)) break;
            reading_->position = next->position;
            continue;
        }
        if (!batch_lies_before(found.header)) break;
        advance(reading_->position, found.header);
    }
    return {};
}

// Of a search: the oldest is taken for granted there.
Result<void> ReaderCore::enter_or_stand_lost(std::uint64_t number) {
    const bool is_oldest = number == segments_.oldest_number();
    if (is_oldest && segments_.extent().lacks_oldest) return stand_in_lost_front();
    auto entered = enter(*reading_, number);
    if (!entered && is_oldest && is_damage(entered.error())) return stand_in_lost_front();
    return entered;
}

Result<void> ReaderCore::go_to_sequence(Sequence sequence) {
    if (auto listed = refresh_segments(); !listed) return listed.error();
    if (auto noted = note_first_sequence(); !noted) return noted.error();
    if (sequence < first_sequence_) {
        return make_error(ErrorCode::sequence_gone,
                          "sequence " + std::to_string(sequence) + " is not in '" +
                              segments_.directory() + "' any more",
                          "the first that is there is " + std::to_string(first_sequence_));
    }
    auto number = segments_.last_where(
        [sequence](const SegmentHeader& header) { return header.first_sequence <= sequence; },
        guessed_number_);
    if (!number) return number.error();
    if (*number == segments_.newest_number()) {
        if (auto found = find_end(); !found) return found.error();
        if (sequence > found_end_sequence()) pass_damage_to_end();
        const Sequence end = found_end_sequence();
        if (sequence > end) {
            return make_error(ErrorCode::sequence_ahead,
                              "sequence " + std::to_string(sequence) + " is not in '" +
                                  segments_.directory() + "' yet",
                              "it ends at " + std::to_string(end) + " so far");
        }
    }
    auto entered = enter_or_stand_lost(*number);
    if (!entered) return entered.error();
    if (lost_here_) {
        next_sequence_ = sequence;
        return {};
    }
    auto near =
        approach([sequence](const IndexEntry& entry) { return entry.first_sequence <= sequence; },
                 [sequence](const BatchHeader& header) {
                     return header.first_sequence + header.event_count <= sequence;
                 });
    if (!near) return near.error();
    next_sequence_ = sequence;
    return {};
}

Result<void> ReaderCore::go_to_time(std::uint64_t time_ns) {
    // Without its newest segment the rest can still be sought.
    if (auto found = find_end(); !found && !is_damage(found.error())) return found.error();
    auto number = segments_.last_where(
        [time_ns](const SegmentHeader& header) { return header.floor_time_ns < time_ns; },
        guessed_number_);
    if (!number) return number.error();
    auto entered = enter_or_stand_lost(*number);
    if (!entered) return entered.error();
    if (lost_here_) return {};
    const auto come_near = [&] {
        return approach(
            [time_ns](const IndexEntry& entry) { return entry.floor_time_ns < time_ns; },
            [time_ns](const BatchHeader& header) { return header.max_time_ns < time_ns; });
    };
    auto near = come_near();
    // No event that is known by now has that time, but behind damage there may be one.
    if (near && !bound_ && reading_->position.offset == known_end_offset()) {
        pass_damage_to_end();
        near = come_near();
    }
    if (!near) return near.error();
    return settle_on_time(time_ns);
}

Sequence BatchView::sequence_at(std::uint64_t time_ns) const noexcept {
    if (time_ns > max_time_ns) return end_sequence();
    Sequence ahead = end_sequence();
    for (const Event& event : *this) {
        if (event.publish_time_ns() < time_ns) continue;
        if (event.publish_time_ns() <= max_time_ns) return event.sequence();
        ahead = std::min(ahead, event.sequence());
    }
    return ahead;
}

// The batch at the position is the first whose running maximum reaches the time; finds the event in
// it.
Result<void> ReaderCore::settle_on_time(std::uint64_t time_ns) {
    next_sequence_ = reading_->position.sequence;
    const FoundBatch found = reading_->scan.batch_at(reading_->position.offset);
    if (found.os_errno != 0) return read_error(found.os_errno);
    const bool is_there = found.verdict == BatchVerdict::valid && !reading_->position.sealed &&
                          continues(reading_->position, found.header);
    if (!is_there) return {};  // the end, or damage that reading tells
    next_sequence_ = found.header.first_sequence;
    if (found.header.first_time_ns >= time_ns) return {};
    BatchView view;
    view.first_sequence = found.header.first_sequence;
    view.event_count = found.header.event_count;
    view.bytes = found.body;
    view.event_alignment_bytes = alignment_bytes_;
    view.max_time_ns = found.header.max_time_ns;
    // Times before this batch are below the one that is looked for, so the running maximum reaches
    // it here first.
    const Sequence reached = view.sequence_at(time_ns);
    if (reached != view.end_sequence()) next_sequence_ = reached;
    return {};
}

}  // namespace tailrace::journal
