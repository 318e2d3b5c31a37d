#include <tailrace/base/clock.hpp>
#include <tailrace/bridge/recorder.hpp>
#include <tailrace/bridge/stream_reader.hpp>

#include <algorithm>
#include <array>
#include <ctime>
#include <string_view>
#include <utility>

namespace tailrace::bridge {

namespace {

// Read from the journal between two looks whether the ring holds the place again.
constexpr std::uint64_t kLookBackBytes = 256U << 10;
// Nothing tells a reader in the journal of what is written next, so it looks this often.
constexpr long kNapNs = 100'000;
constexpr std::uint64_t kDurableWaitNs = 10'000'000;

bool is_known(const bus::RememberedJournal& journal) noexcept {
    return journal.id != bus::RememberedJournal{}.id && !journal.directory.empty();
}

// Where the journal of a stream is: where it was recorded to last, else where it says.
std::string journal_directory_of(const bus::Region& region) {
    const bus::RememberedJournal remembered = bus::remembered_journal(region);
    if (is_known(remembered)) return remembered.directory;
    return region.header().journal_directory.data();
}

Error no_journal(const bus::Region& region, std::string_view what) {
    return make_error(
        ErrorCode::invalid_argument,
        "stream '" + region.name() + "' has no journal, so " + std::string(what),
        "tailrace record " + region.name() + "; or the policy gate (lossless) or skip");
}

Error nobody_records(const bus::Region& region) {
    return make_error(ErrorCode::no_writer,
                      "nobody records stream '" + region.name() +
                          "', so what leaves the ring is lost to a reader that spills",
                      "tailrace record " + region.name());
}

Error without_times(const bus::Region& region) {
    return make_error(ErrorCode::invalid_argument,
                      "stream '" + region.name() + "' carries no publish times",
                      "a position by sequence: N, +N or -N");
}

Error not_its_journal(const bus::Region& region, const std::string& directory) {
    return make_error(ErrorCode::stale,
                      "the journal in '" + directory + "' is not that of stream '" + region.name() +
                          "': it was recorded from another ring",
                      "tailrace lag " + region.name() + " shows where it is recorded to");
}

bus::SubscriberOptions reading(const StreamReaderOptions& options) {
    bus::SubscriberOptions reading;
    reading.name = options.name;
    reading.policy = options.policy;
    reading.start = bus::Start::newest();
    reading.wait = options.wait;
    reading.directory = options.bus_directory;
    reading.evict_after_ns = options.evict_after_ns;
    if (options.limit == ReadLimit::committed) reading.filter = options.filter;
    return reading;
}

bool is_told(const Error& error) noexcept {
    return error.code == ErrorCode::no_writer || error.code == ErrorCode::io_failure ||
           error.code == ErrorCode::closed;
}

}  // namespace

Result<StreamReader> StreamReader::attach(const std::string& stream,
                                          const StreamReaderOptions& options) {
    const bus::RegionAccess access = options.policy == bus::SlowPolicy::observe
                                         ? bus::RegionAccess::observe
                                         : bus::RegionAccess::subscribe;
    auto region = bus::Region::open(stream, access, options.bus_directory);
    if (!region) return region.error();
    return attach(std::move(*region), options);
}

Result<StreamReader> StreamReader::attach(std::shared_ptr<bus::Region> region,
                                          const StreamReaderOptions& options) {
    StreamReader reader;
    reader.directory_ = options.journal_directory.empty() ? journal_directory_of(*region)
                                                          : options.journal_directory;
    const bool may_slide = options.policy == bus::SlowPolicy::spill ||
                           options.policy == bus::SlowPolicy::gate ||
                           options.policy == bus::SlowPolicy::observe;
    reader.slides_ = may_slide && !reader.directory_.empty();
    reader.limit_ = options.limit;
    reader.filter_ = options.filter;
    if (reader.directory_.empty() && options.policy == bus::SlowPolicy::spill)
        return no_journal(*region, "there is nothing to spill to");
    if (reader.directory_.empty() && options.limit == ReadLimit::durable)
        return no_journal(*region, "nothing in it is durable");
    if (options.policy == bus::SlowPolicy::spill && !options.without_recorder &&
        !bus::has_journal_writer(*region)) {
        return nobody_records(*region);
    }
    auto ring = bus::Subscriber::attach(std::move(region), reading(options));
    if (!ring) return ring.error();
    reader.ring_.emplace(std::move(*ring));
    reader.stay(Source::ring);
    if (auto went = reader.go_to(options.from); !went) return went.error();
    if (reader.source_ == Source::ring) reader.log_.reset();
    return reader;
}

Result<StreamReader> StreamReader::open_journal(const std::string& directory,
                                                const StreamReaderOptions& options) {
    StreamReader reader;
    reader.directory_ = directory;
    reader.slides_ = true;
    reader.filter_ = options.filter;
    if (auto opened = reader.open_log(); !opened) return opened.error();
    reader.stay(Source::journal);
    if (auto went = reader.go_to(options.from); !went) return went.error();
    return reader;
}

void StreamReader::stay(Source source) noexcept {
    source_ = source;
    reads_ring_plainly_ = source == Source::ring && limit_ == ReadLimit::committed;
}

Sequence StreamReader::next_sequence() const noexcept {
    return source_ == Source::ring ? ring_->next_sequence() : next_;
}

// --- from one to the other

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
    if (auto opened = open_log(); !opened) {
        static_cast<void>(fail(opened.error()));
        return true;
    }
    auto sought = log_->seek_sequence(sequence);
    // Not written that far: it waits there. Gone: it stands where it can go on.
    if (!sought && sought.error().code == ErrorCode::sequence_ahead) sought = log_->seek_end();
    if (!sought && sought.error().code == ErrorCode::sequence_gone)
        sought = log_->seek_sequence(log_->first_sequence());
    if (!sought) static_cast<void>(fail(sought.error()));
    return true;
}

// Called with what the ring said when it gave nothing. True: look again, elsewhere.
bool StreamReader::leave_ring(bus::PollState state) {
    if (state == bus::PollState::behind) {
        const bus::Place place = ring_->place();
        return enter_journal(place.sequence, place.position);
    }
    if (state != bus::PollState::gap) return false;
    const bus::Gap gap = ring_->last_gap();
    if (slides_ && gap.count != 0 && enter_journal(gap.first, bus::kNoPosition)) return true;
    last_gap_ = gap;
    lost_events_ += gap.count;
    return false;
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
    EventHeader header{};
    std::memcpy(&header, rest_.bytes.data(), sizeof(header));
    const std::uint64_t size_bytes = event_size_bytes(
        header.payload_size_bytes, header.extension_words, rest_.event_alignment_bytes);
    rest_.bytes = rest_.bytes.subspan(size_bytes);
    ++rest_.first_sequence;
    --rest_.event_count;
    next_ = rest_.first_sequence;
    unlooked_bytes_ += size_bytes;
    if (position_ != bus::kNoPosition) position_ += size_bytes;
}

bus::PollState StreamReader::advance() {
    if (has_failed_) return bus::PollState::failed;
    if (ring_ && ring_->is_dead()) return bus::PollState::dead_handle;
    if (limit_ == ReadLimit::durable && ring_) bound_ = bus::durable_sequence(ring_->region());
    if (rest_.event_count != 0) {
        return rest_.first_sequence < bound_ ? bus::PollState::ok : waiting_state();
    }
    if (ring_ && unlooked_bytes_ >= kLookBackBytes) {
        unlooked_bytes_ = 0;
        if (ring_->can_return_to(next_) && return_to_ring(bus::Start::at(next_)))
            return bus::PollState::ok;
    }
    if (auto opened = open_log(); !opened) return fail(opened.error());
    auto step = log_->next_batch();
    if (!step) return take_error(step.error());
    if (step->kind == journal::ReadKind::event) return take_batch(step->batch);
    if (step->kind == journal::ReadKind::gap) {
        // Some of it may have been told already, by the ring's board.
        const Sequence end = step->gap.first + step->gap.count;
        return end > next_ ? tell_gap(next_, end) : bus::PollState::ok;
    }
    return ring_ ? judge_end() : bus::PollState::closed;
}

bus::PollState StreamReader::take_batch(const journal::BatchView& batch) {
    if (ring_) {
        const bus::StreamHeader& header = ring_->region().header();
        if (batch.first_sequence >= header.first_sequence && batch.record_salt != header.salt)
            return fail(not_its_journal(ring_->region(), directory_));
    }
    rest_ = batch;
    const Sequence wanted = next_;
    while (rest_.event_count != 0 && rest_.first_sequence < wanted)
        pass_front();
    next_ = wanted;
    if (rest_.event_count == 0 || rest_.first_sequence == next_) return bus::PollState::ok;
    return tell_gap(next_, rest_.first_sequence);
}

bus::PollState StreamReader::take_error(const Error& error) {
    // The ring may still have it.
    if (ring_ && return_to_ring(bus::Start::at(next_))) return bus::PollState::ok;
    if (error.code == ErrorCode::sequence_gone) {
        const Sequence first = log_->first_sequence();
        if (auto sought = log_->seek_sequence(first); !sought) return fail(sought.error());
        return first > next_ ? tell_gap(next_, first) : bus::PollState::ok;
    }
    if (error.code == ErrorCode::stale) {
        // A recovery cut off what had never been acknowledged.
        log_.reset();
        if (auto opened = open_log(); !opened) return fail(opened.error());
        auto sought = log_->seek_sequence(next_);
        if (sought) return bus::PollState::ok;
        if (sought.error().code != ErrorCode::sequence_ahead) return fail(sought.error());
        if (auto ended = log_->seek_end(); !ended) return fail(ended.error());
        return bus::PollState::idle;
    }
    return fail(error);
}

// All that is written has been read. The ring was asked behind that: what it has let go of was
// written before (edge written_before_overwritten), so if it hasn't the next event, looking into
// the journal again finds it, as long as somebody records.
bus::PollState StreamReader::judge_end() {
    if (return_to_ring(bus::Start::at(next_))) return bus::PollState::ok;
    const bus::Region& region = ring_->region();
    if (const auto end = bus::journal_gap_end(region, next_)) return tell_gap(next_, *end);
    const auto recording = bus::check_durable(region);
    if (recording || !is_told(recording.error())) return bus::PollState::idle;
    // Nobody writes what is missing here, so it is gone, up to what the ring has. In this order
    // (slide.pml): a recorder that came and went before the look at the role has written what it
    // had by the look at the journal; one that comes behind it begins no earlier than the ring does
    // here.
    const Sequence first = next_;
    const std::unique_ptr<journal::Reader> log = std::move(log_);
    if (!return_to_ring(bus::Start::oldest())) return bus::PollState::idle;
    const Sequence oldest = ring_->next_sequence();
    if (oldest <= first) return bus::PollState::ok;
    const auto by_now = bus::check_durable(region);
    bool is_gone = !by_now && is_told(by_now.error());
    if (is_gone) {
        const auto step = log->next_batch();
        is_gone = step && step->kind == journal::ReadKind::end;
    }
    if (is_gone) return tell_gap(first, oldest);
    return enter_journal(first, bus::kNoPosition) ? bus::PollState::ok : bus::PollState::in_handler;
}

bus::PollState StreamReader::tell_gap(Sequence first, Sequence end) noexcept {
    last_gap_ = {first, end - first};
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
    has_failed_ = true;
    return bus::PollState::failed;
}

// --- what is durable

// How many events may be read in the ring. 0: room_state_ says why, or it has gone to the journal.
std::uint64_t StreamReader::durable_room() {
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
        if (!enter_journal(next, ring_->place().position)) room_state_ = bus::PollState::in_handler;
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
    if (region.has_ended() && next_sequence() >= region.tail().sequence)
        return bus::PollState::closed;
    auto recording = bus::check_durable(region);
    if (recording || !is_told(recording.error())) return bus::PollState::idle;
    error_ = recording.error();
    return bus::PollState::stalled;
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

// --- where to begin

Result<Sequence> StreamReader::end_sequence() {
    if (!ring_) return log_->end_sequence();
    return ring_->region().tail().sequence;
}

Result<void> StreamReader::go_to_start() {
    if (ring_) {
        if (auto restarted = ring_->restart(bus::Start::oldest()); !restarted) return restarted;
        stay(Source::ring);
        if (!slides_) return {};
        // A stream that is recorded from now on has none yet.
        if (auto opened = open_log(); !opened)
            return opened.error().code == ErrorCode::not_found ? Result<void>{} : opened.error();
        if (log_->first_sequence() >= ring_->next_sequence()) return {};
    }
    return go_to_sequence(log_->first_sequence());
}

Result<void> StreamReader::go_to_sequence(Sequence sequence) {
    if (!ring_) {
        auto sought = log_->seek_sequence(sequence);
        next_ = log_->next_sequence();
        return sought;
    }
    auto restarted = ring_->restart(bus::Start::at(sequence));
    if (restarted) {
        stay(Source::ring);
        return {};
    }
    if (restarted.error().code != ErrorCode::sequence_gone || !slides_) return restarted;
    if (auto opened = open_log(); !opened) {
        if (opened.error().code == ErrorCode::not_found) return restarted;
        return opened;
    }
    if (auto sought = log_->seek_sequence(sequence); !sought) {
        if (sought.error().code == ErrorCode::sequence_ahead) return restarted;
        return sought;
    }
    stay(Source::journal);
    static_cast<void>(enter_journal(sequence, bus::kNoPosition));
    return {};
}

Result<void> StreamReader::go_to(const Position& position) {
    switch (position.kind) {
        case Position::Kind::start:
            return go_to_start();
        case Position::Kind::end: {
            if (ring_) return {};  // it began there
            auto sought = log_->seek_end();
            next_ = log_->next_sequence();
            return sought;
        }
        case Position::Kind::sequence:
            return go_to_sequence(position.value);
        case Position::Kind::after_start: {
            if (auto went = go_to_start(); !went) return went;
            auto end = end_sequence();
            if (!end) return end.error();
            const Sequence first = next_sequence();
            const std::uint64_t count = std::min(position.value, *end - std::min(first, *end));
            return go_to_sequence(first + count);
        }
        case Position::Kind::before_end: {
            auto end = end_sequence();
            if (!end) return end.error();
            const Sequence wanted = *end - std::min(position.value, *end);
            return go_back_to(wanted);
        }
        case Position::Kind::time:
        case Position::Kind::before_now: {
            const std::uint64_t now_ns = wall_clock_ns();
            auto sequence = sequence_at(position.kind == Position::Kind::time
                                            ? position.value
                                            : now_ns - std::min(position.value, now_ns));
            if (!sequence) return sequence.error();
            return go_back_to(*sequence);
        }
    }
    return {};
}

// To the first event of the atomic batch that `sequence` lies in, or to what is the oldest by then.
Result<void> StreamReader::go_back_to(Sequence sequence) {
    auto begun = first_of_atomic(sequence);
    if (!begun) return begun.error();
    auto went = go_to_sequence(*begun);
    if (went || went.error().code != ErrorCode::sequence_gone) return went;
    return go_to_start();
}

Result<StreamReader> StreamReader::observer_at(const Position& position) const {
    StreamReaderOptions options;
    options.from = position;
    options.policy = bus::SlowPolicy::observe;
    options.journal_directory = slides_ ? directory_ : std::string();
    if (!ring_) return open_journal(directory_, options);
    return attach(ring_->shared_region(), options);
}

Result<Sequence> StreamReader::first_of_atomic(Sequence sequence) const {
    constexpr std::uint64_t kFarther = 16;
    for (std::uint64_t back = 1;; back *= kFarther) {
        Position from = Position::at(sequence - std::min(back, sequence));
        auto reader = observer_at(from);
        const bool is_oldest =
            !reader && (reader.error().code == ErrorCode::sequence_gone || from.value == 0);
        if (is_oldest) reader = observer_at(Position::start());
        if (!reader) return reader.error();
        if (reader->next_sequence() >= sequence) return sequence;
        // Before the first event that ends one, it isn't known where the batch at hand begins.
        std::optional<Sequence> begun;
        if (is_oldest || from.value == 0) begun = reader->next_sequence();
        bool continues = false;
        while (reader->next_sequence() < sequence) {
            const bus::PollResult result = reader->poll(
                [&](const Event& event) {
                    if (event.sequence() >= sequence) return;
                    continues = (event.flags() & kBatchContinues) != 0;
                    if (!continues) begun = event.sequence() + 1;
                },
                sequence - reader->next_sequence());
            // Whatever it is that can't be read there is told to whoever reads on.
            if (result.state != bus::PollState::ok) return sequence;
        }
        if (!continues) return sequence;
        if (begun) return *begun;
    }
}

// The first event whose publish time, or that of one before it, is at least that. In the ring as
// the index of a journal would say it: a time that is ahead of this clock, by more than clocks may
// differ, says nothing.
Result<Sequence> StreamReader::sequence_at(std::uint64_t time_ns) {
    Position from = Position::start();
    if (slides_) {
        auto opened = open_log();
        if (!opened && (!ring_ || opened.error().code != ErrorCode::not_found))
            return opened.error();
        if (opened) {
            if (auto sought = log_->seek_time(time_ns); !sought) return sought.error();
            const Sequence found = log_->next_sequence();
            auto end = log_->end_sequence();
            if (!end) return end.error();
            if (!ring_ || found < *end) return found;
            from = Position::at(found);
        }
    }
    const bus::Region& region = ring_->region();
    if (region.header().publish_time == bus::PublishTime::off) return without_times(region);
    auto reader = observer_at(from);
    if (!reader && reader.error().code == ErrorCode::sequence_gone)
        reader = observer_at(Position::start());
    if (!reader) return reader.error();
    const std::uint64_t latest_ns = wall_clock_ns() + kClockToleranceNs;
    const Sequence end = region.tail().sequence;
    std::optional<Sequence> found;
    while (!found && reader->next_sequence() < end) {
        const bus::PollResult result = reader->poll(
            [&](const Event& event) {
                const std::uint64_t published_ns = event.publish_time_ns();
                if (!found && published_ns >= time_ns && published_ns <= latest_ns)
                    found = event.sequence();
            },
            256);
        if (result.state == bus::PollState::idle && result.events == 0) break;
        if (result.state > bus::PollState::gap) break;
    }
    return found.value_or(reader->next_sequence());
}

}  // namespace tailrace::bridge
