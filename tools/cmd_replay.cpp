// tailrace replay: gives the events of a journal again, on stdout or into a stream, at their pace
// or another.

#include "command.hpp"
#include "commands.hpp"
#include "event_printer.hpp"
#include "filter_option.hpp"
#include "journal_place.hpp"
#include "position.hpp"
#include "progress.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bridge/replayer.hpp>
#include <tailrace/bus/journal_board.hpp>

#include <algorithm>
#include <filesystem>
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
    FilterFlags wanted;
    std::optional<double> speed;
    std::uint64_t rounds = 1;  // 0: until it is told to stop
    bridge::ReplayTimes times = bridge::ReplayTimes::original;
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
          filter_(filter_of(flags.wanted)),
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
        if (!filter_.accepts(event))
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
    void on_idle() override { out().flush(); }
    [[nodiscard]] Result<void> on_end() override {
        return target_ != nullptr ? target_->on_end() : Result<void>();
    }

private:
    const ReplayFlags& flags_;
    bus::EventFilter filter_;
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

// All rounds together, and the last of them.
struct Replayed {
    bridge::ReplayReport last;
    std::uint64_t rounds = 0;
    std::uint64_t bytes = 0;
    std::uint64_t lost_events = 0;
    std::uint64_t damaged_events = 0;
    std::uint64_t elapsed_ns = 0;
    std::uint64_t latest_ns = 0;

    void add(const bridge::ReplayReport& report) {
        last = report;
        ++rounds;
        bytes += report.bytes;
        lost_events += report.lost_events;
        damaged_events += report.damaged_events;
        elapsed_ns += report.elapsed_ns;
        latest_ns = std::max(latest_ns, report.pace.max_ns);
    }
};

// Once, or again and again: each round's event times follow those of the round before.
Result<Replayed> replay_rounds(const ReplayFlags& flags,
                               journal::Reader& reader,
                               ChosenEvents& sink,
                               bridge::StreamSink* target) {
    const Sequence begin = reader.next_sequence();
    Replayed replayed;
    // Of nothing nothing is read, so that no gap and no damage is told of it either.
    if (sink.is_finished()) {
        replayed.last.next_sequence = begin;
        return replayed;
    }
    std::uint64_t shift_ns = 0;
    for (;;) {
        auto report = bridge::replay(reader, sink, flags.options, stop_flag());
        if (!report) return report.error();
        replayed.add(*report);
        const bool is_last = flags.rounds != 0 && replayed.rounds >= flags.rounds;
        if (is_last || report->stopped || report->events == 0) return replayed;
        shift_ns += report->last_time_ns - report->first_time_ns + 1;
        if (target != nullptr) target->shift_times(shift_ns);
        if (auto back = reader.seek_sequence(begin); !back) return back.error();
    }
}

// What is replayed into a stream that is recorded into the very journal would be replayed again, by
// whoever comes next, twice as long each time.
Result<void> check_target(const ReplayFlags& flags, const std::string& journal_directory) {
    auto region = bus::Region::open(flags.into, bus::RegionAccess::observe, settings().directory);
    if (!region) return region.error();
    const std::string remembered = bus::remembered_journal(**region).directory;
    const std::string named = journal_directory_of((*region)->header());
    const auto is_it = [&](const std::string& directory) {
        std::error_code failed;
        return !directory.empty() &&
               std::filesystem::equivalent(directory, journal_directory, failed);
    };
    if (flags.journal != flags.into && !is_it(remembered) && !is_it(named)) return {};
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("'{}' is the journal of stream '{}' itself: what is replayed "
                                  "into it would be recorded again",
                                  journal_directory,
                                  flags.into),
                      fmt::format("tailrace create {0}-again; tailrace replay {1} --into {0}-again",
                                  flags.into,
                                  flags.journal));
}

void print_report(const ReplayFlags& flags, const Replayed& replayed, const ChosenEvents& sink) {
    const bridge::ReplayReport& report = replayed.last;
    const std::uint64_t events = sink.events();
    const double seconds = static_cast<double>(replayed.elapsed_ns) / 1e9;
    const double per_s = seconds > 0 ? static_cast<double>(events) / seconds : 0;
    if (settings().json()) {
        // Printed events have stdout for themselves.
        if (flags.into.empty()) return;
        Json document;
        document["journal"] = flags.journal;
        document["into"] = flags.into;
        document["events"] = events;
        document["rounds"] = replayed.rounds;
        document["payload_bytes"] = replayed.bytes;
        document["lost_events"] = replayed.lost_events;
        document["damaged_events"] = replayed.damaged_events;
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
        document["elapsed_ns"] = ns_string(replayed.elapsed_ns);
        document["latest_ns"] = ns_string(replayed.latest_ns);
        Json pace;
        pace["events"] = report.pace.events;
        pace["p50_ns"] = ns_string(report.pace.p50_ns);
        pace["p99_ns"] = ns_string(report.pace.p99_ns);
        pace["max_ns"] = ns_string(report.pace.max_ns);
        document["pace"] = std::move(pace);
        document["events_per_s"] = per_s;
        out().write_json(document);
        return;
    }
    std::string line = fmt::format("replayed {} events in {}   {}",
                                   count_text(events),
                                   duration_text(replayed.elapsed_ns),
                                   rate_text(per_s));
    if (flags.options.speed > 0) {
        line += fmt::format("   at {:g}x, late by {} (p50), {} (p99), {} at most",
                            flags.options.speed,
                            duration_text(report.pace.p50_ns),
                            duration_text(report.pace.p99_ns),
                            duration_text(replayed.latest_ns));
    }
    if (replayed.rounds > 1) line += fmt::format("   {} rounds", count_text(replayed.rounds));
    if (replayed.damaged_events != 0) {
        line += fmt::format("   {} lost to damage", count_text(replayed.damaged_events));
    }
    if (replayed.lost_events != replayed.damaged_events) {
        line += fmt::format("   {} never journaled",
                            count_text(replayed.lost_events - replayed.damaged_events));
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
    if (!flags.into.empty()) {
        if (auto checked = check_target(flags, *directory); !checked) return checked.error();
    }
    // On a screen or in a pipe nobody waits for what was; live readers do.
    flags.options.speed = flags.speed.value_or(flags.into.empty() ? 0.0 : 1.0);
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
        target->set_times(flags.times);
        sink.pass_on_to(&*target);
    }
    auto replayed = replay_rounds(flags, *reader, sink, target ? &*target : nullptr);
    out().flush();
    if (!replayed) return replayed.error();
    print_report(flags, *replayed, sink);
    const bool interrupted = stop_requested() && !sink.is_finished() && !flags.options.follow;
    if (replayed->last.stopped && interrupted && !out().is_closed()) return ExitCode::interrupted;
    return replayed->lost_events == 0 ? ExitCode::done : ExitCode::damage;
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
               flags->speed,
               parse_speed,
               "1x: as it was (the default with --into), 10x, 0.5x, max: without pauses");
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
    add_filter_options(*command, flags->wanted);
    CLI::Option* const loop =
        add_parsed(*command,
                   "--loop",
                   flags->rounds,
                   parse_count,
                   "So many times, each round's event times behind the last; 0: until Ctrl-C");
    command
        ->add_option_function<std::string>(
            "--times",
            [flags](const std::string& text) {
                flags->times =
                    text == "new" ? bridge::ReplayTimes::renewed : bridge::ReplayTimes::original;
            },
            "With --into: event times stay (original, the default), or are left out (new)")
        ->check(CLI::IsMember({"original", "new"}))
        ->needs("--into");
    add_parsed(*command,
               "--gap-cap",
               flags->options.longest_pause_ns,
               parse_duration_ns,
               "No pause is longer than this: skips idle times");
    command->add_flag("--follow", flags->options.follow, "At the end, wait for more")
        ->excludes(loop);
}

}  // namespace tailrace::tool
