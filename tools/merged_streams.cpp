#include "merged_streams.hpp"

#include "command.hpp"
#include "output.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

Result<void> allow_merged_format() {
    if (settings().format != Format::csv) return {};
    return make_error(ErrorCode::invalid_argument,
                      "csv has the columns of one stream, and several are read",
                      "tailrace tail NAME --format csv; --json for several");
}

MergedStreams::MergedStreams(const TailFlags& flags)
    : flags_(flags),
      idle_rest_(flags),
      total_("all"),
      pace_(flags.pace_per_s()) {}

void MergedStreams::add(TailStream stream) {
    name_width_ = std::max(name_width_, stream.name.size());
    EventPrinter printer(stream.name, settings().format, flags_.written_as, stream.view);
    EventTally tally = tally_of(stream.name);
    const TailGap gap = stream.gap_before;
    sources_.push_back({.stream = std::move(stream),
                        .printer = std::move(printer),
                        .tally = std::move(tally),
                        .items = {}});
    if (gap.range.count != 0) take_gap(sources_.back(), gap);
}

// One of a stream that has come again goes on.
EventTally MergedStreams::tally_of(const std::string& stream) {
    const auto found = std::find_if(departed_.begin(), departed_.end(), [&](const auto& tally) {
        return tally.stream() == stream;
    });
    if (found == departed_.end()) return EventTally(stream);
    EventTally tally = std::move(*found);
    departed_.erase(found);
    return tally;
}

// Where nothing else on the line says it.
bool MergedStreams::names_streams() const noexcept {
    const Format format = settings().format;
    return !flags_.written_as &&
           (format == Format::text || format == Format::hex || format == Format::digest);
}

void MergedStreams::take(Source& source, const Event& event) {
    if (source.has_ended) return;
    if (source.stream.end.is_behind(event)) {
        source.has_ended = true;
        return;
    }
    if (!source.stream.view->wants(event)) return;
    Item item;
    if (event.publish_time_ns() != 0) source.last_time_ns = event.publish_time_ns();
    item.time_ns = source.last_time_ns;
    item.event = CountedEvent::of(event);
    if (!flags_.only_counts) item.line = source.printer.line(event);
    source.items.push_back(std::move(item));
}

// In its place behind what was read before it.
void MergedStreams::take_gap(Source& source, const TailGap& gap) {
    Item item;
    item.time_ns = source.last_time_ns;
    item.gap = gap;
    source.items.push_back(std::move(item));
}

Result<void> MergedStreams::heed(Source& source, bus::PollState state) {
    TailStream& stream = source.stream;
    if (state == bus::PollState::gap) {
        if (const auto gap = stream.take_gap(flags_)) take_gap(source, *gap);
    }
    auto goes_on = stream.heed(flags_, state);
    if (!goes_on) return goes_on.error();
    const bool is_idle = state == bus::PollState::idle;
    source.has_ended = source.has_ended || !*goes_on ||
                       stream.end.is_reached(stream.reader.next_sequence(), is_idle);
    return {};
}

// Requires: everything that was read of it has been printed.
Result<void> MergedStreams::fill(Source& source) {
    constexpr std::uint64_t kBatch = 256;
    const std::uint64_t now_ns = wall_clock_ns();
    const bus::PollResult result = source.stream.reader.poll(
        [&](const Event& event) { take(source, event); }, flags_.pace_per_s() > 0 ? 1 : kBatch);
    source.dry_since_ns = 0;
    const bool has_more = result.state == bus::PollState::ok || result.state == bus::PollState::gap;
    if (source.items.empty() && !has_more) source.dry_since_ns = now_ns;
    return heed(source, result.state);
}

MergedStreams::Source* MergedStreams::earliest() noexcept {
    Source* first = nullptr;
    for (Source& source : sources_) {
        if (source.items.empty()) continue;
        if (first == nullptr || source.items.front().time_ns < first->items.front().time_ns)
            first = &source;
    }
    return first;
}

// A stream that had nothing a moment ago may have something earlier by now; one that had nothing
// after the time of what comes next can't.
Result<MergedStreams::Source*> MergedStreams::next_source() {
    for (Source& source : sources_) {
        while (source.items.empty() && !source.has_ended && source.dry_since_ns == 0 &&
               !stop_requested()) {
            if (auto filled = fill(source); !filled) return filled.error();
        }
    }
    const Source* const first = earliest();
    if (first == nullptr) return nullptr;
    const std::uint64_t time_ns = first->items.front().time_ns;
    for (Source& source : sources_) {
        if (!source.items.empty() || source.has_ended || source.dry_since_ns >= time_ns) continue;
        if (auto filled = fill(source); !filled) return filled.error();
    }
    return earliest();
}

void MergedStreams::emit(Source& source) {
    const Item item = std::move(source.items.front());
    source.items.pop_front();
    if (item.gap) {
        const bus::Gap& range = item.gap->range;
        lost_events_ += range.count;
        source.tally.add_gap(range.count);
        total_.add_gap(range.count);
        if (!flags_.only_counts)
            source.printer.print_gap(range.first, range.count, item.gap->kind());
        return;
    }
    if (pace_.is_early()) out().flush();
    if (!pace_.wait()) return;
    if (flags_.only_counts) {
        source.tally.add(item.event);
        total_.add(item.event);
    } else {
        if (names_streams()) out().write(fmt::format("{:<{}}  ", source.stream.name, name_width_));
        out().write(item.line);
    }
    ++printed_;
    if (printed_ == flags_.count) is_finished_ = true;
}

// All are dry. False: it is over.
Result<bool> MergedStreams::look(std::uint64_t idle_since_ns) {
    pace_.restart();
    if (!out().flush() || !out().has_reader()) return false;
    if (flags_.only_counts) total_.look();
    is_finished_ = !arriving_ && std::all_of(sources_.begin(),
                                             sources_.end(),
                                             [](const Source& source) { return source.has_ended; });
    if (is_finished_) return false;
    if (flags_.timeout_ns != 0 && monotonic_ns() - idle_since_ns >= flags_.timeout_ns) {
        return make_error(ErrorCode::timed_out,
                          fmt::format("nothing was published to {} for {}",
                                      arriving_ ? "streams like " + arriving_->text()
                                                : counted(sources_.size(), "stream"),
                                      duration_text(flags_.timeout_ns)),
                          "tailrace ls shows their publishers");
    }
    return true;
}

void MergedStreams::rest() {
    std::vector<stream::StreamReader*> readers;
    for (Source& source : sources_) {
        if (!source.has_ended) readers.push_back(&source.stream.reader);
    }
    idle_rest_.rest(readers);
    for (Source& source : sources_)
        source.dry_since_ns = 0;
}

// Of those that have gone and are printed whole; a ring that is removed keeps its memory so long.
void MergedStreams::let_go() {
    const auto is_over = [](const Source& source) {
        return source.has_ended && source.items.empty();
    };
    for (Source& source : sources_) {
        if (is_over(source) && flags_.only_counts) departed_.push_back(std::move(source.tally));
    }
    std::erase_if(sources_, is_over);
}

void MergedStreams::take_in() {
    std::vector<std::string> present;
    for (const Source& source : sources_)
        present.push_back(source.stream.name);
    for (const std::string& name : arriving_->look(present)) {
        auto stream = open_late_tail(flags_, name);
        if (stream) {
            say(fmt::format("stream '{}' has come", name));
            add(std::move(*stream));
        } else if (stream.error().code != ErrorCode::not_found && arriving_->is_news(name)) {
            warn(fmt::format("{}; {}", stream.error().message, stream.error().hint));
        }
    }
}

Result<void> MergedStreams::read_to_end() {
    if (flags_.count == 0) is_finished_ = true;
    std::uint64_t idle_since_ns = monotonic_ns();
    while (!is_finished_ && !stop_requested() && !out().is_closed()) {
        if (arriving_ && looks_.is_due()) {
            (void)looks_.look();
            let_go();
            take_in();
        }
        auto source = next_source();
        if (!source) return source.error();
        if (*source != nullptr) {
            emit(**source);
            idle_rest_.end();
            idle_since_ns = monotonic_ns();
            continue;
        }
        auto goes_on = look(idle_since_ns);
        if (!goes_on) return goes_on.error();
        if (!*goes_on) break;
        rest();
    }
    return {};
}

void MergedStreams::report() const {
    for (const EventTally& tally : departed_)
        tally.report();
    for (const Source& source : sources_)
        source.tally.report();
    if (!settings().json()) total_.report();
}

Result<ExitCode> MergedStreams::run() {
    auto read = read_to_end();
    if (flags_.only_counts) report();
    out().flush();
    if (!read) return read.error();
    if (lost_events_ != 0) return ExitCode::damage;
    const bool is_finite = flags_.count || flags_.to || flags_.exit_at_end;
    return is_finite && !is_finished_ && stop_requested() ? ExitCode::interrupted : ExitCode::done;
}

}  // namespace tailrace::tool
