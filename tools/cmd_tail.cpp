// tailrace tail: reads a stream live, or from a position on.
//
// It observes unless told otherwise: an observer can't hold publishers up, needs read permission
// only and leaves no trace. What has left the ring it reads from the stream's journal; without one,
// when it is too slow, it says exactly what it missed and ends with exit code 3. Whoever wants
// every event at the price of holding publishers up says --policy gate.

#include "command.hpp"
#include "commands.hpp"
#include "event_printer.hpp"
#include "filter_option.hpp"
#include "pace.hpp"
#include "position.hpp"
#include "stop_signal.hpp"
#include "units.hpp"
#include "wait_option.hpp"

#include <tailrace/bridge/cursor_place.hpp>
#include <tailrace/bridge/stream_reader.hpp>
#include <tailrace/bus/stream_status.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <optional>

namespace tailrace::tool {

namespace {

struct TailFlags {
    std::string stream;
    std::optional<Position> from;
    std::optional<Position> to;
    std::optional<std::uint64_t> count;
    std::optional<EventTemplate> written_as;
    bool exit_at_end = false;
    std::string policy = "observe";
    bool durable = false;
    std::string cursor;
    CLI::Option* policy_option = nullptr;
    std::string on_damage = "stop";
    CLI::Option* name = nullptr;
    std::string name_text = "tail";
    FilterFlags wanted;
    std::string partition;
    CLI::Option* evict_after = nullptr;
    std::uint64_t evict_after_ns = 1'000'000'000;
    double rate_per_s = 0;
    std::uint64_t delay_ns = 0;
    std::uint64_t timeout_ns = 0;  // 0: none
    bus::WaitStrategy wait = bus::WaitStrategy::adaptive;
};

bus::SlowPolicy policy_of(const std::string& text) {
    if (text == "gate") return bus::SlowPolicy::gate;
    if (text == "skip") return bus::SlowPolicy::skip;
    if (text == "evict") return bus::SlowPolicy::evict;
    if (text == "spill") return bus::SlowPolicy::spill;
    return bus::SlowPolicy::observe;
}

// One run of tail: hands events on until its end is reached.
class Tail {
public:
    Tail(const TailFlags& flags, bridge::StreamReader reader, Boundary to)
        : flags_(flags),
          reader_(std::move(reader)),
          printer_(flags.stream, settings().format, flags.written_as),
          pace_(flags.delay_ns != 0 ? 1e9 / static_cast<double>(flags.delay_ns) : flags.rate_per_s),
          to_(to) {}

    [[nodiscard]] Result<ExitCode> run();

private:
    void take(const Event& event);
    void note_done();
    [[nodiscard]] bool reaches(const Event& event, std::uint64_t time_ns) noexcept;
    [[nodiscard]] bool waits_for_time() const noexcept;
    [[nodiscard]] Result<bool> look(bus::PollState state, std::uint64_t idle_since_ns);

    const TailFlags& flags_;
    bridge::StreamReader reader_;
    EventPrinter printer_;
    Pace pace_;
    Boundary to_;
    std::uint64_t latest_ns_ = 0;  // times beyond it are of a wrong clock
    std::uint64_t printed_ = 0;
    bool finished_ = false;
    std::optional<Sequence> undone_;  // the first event that was handed over and not printed
    bool was_evicted_ = false;
    bool is_stalled_ = false;
};

// Whether the stream has come to that time, as the index of a journal would say: an event whose
// time is ahead of this clock, by more than clocks may differ, says nothing.
bool Tail::reaches(const Event& event, std::uint64_t time_ns) noexcept {
    if (event.publish_time_ns() < time_ns) return false;
    if (event.publish_time_ns() > latest_ns_) latest_ns_ = wall_clock_ns() + kClockToleranceNs;
    return event.publish_time_ns() <= latest_ns_;
}

void Tail::take(const Event& event) {
    if (!finished_ && to_.sequence && event.sequence() >= *to_.sequence) finished_ = true;
    if (!finished_ && to_.time_ns && reaches(event, *to_.time_ns)) finished_ = true;
    if (finished_ || undone_) {
        if (!undone_) undone_ = event.sequence();
        return;
    }
    if (to_.sequence && event.sequence() + 1 >= *to_.sequence) finished_ = true;
    // What was printed shall be seen before a pause.
    if (pace_.is_early()) out().flush();
    if (!pace_.wait()) {
        undone_ = event.sequence();
        return;
    }
    printer_.print(event);
    ++printed_;
    if (printed_ == flags_.count) finished_ = true;
}

// What was printed and has left this process is done.
void Tail::note_done() {
    if (flags_.cursor.empty()) return;
    const Sequence done = undone_.value_or(reader_.next_sequence());
    if (done == reader_.committed_sequence() || !out().flush()) return;
    if (undone_) {
        (void)reader_.commit(*undone_);  // it is below what was handed over
    } else {
        reader_.commit();
    }
}

// --to @TIME also ends when the time has come and nothing more was published.
bool Tail::waits_for_time() const noexcept {
    constexpr std::uint64_t kGraceNs = 1'000'000;  // a publisher's clock may be a little behind
    return to_.time_ns && wall_clock_ns() < *to_.time_ns + kGraceNs;
}

// Between two polls. False: it is over.
Result<bool> Tail::look(bus::PollState state, std::uint64_t idle_since_ns) {
    if (state == bus::PollState::gap) {
        const bus::Gap gap = reader_.last_gap();
        if (reader_.is_evicted() && !was_evicted_) {
            was_evicted_ = true;
            warn(
                fmt::format("reader '{}' was evicted from '{}' at sequence {}: it held publishers "
                            "up for {} without reading; it goes on without holding them",
                            flags_.name_text,
                            flags_.stream,
                            gap.first,
                            duration_text(flags_.evict_after_ns)));
        }
        if (gap.count != 0)
            printer_.print_gap(gap.first, gap.count, reader_.is_last_gap_damage() ? "lost" : "");
        return true;
    }
    if (state == bus::PollState::failed || state == bus::PollState::corrupt) {
        // And how to go on behind what can't be read.
        Error error = reader_.error();
        if (error.code == ErrorCode::corrupt && flags_.on_damage == "stop")
            error.hint += fmt::format("; tailrace tail {} --on-damage skip", flags_.stream);
        return error;
    }
    if (state == bus::PollState::stalled) {
        if (flags_.exit_at_end) return reader_.error();
        if (!is_stalled_) warn(reader_.error().message);
        is_stalled_ = true;
        return out().flush() && out().has_reader();
    }
    is_stalled_ = is_stalled_ && state == bus::PollState::idle;
    if (state == bus::PollState::closed) {
        say(reader_.region().ending());
        return false;
    }
    if (state != bus::PollState::idle) return true;
    pace_.restart();
    if (!out().flush() || !out().has_reader()) return false;
    if (to_.sequence && reader_.next_sequence() >= *to_.sequence) return false;
    if (to_.time_ns && !waits_for_time()) return false;
    if (flags_.timeout_ns != 0 && monotonic_ns() - idle_since_ns >= flags_.timeout_ns) {
        return make_error(ErrorCode::timed_out,
                          fmt::format("nothing was published to '{}' for {}",
                                      flags_.stream,
                                      duration_text(flags_.timeout_ns)),
                          fmt::format("tailrace inspect {} shows its publishers", flags_.stream));
    }
    return true;
}

Result<ExitCode> Tail::run() {
    constexpr std::uint64_t kBatch = 256;
    constexpr std::uint64_t kLookUpMs = 100;
    const bool paced = flags_.delay_ns != 0 || flags_.rate_per_s > 0;
    const bool finite = flags_.count || flags_.to || flags_.exit_at_end;
    if (flags_.count == 0) finished_ = true;
    std::uint64_t idle_since_ns = monotonic_ns();
    while (!finished_ && !stop_requested() && !out().is_closed()) {
        // A paced reader takes one at a time, so that its lag is what it looks like.
        const bus::PollResult result =
            reader_.poll_until([&](const Event& event) { take(event); },
                               paced ? 1 : kBatch,
                               bus::Deadline::in_ms(finished_ ? 0 : kLookUpMs));
        if (result.events != 0) idle_since_ns = monotonic_ns();
        note_done();
        if (result.state == bus::PollState::moved)
            say(fmt::format("cursor '{}' was moved: on from {}",
                            flags_.cursor,
                            count_text(reader_.next_sequence())));
        // What it doesn't want isn't handed over, but it may be the end.
        if (to_.sequence && reader_.next_sequence() >= *to_.sequence) finished_ = true;
        auto goes_on = look(result.state, idle_since_ns);
        if (!goes_on) return goes_on.error();
        if (!*goes_on) break;
        if (!paced && result.events < kBatch) out().flush();
    }
    out().flush();
    if (printer_.lost_events() != 0) return ExitCode::damage;
    return finite && !finished_ && stop_requested() ? ExitCode::interrupted : ExitCode::done;
}

Position start_of(const TailFlags& flags) {
    if (flags.from) return *flags.from;
    return flags.exit_at_end || flags.to ? Position::start() : Position::end();
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
    bridge::StreamReaderOptions options;
    options.policy = bus::SlowPolicy::observe;
    options.from = *flags.to;
    auto reader = bridge::StreamReader::attach(region, options);
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

// "1/4": keys that leave 1 when divided by 4.
Result<bus::EventFilter> filter_of(const TailFlags& flags) {
    bus::EventFilter filter = filter_of(flags.wanted);
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

bool has_journal(const std::string& stream) {
    auto place =
        bridge::CursorPlace::of_stream(stream, bus::RegionAccess::observe, settings().directory);
    return place && !place->journal_directory().empty();
}

Result<ExitCode> run_tail(TailFlags& flags) {
    if (auto allowed = allow_template(flags.written_as); !allowed) return allowed.error();
    bridge::StreamReaderOptions options;
    options.policy = policy_of(flags.policy);
    // Who has a place of its own is no observer. Without a journal it is lossless all the same.
    if (!flags.cursor.empty() && flags.policy_option->count() == 0)
        options.policy = has_journal(flags.stream) ? bus::SlowPolicy::spill : bus::SlowPolicy::gate;
    options.limit = flags.durable ? bridge::ReadLimit::durable : bridge::ReadLimit::committed;
    if (flags.on_damage == "skip") options.on_damage = bridge::OnDamage::skip;
    options.name = flags.name_text;
    options.wait = flags.wait;
    if (options.policy == bus::SlowPolicy::observe && flags.name->count() != 0) {
        return make_error(ErrorCode::invalid_argument,
                          "an observer leaves no trace, so it has no name",
                          "--policy gate (lossless, may hold publishers up) or --policy skip");
    }
    if (flags.evict_after->count() != 0 && options.policy != bus::SlowPolicy::evict) {
        return make_error(
            ErrorCode::invalid_argument,
            fmt::format("--evict-after doesn't go with --policy {}: only a reader of "
                        "policy evict loses its gate",
                        flags.policy),
            fmt::format("tailrace tail {} --policy evict --evict-after 2s", flags.stream));
    }
    options.evict_after_ns = flags.evict_after_ns;
    auto filter = filter_of(flags);
    if (!filter) return filter.error();
    options.filter = *filter;
    const bus::RegionAccess access = options.policy == bus::SlowPolicy::observe
                                         ? bus::RegionAccess::observe
                                         : bus::RegionAccess::subscribe;
    auto region = bus::Region::open(flags.stream, access, settings().directory);
    if (!region) return region.error();
    auto to = end_of(flags, *region);
    if (!to) return to.error();
    options.from = start_of(flags);
    if (!flags.cursor.empty()) {
        options.cursor = flags.cursor;
        options.new_cursor_at = options.from;
        options.commit = bridge::CommitMode::manual;
    }
    auto reader = bridge::StreamReader::attach(*region, options);
    if (!reader) return reader.error();
    if (is_terminal(1) && options.from.kind == Position::Kind::end && !flags.exit_at_end) {
        say(fmt::format("waiting for new events of '{}'; --from start shows those that are there",
                        flags.stream));
    }
    if (to->sequence && reader->next_sequence() >= *to->sequence) return ExitCode::done;
    return Tail(flags, std::move(*reader), *to).run();
}

void add_reader_options(CLI::App& command, TailFlags& flags) {
    command
        .add_option("--cursor", flags.cursor, "Go on where its last reader stopped; new: at --from")
        ->type_name("NAME");
    flags.policy_option = command
                              .add_option("--policy",
                                          flags.policy,
                                          "When it is slow: it reads the journal (observe: unseen, "
                                          "spill: registered), is told "
                                          "what it missed (skip), or publishers wait (gate), or "
                                          "wait but not for ever (evict)")
                              ->check(CLI::IsMember({"observe", "spill", "skip", "gate", "evict"}))
                              ->capture_default_str();
    command.add_flag("--durable", flags.durable, "Only what a power cut can't take back");
    command.add_option("--on-damage", flags.on_damage, "Damage in the journal: an error, or a gap")
        ->check(CLI::IsMember({"stop", "skip"}))
        ->capture_default_str();
    flags.name =
        command.add_option("--name", flags.name_text, "What tailrace lag calls this reader")
            ->type_name("NAME")
            ->capture_default_str();
    flags.evict_after =
        add_parsed(command,
                   "--evict-after",
                   flags.evict_after_ns,
                   parse_duration_ns,
                   "Policy evict: how long it may hold publishers up without reading (default 1s)");
    add_parsed(
        command, "--rate", flags.rate_per_s, parse_rate_per_s, "Read at most so many: 1000/s");
    add_parsed(
        command, "--delay", flags.delay_ns, parse_duration_ns, "Pause so long after each event");
    add_parsed(command,
               "--timeout",
               flags.timeout_ns,
               parse_duration_ns,
               "Give up when nothing was published for so long");
    add_wait_option(command, flags.wait);
}

}  // namespace

void register_tail(CLI::App& app) {
    const auto flags = std::make_shared<TailFlags>();
    CLI::App* const command =
        add_command(app, "tail", "Read a stream, live or from a position", [flags] {
            return run_tail(*flags);
        });
    command->alias("sub");
    command->add_option("STREAM", flags->stream, "Name of the stream")->required();
    add_parsed(
        *command,
        "--from",
        flags->from,
        parse_position,
        "First event: start, end, N, +N, -N, @TIME, @-10m (default end; start with -e, --to)");
    add_parsed(*command, "--to", flags->to, parse_position, "Stop before this event");
    add_parsed(*command, "-n,--count", flags->count, parse_count, "Stop after so many events");
    command->add_flag("-e,--exit-at-end", flags->exit_at_end, "Stop at what is the end now");
    add_parsed(*command,
               "-f,--template",
               flags->written_as,
               EventTemplate::parse,
               std::string(EventTemplate::kHelp));
    add_filter_options(*command, flags->wanted);
    command->add_option("--partition", flags->partition, "Only keys that leave I when divided by N")
        ->type_name("I/N");
    add_reader_options(*command, *flags);
}

}  // namespace tailrace::tool
