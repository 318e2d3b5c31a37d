// tailrace trim: gives up the oldest segments of a journal by hand, also while it is recorded. It
// shows its plan; with --yes it does it.

#include "command.hpp"
#include "commands.hpp"
#include "journal_place.hpp"
#include "position.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/journal/trim.hpp>

#include <cstdint>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>

namespace tailrace::tool {

namespace {

struct TrimFlags {
    std::string journal;
    journal::TrimLimits limits;
    bool yes = false;
    std::uint64_t timeout_ns = 30'000'000'000;

    [[nodiscard]] bool has_limit() const noexcept {
        return limits.before || limits.keep_events || limits.keep_size_bytes || limits.keep_age_ns;
    }
};

std::string_view stop_name(journal::TrimStop stop) noexcept {
    switch (stop) {
        case journal::TrimStop::newest:
            return "newest";
        case journal::TrimStop::cursor:
            return "cursor";
        case journal::TrimStop::reader:
            return "reader";
        case journal::TrimStop::none:
            break;
    }
    return "";
}

// Why no more goes, and what would help.
std::string stop_text(const journal::TrimPlan& plan, const std::string& journal) {
    switch (plan.stop) {
        case journal::TrimStop::newest:
            return plan.writer_runs ? "the newest segments stay: one is written, and the one "
                                      "before it"
                                    : "the newest segment stays";
        case journal::TrimStop::cursor:
            return fmt::format(
                "the cursor '{0}' holds what comes then (tailrace cursor hold {1} "
                "{0} --max off)",
                tame(plan.stopped_by),
                journal);
        case journal::TrimStop::reader:
            return fmt::format("somebody reads {0} (fuser -v {0})", plan.stopped_by);
        case journal::TrimStop::none:
            break;
    }
    return {};
}

std::string range_text(Sequence first, Sequence end) {
    return fmt::format("[{}, {})", first, end);
}

void print_json(const journal::TrimPlan& plan, const journal::TrimReport* report) {
    Json document;
    document["journal"] = plan.directory;
    document["applied"] = report != nullptr;
    document["segments"] = plan.segment_count();
    document["bytes"] = plan.size_bytes;
    document["first_seq"] = plan.first_sequence;
    document["end_seq"] = plan.kept_sequence;
    document["kept_first_seq"] = report != nullptr ? report->first_sequence : plan.kept_sequence;
    document["kept_end_seq"] = plan.end_sequence;
    document["held_segments"] = report != nullptr ? report->held_segments : 0;
    document["stopped_by"] =
        plan.stop == journal::TrimStop::none ? Json() : Json(stop_name(plan.stop));
    document["stopped_name"] = plan.stopped_by.empty() ? Json() : Json(plan.stopped_by);
    document["cursors"] = Json::array();
    for (const journal::CursorBehind& cursor : plan.cursors) {
        Json behind;
        behind["cursor"] = cursor.name;
        behind["lost_events"] = cursor.lost_events;
        document["cursors"].push_back(std::move(behind));
    }
    out().write_json(document);
}

void print_plan(const journal::TrimPlan& plan, const std::string& journal) {
    out().write(field_text("journal", {plan.directory}));
    std::string goes = "nothing";
    if (plan.segment_count() != 0) {
        goes = fmt::format("{}, {}: {} {}",
                           counted(plan.segment_count(), "segment"),
                           size_text(plan.size_bytes),
                           counted(plan.kept_sequence - plan.first_sequence, "event"),
                           range_text(plan.first_sequence, plan.kept_sequence));
    }
    out().write(field_text("goes", {goes}));
    out().write(field_text("stays",
                           {fmt::format("{} {}",
                                        counted(plan.end_sequence - plan.kept_sequence, "event"),
                                        range_text(plan.kept_sequence, plan.end_sequence))}));
    if (plan.stop != journal::TrimStop::none)
        out().write(field_text("no more", {stop_text(plan, journal)}));
    for (const journal::CursorBehind& cursor : plan.cursors) {
        out().write(field_text("cursor",
                               {fmt::format("'{}' will be told that {} are gone",
                                            tame(cursor.name),
                                            counted(cursor.lost_events, "event"))}));
    }
}

void print_report(const journal::TrimPlan& plan, const journal::TrimReport& report) {
    if (report.first_sequence == plan.first_sequence) {
        out().write("nothing was removed: a cursor has come to hold it\n");
        return;
    }
    out().write(field_text("removed",
                           {fmt::format("{}; the journal begins with {}",
                                        range_text(plan.first_sequence, report.first_sequence),
                                        report.first_sequence)}));
    if (report.held_segments != 0) {
        out().write(field_text("",
                               {fmt::format("{} that readers hold, when they let go",
                                            counted(report.held_segments, "segment"))}));
    }
}

Result<ExitCode> run_trim(const TrimFlags& flags) {
    if (auto allowed = allow_only_text_and_json("trim"); !allowed) return allowed.error();
    if (!flags.has_limit()) {
        return make_error(ErrorCode::invalid_argument,
                          "trim needs to know what is to go",
                          fmt::format("tailrace trim {} --before @-7d", flags.journal));
    }
    auto directory = find_journal(flags.journal);
    if (!directory) return directory.error();
    auto plan = journal::plan_trim(*directory, flags.limits);
    if (!plan) return plan.error();
    const bool is_empty = plan->segment_count() == 0;
    const bool is_stopped =
        plan->stop == journal::TrimStop::cursor || plan->stop == journal::TrimStop::reader;
    if (flags.yes && is_empty && is_stopped) {
        return make_error(ErrorCode::busy,
                          fmt::format("nothing of the journal '{}' can go: {}",
                                      *directory,
                                      stop_text(*plan, flags.journal)),
                          fmt::format("tailrace lag {}", flags.journal));
    }
    const bool is_told = !settings().json() && !(flags.yes && settings().quiet);
    if (is_told) print_plan(*plan, flags.journal);
    if (!flags.yes || is_empty) {
        if (settings().json()) print_json(*plan, nullptr);
        if (!is_empty) say("nothing has been removed; --yes does it");
        return ExitCode::done;
    }
    out().flush();
    auto report = journal::trim(*plan, flags.timeout_ns);
    if (!report) return report.error();
    if (settings().json()) {
        print_json(*plan, &*report);
    } else if (is_told) {
        print_report(*plan, *report);
    }
    return ExitCode::done;
}

}  // namespace

void register_trim(CLI::App& app) {
    const auto flags = std::make_shared<TrimFlags>();
    CLI::App* const command = add_command(
        app, "trim", "Remove the oldest segments of a journal (shows which; --yes)", [flags] {
            return run_trim(*flags);
        });
    command->add_option("JOURNAL", flags->journal, "A stream's name, or a journal's directory")
        ->required();
    add_parsed(*command,
               "--before",
               flags->limits.before,
               parse_position,
               "What ends before this event: a sequence, -N, @-7d, @TIME");
    add_parsed(*command,
               "--keep-events",
               flags->limits.keep_events,
               parse_count,
               "All but the newest so many events");
    add_parsed(*command,
               "--keep-bytes",
               flags->limits.keep_size_bytes,
               parse_size_bytes,
               "The oldest, until the rest takes no more than this");
    add_parsed(*command,
               "--keep-age",
               flags->limits.keep_age_ns,
               parse_duration_ns,
               "What was recorded longer ago than this");
    add_parsed(*command,
               "--timeout",
               flags->timeout_ns,
               parse_duration_ns,
               "Wait so long for the recorder to do it (default 30s)");
    command->add_flag("-y,--yes", flags->yes, "Do it; without this nothing is changed");
}

}  // namespace tailrace::tool
