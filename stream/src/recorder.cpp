#include "cursor_keeper.hpp"
#include "record_salt.hpp"
#include "type_keeper.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/sequence_range.hpp>
#include <tailrace/stream/recorder.hpp>
#include <tailrace/journal/reader.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
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
constexpr std::uint64_t kLeastSegmentBytes = 4U << 20;
constexpr std::uint64_t kSegmentRings = 4;
constexpr std::uint64_t kCloseTimeoutNs = 30'000'000'000;
// Who is asked to end while the disk is full does so; what is left is in the ring for a successor.
constexpr std::uint64_t kRoomPatienceNs = 500'000'000;

Error not_its_continuation(const bus::Region& region,
                           const std::string& directory,
                           Sequence journal_end) {
    return make_error(
        ErrorCode::corrupt,
        "the ring of stream '" + region.name() + "' is not the continuation of its journal in '" +
            directory + "': the journal ends before sequence " + std::to_string(journal_end) +
            ", but the ring began at " + std::to_string(region.header().first_sequence) +
            " with events of its own",
        "record into another directory (--to DIR), or make the ring anew: tailrace rm " +
            region.name() + " --yes; tailrace create " + region.name() + " --journal " + directory);
}

// A ring continues a journal when the journal's last events came from it, or when it began where
// the journal ends.
Result<void> check_continuation(const bus::Region& region,
                                const std::string& directory,
                                Sequence journal_end) {
    if (journal_end > region.tail().sequence)
        return not_its_continuation(region, directory, journal_end);
    if (region.header().first_sequence >= journal_end) return {};
    auto salt = salt_before(directory, journal_end);
    if (!salt) return salt.error();
    if (salt->has_value() && **salt != region.header().salt) {
        return not_its_continuation(region, directory, journal_end);
    }
    return {};
}

// What was promised was promised of one journal. Another one in its place, or none, is a file
// system that isn't mounted, a directory that was moved away or removed: not a reason to begin anew
// as if nothing had been. A directory that was never recorded into is somebody's choice.
Result<void> check_memory(const bus::RememberedJournal& remembered,
                          const JournalEnd& found,
                          const bus::Region& region,
                          const std::string& directory) {
    if (remembered.durable_sequence == 0 || found.id == remembered.id) return {};
    if (remembered.directory != directory) return {};
    const bool is_there = found.id != JournalEnd{}.id;
    return make_error(ErrorCode::not_found,
                      "the journal of stream '" + region.name() + "' isn't in '" + directory +
                          "' any more, where everything below sequence " +
                          std::to_string(remembered.durable_sequence) +
                          " was durable: " + (is_there ? "another one is there" : "there is none"),
                      "is its disk mounted (findmnt -T " + directory +
                          ")? was it moved (then: tailrace record " + region.name() +
                          " --to DIR)? to begin anew without it: tailrace record " + region.name() +
                          " --accept-loss");
}

// The same journal, but shorter than was promised. What the ring still holds is recorded again.
Result<void> check_promise(const bus::RememberedJournal& remembered,
                           const JournalEnd& found,
                           const bus::Subscriber& subscriber,
                           const std::string& directory) {
    if (found.id != remembered.id || found.sequence >= remembered.durable_sequence) return {};
    const Sequence next = std::min(subscriber.next_sequence(), remembered.durable_sequence);
    if (next <= found.sequence) return {};
    const std::string name = subscriber.region().name();
    return make_error(ErrorCode::corrupt,
                      "the journal '" + directory + "' of stream '" + name + "' has lost " +
                          range_text(found.sequence, next) +
                          ", which was durable in it and has left the ring",
                      "was an older copy of it put back? tailrace verify " + directory +
                          "; to go on behind a gap: tailrace record " + name + " --accept-loss");
}

// Whoever lets publishers be held for the journal lets nothing be missing in it. What was recorded
// into another one is there.
Result<void> check_hold(const bus::Region& region,
                        const JournalEnd& found,
                        const bus::Subscriber& subscriber,
                        const std::string& directory) {
    const auto hold = bus::journal_hold(region);
    if (!hold) return {};
    const Sequence expected = found.sequence != 0 ? found.sequence : hold->sequence;
    const Sequence next = subscriber.next_sequence();
    if (next <= expected) return {};
    return make_error(ErrorCode::corrupt,
                      "the journal '" + directory + "' of stream '" + region.name() + "' lacks " +
                          range_text(expected, next) +
                          ", which has left the ring, and the stream allows no gap "
                          "(--journal-missing hold)",
                      "was it recorded into another directory (tailrace lag " + region.name() +
                          ")? to go on behind a gap: tailrace record " + region.name() +
                          " --accept-loss");
}

// The place in the ring: where the journal ends, or the oldest. It is held before the journal is
// recovered, so that nothing slips away meanwhile.
Result<bus::Subscriber> take_place(const std::shared_ptr<bus::Region>& region,
                                   bus::WaitStrategy wait,
                                   const JournalEnd& journal_end) {
    bus::SubscriberOptions reading;
    reading.name = "journal";
    reading.policy = bus::SlowPolicy::gate;
    reading.wait = wait;
    const bool is_new = journal_end.sequence == 0;
    reading.start = is_new ? bus::Start::oldest() : bus::Start::at(journal_end.sequence);
    auto subscriber = bus::Subscriber::attach(region, reading);
    if (!subscriber && subscriber.error().code == ErrorCode::sequence_gone) {
        reading.start = bus::Start::oldest();
        subscriber = bus::Subscriber::attach(region, reading);
    }
    // The checkpoints of a full ring may lie behind its first event.
    const auto hold = bus::journal_hold(*region);
    if (subscriber && is_new && hold && subscriber->next_sequence() > hold->sequence)
        (void)subscriber->restart(bus::Start::at(hold->sequence));
    return subscriber;
}

Result<void> check_lag(const bus::Region& region, JournalLag lag) {
    if (lag != JournalLag::drop || !bus::holds_for_journal(region.header())) return {};
    return make_error(ErrorCode::invalid_argument,
                      "stream '" + region.name() +
                          "' was created with --journal-missing hold: nothing of it is to be "
                          "lost, so its recorder can't drop what a slow disk leaves behind",
                      "tailrace record " + region.name() + " --journal-lag gate");
}

// Segments of a small stream are small, since one is allocated whole.
std::uint64_t segment_size_for(const bus::Region& region) {
    return std::clamp(kSegmentRings * region.capacity_bytes(),
                      kLeastSegmentBytes,
                      journal::kDefaultSegmentSizeBytes);
}

std::string choose_directory(const bus::Region& region, const RecorderOptions& options) {
    if (!options.journal.directory.empty()) return options.journal.directory;
    const std::string named = region.header().journal_directory.data();
    return named.empty() ? default_journal_directory(region.name()) : named;
}

Error dead_recorder() {
    return make_error(ErrorCode::invalid_argument,
                      "this recorder is dead: it was moved from, or this is a forked child and it "
                      "belongs to the parent",
                      "attach in the child, after fork()");
}

}  // namespace

std::string default_journal_directory(const std::string& stream) {
    const auto under = [&](const char* variable, const char* suffix) -> std::string {
        const char* const value = std::getenv(variable);
        return value != nullptr && *value != '\0' ? value + std::string(suffix) + "/" + stream
                                                  : std::string();
    };
    if (auto path = under("TAILRACE_JOURNAL_DIR", ""); !path.empty()) return path;
    if (auto path = under("XDG_STATE_HOME", "/tailrace"); !path.empty()) return path;
    if (::geteuid() != 0) {
        if (auto path = under("HOME", "/.local/state/tailrace"); !path.empty()) return path;
    }
    return "/var/lib/tailrace/" + stream;
}

journal::JournalAccess journal_access(const bus::Region& region) {
    struct stat status {};
    if (::stat((region.path() + "/control").c_str(), &status) != 0) return {};
    return {region.header().mode & 0666U, status.st_uid, status.st_gid};
}

Result<JournalEnd> find_journal_end(const std::string& directory) {
    auto report = journal::preview_recovery(directory);
    if (report) return JournalEnd{report->end_sequence, report->journal_id};
    if (report.error().code == ErrorCode::not_found) return JournalEnd{};
    return report.error();
}

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

Result<Recorder> Recorder::attach(const std::string& stream, const RecorderOptions& options) {
    auto opened = bus::Region::open(stream, bus::RegionAccess::subscribe, options.bus_directory);
    if (!opened) return opened.error();
    const std::shared_ptr<bus::Region> region = std::move(*opened);
    const std::string directory = choose_directory(*region, options);
    if (auto checked = check_lag(*region, options.lag); !checked) return checked.error();
    // First of all: what is started and measured from here on should have it.
    const Result<void> raised = take_priority(options.priority);
    if (!raised && raised.error().code != ErrorCode::no_permission) return raised.error();
    // The role is taken first: two recorders must not even look at the journal together.
    auto board = bus::JournalBoardWriter::take(region);
    if (!board) return board.error();

    auto journal_end = find_journal_end(directory);
    if (!journal_end) return journal_end.error();
    if (!options.accept_loss) {
        auto checked = check_memory(board->remembered(), *journal_end, *region, directory);
        if (!checked) return checked.error();
    }
    const bool is_new = journal_end->sequence == 0;
    if (!is_new) {
        if (auto checked = check_continuation(*region, directory, journal_end->sequence); !checked)
            return checked.error();
    }
    auto subscriber = take_place(region, options.wait, *journal_end);
    if (!subscriber) return subscriber.error();
    if (!options.accept_loss) {
        auto checked = check_promise(board->remembered(), *journal_end, *subscriber, directory);
        if (!checked) return checked.error();
        checked = check_hold(*region, *journal_end, *subscriber, directory);
        if (!checked) return checked.error();
    }

    journal::JournalOptions journal_options = options.journal;
    journal_options.directory = directory;
    journal_options.stream_name = stream;
    journal_options.event_alignment_bytes = region->header().alignment_bytes;
    if (journal_options.access.mode == journal::JournalAccess::kUnsaid)
        journal_options.access = journal_access(*region);
    if (journal_options.segment_size_bytes == 0)
        journal_options.segment_size_bytes = segment_size_for(*region);
    journal_options.start_sequence = subscriber->next_sequence();
    auto writer = journal::Writer::open(journal_options);
    if (!writer) return writer.error();
    auto types = std::make_unique<TypeKeeper>(region, directory);
    if (auto begun = types->begin(); !begun) return begun.error();

    Recorder recorder(
        std::move(*subscriber), std::move(*writer), std::move(*board), options, directory);
    recorder.types_ = std::move(types);
    recorder.board_.continue_at(recorder.first_sequence_);
    if (options.compress_level > 0) {
        recorder.compressor_ = std::make_unique<journal::BackgroundCompressor>(
            directory, options.compress_level, 2 * journal_options.segment_size_bytes);
        recorder.seen_segments_ = recorder.writer_.statistics().segments;
    }
    // A new journal has nothing of what left the ring before it.
    if (is_new) recorder.board_.gap(region->header().first_sequence, recorder.first_sequence_);
    if (!raised) recorder.priority_refusal_ = raised.error();
    if (auto noted = recorder.note_missed(); !noted) return noted.error();
    // Only now: what the board promised so far may have been of another journal.
    recorder.board_.opened(recorder.writer_.durable_sequence());
    recorder.board_.remember(recorder.writer_.journal_id(), directory);
    recorder.release(recorder.released_);
    recorder.report_progress();
    return recorder;
}

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
    if (compressor_) attend_compressor(statistics.segments);
    if (keeper_ || bus::CursorKeeping::has_any(subscriber_.region())) attend_keeper();
}

std::optional<Error> Recorder::take_trouble() noexcept {
    if (compression_trouble_) return std::exchange(compression_trouble_, std::nullopt);
    if (cursor_trouble_) return std::exchange(cursor_trouble_, std::nullopt);
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
        if (auto synced = writer_.sync(kCloseTimeoutNs); synced) report_progress();
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
