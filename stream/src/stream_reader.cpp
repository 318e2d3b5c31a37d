// Going on in ring and journal, and from one to the other.

#include "journal_of_stream.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <algorithm>
#include <ctime>
#include <utility>

namespace tailrace::stream {

namespace {

// Read from the journal between two looks whether the ring holds the place again.
constexpr std::uint64_t kLookBackBytes = 256U << 10;
// Nothing tells a reader in the journal of what is written next, so it looks this often.
constexpr long kNapNs = 100'000;
constexpr std::uint64_t kDurableWaitNs = 10'000'000;

Error impossible_event(const bus::Region& region, Sequence sequence) {
    return make_error(ErrorCode::corrupt,
                      "stream '" + region.name() + "' holds bytes at sequence " +
                          std::to_string(sequence) + " that no publisher of Tailrace writes",
                      "tailrace inspect " + region.name());
}

Error not_its_journal(const bus::Region& region, const std::string& directory) {
    return make_error(ErrorCode::stale,
                      "the journal in '" + directory + "' is not that of stream '" + region.name() +
                          "': it was recorded from another ring",
                      "tailrace lag " + region.name() + " shows where it is recorded to");
}

bool is_told(const Error& error) noexcept {
    return error.code == ErrorCode::no_writer || error.code == ErrorCode::io_failure ||
           error.code == ErrorCode::closed;
}

}  // namespace

void StreamReader::stay(Source source) noexcept {
    source_ = source;
    reads_ring_plainly_ = source == Source::ring && limit_ == ReadLimit::committed &&
                          !commits_itself_ && !is_move_pending_ && !is_in_trouble_;
}

Sequence StreamReader::next_sequence() const noexcept {
    return source_ == Source::ring ? ring_->handed_next() : next_;
}

// --- from one to the other

// Without it such a reader is one of the ring alone: it may be recorded later, or not for its eyes.
bool StreamReader::does_without_journal(const Error& error) const noexcept {
    const bool is_absent =
        error.code == ErrorCode::not_found || error.code == ErrorCode::no_permission;
    return is_absent && ring_ && ring_->policy() != bus::SlowPolicy::spill &&
           limit_ == ReadLimit::committed;
}

Result<void> StreamReader::open_log() {
    if (log_ != nullptr) return {};
    auto opened = journal::Reader::open(directory_);
    if (!opened) return opened.error();
    if (ring_) {
        const bus::RememberedJournal remembered = bus::remembered_journal(ring_->region());
        const bool is_another = is_known(remembered) && remembered.directory == directory_ &&
                                remembered.id != opened->journal_id();
        const bool is_unlike =
            opened->event_alignment_bytes() != ring_->region().header().alignment_bytes;
        if (is_another || is_unlike) return not_its_journal(ring_->region(), directory_);
    }
    log_ = std::make_unique<journal::Reader>(std::move(*opened));
    return {};
}

bool StreamReader::follow_recorder() {
    if (!ring_ || is_directory_given_ || !slides_) return false;
    const bus::RememberedJournal remembered = bus::remembered_journal(ring_->region());
    std::string directory = journal_directory_of(ring_->region());
    const bool is_another_id =
        log_ != nullptr && is_known(remembered) && remembered.id != log_->journal_id();
    if (directory.empty() || (directory == directory_ && !is_another_id)) return false;
    directory_ = std::move(directory);
    log_.reset();
    return true;
}

// Where the next event is, or the end where that isn't written yet. Between the two looks the end
// may pass it: what lies there then would never be looked at.
Result<void> StreamReader::seek_next() {
    for (;;) {
        auto sought = log_->seek_sequence(next_);
        if (sought || sought.error().code != ErrorCode::sequence_ahead) return sought;
        TAILRACE_STEP("stream_reader.not_written_yet");
        if (auto ended = log_->seek_end(); !ended) return ended;
        if (log_->next_sequence() <= next_) return {};
    }
}

// Opens the journal where the next event is, unless it stands there already. What isn't written
// that far is waited for; what is gone is found to be missing.
Result<void> StreamReader::place_log() {
    if (log_ != nullptr) return {};
    if (auto opened = open_log(); !opened) return opened;
    auto sought = seek_next();
    if (!sought && sought.error().code == ErrorCode::sequence_gone)
        sought = log_->seek_sequence(log_->first_sequence());
    if (!sought) log_.reset();
    return sought;
}

// Goes on in the journal at `sequence`. What can't be read there is told by the next poll. False:
// inside a handler.
bool StreamReader::enter_journal(Sequence sequence, std::uint64_t position) {
    if (!ring_->step_aside({sequence, position})) return false;
    if (source_ == Source::ring) ++spill_count_;
    stay(Source::journal);
    next_ = sequence;
    position_ = position;
    rest_ = {};
    unlooked_bytes_ = 0;
    static_cast<void>(follow_recorder());
    return true;
}

// Called with what the ring said when it gave nothing. True: look again, elsewhere.
bool StreamReader::leave_ring(bus::PollState state) {
    if (state == bus::PollState::behind) {
        const bus::Place place = ring_->mark();
        return enter_journal(place.sequence, place.position);
    }
    if (state == bus::PollState::corrupt)
        error_ = impossible_event(ring_->region(), next_sequence());
    if (state != bus::PollState::gap) return false;
    const bus::Gap gap = ring_->last_gap();
    if (slides_ && gap.count != 0) {
        static_cast<void>(follow_recorder());
        if (!directory_.empty() && finds_journal_at(gap.first) &&
            enter_journal(gap.first, bus::kNoPosition)) {
            return true;
        }
        log_.reset();
    }
    last_gap_ = gap;
    is_last_gap_damage_ = false;
    lost_events_ += gap.count;
    return false;
}

// Stands in the journal then; whatever else keeps it from that is told by the next poll.
bool StreamReader::finds_journal_at(Sequence sequence) {
    next_ = sequence;
    const auto placed = place_log();
    return placed || !does_without_journal(placed.error());
}

bool StreamReader::return_to_ring(const bus::Start& where) {
    if (!ring_->restart(where)) return false;
    rest_ = {};
    stay(Source::ring);
    // Its lease would keep a segment from being given up.
    log_.reset();
    return true;
}

void StreamReader::show_place() noexcept {
    if (ring_) ring_->show_place({next_, position_}, std::exchange(unwanted_, 0));
}

// --- in the journal

void StreamReader::pass_front() noexcept {
    const std::size_t before_bytes = rest_.bytes.size();
    rest_.drop_front();
    const std::uint64_t size_bytes = before_bytes - rest_.bytes.size();
    next_ = rest_.first_sequence;
    unlooked_bytes_ += size_bytes;
    if (position_ != bus::kNoPosition) position_ += size_bytes;
}

bus::PollState StreamReader::advance() {
    if (is_dead()) return bus::PollState::dead_handle;
    if (limit_ == ReadLimit::durable && ring_) bound_ = bus::durable_sequence(ring_->region());
    if (rest_.event_count != 0) {
        return rest_.first_sequence < bound_ ? bus::PollState::ok : waiting_state();
    }
    if (ring_ && unlooked_bytes_ >= kLookBackBytes) {
        unlooked_bytes_ = 0;
        if (ring_->can_return_to(next_) && return_to_ring(bus::Start::at(next_)))
            return bus::PollState::ok;
    }
    if (auto placed = place_log(); !placed) return take_error(placed.error());
    auto step = log_->next_batch();
    if (!step) return take_error(step.error());
    if (step->kind == journal::ReadKind::event) return take_batch(step->batch);
    // Some of a gap may have been told already, by the ring's board.
    const Sequence end = step->gap.first + step->gap.count;
    if (step->kind == journal::ReadKind::gap)
        return step->gap.kind == journal::GapKind::lost ? tell_damage(end) : tell_missing(end);
    return ring_ ? judge_end() : bus::PollState::closed;
}

bus::PollState StreamReader::take_batch(const journal::BatchView& batch) {
    if (ring_) {
        const bus::StreamHeader& header = ring_->region().header();
        if (batch.first_sequence >= header.first_sequence && batch.record_salt != header.salt) {
            // Of a ring that was made after this one, or of another stream.
            if (return_to_ring(bus::Start::at(next_))) return bus::PollState::ok;
            if (ring_->region().has_ended()) return give_up_missing();
            return fail(not_its_journal(ring_->region(), directory_));
        }
    }
    if (!ring_ && cursor_) cursor_->note_salt(batch.record_salt);
    rest_ = batch;
    while (rest_.event_count != 0 && rest_.first_sequence < next_)
        rest_.drop_front();
    if (rest_.event_count == 0 || rest_.first_sequence == next_) return bus::PollState::ok;
    return tell_missing(rest_.first_sequence);
}

bus::PollState StreamReader::take_error(const Error& error) {
    // The ring may still have it.
    if (ring_ && return_to_ring(bus::Start::at(next_))) return bus::PollState::ok;
    if (error.code == ErrorCode::sequence_gone && log_ != nullptr) {
        const Sequence first = log_->first_sequence();
        if (auto sought = log_->seek_sequence(first); !sought) return fail(sought.error());
        return tell_missing(first);
    }
    if (error.code == ErrorCode::stale && log_ != nullptr) {
        // A recovery cut off what had never been acknowledged.
        auto opened = journal::Reader::open(directory_);
        if (!opened) return fail(opened.error());
        *log_ = std::move(*opened);
        if (auto sought = seek_next(); !sought) return fail(sought.error());
        if (log_->next_sequence() == next_) return bus::PollState::ok;
        return ring_ ? bus::PollState::idle : bus::PollState::closed;
    }
    if (follow_recorder()) return bus::PollState::ok;
    if (passes_damage(error)) return tell_damage(log_->next_sequence());
    return does_without_journal(error) ? give_up_missing() : fail(error);
}

bool StreamReader::passes_damage(const Error& error) {
    const ErrorCode code = error.code;
    const bool is_damage = code == ErrorCode::corrupt || code == ErrorCode::not_tailrace ||
                           code == ErrorCode::truncated;
    if (on_damage_ == OnDamage::stop || !is_damage || log_ == nullptr) return false;
    return log_->pass_damage().has_value();
}

// All that is written has been read. The ring was asked behind that: what it has let go of was
// written before, so if it hasn't the next event, looking into the journal again finds it, as long
// as somebody records.
bus::PollState StreamReader::judge_end() {
    if (return_to_ring(bus::Start::at(next_))) return bus::PollState::ok;
    const bus::Region& region = ring_->region();
    if (const auto end = bus::journal_gap_end(region, next_)) return tell_missing(*end);
    const auto recording = bus::check_durable(region);
    if (recording || !is_told(recording.error()))
        return follow_recorder() ? bus::PollState::ok : bus::PollState::idle;
    return give_up_missing();
}

// Nobody writes what is missing here, so it is gone, up to what the ring has. In this order
// (slide.pml): a recorder that came and went before the look at the role has written what it had by
// the look at the journal; one that comes behind it begins no earlier than the ring does here.
bus::PollState StreamReader::give_up_missing() {
    const bus::Region& region = ring_->region();
    const Sequence first = next_;
    const std::unique_ptr<journal::Reader> log = std::move(log_);
    // Without any room before publishers are here again: a recorder that comes begins here too, and
    // what it has isn't gone.
    if (!return_to_ring(bus::Start::oldest())) return bus::PollState::idle;
    const Sequence oldest = ring_->next_sequence();
    if (oldest == first) return bus::PollState::ok;
    const auto by_now = bus::check_durable(region);
    bool is_gone = oldest > first && !by_now && is_told(by_now.error());
    if (is_gone && log != nullptr && !region.has_ended()) {
        const auto step = log->next_batch();
        is_gone = step && step->kind == journal::ReadKind::end;
    }
    if (is_gone || (oldest > first && log == nullptr)) return tell_gap(first, oldest);
    return enter_journal(first, bus::kNoPosition) ? bus::PollState::idle
                                                  : bus::PollState::in_handler;
}

// The journal lacks [next_, end). Whoever reads what was committed gets of it what the ring has.
bus::PollState StreamReader::tell_missing(Sequence end) {
    if (end <= next_) return bus::PollState::ok;
    if (!ring_ || limit_ == ReadLimit::durable) return tell_gap(next_, end);
    if (return_to_ring(bus::Start::at(next_))) return bus::PollState::ok;
    const Sequence first = next_;
    const Sequence lasting = ring_->oldest_lasting_sequence();
    if (lasting <= first || lasting >= end || !return_to_ring(bus::Start::at(lasting)))
        return tell_gap(first, end);
    return tell_gap(first, lasting);
}

bus::PollState StreamReader::tell_damage(Sequence end) {
    const bus::PollState state = tell_missing(end);
    is_last_gap_damage_ |= state == bus::PollState::gap;
    if (state == bus::PollState::gap) damaged_events_ += last_gap_.count;
    return state;
}

bus::PollState StreamReader::tell_gap(Sequence first, Sequence end) noexcept {
    last_gap_ = {first, end - first};
    is_last_gap_damage_ = false;
    lost_events_ += last_gap_.count;
    if (ring_) ring_->note_loss(last_gap_.count);
    if (source_ == Source::journal) {
        next_ = end;
        position_ = bus::kNoPosition;
    }
    return bus::PollState::gap;
}

bus::PollState StreamReader::fail(Error error) {
    error_ = std::move(error);
    // Asked again, it looks anew, and at the same place.
    if (ring_) log_.reset();
    return bus::PollState::failed;
}

// --- what is durable

// How many events may be read in the ring. 0: room_state_ says why, or it has gone to the journal.
std::uint64_t StreamReader::durable_room() {
    // What was copied before a handler threw was durable then.
    if (ring_->has_copies()) return kNoSequence;
    const bus::Region& region = ring_->region();
    const Sequence next = ring_->next_sequence();
    const Sequence bound = bus::durable_sequence(region);
    room_state_ = bus::PollState::idle;
    if (ring_->is_dead()) {
        room_state_ = bus::PollState::dead_handle;
        return 0;
    }
    if (next >= bound) {
        room_state_ = waiting_state();
        return 0;
    }
    // What a replay can't see, a reader of what is durable doesn't see.
    if (!bus::check_kept(region, next, bound)) {
        if (!enter_journal(next, ring_->mark().position)) room_state_ = bus::PollState::in_handler;
        return 0;
    }
    return bound - next;
}

// Nothing more is durable: whether that is a matter of time.
bus::PollState StreamReader::waiting_state() {
    const std::uint64_t now_ns = monotonic_ns();
    if (now_ns < next_look_ns_) return bus::PollState::idle;
    next_look_ns_ = now_ns + kDurableWaitNs;
    const bus::Region& region = ring_->region();
    auto recording = bus::check_durable(region);
    if (recording || !is_told(recording.error())) return bus::PollState::idle;
    if (region.has_ended()) return tell_never_durable();
    error_ = recording.error();
    return bus::PollState::stalled;
}

// The stream is gone, and so is who recorded it.
bus::PollState StreamReader::tell_never_durable() {
    const Sequence first = next_sequence();
    const Sequence end = ring_->region().tail().sequence;
    if (first >= end) return bus::PollState::closed;
    next_look_ns_ = 0;
    if (source_ == Source::ring && !ring_->restart(bus::Start::newest()))
        return bus::PollState::closed;
    rest_ = {};
    return tell_gap(first, end);
}

// --- waiting

void StreamReader::wait_for_more(bus::Deadline deadline) {
    const bool knows_durable = limit_ == ReadLimit::durable && ring_ &&
                               ring_->region().access() != bus::RegionAccess::observe;
    if (knows_durable && next_sequence() >= bus::durable_sequence(ring_->region())) {
        const std::uint64_t longest_ns = std::min(deadline.remaining_ns(), kDurableWaitNs);
        const Sequence next = next_sequence();
        auto waited =
            bus::wait_durable(ring_->region(), next, next + 1, bus::Deadline::in_ns(longest_ns));
        if (waited || waited.error().code == ErrorCode::timed_out) return;
    }
    const timespec nap{0, kNapNs};
    ::nanosleep(&nap, nullptr);
}

Result<int> StreamReader::poll_fd() {
    if (!ring_) {
        return make_error(ErrorCode::invalid_argument,
                          "a journal alone has no poll descriptor: nobody tells of what is written",
                          "poll now and then, or attach to the stream");
    }
    return ring_->poll_fd();
}

bool StreamReader::arm() noexcept {
    return !reads_ring_plainly_ || ring_->arm();
}

void StreamReader::disarm() noexcept {
    if (ring_) ring_->disarm();
}

}  // namespace tailrace::stream
