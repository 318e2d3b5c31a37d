// tailrace inspect: what a stream, a journal, a segment or one event is. Reads only.

#include "command.hpp"
#include "commands.hpp"
#include "event_printer.hpp"
#include "journal_place.hpp"
#include "journal_report.hpp"
#include "payload_text.hpp"
#include "stream_report.hpp"
#include "units.hpp"

#include <tailrace/base/sequence_range.hpp>
#include <tailrace/bus/subscriber.hpp>
#include <tailrace/journal/reader.hpp>

#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <utility>

namespace tailrace::tool {

namespace {

struct InspectFlags {
    std::string target;
    bool segments = false;
    std::optional<std::uint64_t> record;
    bool hex = false;
};

// What a target turned out to be.
struct Target {
    std::shared_ptr<bus::Region> region;  // a stream
    std::string journal_directory;        // a journal, or that of the stream
    std::string segment_path;             // a single file of it
};

void print_event(const std::string& stream,
                 const Event& event,
                 KnownTypes types,
                 const InspectFlags& flags) {
    // Without conditions and fields of its own there is no error.
    auto view = TypedView::open(std::move(types), {}, stream).value();
    const Format format = settings().json() ? Format::json
                          : flags.hex       ? Format::hex
                                            : settings().format;
    EventPrinter printer(stream, format, {}, std::make_shared<TypedView>(std::move(view)));
    printer.begin();
    printer.print(event);
}

Result<ExitCode> no_such_event(const std::string& where, Sequence sequence, bool tombstone) {
    return make_error(
        ErrorCode::not_found,
        tombstone ? fmt::format("sequence {} of {} is a tombstone: its publisher died before "
                                "it was committed",
                                sequence,
                                where)
                  : fmt::format("sequence {} of {} is claimed, but not committed", sequence, where),
        fmt::format("tailrace inspect {}", where));
}

Result<ExitCode> print_ring_record(const std::shared_ptr<bus::Region>& region,
                                   const InspectFlags& flags) {
    bus::SubscriberOptions options;
    options.policy = bus::SlowPolicy::observe;
    options.start = bus::Start::at(*flags.record);
    auto subscriber = bus::Subscriber::attach(region, options);
    if (!subscriber) return subscriber.error();
    bool found = false;
    const bus::PollResult result = subscriber->poll(
        [&](const Event& event) {
            found = true;
            print_event(region->name(), event, KnownTypes::of_stream(region), flags);
        },
        1);
    if (result.state == bus::PollState::gap) {
        return make_error(
            ErrorCode::sequence_gone,
            fmt::format(
                "sequence {} left the ring of '{}' just now", *flags.record, region->name()),
            fmt::format("tailrace inspect {} --record N with a later one", region->name()));
    }
    if (found) return ExitCode::done;
    // A sequence that is the next to be published is a place to start at, but not an event.
    if (*flags.record >= region->tail().sequence) {
        return make_error(ErrorCode::sequence_ahead,
                          fmt::format("stream '{}' has not reached sequence {}: the next one is {}",
                                      region->name(),
                                      *flags.record,
                                      region->tail().sequence),
                          fmt::format("tailrace inspect {}", region->name()));
    }
    return no_such_event(region->name(), *flags.record, result.state == bus::PollState::ok);
}

Result<ExitCode> print_journal_record(const std::string& directory, const InspectFlags& flags) {
    auto reader = journal::Reader::open(directory);
    if (!reader) return reader.error();
    if (auto sought = reader->seek_sequence(*flags.record); !sought) return sought.error();
    auto step = reader->next();
    if (!step) return step.error();
    if (step->kind == journal::ReadKind::gap) {
        return make_error(
            ErrorCode::sequence_gone,
            fmt::format("sequence {} is in a gap of the journal: events {} {}",
                        *flags.record,
                        range_text(step->gap.first, step->gap.first + step->gap.count),
                        step->gap.kind == journal::GapKind::lost
                            ? "were journaled and are lost to damage"
                            : "were never journaled"),
            fmt::format("tailrace verify {}", directory));
    }
    if (step->kind == journal::ReadKind::end) {
        return make_error(
            ErrorCode::sequence_ahead,
            fmt::format("the journal '{}' ends before sequence {}", directory, *flags.record),
            fmt::format("tailrace inspect {}", directory));
    }
    if (step->event->is_tombstone()) return no_such_event(directory, *flags.record, true);
    print_event(reader->stream_name(), *step->event, KnownTypes::of_journal(directory), flags);
    return ExitCode::done;
}

Result<ExitCode> print_record(const Target& target, const InspectFlags& flags) {
    if (target.region == nullptr) return print_journal_record(target.journal_directory, flags);
    auto printed = print_ring_record(target.region, flags);
    const bool left_the_ring = !printed && printed.error().code == ErrorCode::sequence_gone;
    if (!left_the_ring || target.journal_directory.empty()) return printed;
    return print_journal_record(target.journal_directory, flags);
}

// A path: a ring's directory, a journal's directory, or a segment.
Result<Target> target_of_path(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code failed;
    const fs::path given = absolute_path(path);
    if (!fs::exists(given, failed)) {
        return make_error(ErrorCode::not_found,
                          fmt::format("there is no '{}'", path),
                          "tailrace ls shows the streams and journals of this machine");
    }
    Target target;
    if (fs::is_directory(given, failed)) {
        if (!fs::exists(given / "control", failed)) {
            target.journal_directory = given.string();
            return target;
        }
        auto region = bus::Region::open(
            given.filename().string(), bus::RegionAccess::observe, given.parent_path().string());
        if (!region) return region.error();
        target.region = std::move(*region);
        return target;
    }
    if (given.filename() == "control" || given.filename() == "events") {
        return target_of_path(given.parent_path().string());
    }
    target.journal_directory = given.parent_path().string();
    target.segment_path = given.string();
    return target;
}

Result<Target> target_of(const std::string& text) {
    std::error_code failed;
    if (text.find('/') != std::string::npos) return target_of_path(text);
    auto region = bus::Region::open(text, bus::RegionAccess::observe, settings().directory);
    Target target;
    if (region) {
        target.region = std::move(*region);
        target.journal_directory = journal_directory_of(target.region->header());
        return target;
    }
    if (region.error().code != ErrorCode::not_found) return region.error();
    if (std::filesystem::exists(text, failed)) return target_of_path("./" + text);
    auto directory = find_journal(text);
    if (!directory) return region.error();
    target.journal_directory = *directory;
    return target;
}

Result<ExitCode> run_inspect(InspectFlags& flags) {
    auto target = target_of(flags.target);
    if (!target) return target.error();
    if (flags.record) {
        if (auto allowed = allow_event_format(); !allowed) return allowed.error();
        return print_record(*target, flags);
    }
    if (auto allowed = allow_only_text_and_json("inspect"); !allowed) return allowed.error();
    if (target->region != nullptr) return inspect_stream(target->region);
    if (!target->segment_path.empty()) {
        return inspect_segment(target->journal_directory, target->segment_path);
    }
    return inspect_journal(target->journal_directory, flags.segments);
}

}  // namespace

void register_inspect(CLI::App& app) {
    const auto flags = std::make_shared<InspectFlags>();
    CLI::App* const command = add_command(
        app, "inspect", "Describe a stream, a journal, a segment or one event", [flags] {
            return run_inspect(*flags);
        });
    command->add_option("TARGET", flags->target, "A stream, a journal's directory, or a segment")
        ->required();
    command->add_flag("--segments", flags->segments, "Every segment of a journal");
    command->add_option("--record", flags->record, "The event with this sequence");
    command->add_flag("--hex", flags->hex, "The event as a hex dump");
    add_wide(*command);
}

}  // namespace tailrace::tool
