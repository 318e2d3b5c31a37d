// tailrace replay: gives the events of a journal again, on stdout or into a stream, at their pace
// or another.

#include "command.hpp"
#include "commands.hpp"
#include "event_printer.hpp"
#include "journal_place.hpp"
#include "position.hpp"
#include "progress.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bridge/replayer.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

struct ReplayFlags {
    std::string journal;
    std::string into;
    std::optional<Position> from;
    std::optional<Position> to;
    std::optional<EventType> type;
    std::optional<std::uint64_t> count;
    std::optional<EventTemplate> written_as;
    bridge::ReplayOptions options;
};

// What the journal doesn't have, and before which event of the stream it would stand.
struct GapBefore {
    journal::Gap gap;
    Sequence before;
};

const char* kind_of(const journal::Gap& gap) {
    return gap.kind == journal::GapKind::lost ? "lost" : "never_journaled";
}

// Prints, or passes on, what is wanted; counts it and shows the progress.
class ChosenEvents final : public bridge::ReplaySink {
public:
    ChosenEvents(const ReplayFlags& flags, const std::string& stream, std::uint64_t total)
        : flags_(flags),
          printer_(stream, settings().format, flags.written_as),
          progress_(fmt::format("replaying '{}'", stream), "events", total) {}

    void pass_on_to(bridge::StreamSink* target) noexcept { target_ = target; }
    // Printed, or in the stream.
    [[nodiscard]] std::uint64_t events() const noexcept {
        return target_ != nullptr ? target_->published_events() : events_;
    }
    [[nodiscard]] const std::vector<GapBefore>& gaps() const noexcept { return gaps_; }
    [[nodiscard]] bool is_finished() const noexcept {
        return flags_.count && events_ >= *flags_.count;
    }

    [[nodiscard]] Result<bool> on_event(const Event& event) override {
        if (flags_.type && event.type() != *flags_.type)
            return target_ != nullptr ? target_->pass_over(event) : Result<bool>(true);
        if (target_ != nullptr) {
            auto passed = target_->on_event(event);
            if (!passed || !*passed) return passed;
        } else {
            printer_.print(event);
            // A paced replay is watched while it runs.
            if (flags_.options.speed > 0) out().flush();
            if (out().is_closed()) return false;
        }
        progress_.update(++events_);
        return !is_finished();
    }
    [[nodiscard]] Result<bool> on_gap(journal::Gap gap) override {
        if (target_ == nullptr) {
            printer_.print_gap(gap.first, gap.count, kind_of(gap));
            return true;
        }
        auto passed = target_->on_gap(gap);
        if (!passed || !*passed) return passed;
        gaps_.push_back({gap, target_->next_sequence()});
        warn(
            fmt::format("the journal doesn't have {} events, {}..{} ({}); in '{}' they would stand "
                        "before sequence {}",
                        count_text(gap.count),
                        gap.first,
                        gap.first + gap.count - 1,
                        gap.kind == journal::GapKind::lost ? "lost to damage" : "never journaled",
                        flags_.into,
                        target_->next_sequence()));
        return true;
    }
    [[nodiscard]] Result<void> on_end() override {
        return target_ != nullptr ? target_->on_end() : Result<void>();
    }

private:
    const ReplayFlags& flags_;
    EventPrinter printer_;
    Progress progress_;
    bridge::StreamSink* target_ = nullptr;
    std::uint64_t events_ = 0;
    std::vector<GapBefore> gaps_;
};

bool counts_from_end(const std::optional<Position>& position) {
    return position &&
           (position->kind == Position::Kind::end || position->kind == Position::Kind::before_end);
}

// Puts the reader where --from says and the end where --to says. Returns how many events that is at
// most.
Result<std::uint64_t> set_range(ReplayFlags& flags, journal::Reader& reader) {
    auto end = reader.end_sequence();
    // What is left of a journal that has lost its newest segment is replayed, up to where reading
    // tells the loss.
    const bool is_cut = !end && end.error().code == ErrorCode::corrupt &&
                        !counts_from_end(flags.from) && !counts_from_end(flags.to);
    if (!end && !is_cut) return end.error();
    if (is_cut) end = kNoSequence;
    const std::uint64_t now_ns = wall_clock_ns();
    if (flags.from) {
        const Boundary from = resolve(*flags.from, reader.first_sequence(), *end, now_ns);
        auto sought =
            from.sequence ? reader.seek_sequence(*from.sequence) : reader.seek_time(*from.time_ns);
        if (!sought) {
            Error error = sought.error();
            if (error.code == ErrorCode::sequence_gone) {
                error.hint += fmt::format("; tailrace replay {} --from start", flags.journal);
            }
            return error;
        }
    }
    if (flags.to) {
        const Boundary to = resolve(*flags.to, reader.first_sequence(), *end, now_ns);
        flags.options.to_sequence = to.sequence;
        flags.options.to_time_ns = to.time_ns;
    }
    // Without --follow the end is where it is now, however fast a recorder goes on.
    if (!flags.options.follow && !is_cut) {
        flags.options.to_sequence = std::min(flags.options.to_sequence.value_or(*end), *end);
    }
    const Sequence stop = flags.options.to_sequence.value_or(is_cut ? 0 : *end);
    return stop > reader.next_sequence() ? stop - reader.next_sequence() : 0;
}

void print_report(const ReplayFlags& flags,
                  const bridge::ReplayReport& report,
                  const ChosenEvents& sink) {
    const std::uint64_t events = sink.events();
    const double seconds = static_cast<double>(report.elapsed_ns) / 1e9;
    const double per_s = seconds > 0 ? static_cast<double>(events) / seconds : 0;
    if (settings().json()) {
        // Printed events have stdout for themselves.
        if (flags.into.empty()) return;
        Json document;
        document["journal"] = flags.journal;
        document["into"] = flags.into;
        document["events"] = events;
        document["payload_bytes"] = report.bytes;
        document["lost_events"] = report.lost_events;
        document["damaged_events"] = report.damaged_events;
        document["gaps"] = Json::array();
        for (const GapBefore& found : sink.gaps()) {
            Json gap;
            gap["first_seq"] = found.gap.first;
            gap["events"] = found.gap.count;
            gap["kind"] = kind_of(found.gap);
            gap["before_seq"] = found.before;
            document["gaps"].push_back(std::move(gap));
        }
        document["first_seq"] =
            report.first_sequence == kNoSequence ? Json() : Json(report.first_sequence);
        document["next_seq"] = report.next_sequence;
        document["elapsed_ns"] = ns_string(report.elapsed_ns);
        document["latest_ns"] = ns_string(report.latest_ns);
        document["events_per_s"] = per_s;
        out().write_json(document);
        return;
    }
    std::string line = fmt::format("replayed {} events in {}   {}",
                                   count_text(events),
                                   duration_text(report.elapsed_ns),
                                   rate_text(per_s));
    if (flags.options.speed > 0) {
        line += fmt::format(
            "   at {:g}x, at most {} late", flags.options.speed, duration_text(report.latest_ns));
    }
    if (report.damaged_events != 0) {
        line += fmt::format("   {} lost to damage", count_text(report.damaged_events));
    }
    if (report.lost_events != report.damaged_events) {
        line += fmt::format("   {} never journaled",
                            count_text(report.lost_events - report.damaged_events));
    }
    say(line);
}

Result<ExitCode> run_replay(ReplayFlags& flags) {
    if (auto allowed = allow_template(flags.written_as); !allowed) return allowed.error();
    if (!flags.into.empty()) {
        if (auto allowed = allow_only_text_and_json("replay --into"); !allowed)
            return allowed.error();
    }
    auto directory = find_journal(flags.journal);
    if (!directory) return directory.error();
    auto reader = journal::Reader::open(*directory);
    if (!reader) return reader.error();
    auto total = set_range(flags, *reader);
    if (!total) return total.error();

    ChosenEvents sink(flags, reader->stream_name(), *total);
    std::optional<bridge::StreamSink> target;
    if (!flags.into.empty()) {
        bus::PublisherOptions options;
        options.name = "replay";
        options.directory = settings().directory;
        auto publisher = bus::Publisher::attach(flags.into, options);
        if (!publisher) return publisher.error();
        target.emplace(std::move(*publisher));
        target->stop_when(&stop_flag());
        sink.pass_on_to(&*target);
    }
    // Of nothing nothing is read, so that no gap and no damage is told of it either.
    auto report = sink.is_finished() ? Result<bridge::ReplayReport>(bridge::ReplayReport{
                                           .next_sequence = reader->next_sequence()})
                                     : bridge::replay(*reader, sink, flags.options, stop_flag());
    out().flush();
    if (!report) return report.error();
    print_report(flags, *report, sink);
    const bool interrupted = stop_requested() && !sink.is_finished() && !flags.options.follow;
    if (report->stopped && interrupted && !out().is_closed()) return ExitCode::interrupted;
    return report->lost_events == 0 ? ExitCode::done : ExitCode::damage;
}

}  // namespace

void register_replay(CLI::App& app) {
    const auto flags = std::make_shared<ReplayFlags>();
    CLI::App* const command =
        add_command(app, "replay", "Print a journal, or publish it again", [flags] {
            return run_replay(*flags);
        });
    command->add_option("JOURNAL", flags->journal, "A stream's name, or a journal's directory")
        ->required();
    command->add_option("--into", flags->into, "Publish into this stream instead of printing");
    command
        ->add_flag(
            "--print", [](std::int64_t /*count*/) {}, "Print on stdout, which is the default")
        ->excludes("--into");
    add_parsed(*command,
               "--speed",
               flags->options.speed,
               parse_speed,
               "1x: as it was (the default), 10x, 0.5x, max: without pauses");
    add_parsed(*command,
               "--from",
               flags->from,
               parse_position,
               "First event: start, N, +N, -N, @TIME, @-10m");
    add_parsed(*command, "--to", flags->to, parse_position, "Stop before this event");
    add_parsed(*command, "-n,--count", flags->count, parse_count, "Stop after so many events");
    add_parsed(*command,
               "-f,--template",
               flags->written_as,
               EventTemplate::parse,
               std::string(EventTemplate::kHelp))
        ->excludes("--into");
    command->add_option("--type", flags->type, "Only events of this type");
    add_parsed(*command,
               "--gap-cap",
               flags->options.longest_pause_ns,
               parse_duration_ns,
               "No pause is longer than this: skips idle times");
    command->add_flag("--follow", flags->options.follow, "At the end, wait for more");
}

}  // namespace tailrace::tool
