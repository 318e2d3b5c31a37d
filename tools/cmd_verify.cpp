// tailrace verify: reads every byte of journals and says what is wrong with them. Changes nothing.

#include "command.hpp"
#include "commands.hpp"
#include "journal_place.hpp"
#include "name_pattern.hpp"
#include "progress.hpp"
#include "stop_signal.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/base/sequence_range.hpp>
#include <tailrace/journal/verify.hpp>

#include <unistd.h>

#include <algorithm>
#include <fmt/format.h>
#include <memory>

namespace tailrace::tool {

namespace {

constexpr std::uint32_t kMostJobs = 256;

struct VerifyFlags {
    std::vector<std::string> journals;  // names, patterns and directories
    std::uint32_t jobs = 0;
};

Json json_of(const journal::Finding& finding) {
    Json document;
    document["kind"] = journal::finding_kind_name(finding.kind);
    document["damage"] = journal::is_damage(finding.kind);
    document["segment"] = finding.segment_number;
    document["offset_bytes"] = finding.offset;
    document["first_seq"] = finding.first_sequence;
    document["end_seq"] = finding.end_sequence;
    document["text"] = finding.text;
    return document;
}

void print_json(const std::string& directory, const journal::VerifyReport& report) {
    Json document;
    document["journal"] = directory;
    document["sound"] = report.is_sound();
    document["segments"] = report.segment_count;
    document["batches"] = report.batch_count;
    document["events"] = report.event_count;
    document["tombstones"] = report.tombstone_count;
    document["gaps"] = report.gap_count;
    document["gap_events"] = report.gap_events;
    document["lost_events"] = report.lost_events;
    document["read_bytes"] = report.read_bytes;
    document["first_seq"] = report.first_sequence;
    document["end_seq"] = report.end_sequence;
    document["findings"] = Json::array();
    for (const journal::Finding& finding : report.findings) {
        document["findings"].push_back(json_of(finding));
    }
    out().write_json(document);
}

void print_finding(const journal::Finding& finding) {
    const bool damage = journal::is_damage(finding.kind);
    std::string text = fmt::format(
        "{}  {}  segment {} offset {}  {}",
        coloured(damage ? "DAMAGE  " : "harmless", damage ? Colour::red : Colour::yellow),
        journal::finding_kind_name(finding.kind),
        finding.segment_number,
        finding.offset,
        finding.text);
    if (finding.end_sequence > finding.first_sequence)
        text += "; events " + range_text(finding.first_sequence, finding.end_sequence);
    constexpr std::size_t kIndent = 10;
    out().write(flowed(text, 0, kIndent, STDOUT_FILENO));
}

// What isn't there, or is not what it was.
std::vector<std::string> losses_of(const journal::VerifyReport& report) {
    std::vector<std::string> losses = {range_text(report.first_sequence, report.end_sequence)};
    if (report.tombstone_count != 0)
        losses.push_back(counted(report.tombstone_count, "tombstone") + " of publishers that died");
    if (report.gap_count != 0) {
        losses.push_back(fmt::format("never journaled: {} in {}",
                                     counted(report.gap_events, "event"),
                                     counted(report.gap_count, "gap")));
    }
    if (report.lost_events != 0)
        losses.push_back(counted(report.lost_events, "event") + " lost to damage before a repair");
    return losses;
}

void print_text(const std::string& directory, const journal::VerifyReport& report) {
    out().write(field_text("journal", {directory}));
    out().write(field_text("read",
                           {fmt::format("{}, {} batches, {}, {} on disk",
                                        counted(report.segment_count, "segment"),
                                        count_text(report.batch_count),
                                        counted(report.event_count, "event"),
                                        size_text(report.read_bytes))}));
    out().write(field_text("sequence", losses_of(report)));
    for (const journal::Finding& finding : report.findings)
        print_finding(finding);
    const auto damages = std::count_if(
        report.findings.begin(), report.findings.end(), [](const journal::Finding& finding) {
            return journal::is_damage(finding.kind);
        });
    std::string verdict = coloured("sound", Colour::green) + ": every acknowledged event is there";
    if (damages != 0) {
        verdict = coloured("damaged", Colour::red) + ": " +
                  counted(static_cast<std::uint64_t>(damages), "place");
    } else if (report.lost_events != 0) {
        verdict += ", but those that a repair gave up";
    }
    out().write(flowed(verdict, 0, 2, STDOUT_FILENO));
}

Result<ExitCode> verify_one(const std::string& directory, std::uint32_t jobs) {
    Progress progress(fmt::format("verifying {}", directory), "bytes", 0);
    auto report = journal::verify(
        directory,
        [&](std::uint64_t done_bytes, std::uint64_t total_bytes) {
            progress.set_total(total_bytes);
            progress.update(done_bytes);
        },
        jobs);
    if (!report) return report.error();
    clear_status_line();
    if (settings().json()) {
        print_json(directory, *report);
    } else {
        print_text(directory, *report);
    }
    return report->is_sound() ? ExitCode::done : ExitCode::damage;
}

// One after the other. All are there, or none is looked at.
Result<ExitCode> run_verify(const VerifyFlags& flags) {
    if (auto allowed = allow_only_text_and_json("verify"); !allowed) return allowed.error();
    auto names = expand_journal_names(flags.journals);
    if (!names) return names.error();
    std::vector<std::string> directories;
    for (const std::string& name : *names) {
        auto directory = find_journal(name);
        if (!directory) return directory.error();
        directories.push_back(std::move(*directory));
    }
    end_at_first_signal();
    ExitCode worst = ExitCode::done;
    for (const std::string& directory : directories) {
        if (&directory != &directories.front() && !settings().json()) out().write("\n");
        auto ended = verify_one(directory, flags.jobs);
        if (!ended) return ended.error();
        if (*ended != ExitCode::done) worst = *ended;
        if (!out().flush()) break;
    }
    return worst;
}

}  // namespace

void register_verify(CLI::App& app) {
    const auto flags = std::make_shared<VerifyFlags>();
    CLI::App* const command = add_command(
        app, "verify", "Check every byte of journals", [flags] { return run_verify(*flags); });
    command
        ->add_option(
            "JOURNAL", flags->journals, "Streams' names, also 'eu-*', or journals' directories")
        ->required();
    command->add_option("-j,--jobs", flags->jobs, "Segments read at once (default: one per core)")
        ->type_name("N")
        ->check(CLI::Range(1U, kMostJobs));
    add_wide(*command);
}

}  // namespace tailrace::tool
