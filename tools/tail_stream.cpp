#include "tail_stream.hpp"

#include "command.hpp"
#include "misspelling.hpp"
#include "output.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/stream_status.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/stream/cursor_place.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

bus::SlowPolicy policy_of(const std::string& text) {
    if (text == "gate") return bus::SlowPolicy::gate;
    if (text == "skip") return bus::SlowPolicy::skip;
    if (text == "evict") return bus::SlowPolicy::evict;
    if (text == "spill") return bus::SlowPolicy::spill;
    return bus::SlowPolicy::observe;
}

// Where it ends: a sequence, or a time that nothing has reached yet.
Result<Boundary> end_of(const TailFlags& flags, const std::shared_ptr<bus::Region>& region) {
    Boundary to;
    const Sequence end = bus::read_status(region).end_sequence;
    if (flags.exit_at_end) to.sequence = end;
    if (!flags.to) return to;
    if (flags.to->kind == Position::Kind::sequence) {
        to.sequence = std::min(flags.to->value, to.sequence.value_or(kNoSequence));
        return to;
    }
    stream::StreamReaderOptions options;
    options.policy = bus::SlowPolicy::observe;
    options.from = *flags.to;
    auto reader = stream::StreamReader::attach(region, options);
    if (!reader) return reader.error();
    const Sequence found = reader->next_sequence();
    const Boundary asked = resolve(*flags.to, 0, end, wall_clock_ns());
    if (asked.time_ns && found >= end) {
        to.time_ns = asked.time_ns;
    } else {
        to.sequence = std::min(found, to.sequence.value_or(kNoSequence));
    }
    return to;
}

bool has_journal(const std::string& stream) {
    auto place =
        stream::CursorPlace::of_stream(stream, bus::RegionAccess::observe, settings().directory);
    return place && !place->journal_directory().empty();
}

// Of the stream and its journal, as far as they can be read.
std::vector<std::string> cursor_names(const std::string& stream) {
    std::vector<std::string> names;
    auto place =
        stream::CursorPlace::of_stream(stream, bus::RegionAccess::observe, settings().directory);
    if (!place) return names;
    std::vector<bus::CursorStatus> cursors;
    static_cast<void>(place->list(cursors));
    for (const bus::CursorStatus& cursor : cursors)
        names.push_back(cursor.name);
    return names;
}

// One that is made by this run has passed over what is there; so has one that was misspelt.
void tell_of_new_cursor(const std::string& cursor,
                        const std::string& stream,
                        const std::vector<std::string>& known,
                        Sequence begin) {
    if (std::find(known.begin(), known.end(), cursor) != known.end()) return;
    const std::string near = nearest_name(cursor, known);
    say(fmt::format("cursor '{}' is new and begins at {}{}",
                    cursor,
                    count_text(begin),
                    near.empty() ? ""
                                 : fmt::format("; did you mean '{}'? tailrace cursor rm {} {} "
                                               "forgets the new one",
                                               near,
                                               stream,
                                               cursor)));
}

// "1/4": keys that leave 1 when divided by 4.
Result<bus::EventFilter> with_partition(bus::EventFilter filter, const TailFlags& flags) {
    if (flags.partition.empty()) return filter;
    const std::size_t slash = flags.partition.find('/');
    const std::string_view text = flags.partition;
    auto remainder = parse_count(text.substr(0, std::min(slash, text.size())));
    auto modulus =
        slash == std::string::npos ? parse_count("") : parse_count(text.substr(slash + 1));
    if (!remainder || !modulus || *remainder >= *modulus) {
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("'{}' is not a partition", flags.partition),
                          "--partition 1/4: keys that leave 1 when divided by 4; 0/4 to 3/4");
    }
    return filter.set_partition(*modulus, *remainder);
}

// What the reader is asked for, but for its place.
Result<stream::StreamReaderOptions> reader_options(const TailFlags& flags,
                                                   const std::string& stream) {
    stream::StreamReaderOptions options;
    options.policy = policy_of(flags.policy);
    // Who has a place of its own is no observer. Without a journal it is lossless all the same.
    if (!flags.cursor.empty() && flags.policy_option->count() == 0)
        options.policy = has_journal(stream) ? bus::SlowPolicy::spill : bus::SlowPolicy::gate;
    options.limit = flags.durable ? stream::ReadLimit::durable : stream::ReadLimit::committed;
    if (flags.on_damage == "skip") options.on_damage = stream::OnDamage::skip;
    options.name = flags.name_text;
    options.wait = flags.wait;
    if (options.policy == bus::SlowPolicy::observe && flags.name->count() != 0) {
        return make_error(ErrorCode::invalid_argument,
                          "an observer leaves no trace, so it has no name",
                          "--policy gate (lossless, may hold publishers up) or --policy skip");
    }
    if (flags.evict_after->count() != 0 && options.policy != bus::SlowPolicy::evict) {
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("--evict-after doesn't go with --policy {}: only a reader of "
                                      "policy evict loses its gate",
                                      flags.policy),
                          fmt::format("tailrace tail {} --policy evict --evict-after 2s", stream));
    }
    options.evict_after_ns = flags.evict_after_ns;
    auto filter = filter_of(flags);
    if (!filter) return filter.error();
    options.filter = *filter;
    return options;
}

}  // namespace

Result<bus::EventFilter> filter_of(const TailFlags& flags) {
    return with_partition(filter_of(flags.wanted), flags);
}

Result<bus::EventFilter> filter_of(const TailFlags& flags, const schema::StreamSchema& types) {
    auto filter = filter_of(flags.wanted, types);
    if (!filter) return filter.error();
    return with_partition(std::move(*filter), flags);
}

// As the index of a journal would say it: an event whose time is ahead of this clock, by more than
// clocks may differ, says nothing.
bool TailEnd::is_behind(const Event& event) noexcept {
    if (boundary_.sequence && event.sequence() >= *boundary_.sequence) return true;
    if (!boundary_.time_ns || event.publish_time_ns() < *boundary_.time_ns) return false;
    if (event.publish_time_ns() > latest_ns_) latest_ns_ = wall_clock_ns() + kClockToleranceNs;
    return event.publish_time_ns() <= latest_ns_;
}

bool TailEnd::is_reached(Sequence next, bool is_idle) const noexcept {
    constexpr std::uint64_t kGraceNs = 1'000'000;  // a publisher's clock may be a little behind
    if (boundary_.sequence && next >= *boundary_.sequence) return true;
    return is_idle && boundary_.time_ns && wall_clock_ns() >= *boundary_.time_ns + kGraceNs;
}

Position start_of(const TailFlags& flags) noexcept {
    if (flags.from) return *flags.from;
    return flags.exit_at_end || flags.to ? Position::start() : Position::end();
}

Result<TailStream> open_tail(const TailFlags& flags,
                             const std::string& stream,
                             TypesDue types_due) {
    auto options = reader_options(flags, stream);
    if (!options) return options.error();
    const bus::RegionAccess access = options->policy == bus::SlowPolicy::observe
                                         ? bus::RegionAccess::observe
                                         : bus::RegionAccess::subscribe;
    auto region = bus::Region::open(stream, access, settings().directory);
    if (!region) return region.error();
    auto view = TypedView::open(
        KnownTypes::of_stream(*region), flags.typed.with(flags.wanted), stream, types_due);
    if (!view) return view.error();
    auto to = end_of(flags, *region);
    if (!to) return to.error();
    options->from = start_of(flags);
    if (!flags.cursor.empty()) {
        options->cursor = flags.cursor;
        options->new_cursor_at = options->from;
        options->commit = stream::CommitMode::manual;
    }
    const auto cursors = flags.cursor.empty() ? std::vector<std::string>() : cursor_names(stream);
    auto reader = stream::StreamReader::attach(*region, *options);
    if (!reader) return reader.error();
    if (!flags.cursor.empty())
        tell_of_new_cursor(flags.cursor, stream, cursors, reader->next_sequence());
    return TailStream{
        stream, std::move(*reader), TailEnd(*to), std::make_shared<TypedView>(std::move(*view))};
}

Result<TailStream> open_journal_tail(const TailFlags& flags, const std::string& directory) {
    auto log = journal::Reader::open(directory);
    if (!log) return log.error();
    const auto end = log->end_sequence();
    if (!end) return end.error();
    Boundary to;
    to.sequence = *end;
    if (flags.to) {
        const Boundary asked = resolve(*flags.to, log->first_sequence(), *end, wall_clock_ns());
        if (asked.time_ns) {
            if (auto sought = log->seek_time(*asked.time_ns); !sought) return sought.error();
        }
        to.sequence = std::min(*end, asked.sequence.value_or(log->next_sequence()));
    }
    auto filter = filter_of(flags);
    if (!filter) return filter.error();
    stream::StreamReaderOptions options;
    options.from = flags.from.value_or(Position::start());
    options.filter = *filter;
    auto reader = stream::StreamReader::open_journal(directory, options);
    if (!reader) return reader.error();
    auto view = TypedView::open(
        KnownTypes::of_journal(directory), flags.typed.with(flags.wanted), log->stream_name());
    if (!view) return view.error();
    return TailStream{log->stream_name(),
                      std::move(*reader),
                      TailEnd(to),
                      std::make_shared<TypedView>(std::move(*view)),
                      false};
}

Result<TailStream> open_late_tail(const TailFlags& flags, const std::string& stream) {
    auto header = bus::Region::peek(stream, settings().directory);
    if (!header) return header.error();
    const Sequence first = header->first_sequence;
    TailFlags late = flags;
    late.from = Position::at(first);
    auto opened = open_tail(late, stream, TypesDue::later);
    if (opened || opened.error().code != ErrorCode::sequence_gone) return opened;
    // What was overwritten before anybody looked is told.
    late.from = Position::start();
    opened = open_tail(late, stream, TypesDue::later);
    if (!opened) return opened;
    const Sequence next = opened->reader.next_sequence();
    if (next > first) opened->gap_before.range = {first, next - first};
    return opened;
}

std::optional<TailGap> TailStream::take_gap(const TailFlags& flags) {
    const TailGap gap{reader.last_gap(), reader.is_last_gap_damage()};
    if (reader.is_evicted() && !was_evicted) {
        was_evicted = true;
        warn(
            fmt::format("reader '{}' was evicted from '{}' at sequence {}: it held publishers "
                        "up for {} without reading; it goes on without holding them",
                        flags.name_text,
                        name,
                        gap.range.first,
                        duration_text(flags.evict_after_ns)));
    }
    if (gap.range.count == 0) return std::nullopt;
    return gap;
}

Result<bool> TailStream::heed(const TailFlags& flags, bus::PollState state) {
    if (state == bus::PollState::failed || state == bus::PollState::corrupt) {
        Error error = reader.error();
        if (error.code == ErrorCode::corrupt && flags.on_damage == "stop")
            error.hint += fmt::format("; tailrace tail {} --on-damage skip", name);
        return error;
    }
    if (state == bus::PollState::stalled) {
        if (flags.exit_at_end) return reader.error();
        if (!is_stalled) warn(reader.error().message);
        is_stalled = true;
        return true;
    }
    is_stalled = is_stalled && state == bus::PollState::idle;
    if (state != bus::PollState::closed) return true;
    if (has_ring) say(reader.region().ending());
    return false;
}

}  // namespace tailrace::tool
