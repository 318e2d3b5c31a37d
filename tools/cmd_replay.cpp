// tailrace replay: gives the events of a journal again, on stdout or into a stream, at their pace
// or another, or one by one.

#include "chosen_events.hpp"
#include "command.hpp"
#include "commands.hpp"
#include "filter_option.hpp"
#include "journal_place.hpp"
#include "key_pilot.hpp"
#include "merged_streams.hpp"
#include "name_pattern.hpp"
#include "option_text.hpp"
#include "position.hpp"
#include "replay_continuation.hpp"
#include "replay_flags.hpp"
#include "replay_report.hpp"
#include "step_pilot.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/directory_identity.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/stream/replayer.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace tailrace::tool {

namespace {

bool counts_from_end(const std::optional<Position>& position) {
    return position &&
           (position->kind == Position::Kind::end || position->kind == Position::Kind::before_end);
}

Result<void> go_to(journal::Reader& reader, const Position& position, Sequence end) {
    const Boundary place = resolve(position, reader.first_sequence(), end, wall_clock_ns());
    return place.sequence ? reader.seek_sequence(*place.sequence)
                          : reader.seek_time(*place.time_ns);
}

// Puts the reader where --from says and the end where --to says.
Result<void> set_range(ReplayFlags& flags,
                       const std::string& journal_directory,
                       journal::Reader& reader) {
    auto end = reader.end_sequence();
    // What is left of a journal that has lost its newest segment is replayed, up to where reading
    // tells the loss.
    const bool is_cut = !end && end.error().code == ErrorCode::corrupt &&
                        !counts_from_end(flags.from) && !counts_from_end(flags.to);
    if (!end && !is_cut) return end.error();
    if (is_cut) end = kNoSequence;
    if (!flags.identity.empty() && !is_cut) end = durable_end(reader, journal_directory, *end);
    if (flags.from) {
        auto sought = go_to(reader, *flags.from, *end);
        if (!sought) {
            Error error = sought.error();
            if (error.code == ErrorCode::sequence_gone) {
                error.hint += fmt::format("; tailrace replay {} --from start", flags.journal);
            }
            return error;
        }
    }
    if (flags.to) {
        const Boundary to = resolve(*flags.to, reader.first_sequence(), *end, wall_clock_ns());
        flags.options.to_sequence = to.sequence;
        flags.options.to_time_ns = to.time_ns;
    }
    // Without --follow the end is where it is now, however fast a recorder goes on.
    if (!flags.options.follow && !is_cut) {
        flags.options.to_sequence = std::min(flags.options.to_sequence.value_or(*end), *end);
    }
    return {};
}

// How many events that is at most; 0: nobody knows.
std::uint64_t total_of(const ReplayFlags& flags, journal::Reader& reader) {
    const auto end = reader.end_sequence();
    const Sequence stop = flags.options.to_sequence.value_or(end ? *end : 0);
    return stop > reader.next_sequence() ? stop - reader.next_sequence() : 0;
}

Result<bus::Publisher> attach_target(const ReplayFlags& flags, const journal::Reader& reader) {
    bus::PublisherOptions options;
    options.name = "replay";
    options.directory = settings().directory;
    if (!flags.identity.empty()) options.identity = stream::replay_identity(flags.identity, reader);
    return bus::Publisher::attach(flags.into, options);
}

// Once, or again and again: each round's event times follow those of the round before.
Result<ReplayTotals> replay_rounds(const ReplayFlags& flags,
                                   journal::Reader& reader,
                                   ChosenEvents& events,
                                   stream::StreamSink* target) {
    const Sequence begin = reader.next_sequence();
    ReplayTotals totals;
    std::uint64_t shift_ns = 0;
    for (;;) {
        auto report = stream::replay(reader, events, flags.options, stop_flag());
        if (!report) return report.error();
        totals.add(*report);
        const bool is_last = flags.rounds != 0 && totals.rounds >= flags.rounds;
        if (is_last || report->stopped || report->events == 0) return totals;
        shift_ns += report->last_time_ns - report->first_time_ns + 1;
        if (target != nullptr) target->shift_times(shift_ns);
        if (auto back = reader.seek_sequence(begin); !back) return back.error();
    }
}

// As the pilot asks for it, from wherever it wishes to go on.
Result<ReplayTotals> replay_by_steps(const ReplayFlags& flags,
                                     journal::Reader& reader,
                                     ChosenEvents& events,
                                     StepPilot& pilot) {
    ReplayTotals totals;
    for (;;) {
        auto report = stream::replay(reader, events, flags.options, stop_flag());
        if (!report) return report.error();
        totals.add(*report);
        totals.rounds = 1;
        if (events.is_finished() || out().is_closed()) return totals;
        Sequence here = pilot.next_sequence();
        auto wish = pilot.take_wish();
        if (!wish) {
            here = report->next_sequence;
            if (pilot.ask_at_end(here)) wish = pilot.take_wish();
        }
        if (pilot.error()) return *pilot.error();
        if (!wish) return totals;
        auto end = reader.end_sequence();
        auto went = end ? go_to(reader, *wish, *end) : Result<void>(end.error());
        if (went) continue;
        warn(fmt::format("{}; {}", went.error().message, went.error().hint));
        if (auto back = reader.seek_sequence(here); !back) return back.error();
    }
}

// By steps, by keys where somebody sits at a terminal, else by itself.
Result<ReplayTotals> replay_steered(ReplayFlags& flags,
                                    journal::Reader& reader,
                                    ChosenEvents& events,
                                    stream::StreamSink* target,
                                    std::string& pace) {
    // Of nothing nothing is read, so that no gap and no damage is told of it either.
    if (events.is_finished()) {
        ReplayTotals none;
        none.last.next_sequence = reader.next_sequence();
        return none;
    }
    const auto steer_by = [&](stream::ReplayPilot& pilot) {
        flags.options.pilot = &pilot;
        events.hide_progress();
        if (target != nullptr) target->stop_when(&stop_flag(), &pilot);
    };
    if (flags.by_steps) {
        auto lines = InputFile::open("-");
        if (!lines) return lines.error();
        StepPilot pilot(events, std::move(*lines));
        steer_by(pilot);
        if (is_terminal(0)) say("Enter is the next event, ? shows what else there is");
        return replay_by_steps(flags, reader, events, pilot);
    }
    if (!Keyboard::is_there()) {
        if (flags.options.speed > 0) pace = fmt::format("{:g}x", flags.options.speed);
        return replay_rounds(flags, reader, events, target);
    }
    KeyPilot pilot(
        events, fmt::format("replaying '{}'", reader.stream_name()), flags.options.speed);
    steer_by(pilot);
    auto totals = replay_rounds(flags, reader, events, target);
    pace = pilot.pace_text();
    return totals;
}

// What is replayed into a stream that is recorded into the very journal would be replayed again, by
// whoever comes next, twice as long each time.
Result<void> check_target(const ReplayFlags& flags, const std::string& journal_directory) {
    auto region = bus::Region::open(flags.into, bus::RegionAccess::observe, settings().directory);
    if (!region) return region.error();
    const auto it = directory_identity(journal_directory);
    const auto is_it = [&](const std::string& directory) {
        return it && it == directory_identity(directory);
    };
    if (flags.journal != flags.into && !is_it(bus::remembered_journal(**region).directory) &&
        !is_it(journal_directory_of((*region)->header()))) {
        return {};
    }
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("'{}' is the journal of stream '{}' itself: what is replayed "
                                  "into it would be recorded again",
                                  journal_directory,
                                  flags.into),
                      fmt::format("tailrace create {0}-again; tailrace replay {1} --into {0}-again",
                                  flags.into,
                                  flags.journal));
}

// Printed, as they lie there, in order of publish time.
Result<ExitCode> replay_several(const ReplayFlags& flags, const std::vector<std::string>& names) {
    const char* const alone = !flags.into.empty()           ? "--into"
                              : flags.by_steps              ? "--step"
                              : flags.rounds != 1           ? "--loop"
                              : flags.options.follow        ? "--follow"
                              : flags.speed.value_or(0) > 0 ? "--speed"
                                                            : nullptr;
    if (alone != nullptr) {
        return make_error(
            ErrorCode::invalid_argument,
            fmt::format("{} goes with one journal, and {} are named", alone, names.size()),
            fmt::format("tailrace replay {} {}", names.front(), alone));
    }
    TailFlags wanted;
    wanted.from = flags.from;
    wanted.to = flags.to;
    wanted.count = flags.count;
    wanted.written_as = flags.written_as;
    wanted.only_counts = flags.only_counts;
    wanted.wanted = flags.wanted;
    wanted.typed = flags.typed;
    wanted.exit_at_end = true;
    if (auto allowed = allow_merged_format(); !allowed) return allowed.error();
    MergedStreams merged(wanted);
    for (const std::string& name : names) {
        auto directory = find_journal(name);
        if (!directory) return directory.error();
        auto stream = open_journal_tail(wanted, *directory);
        if (!stream) return stream.error();
        merged.add(std::move(*stream));
    }
    return merged.run();
}

Result<ExitCode> replay_one(ReplayFlags& flags) {
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
    flags.options.speed = flags.speed.value_or(flags.into.empty() || flags.by_steps ? 0.0 : 1.0);
    auto reader = journal::Reader::open(*directory);
    if (!reader) return reader.error();
    if (auto set = set_range(flags, *directory, *reader); !set) return set.error();

    auto view = TypedView::open(
        KnownTypes::of_journal(*directory), flags.typed.with(flags.wanted), reader->stream_name());
    if (!view) return view.error();
    std::optional<stream::StreamSink> target;
    if (!flags.into.empty()) {
        auto publisher = attach_target(flags, *reader);
        if (!publisher) return publisher.error();
        if (!flags.identity.empty()) {
            auto went = go_on_behind_published(flags, *publisher, *reader);
            if (!went) return went.error();
        }
        target.emplace(std::move(*publisher));
        target->stop_when(&stop_flag());
        target->set_times(flags.times);
        if (!flags.identity.empty()) target->number_events();
    }
    ChosenEvents events(flags,
                        reader->stream_name(),
                        std::make_shared<TypedView>(std::move(*view)),
                        total_of(flags, *reader));
    if (target) events.pass_on_to(&*target);
    events.begin();
    std::string pace;
    auto totals = replay_steered(flags, *reader, events, target ? &*target : nullptr, pace);
    events.report_counts();
    out().flush();
    if (!totals) return totals.error();
    if (!flags.only_counts) print_report(flags, *totals, events, pace);
    const bool interrupted = stop_requested() && !events.is_finished() && !flags.options.follow;
    if (interrupted && (flags.by_steps || totals->last.stopped) && !out().is_closed())
        return ExitCode::interrupted;
    return totals->lost_events == 0 ? ExitCode::done : ExitCode::damage;
}

Result<ExitCode> run_replay(ReplayFlags& flags) {
    if (auto allowed = allow_template(flags.written_as); !allowed) return allowed.error();
    if (auto allowed = allow_event_format(flags.typed); !allowed) return allowed.error();
    if (flags.only_counts) {
        if (auto allowed = allow_only_text_and_json("replay --count-only"); !allowed)
            return allowed.error();
    }
    auto names = expand_journal_names(flags.targets);
    if (!names) return names.error();
    if (names->size() > 1) return replay_several(flags, *names);
    flags.journal = names->front();
    return replay_one(flags);
}

void add_choice_options(CLI::App& command, ReplayFlags& flags) {
    add_parsed(command,
               "--from",
               flags.from,
               parse_position,
               "First event: start, N, +N, -N, @TIME, @-10m");
    add_parsed(command, "--to", flags.to, parse_position, "Stop before this event");
    add_parsed(command, "-n,--count", flags.count, parse_count, "Stop after so many events")
        ->excludes("--identity");
    add_parsed(command,
               "-f,--template",
               flags.written_as,
               EventTemplate::parse,
               std::string(EventTemplate::kHelp))
        ->excludes("--into");
    command.add_flag("--count-only", flags.only_counts, "Count instead of printing, with rates")
        ->excludes("--template")
        ->excludes("--into")
        ->group(kRareOptions);
    add_filter_options(command, flags.wanted);
    add_typed_options(command, flags.typed);
}

}  // namespace

void register_replay(CLI::App& app) {
    const auto flags = std::make_shared<ReplayFlags>();
    CLI::App* const command =
        add_command(app, "replay", "Print a journal, or publish it again", [flags] {
            return run_replay(*flags);
        });
    command
        ->add_option(
            "JOURNAL", flags->targets, "Streams' names, also 'eu-*', or journals' directories")
        ->required();
    command->add_option("--into", flags->into, "Publish into this stream instead of printing");
    CLI::Option* const identity =
        command
            ->add_option("--identity",
                         flags->identity,
                         "With --into: under this name each event is published once, also when "
                         "the replay was killed")
            ->type_name("NAME")
            ->needs("--into")
            ->group(kRareOptions);
    command
        ->add_flag(
            "--print", [](std::int64_t /*count*/) {}, "Print on stdout, which is the default")
        ->excludes("--into")
        ->group(kRareOptions);
    CLI::Option* const speed = add_parsed(*command,
                                          "--speed",
                                          flags->speed,
                                          parse_speed,
                                          "1x: as it was (default with --into), 10x, 0.5x, max");
    CLI::Option* const step =
        command->add_flag("--step", flags->by_steps, "By lines on stdin: Enter, N, g POSITION, q");
    step->excludes(speed);
    add_choice_options(*command, *flags);
    CLI::Option* const loop =
        add_parsed(*command,
                   "--loop",
                   flags->rounds,
                   parse_count,
                   "So many times, each round's event times behind the last; 0: until Ctrl-C")
            ->group(kRareOptions);
    command
        ->add_option_function<std::string>(
            "--times",
            [flags](const std::string& text) {
                flags->times =
                    text == "new" ? stream::ReplayTimes::renewed : stream::ReplayTimes::original;
            },
            "With --into: event times stay (original, the default), or are left out (new)")
        ->check(CLI::IsMember({"original", "new"}))
        ->needs("--into")
        ->group(kRareOptions);
    CLI::Option* const gap_cap = add_parsed(*command,
                                            "--gap-cap",
                                            flags->options.longest_pause_ns,
                                            parse_duration_ns,
                                            "No pause is longer than this: skips idle times")
                                     ->group(kRareOptions);
    CLI::Option* const follow =
        command->add_flag("--follow", flags->options.follow, "At the end, wait for more")
            ->excludes(loop);
    step->excludes(loop)->excludes(gap_cap)->excludes(follow)->excludes(identity);
    identity->excludes(loop)->excludes(follow);
    command->footer(
        "On a terminal keys steer it: space, n, +, -, 0, m, q. With --step it goes by lines on "
        "stdin: Enter, N, g POSITION, q; ? explains them.\n"
        "Templates: " +
        std::string(EventTemplate::kLetters) + ".");
}

}  // namespace tailrace::tool
