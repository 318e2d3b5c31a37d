// tailrace record: the journal writer of a stream, in the foreground. Ends cleanly on Ctrl-C and
// SIGTERM.

#include "command.hpp"
#include "commands.hpp"
#include "journal_flags.hpp"
#include "journal_place.hpp"
#include "option_text.hpp"
#include "priority_option.hpp"
#include "record_all.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/stream/recorder.hpp>

#include <fmt/format.h>
#include <memory>

namespace tailrace::tool {

namespace {

struct RecordFlags {
    std::string stream;
    std::string directory;
    JournalFlags writing;
    std::string backend = "auto";
    bool buffered = false;
    std::string journal_lag = "gate";
    stream::Priority priority;
    bool all = false;
    bool new_journal = false;
    bool accept_loss = false;
};

void print_start(const RecordFlags& flags,
                 const stream::Recorder& recorder,
                 const std::string& sync,
                 int compress_level) {
    const stream::RecorderStatus status = recorder.status();
    const journal::Writer& writer = recorder.writer();
    if (settings().json()) {
        Json document;
        document["event"] = "started";
        document["stream"] = flags.stream;
        document["journal"] = status.journal_directory;
        document["first_seq"] = status.first_sequence;
        document["backend"] = writer.io_backend_name();
        document["backend_reason"] = writer.io_backend_reason();
        document["sync"] = sync;
        document["compress"] = compress_text(static_cast<std::uint64_t>(compress_level));
        document["durable_write"] = journal::durable_write_name(writer.durable_write());
        document["durable_write_reason"] = writer.durable_write_reason();
        document["priority"] = stream::priority_in_use();
        document["priority_refusal"] =
            recorder.priority_refusal() ? Json(recorder.priority_refusal()->message) : Json();
        out().write_json(document);
        out().flush();
        return;
    }
    say(fmt::format("recording '{}' to {} from sequence {}",
                    flags.stream,
                    status.journal_directory,
                    status.first_sequence));
    say(fmt::format("backend {}: {}", writer.io_backend_name(), writer.io_backend_reason()));
    if (!writer.durable_write_reason().empty())
        say(fmt::format("durable writes: {}", writer.durable_write_reason()));
    say(fmt::format("priority {}", stream::priority_in_use()));
    if (compress_level > 0)
        say(fmt::format("sealed segments are compressed at level {}", compress_level));
}

// It goes on without, so this is no error.
void tell_refusal(const stream::Recorder& recorder) {
    if (!recorder.priority_refusal()) return;
    warn(recorder.priority_refusal()->message + "; it goes on without");
    warn("  try: " + recorder.priority_refusal()->hint);
}

void tell_trouble(stream::Recorder& recorder) {
    const auto trouble = recorder.take_trouble();
    if (!trouble) return;
    warn(trouble->message + "; recording goes on");
    if (!trouble->hint.empty()) warn("  try: " + trouble->hint);
}

// Of what is written, how much is events: the rest is headers and padding.
double fill_ratio(const journal::WriterStatistics& writer) {
    if (writer.written_bytes == 0) return 1.0;
    return static_cast<double>(writer.event_bytes) / static_cast<double>(writer.written_bytes);
}

void add_figures(Json& document, const stream::RecorderStatus& status) {
    const journal::WriterStatistics& writer = status.writer;
    document["segments"] = writer.segments;
    document["flushes"] = writer.flushes;
    document["fill_ratio"] = fill_ratio(writer);
    document["recycled_segments"] = writer.recycled_segments;
    document["unlinked_segments"] = writer.unlinked_segments;
    document["leased_segments"] = writer.leased_segments;
    document["leased_bytes"] = writer.leased_bytes;
    document["compressed_segments"] = status.compression.compressed_segments;
    document["compressed_raw_bytes"] = status.compression.raw_bytes;
    document["compressed_stored_bytes"] = status.compression.stored_bytes;
}

// The line that a terminal shows, once a second; one object per line with --json.
class StatusReport {
public:
    explicit StatusReport(const RecordFlags& flags) : flags_(flags), last_ns_(monotonic_ns()) {}

    void show_now_and_then(const stream::Recorder& recorder) {
        const std::uint64_t now_ns = monotonic_ns();
        if (now_ns - last_ns_ < kNsPerSecond) return;
        show(recorder, static_cast<double>(now_ns - last_ns_) / 1e9);
        last_ns_ = now_ns;
    }

private:
    void show(const stream::Recorder& recorder, double seconds) {
        const stream::RecorderStatus status = recorder.status();
        const double events_per_s =
            static_cast<double>(status.writer.events - last_events_) / seconds;
        const double bytes_per_s =
            static_cast<double>(status.writer.written_bytes - last_bytes_) / seconds;
        last_events_ = status.writer.events;
        last_bytes_ = status.writer.written_bytes;
        const std::uint64_t behind = status.next_sequence - status.durable_sequence;
        if (settings().json()) {
            Json document;
            document["event"] = "status";
            document["stream"] = flags_.stream;
            document["events_per_s"] = events_per_s;
            document["written_bytes_per_s"] = bytes_per_s;
            document["durable_seq"] = status.durable_sequence;
            document["unflushed_events"] = behind;
            document["lost_events"] = status.lost_events;
            add_figures(document, status);
            out().write_json(document);
            out().flush();
            return;
        }
        const std::string lost =
            status.lost_events == 0 ? "" : fmt::format("  LOST {}", count_text(status.lost_events));
        show_status_line(
            fmt::format("{}  {}  {}/s on disk  durable below #{}  {} not yet flushed{}",
                        flags_.stream,
                        rate_text(events_per_s),
                        size_text(static_cast<std::uint64_t>(bytes_per_s)),
                        status.durable_sequence,
                        count_text(behind),
                        lost));
    }

    const RecordFlags& flags_;
    std::uint64_t last_ns_;
    std::uint64_t last_events_ = 0;
    std::uint64_t last_bytes_ = 0;
};

void print_end(const RecordFlags& flags, const stream::RecorderStatus& status, bool clean) {
    if (settings().json()) {
        Json document;
        document["event"] = "ended";
        document["stream"] = flags.stream;
        document["journal"] = status.journal_directory;
        document["first_seq"] = status.first_sequence;
        document["durable_seq"] = status.durable_sequence;
        document["events"] = status.writer.events;
        document["lost_events"] = status.lost_events;
        add_figures(document, status);
        document["clean"] = clean;
        out().write_json(document);
        return;
    }
    say(fmt::format("recorded {} events, durable below sequence {}{}{}",
                    count_text(status.writer.events),
                    status.durable_sequence,
                    status.lost_events == 0 ? ""
                                            : fmt::format(", {} lost before they were journaled",
                                                          count_text(status.lost_events)),
                    clean ? "; the journal is closed" : ""));
}

Result<ExitCode> run_record(RecordFlags& flags) {
    if (auto allowed = allow_only_text_and_json("record"); !allowed) return allowed.error();
    if (flags.stream.empty() && !flags.all) {
        return make_error(ErrorCode::invalid_argument,
                          "record needs the name of a stream, or --all",
                          "tailrace ls");
    }
    stream::RecorderOptions options;
    options.bus_directory = settings().directory;
    options.lag = flags.journal_lag == "drop" ? stream::JournalLag::drop : stream::JournalLag::gate;
    options.journal.io_backend = flags.backend == "uring"    ? journal::IoBackend::uring
                                 : flags.backend == "pwrite" ? journal::IoBackend::pwrite
                                                             : journal::IoBackend::automatic;
    options.priority = flags.priority;
    options.new_journal = flags.new_journal;
    options.accept_loss = flags.accept_loss;
    if (flags.buffered) options.journal.direct_io = journal::DirectIo::off;
    auto said = flags.writing.settings();
    if (!said) return said.error();
    if (flags.all) return record_all(options, *said);
    if (!flags.directory.empty()) {
        options.journal.directory = absolute_path(flags.directory);
    } else {
        auto region =
            bus::Region::open(flags.stream, bus::RegionAccess::observe, settings().directory);
        if (!region) return region.error();
        options.journal.directory = journal_directory_of((*region)->header());
        if (options.journal.directory.empty()) {
            options.journal.directory = usual_journal_directory(flags.stream);
        }
    }
    if (auto applied = apply_settings(options, *said); !applied) return applied.error();
    auto recorder = stream::Recorder::attach(flags.stream, options);
    if (!recorder) return recorder.error();
    print_start(flags,
                *recorder,
                sync_text(options.journal.sync_policy, options.journal.sync_interval_ns),
                options.compress_level);
    tell_refusal(*recorder);
    StatusReport report(flags);
    constexpr std::uint64_t kStepNs = 250 * kNsPerMs;
    while (!stop_requested() && !recorder->stream_was_removed()) {
        if (auto stepped = recorder->step(kStepNs); !stepped) {
            print_end(flags, recorder->status(), false);
            return stepped.error();
        }
        report.show_now_and_then(*recorder);
        tell_trouble(*recorder);
    }
    if (recorder->stream_was_removed()) say(recorder->stream_ending());
    if (auto closed = recorder->close(); !closed) {
        print_end(flags, recorder->status(), false);
        return closed.error();
    }
    print_end(flags, recorder->status(), true);
    return recorder->status().lost_events == 0 ? ExitCode::done : ExitCode::damage;
}

}  // namespace

void register_record(CLI::App& app) {
    const auto flags = std::make_shared<RecordFlags>();
    CLI::App* const command =
        add_command(app, "record", "Write a stream's journal, until Ctrl-C or SIGTERM", [flags] {
            return run_record(*flags);
        });
    CLI::Option* const stream = command->add_option("STREAM", flags->stream, "Name of the stream");
    CLI::Option* const all = command->add_flag(
        "--all", flags->all, "Every stream that has a journal, also those created later");
    all->excludes(stream);
    command
        ->add_option("--to,--journal",
                     flags->directory,
                     "Its directory (default: what create --journal said)")
        ->type_name("DIR")
        ->excludes(all);
    flags->writing.add_to(*command);
    command->add_option("--backend", flags->backend, "auto, uring or pwrite")
        ->check(CLI::IsMember({"auto", "uring", "pwrite"}))
        ->capture_default_str()
        ->group(kRareOptions);
    command->add_flag("--buffered", flags->buffered, "Through the page cache instead of O_DIRECT")
        ->group(kRareOptions);
    command
        ->add_option("--journal-lag",
                     flags->journal_lag,
                     "When the disk is slow: gate (publishers wait) or drop (a reported gap)")
        ->check(CLI::IsMember({"gate", "drop"}))
        ->capture_default_str();
    command
        ->add_flag("--new-journal",
                   flags->new_journal,
                   "Begin another one where the stream's own isn't any more")
        ->excludes(all);
    command
        ->add_flag("--accept-loss",
                   flags->accept_loss,
                   "Go on behind a gap where it has lost what was durable")
        ->excludes(all);
    add_priority_option(*command, flags->priority)->group(kRareOptions);
}

}  // namespace tailrace::tool
