// Where a StreamReader begins: attaching, and finding a position in journal or ring.

#include "journal_of_stream.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/journal/kept_types.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace tailrace::stream {

namespace {

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

// The journal should be there, and may have what the ring hasn't any more: nobody can tell.
Error journal_is_out_of_reach(const bus::Region& region,
                              const std::string& directory,
                              const Error& why) {
    Error error = why;
    error.message =
        "what has left the ring of stream '" + region.name() + "' can't be read: " + why.message;
    error.hint = "tailrace tail " + region.name() +
                 " --policy skip --from start reads what the ring has; ls -ld " + directory;
    return error;
}

// What left the ring is lost to the others.
bool may_slide(bus::SlowPolicy policy) noexcept {
    return policy != bus::SlowPolicy::skip && policy != bus::SlowPolicy::evict;
}

bus::SubscriberOptions reading(const StreamReaderOptions& options) {
    bus::SubscriberOptions reading;
    reading.name = options.name;
    reading.policy = options.policy;
    reading.start = bus::Start::newest();
    reading.wait = options.wait;
    reading.directory = options.bus_directory;
    reading.evict_after_ns = options.evict_after_ns;
    reading.types = options.types;
    if (options.limit == ReadLimit::committed) reading.filter = options.filter;
    return reading;
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
    const bool slides = may_slide(options.policy);
    std::string directory = options.journal_directory.empty() ? journal_directory_of(*region)
                                                              : options.journal_directory;
    if (!slides && options.limit == ReadLimit::committed) directory.clear();
    auto reader = options.cursor.empty()
                      ? attach_beside(std::move(region), options, std::move(directory))
                      : attach_by_cursor(std::move(region), options, directory);
    if (!reader) return reader;
    reader->slides_ = slides;
    reader->is_directory_given_ = !options.journal_directory.empty();
    return reader;
}

// With the journal in that directory; empty: in the ring alone.
Result<StreamReader> StreamReader::attach_beside(std::shared_ptr<bus::Region> region,
                                                 const StreamReaderOptions& options,
                                                 std::string directory,
                                                 std::optional<Sequence> resume) {
    StreamReader reader;
    reader.directory_ = std::move(directory);
    reader.slides_ = !reader.directory_.empty() && may_slide(options.policy);
    reader.limit_ = options.limit;
    reader.on_damage_ = options.on_damage;
    reader.filter_ = options.filter;
    if (reader.directory_.empty() && options.policy == bus::SlowPolicy::spill)
        return no_journal(*region, "there is nothing to spill to");
    if (reader.directory_.empty() && options.limit == ReadLimit::durable)
        return no_journal(*region, "nothing in it is durable");
    // Where publishers are held for the journal, what leaves the ring is recorded whoever lives.
    const bool is_covered = bus::holds_for_journal(region->header());
    if (options.policy == bus::SlowPolicy::spill && !options.without_recorder && !is_covered &&
        !bus::has_journal_writer(*region)) {
        return nobody_records(*region);
    }
    auto ring = bus::Subscriber::attach(std::move(region), reading(options));
    if (!ring) return ring.error();
    reader.ring_.emplace(std::move(*ring));
    if (options.policy == bus::SlowPolicy::spill) {
        // Better now than when it has been left behind.
        auto opened = reader.open_log();
        if (!opened && opened.error().code == ErrorCode::no_permission)
            return journal_is_out_of_reach(reader.region(), reader.directory_, opened.error());
    }
    reader.stay(Source::ring);
    // While it looks for its place it holds nobody up.
    const bool is_there = !resume && options.from.kind == Position::Kind::end;
    if (!is_there) static_cast<void>(reader.ring_->step_aside(reader.ring_->mark()));
    auto went = resume ? reader.resume_at(*resume) : reader.go_to(options.from);
    if (!went) return went.error();
    if (reader.source_ == Source::ring) reader.log_.reset();
    return reader;
}

Result<StreamReader> StreamReader::open_journal(const std::string& directory,
                                                const StreamReaderOptions& options) {
    StreamReader reader;
    reader.directory_ = directory;
    reader.slides_ = true;
    reader.on_damage_ = options.on_damage;
    reader.filter_ = options.filter;
    if (auto opened = reader.open_log(); !opened) return opened.error();
    if (auto checked = journal::check_types(directory, options.types); !checked)
        return checked.error();
    reader.stay(Source::journal);
    auto went =
        options.cursor.empty() ? reader.go_to(options.from) : reader.take_journal_cursor(options);
    if (!went) return went.error();
    return reader;
}

// A stream that is recorded from now on has none yet. Where there was one, or it may not be looked
// at, what left the ring may be there: to begin without it would lose that in silence.
bool StreamReader::may_begin_without_journal(const Error& error) const noexcept {
    return ring_ && error.code == ErrorCode::not_found &&
           !is_known(bus::remembered_journal(ring_->region()));
}

Result<Sequence> StreamReader::end_sequence() {
    if (!ring_) return log_->end_sequence();
    return ring_->region().tail().sequence;
}

Result<void> StreamReader::go_to_start() {
    if (ring_) {
        if (auto restarted = ring_->restart(bus::Start::oldest()); !restarted) return restarted;
        stay(Source::ring);
        if (!slides_ || ring_->next_sequence() == 0) return {};
        if (auto opened = open_log(); !opened) {
            if (may_begin_without_journal(opened.error())) return {};
            return journal_is_out_of_reach(ring_->region(), directory_, opened.error());
        }
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
        if (may_begin_without_journal(opened.error())) return restarted;
        return journal_is_out_of_reach(ring_->region(), directory_, opened.error());
    }
    if (auto sought = log_->seek_sequence(sequence); !sought) {
        if (sought.error().code == ErrorCode::sequence_ahead) return restarted;
        return sought;
    }
    // It stands there already, and has left no ring.
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
            return go_to_sequence(*resolve(position, next_sequence(), *end, 0).sequence);
        }
        case Position::Kind::before_end: {
            auto end = end_sequence();
            if (!end) return end.error();
            return go_back_to(*resolve(position, 0, *end, 0).sequence);
        }
        case Position::Kind::time:
        case Position::Kind::before_now: {
            auto sequence = sequence_at(*resolve(position, 0, 0, wall_clock_ns()).time_ns);
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

Result<StreamReader> StreamReader::observer_at(const Position& position, bool with_journal) const {
    StreamReaderOptions options;
    options.from = position;
    options.policy = bus::SlowPolicy::observe;
    if (!ring_) return open_journal(directory_, options);
    return attach_beside(
        ring_->shared_region(), options, with_journal ? directory_ : std::string());
}

Result<Sequence> StreamReader::first_of_atomic(Sequence sequence) {
    constexpr std::uint64_t kFarther = 16;
    // Where it can't be read the place itself is refused, unless the ring has it.
    const bool with_journal = slides_ && open_log();
    for (std::uint64_t back = 1;; back *= kFarther) {
        Position from = Position::at(sequence - std::min(back, sequence));
        auto reader = observer_at(from, with_journal);
        const bool is_oldest =
            !reader && (reader.error().code == ErrorCode::sequence_gone || from.value == 0);
        if (is_oldest) reader = observer_at(Position::start(), with_journal);
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
                    continues = event.continues_batch();
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
    std::optional<Error> out_of_reach;  // the journal, for that reason
    if (slides_) {
        auto opened = open_log();
        if (!opened && !may_begin_without_journal(opened.error())) {
            if (!ring_) return opened.error();
            out_of_reach = opened.error();
        }
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
    const bool with_journal = slides_ && !out_of_reach;
    auto reader = observer_at(from, with_journal);
    if (!reader && reader.error().code == ErrorCode::sequence_gone)
        reader = observer_at(Position::start(), with_journal);
    if (!reader) return reader.error();
    const Sequence oldest = reader->next_sequence();
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
    const Sequence sequence = found.value_or(reader->next_sequence());
    // One before it may be of that time too.
    if (out_of_reach && sequence == oldest && oldest != 0)
        return journal_is_out_of_reach(region, directory_, *out_of_reach);
    return sequence;
}

}  // namespace tailrace::stream
