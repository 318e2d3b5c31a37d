#include "cursor_keeper.hpp"
#include "identity_tracker.hpp"
#include "type_keeper.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/stream/recorder.hpp>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

namespace tailrace::stream {

namespace {

constexpr std::uint64_t kRunBytes = std::uint64_t{1} << 20U;
// While the disk is busy and the ring is empty: long enough to sleep, short enough to see new
// events soon.
constexpr std::uint64_t kDiskTurnNs = 200'000;
constexpr std::uint64_t kIdleTurnNs = 5'000'000;
constexpr std::uint64_t kLongIdleTurnNs = 250'000'000;
constexpr std::uint64_t kCloseTimeoutNs = 30'000'000'000;
// Who is asked to end while the disk is full does so; what is left is in the ring for a successor.
constexpr std::uint64_t kRoomPatienceNs = 500'000'000;

Error dead_recorder() {
    return make_error(ErrorCode::invalid_argument,
                      "this recorder is dead: it was moved from, or this is a forked child and it "
                      "belongs to the parent",
                      "attach in the child, after fork()");
}

}  // namespace

Recorder::Recorder(bus::Subscriber subscriber,
                   journal::Writer writer,
                   bus::JournalBoardWriter board,
                   const RecorderOptions& options,
                   std::string journal_directory)
    : subscriber_(std::move(subscriber)),
      writer_(std::move(writer)),
      board_(std::move(board)),
      waiter_(options.wait),
      parks_(is_real_time()),
      lag_(options.lag),
      journal_directory_(std::move(journal_directory)),
      first_sequence_(writer_.next_sequence()),
      released_(subscriber_.mark()) {}

Result<void> Recorder::note_missed() {
    const Sequence expected = writer_.next_sequence();
    const Sequence found = subscriber_.next_sequence();
    // Recovery may end the log lower than its preview said only when the disk lost what it had:
    // then the ring may still hold it, but not behind this reader's place.
    if (found < expected) {
        return make_error(ErrorCode::corrupt,
                          "the journal '" + journal_directory_ + "' went on to sequence " +
                              std::to_string(expected) + " while it was being opened",
                          "tailrace verify " + journal_directory_);
    }
    if (found == expected) return {};
    const std::uint64_t missed = found - expected;
    board_.gap(expected, found);
    if (writer_.note_gap(expected, missed) != journal::AppendStatus::taken) return journal_error();
    identities_->skip_to(found);
    lost_events_ += missed;
    board_.lost(missed);
    return {};
}

void Recorder::fail_board(const Error& error) noexcept {
    board_.fail(error.os_errno != 0 ? error.os_errno : EIO);
}

Error Recorder::journal_error() const {
    if (writer_.state() == journal::WriterState::failed) return writer_.failure();
    return make_error(ErrorCode::io_failure,
                      "the journal '" + journal_directory_ + "' refused an event at sequence " +
                          std::to_string(writer_.next_sequence()),
                      "tailrace inspect " + subscriber_.region().name());
}

Result<bool> Recorder::append_pending() {
    if (pending_.bytes.empty()) {
        const std::uint64_t salt = subscriber_.region().header().salt;
        while (pending_.count != 0) {
            const auto status = writer_.append_tombstone(pending_.first_sequence, salt);
            if (status == journal::AppendStatus::full) return false;
            if (status != journal::AppendStatus::taken) return journal_error();
            identities_->take(pending_, 1, 0);
            ++pending_.first_sequence;
            --pending_.count;
        }
        return true;
    }
    journal::Run run;
    run.first_sequence = pending_.first_sequence;
    run.event_count = pending_.count;
    run.bytes = pending_.bytes;
    run.record_salt = subscriber_.region().header().salt;
    run.first_publish_time_ns = pending_.first_publish_time_ns;
    run.max_publish_time_ns = pending_.max_publish_time_ns;
    const journal::AppendResult taken = writer_.append(run);
    identities_->take(pending_, taken.event_count, taken.size_bytes);
    pending_.first_sequence += taken.event_count;
    pending_.count -= taken.event_count;
    pending_.bytes = pending_.bytes.subspan(taken.size_bytes);
    if (taken.status == journal::AppendStatus::taken) return true;
    if (taken.status == journal::AppendStatus::full) return false;
    if (taken.status == journal::AppendStatus::too_large) {
        return make_error(ErrorCode::too_large,
                          "event " + std::to_string(pending_.first_sequence) + " of stream '" +
                              subscriber_.region().name() + "' is larger than a journal batch (" +
                              std::to_string(writer_.max_event_size_bytes()) + " bytes)",
                          "create journaled streams with --max-event 1000KiB or less");
    }
    return journal_error();
}

Result<bool> Recorder::take_events() {
    bool took = false;
    for (;;) {
        if (pending_.count == 0) {
            pending_ = subscriber_.next_run(kRunBytes);
            if (!pending_.is_sound && pending_.count == 0) {
                return make_error(ErrorCode::corrupt,
                                  "the ring of stream '" + subscriber_.region().name() +
                                      "' holds an impossible event at sequence " +
                                      std::to_string(subscriber_.next_sequence()),
                                  "tailrace inspect " + subscriber_.region().name());
            }
            if (pending_.count == 0) {
                // An atomic batch is committed at once: where an event says that another one of it
                // follows and none does, somebody wrote over it. Waiting would hold the ring.
                writer_.end_unfinished();
                return took;
            }
        }
        if (!may_append()) return took;
        const Sequence before = writer_.next_sequence();
        auto whole = append_pending();
        if (!whole) return whole.error();
        took = took || writer_.next_sequence() != before;
        if (!*whole) return took;  // the disk is behind: drive first
        // The device works on what is full while the rest is copied.
        if (writer_.has_full_batch()) (void)writer_.drive(0);
        marks_.push_back(subscriber_.mark());
        if (marks_.size() >= kMarksPerRound) return took;
    }
}

// The hold first: who finds the gate moved, or gone, finds it moved too.
void Recorder::release(bus::Place place) noexcept {
    released_ = place;
    board_.hold_from(place);
    subscriber_.release(place);
}

void Recorder::report_progress() {
    const Sequence written = writer_.written_sequence();
    while (!marks_.empty() && marks_.front().sequence <= written) {
        const bus::Place written_place = marks_.front();
        marks_.pop_front();
        release(written_place);
    }
    const journal::WriterState state = writer_.state();
    if (state != journal::WriterState::failed) {
        const bus::JournalRoom room =
            state == journal::WriterState::no_space    ? bus::JournalRoom::none
            : state == journal::WriterState::low_space ? bus::JournalRoom::low
                                                       : bus::JournalRoom::enough;
        board_.room(room, writer_.failure_errno());
    }
    const journal::WriterStatistics statistics = writer_.statistics();
    board_.progress(
        writer_.durable_sequence(), written, statistics.written_bytes, statistics.flushes);
    types_->look(monotonic_ns());
    track_identities(writer_.durable_sequence(), !keeper_ || keeper_->wants_identities());
    if (compressor_) attend_compressor(statistics.segments);
    const bool has_names =
        identities_->is_active() || bus::CursorKeeping::has_any(subscriber_.region());
    if (keeper_ || has_names) attend_keeper();
}

bool Recorder::may_append() {
    if (!identities_->may_append()) return false;
    auto held = identities_->take_held();
    if (!held) return true;
    // What the keeper told before that doesn't know of it yet.
    if (keeper_) {
        CursorKeeper::News news = keeper_->take_news();
        if (news.trouble) cursor_trouble_ = std::move(news.trouble);
    }
    writer_.hold_back(std::move(*held));
    return true;
}

void Recorder::track_identities(Sequence durable_sequence, bool is_wanted) {
    if (!identities_->is_active()) return;
    auto known = identities_->progress(durable_sequence, is_wanted);
    if (!known) return;
    attend_keeper();
    keeper_->offer(std::move(*known));
}

std::optional<Error> Recorder::take_trouble() noexcept {
    if (compression_trouble_) return std::exchange(compression_trouble_, std::nullopt);
    if (cursor_trouble_) return std::exchange(cursor_trouble_, std::nullopt);
    if (identities_) {
        if (auto trouble = identities_->take_trouble()) return trouble;
    }
    return types_ ? types_->take_trouble() : std::nullopt;
}

void Recorder::attend_keeper() {
    if (!keeper_) {
        keeper_ = std::make_unique<CursorKeeper>(
            subscriber_.shared_region(), journal_directory_, writer_.journal_id());
    }
    CursorKeeper::News news = keeper_->take_news();
    if (news.held) writer_.hold_back(std::move(*news.held));
    if (news.trouble) cursor_trouble_ = std::move(news.trouble);
}

void Recorder::attend_compressor(std::uint64_t segment_count) {
    if (segment_count != seen_segments_) {
        seen_segments_ = segment_count;
        compressor_->wake();
    }
    journal::BackgroundCompressor::News news = compressor_->take_news();
    for (const journal::CompressedSegment& segment : news.segments)
        writer_.note_stored_size(segment.segment_number, segment.stored_bytes);
    if (news.trouble) compression_trouble_ = std::move(news.trouble);
}

// As long as nothing has moved, it sleeps as long as it has been idle already: soon a few times a
// second, for what nobody wakes it for.
std::uint64_t Recorder::idle_turn_ns() noexcept {
    const std::uint64_t now_ns = monotonic_ns();
    if (idle_since_ns_ == 0) idle_since_ns_ = now_ns;
    return std::clamp(now_ns - idle_since_ns_, kIdleTurnNs, kLongIdleTurnNs);
}

void Recorder::wait_for_events(std::uint64_t timeout_ns) noexcept {
    if (parks_) {
        subscriber_.park(bus::Deadline::in_ns(timeout_ns));
    } else {
        subscriber_.wait(waiter_, bus::Deadline::in_ns(timeout_ns));
    }
}

Recorder::Recorder(Recorder&& other) noexcept = default;

Recorder& Recorder::operator=(Recorder&& other) noexcept {
    if (this != &other) {
        std::destroy_at(this);
        std::construct_at(this, std::move(other));
    }
    return *this;
}

Recorder::~Recorder() {
    // Its thread doesn't run in a forked child, so nobody could wait for it.
    if (!is_dead()) return;
    (void)compressor_.release();
    (void)keeper_.release();
}

Result<void> Recorder::step(std::uint64_t timeout_ns) {
    if (is_dead()) return dead_recorder();
    auto took = take_events();
    if (!took) {
        fail_board(took.error());
        return took.error();
    }
    bool moved = writer_.drive(0) || *took;
    // What waits for the disk parks in drive(). What the policy leaves unflushed waits for nothing
    // there, so then it is the ring that is waited for, until the flush is due.
    const bool is_settled = writer_.durable_sequence() == writer_.next_sequence();
    const std::uint64_t idle_ns = moved || is_settled ? kLongIdleTurnNs : writer_.idle_ns();
    if (!moved && idle_ns == 0) {
        moved = writer_.drive(std::min(timeout_ns, kDiskTurnNs));
    } else if (!moved) {
        wait_for_events(std::min({timeout_ns, idle_ns, idle_turn_ns()}));
    }
    if (moved) {
        waiter_.reset();
        idle_since_ns_ = 0;
    }
    report_progress();
    if (writer_.state() == journal::WriterState::failed) {
        board_.fail(writer_.failure_errno());
        return journal_error();
    }
    if (lag_ != JournalLag::drop) return {};
    auto dropped = drop_forward();
    if (!dropped) fail_board(dropped.error());
    return dropped;
}

Result<void> Recorder::drop_forward() {
    // With `drop` the recorder lets publishers pass when it is more than three quarters of the ring
    // behind: what is not appended yet is given up, as an exact gap.
    const bus::Region& region = subscriber_.region();
    const std::uint64_t behind = region.tail().position - released_.position;
    if (behind < region.capacity_bytes() / 4 * 3) return {};
    // With the rest of an atomic batch goes what was taken of it already.
    writer_.take_back_unfinished();
    const Sequence expected = writer_.next_sequence();
    auto fresh = subscriber_.restart(bus::Start::newest());
    if (!fresh) return fresh.error();
    pending_ = {};
    const Sequence found = subscriber_.next_sequence();
    marks_.clear();
    released_ = subscriber_.mark();
    if (found == expected) return {};
    // The board first: once the journal goes on behind the gap, waiters must know of it.
    board_.gap(expected, found);
    identities_->skip_to(found);
    // A gap takes no room in the batches being filled, so it is noted even when they are full.
    if (writer_.note_gap(expected, found - expected) != journal::AppendStatus::taken)
        return journal_error();
    lost_events_ += found - expected;
    board_.lost(found - expected);
    return {};
}

bool Recorder::stream_was_removed() const noexcept {
    return subscriber_.region().has_ended();
}

Result<void> Recorder::run(const std::atomic<bool>& stop) {
    if (is_dead()) return dead_recorder();
    // Relaxed: a flag that carries nothing.
    while (!stop.load(std::memory_order_relaxed) && !stream_was_removed()) {
        if (auto stepped = step(kLongIdleTurnNs); !stepped) return stepped.error();
    }
    return close();
}

Result<void> Recorder::close() {
    if (is_dead()) return dead_recorder();
    const Sequence end = subscriber_.region().tail().sequence;
    const bus::Deadline deadline = bus::Deadline::in_ns(kCloseTimeoutNs);
    bus::Deadline room_deadline = bus::Deadline::in_ns(kRoomPatienceNs);
    // A claim that is still open at the end isn't waited for: its event belongs to the successor.
    while (writer_.next_sequence() < end && !deadline.has_passed()) {
        if (writer_.state() != journal::WriterState::no_space)
            room_deadline = bus::Deadline::in_ns(kRoomPatienceNs);
        if (room_deadline.has_passed()) break;
        const Sequence before = writer_.next_sequence();
        if (auto stepped = step(kDiskTurnNs); !stepped) return stepped.error();
        if (writer_.next_sequence() == before && !subscriber_.has_event() && pending_.count == 0)
            break;
    }
    if (keeper_) {
        // While nobody else may write the journal; what is durable then is as far as it comes.
        if (auto synced = writer_.sync(kCloseTimeoutNs); synced) {
            report_progress();
            track_identities(writer_.durable_sequence(), true);
        }
        keeper_->finish();
        attend_keeper();
    }
    types_->finish();
    if (auto closed = writer_.close(kCloseTimeoutNs); !closed) {
        fail_board(closed.error());
        return closed.error();
    }
    report_progress();
    return {};
}

RecorderStatus Recorder::status() const {
    RecorderStatus status;
    status.journal_directory = journal_directory_;
    status.first_sequence = first_sequence_;
    status.next_sequence = subscriber_.next_sequence();
    status.written_sequence = writer_.written_sequence();
    status.durable_sequence = writer_.durable_sequence();
    status.lost_events = lost_events_;
    status.writer = writer_.statistics();
    if (compressor_) status.compression = compressor_->figures();
    return status;
}

}  // namespace tailrace::stream
