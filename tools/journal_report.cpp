#include "journal_report.hpp"

#include "command.hpp"
#include "figure_json.hpp"
#include "table.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/sequence_range.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/observe/journal_figures.hpp>

#include <unistd.h>

#include <filesystem>
#include <fmt/format.h>
#include <vector>

namespace tailrace::tool {

namespace {

std::vector<std::string> settings_texts(const journal::JournalSummary& summary) {
    if (!summary.settings_refusal.empty()) return {summary.settings_refusal};
    journal::JournalOptions options;
    summary.settings.apply_to(options);
    std::vector<std::string> texts = {
        "sync " + observe::sync_text(options.sync_policy, options.sync_interval_ns)};
    if (const auto size_bytes = observe::segment_size_bytes(summary))
        texts.push_back("segments of " + size_text(*size_bytes));
    if (const auto level = summary.settings.compress_level.value_or(0); level != 0)
        texts.push_back(fmt::format("compressed at level {}", level));
    if (options.retain_size_bytes != 0)
        texts.push_back(fmt::format("at most {} on disk", size_text(options.retain_size_bytes)));
    if (options.retain_age_ns != 0) texts.push_back("for " + duration_text(options.retain_age_ns));
    if (options.retain_size_bytes == 0 && options.retain_age_ns == 0)
        texts.emplace_back("everything is kept");
    return texts;
}

// What readers hold, and what only they still hold.
std::string lease_text(const journal::JournalSummary& summary) {
    std::string text = counted(observe::leased_segments(summary), "segment") + " being read";
    if (summary.retired_segments != 0) {
        text += fmt::format("; {} given up ({} on disk), kept only for readers",
                            counted(summary.retired_segments, "segment"),
                            size_text(summary.retired_bytes));
    }
    return text;
}

std::string closing_text(const journal::JournalSummary& summary) {
    if (summary.writer_runs) return fmt::format("a writer is at work (pid {})", summary.writer_pid);
    return summary.clean_close ? "cleanly closed"
                               : "not cleanly closed: the next writer recovers it";
}

void print_json(const journal::JournalSummary& summary, bool with_segments) {
    Json document;
    document["kind"] = "journal";
    document.update(figures_json(observe::journal_figures(), summary));
    document["missing"] = Json::array();
    for (const journal::MissingSegments& missing : summary.missing) {
        document["missing"].push_back(figures_json(observe::missing_segments_figures(), missing));
    }
    if (with_segments) {
        document["segments"] = Json::array();
        for (const journal::SegmentSummary& segment : summary.segments)
            document["segments"].push_back(figures_json(observe::segment_figures(), segment));
    }
    out().write_json(document);
}

void print_segments(const std::vector<journal::SegmentSummary>& segments) {
    const std::uint64_t now_ns = wall_clock_ns();
    Table table({">SEGMENT", "STATE", ">FIRST", ">END", ">USED", ">FILE", "CREATED", "NOTE"});
    table.can_do_without({"CREATED", "NOTE", "FILE", "USED"});
    for (const journal::SegmentSummary& segment : segments) {
        const bool damaged = segment.state == journal::SegmentState::damaged;
        table.add({std::to_string(segment.segment_number),
                   std::string(journal::segment_state_name(segment.state)),
                   damaged ? "?" : count_text(segment.first_sequence),
                   damaged ? "?" : count_text(segment.end_sequence),
                   size_text(segment.used_bytes),
                   size_text(segment.size_bytes),
                   damaged ? "?" : clock_text(segment.created_ns, now_ns),
                   segment.is_leased ? "leased" : ""});
        if (damaged) table.colour(1, Colour::red);
    }
    out().write(table.text());
}

void print_text(const journal::JournalSummary& summary, bool with_segments) {
    out().write(
        field_text("journal",
                   {summary.directory,
                    fmt::format("stream '{}'", tame(summary.stream_name)),
                    fmt::format("format {}.{}", summary.format_major, summary.format_minor)}));
    out().write(field_text("state", {closing_text(summary)}));
    out().write(
        field_text("events",
                   {count_text(summary.end_sequence - summary.first_sequence),
                    "sequence " + range_text(summary.first_sequence, summary.end_sequence)}));
    if (summary.max_time_ns != 0)
        out().write(field_text("newest", {time_text(summary.max_time_ns)}));
    out().write(field_text("disk",
                           {fmt::format("{} of log, {} taken on disk, {}",
                                        size_text(summary.used_bytes),
                                        size_text(summary.allocated_bytes),
                                        counted(summary.segments.size(), "segment"))}));
    out().write(field_text("spare",
                           {summary.spare == journal::SpareState::none
                                ? "none"
                                : fmt::format("{}, {} on disk",
                                              journal::spare_state_name(summary.spare),
                                              size_text(summary.spare_bytes))}));
    out().write(field_text("leases", {lease_text(summary)}));
    out().write(field_text("settings", settings_texts(summary)));
    for (const journal::MissingSegments& missing : summary.missing)
        out().write(field_text("missing", {coloured(missing.text, Colour::red)}));
    if (with_segments) print_segments(summary.segments);
}

// The reader knows why a header can't be used; inspect only that it can't. So one is sent to that
// place.
Error damage_of(const journal::JournalSummary& summary, std::size_t damaged) {
    auto reader = journal::Reader::open(summary.directory);
    if (!reader) return reader.error();
    if (damaged != 0) {
        auto sought = reader->seek_sequence(summary.segments[damaged - 1].end_sequence);
        if (!sought) return sought.error();
    }
    if (auto step = reader->next_batch(); !step) return step.error();
    return make_error(ErrorCode::corrupt,
                      fmt::format("the header of '{}' is damaged", summary.segments[damaged].path),
                      fmt::format("tailrace verify {}", summary.directory));
}

void print_segment(const journal::JournalSummary& summary, const journal::SegmentSummary& segment) {
    if (settings().json()) {
        Json document = figures_json(observe::segment_figures(), segment);
        document["kind"] = "segment";
        document["stream"] = summary.stream_name;
        out().write_json(document);
        return;
    }
    out().write(flowed(
        fmt::format("segment of {}, stream '{}'", summary.directory, tame(summary.stream_name)),
        0,
        2,
        STDOUT_FILENO));
    print_segments({segment});
}

}  // namespace

Result<ExitCode> inspect_journal(const std::string& directory, bool with_segments) {
    auto summary = journal::inspect(directory);
    if (!summary) return summary.error();
    if (settings().json()) {
        print_json(*summary, with_segments);
    } else {
        print_text(*summary, with_segments);
    }
    for (std::size_t index = 0; index < summary->segments.size(); ++index) {
        if (summary->segments[index].state == journal::SegmentState::damaged) {
            return damage_of(*summary, index);
        }
    }
    if (summary->missing.empty()) return ExitCode::done;
    return make_error(ErrorCode::corrupt,
                      summary->missing.front().text,
                      fmt::format("tailrace repair {}", directory));
}

Result<ExitCode> inspect_segment(const std::string& directory, const std::string& path) {
    auto summary = journal::inspect(directory);
    if (summary) {
        for (std::size_t index = 0; index < summary->segments.size(); ++index) {
            const journal::SegmentSummary& segment = summary->segments[index];
            std::error_code failed;
            if (!std::filesystem::equivalent(segment.path, path, failed)) continue;
            if (segment.state == journal::SegmentState::damaged) return damage_of(*summary, index);
            print_segment(*summary, segment);
            return ExitCode::done;
        }
    }
    return make_error(ErrorCode::not_tailrace,
                      fmt::format("'{}' is not a segment of a journal", path),
                      "tailrace inspect DIRECTORY --segments shows those of a journal");
}

}  // namespace tailrace::tool
