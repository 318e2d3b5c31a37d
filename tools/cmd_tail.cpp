// tailrace tail: reads streams live, or from a position on.
//
// It observes unless told otherwise: an observer can't hold publishers up, needs read permission
// only and leaves no trace. What has left the ring it reads from the stream's journal; without one,
// when it is too slow, it says exactly what it missed and ends with exit code 3. Whoever wants
// every event at the price of holding publishers up says --policy gate. Several streams are read by
// merged_streams.hpp, and so is a pattern that is followed: streams that match it come and go.

#include "command.hpp"
#include "commands.hpp"
#include "event_printer.hpp"
#include "event_tally.hpp"
#include "group_tail.hpp"
#include "idle_rest.hpp"
#include "merged_streams.hpp"
#include "name_pattern.hpp"
#include "option_text.hpp"
#include "pace.hpp"
#include "position.hpp"
#include "stop_signal.hpp"
#include "tail_stream.hpp"
#include "units.hpp"
#include "wait_option.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <memory>
#include <optional>

namespace tailrace::tool {

namespace {

// One run of tail on one stream: hands events on until its end is reached.
class Tail {
public:
    Tail(const TailFlags& flags, TailStream stream)
        : flags_(flags),
          stream_(std::move(stream)),
          printer_(stream_.name, settings().format, flags.written_as, stream_.view),
          pace_(flags.pace_per_s()),
          idle_rest_(flags) {
        if (flags.only_counts) tally_.emplace(stream_.name);
    }

    [[nodiscard]] Result<ExitCode> run();

private:
    void take(const Event& event);
    void tell_gap();
    void note_done();
    [[nodiscard]] Result<bool> look(bus::PollState state, std::uint64_t idle_since_ns);
    [[nodiscard]] Result<void> read_to_end();

    const TailFlags& flags_;
    TailStream stream_;
    EventPrinter printer_;
    std::optional<EventTally> tally_;
    Pace pace_;
    IdleRest idle_rest_;
    std::uint64_t printed_ = 0;
    bool finished_ = false;
    std::optional<Sequence> undone_;  // the first event that was handed over and not printed
};

void Tail::take(const Event& event) {
    if (!finished_ && stream_.end.is_behind(event)) finished_ = true;
    if (finished_ || undone_) {
        if (!undone_) undone_ = event.sequence();
        return;
    }
    if (stream_.end.is_reached(event.sequence() + 1, false)) finished_ = true;
    if (!stream_.view->wants(event)) return;
    // What was printed shall be seen before a pause.
    if (pace_.is_early()) out().flush();
    if (!pace_.wait()) {
        undone_ = event.sequence();
        return;
    }
    if (tally_) {
        tally_->add(event);
    } else {
        printer_.print(event);
    }
    ++printed_;
    if (printed_ == flags_.count) finished_ = true;
}

// What was printed and has left this process is done.
void Tail::note_done() {
    if (flags_.cursor.empty()) return;
    stream::StreamReader& reader = stream_.reader;
    const Sequence done = undone_.value_or(reader.next_sequence());
    if (done == reader.committed_sequence() || !out().flush()) return;
    if (undone_) {
        (void)reader.commit(*undone_);  // it is below what was handed over
    } else {
        reader.commit();
    }
}

void Tail::tell_gap() {
    const auto gap = stream_.take_gap(flags_);
    if (!gap) return;
    if (tally_) {
        tally_->add_gap(gap->range.count);
    } else {
        printer_.print_gap(gap->range.first, gap->range.count, gap->kind());
    }
}

// Between two polls. False: it is over.
Result<bool> Tail::look(bus::PollState state, std::uint64_t idle_since_ns) {
    if (state == bus::PollState::gap) tell_gap();
    auto goes_on = stream_.heed(flags_, state);
    if (!goes_on || !*goes_on) return goes_on;
    if (state == bus::PollState::stalled) return out().flush() && out().has_reader();
    if (state != bus::PollState::idle) return true;
    pace_.restart();
    if (!out().flush() || !out().has_reader()) return false;
    if (tally_) tally_->look();
    if (stream_.end.is_reached(stream_.reader.next_sequence(), true)) return false;
    if (flags_.timeout_ns != 0 && monotonic_ns() - idle_since_ns >= flags_.timeout_ns) {
        return make_error(ErrorCode::timed_out,
                          fmt::format("nothing was published to '{}' for {}",
                                      stream_.name,
                                      duration_text(flags_.timeout_ns)),
                          fmt::format("tailrace inspect {} shows its publishers", stream_.name));
    }
    return true;
}

Result<void> Tail::read_to_end() {
    constexpr std::uint64_t kBatch = 256;
    constexpr std::uint64_t kLookUpMs = 100;
    const bool paced = flags_.pace_per_s() > 0;
    const bool rests = IdleRest::suits(flags_);
    if (flags_.count == 0) finished_ = true;
    std::uint64_t idle_since_ns = monotonic_ns();
    while (!finished_ && !stop_requested() && !out().is_closed()) {
        // A paced reader takes one at a time, so that its lag is what it looks like.
        const bus::PollResult result =
            stream_.reader.poll_until([&](const Event& event) { take(event); },
                                      paced ? 1 : kBatch,
                                      bus::Deadline::in_ms(finished_ || rests ? 0 : kLookUpMs));
        if (result.events != 0) {
            idle_since_ns = monotonic_ns();
            idle_rest_.end();
        }
        note_done();
        if (result.state == bus::PollState::moved)
            say(fmt::format("cursor '{}' was moved: on from {}",
                            flags_.cursor,
                            count_text(stream_.reader.next_sequence())));
        // What it doesn't want isn't handed over, but it may be the end.
        if (stream_.end.is_reached(stream_.reader.next_sequence(), false)) finished_ = true;
        auto goes_on = look(result.state, idle_since_ns);
        if (!goes_on) return goes_on.error();
        if (!*goes_on) break;
        if (!paced && result.events < kBatch) out().flush();
        if (rests && result.state == bus::PollState::idle) {
            stream::StreamReader* const reader = &stream_.reader;
            idle_rest_.rest({&reader, 1});
        }
    }
    return {};
}

Result<ExitCode> Tail::run() {
    const bool finite = flags_.count || flags_.to || flags_.exit_at_end;
    if (!tally_) printer_.begin();
    auto read = read_to_end();
    if (tally_) tally_->report();
    out().flush();
    if (!read) return read.error();
    if (printer_.lost_events() != 0 || (tally_ && tally_->lost_events() != 0))
        return ExitCode::damage;
    return finite && !finished_ && stop_requested() ? ExitCode::interrupted : ExitCode::done;
}

Result<ExitCode> run_one(TailFlags& flags, const std::string& name) {
    auto stream = open_tail(flags, name);
    if (!stream) return stream.error();
    if (is_terminal(1) && start_of(flags).kind == Position::Kind::end && !flags.exit_at_end) {
        say(fmt::format("waiting for new events of '{}'; --from start shows those that are there",
                        name));
    }
    if (stream->end.is_reached(stream->reader.next_sequence(), false)) flags.count = 0;
    return Tail(flags, std::move(*stream)).run();
}

// Empty: those that are named, and no others.
std::vector<std::string> patterns_to_follow(const TailFlags& flags) {
    std::vector<std::string> patterns;
    if (flags.exit_at_end || flags.to) return patterns;
    std::copy_if(
        flags.streams.begin(), flags.streams.end(), std::back_inserter(patterns), is_pattern);
    return patterns;
}

Result<ExitCode> run_several(const TailFlags& flags,
                             const std::vector<std::string>& names,
                             const std::vector<std::string>& followed) {
    if (!flags.cursor.empty()) {
        return make_error(ErrorCode::invalid_argument,
                          "--cursor is a place in one stream",
                          fmt::format("tailrace tail NAME --cursor {}", flags.cursor));
    }
    if (auto allowed = allow_merged_format(); !allowed) return allowed.error();
    MergedStreams merged(flags);
    for (const std::string& name : names) {
        auto stream = open_tail(flags, name);
        if (!stream) return stream.error();
        merged.add(std::move(*stream));
    }
    if (!followed.empty()) {
        ArrivingStreams arriving(followed);
        if (names.empty())
            say(fmt::format("no stream has a name like {} yet; waiting for one", arriving.text()));
        merged.welcome(std::move(arriving));
    }
    return merged.run();
}

Result<ExitCode> run_tail(TailFlags& flags) {
    if (auto allowed = allow_template(flags.written_as); !allowed) return allowed.error();
    if (auto allowed = allow_event_format(flags.typed); !allowed) return allowed.error();
    if (flags.only_counts) {
        if (auto allowed = allow_only_text_and_json("tail --count-only"); !allowed)
            return allowed.error();
    }
    const std::vector<std::string> followed = patterns_to_follow(flags);
    auto names =
        followed.empty() ? expand_stream_names(flags.streams) : present_stream_names(flags.streams);
    if (!names) return names.error();
    if (!flags.group.empty()) {
        if (followed.empty() && names->size() == 1) return tail_group(flags, names->front());
        return make_error(ErrorCode::invalid_argument,
                          "--group shares the events of one stream",
                          fmt::format("tailrace tail NAME --group {}", flags.group));
    }
    if (followed.empty() && names->size() == 1) return run_one(flags, names->front());
    return run_several(flags, *names, followed);
}

void add_reader_options(CLI::App& command, TailFlags& flags) {
    command
        .add_option("--cursor", flags.cursor, "Go on where its last reader stopped; new: at --from")
        ->type_name("NAME");
    CLI::Option* const cursor = command.get_option("--cursor");
    flags.policy_option =
        command
            .add_option(
                "--policy", flags.policy, "When slow: observe (default), spill, skip, gate, evict")
            ->check(CLI::IsMember({"observe", "spill", "skip", "gate", "evict"}))
            ->capture_default_str();
    flags.evict_after =
        add_parsed(command,
                   "--evict-after",
                   flags.evict_after_ns,
                   parse_duration_ns,
                   "Policy evict: how long it may hold publishers up without reading (default 1s)")
            ->group(kRareOptions);
    flags.name =
        command.add_option("--name", flags.name_text, "What tailrace lag calls this reader")
            ->type_name("NAME")
            ->capture_default_str()
            ->group(kRareOptions);
    command.add_option("--group", flags.group, "Share the events with the others of that group")
        ->type_name("NAME")
        ->excludes(cursor)
        ->excludes(flags.policy_option)
        ->group(kRareOptions);
    command.add_flag("--durable", flags.durable, "Only what a power cut can't take back")
        ->group(kRareOptions);
    command.add_option("--on-damage", flags.on_damage, "Damage in the journal: an error, or a gap")
        ->check(CLI::IsMember({"stop", "skip"}))
        ->capture_default_str()
        ->group(kRareOptions);
    add_parsed(
        command, "--rate", flags.rate_per_s, parse_rate_per_s, "Read at most so many: 1000/s")
        ->group(kRareOptions);
    add_parsed(
        command, "--delay", flags.delay_ns, parse_duration_ns, "Pause so long after each event")
        ->group(kRareOptions);
    add_parsed(command,
               "--timeout",
               flags.timeout_ns,
               parse_duration_ns,
               "Give up when nothing was published for so long")
        ->group(kRareOptions);
    add_wait_option(command, flags.wait)->group(kRareOptions);
    command.footer(
        "Without --from it begins with what comes next; with -e or --to at the start.\n"
        "A pattern is followed: streams that come later are read from their first event on, unless "
        "-e or --to says where to end.\n"
        "Policies, when it is slow: observe (nobody notices it) and spill (registered) read the "
        "journal; skip is told what it missed; gate holds publishers up; evict does, but not for "
        "ever.\n"
        "Templates: " +
        std::string(EventTemplate::kLetters) + ".");
}

}  // namespace

void register_tail(CLI::App& app) {
    const auto flags = std::make_shared<TailFlags>();
    CLI::App* const command = add_command(
        app, "tail", "Read streams, live or from a position", [flags] { return run_tail(*flags); });
    command->alias("sub");
    command
        ->add_option("STREAM", flags->streams, "Its name; several, also 'eu-*', in order of time")
        ->required();
    add_parsed(*command,
               "--from",
               flags->from,
               parse_position,
               "First event: start, end, N, +N, -N, @TIME, @-10m");
    add_parsed(*command, "--to", flags->to, parse_position, "Stop before this event");
    add_parsed(*command, "-n,--count", flags->count, parse_count, "Stop after so many events");
    command->add_flag("-e,--exit-at-end", flags->exit_at_end, "Stop at what is the end now");
    add_parsed(*command,
               "-f,--template",
               flags->written_as,
               EventTemplate::parse,
               std::string(EventTemplate::kHelp));
    command->add_flag("--count-only", flags->only_counts, "Count instead of printing, with rates")
        ->excludes("--template")
        ->group(kRareOptions);
    add_filter_options(*command, flags->wanted);
    add_typed_options(*command, flags->typed);
    command->add_option("--partition", flags->partition, "Only keys that leave I when divided by N")
        ->type_name("I/N")
        ->group(kRareOptions);
    add_reader_options(*command, *flags);
}

}  // namespace tailrace::tool
