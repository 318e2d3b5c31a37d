// tailrace backup: copies a journal up to what is durable, beside its writer. Run again, it copies
// only what is new.

#include "command.hpp"
#include "commands.hpp"
#include "journal_place.hpp"
#include "progress.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/journal/backup.hpp>

#include <fmt/format.h>
#include <memory>

namespace tailrace::tool {

namespace {

struct BackupFlags {
    std::string journal;
    std::string destination;
};

// What the stream's board says of this journal; 0 when there is no such stream.
Sequence durable_on_board(const std::string& target, const std::string& directory) {
    if (target.find('/') != std::string::npos) return 0;
    auto region = bus::Region::open(target, bus::RegionAccess::observe, settings().directory);
    if (!region || journal_directory_of((*region)->header()) != directory) return 0;
    return bus::durable_sequence(**region);
}

void print_report(const BackupFlags& flags,
                  const std::string& directory,
                  const journal::BackupReport& report) {
    if (settings().json()) {
        Json document;
        document["journal"] = directory;
        document["backup"] = absolute_path(flags.destination);
        document["first_seq"] = report.first_sequence;
        document["end_seq"] = report.end_sequence;
        document["copied_segments"] = report.copied_segments;
        document["kept_segments"] = report.kept_segments;
        document["copied_bytes"] = report.copied_bytes;
        out().write_json(document);
        return;
    }
    report_done(fmt::format("copied {} in {}, {} were there already",
                            size_text(report.copied_bytes),
                            counted(report.copied_segments, "segment"),
                            report.kept_segments));
    report_done(fmt::format("the copy ends before sequence {}; tailrace verify {} checks it",
                            report.end_sequence,
                            absolute_path(flags.destination)));
}

Result<ExitCode> run_backup(BackupFlags& flags) {
    if (auto allowed = allow_only_text_and_json("backup"); !allowed) return allowed.error();
    auto directory = find_journal(flags.journal);
    if (!directory) return directory.error();
    Progress progress(fmt::format("copying {}", *directory), "bytes", 0);
    journal::BackupOptions options;
    options.durable_sequence = durable_on_board(flags.journal, *directory);
    options.progress = [&](std::uint64_t done_bytes, std::uint64_t total_bytes) {
        progress.set_total(total_bytes);
        progress.update(done_bytes);
    };
    end_at_first_signal();
    auto report = journal::backup(*directory, absolute_path(flags.destination), options);
    if (!report) return report.error();
    clear_status_line();
    print_report(flags, *directory, *report);
    return ExitCode::done;
}

}  // namespace

void register_backup(CLI::App& app) {
    const auto flags = std::make_shared<BackupFlags>();
    CLI::App* const command = add_command(
        app, "backup", "Copy a journal up to what is durable, also while it is written", [flags] {
            return run_backup(*flags);
        });
    command->add_option("JOURNAL", flags->journal, "A stream's name, or a journal's directory")
        ->required();
    command
        ->add_option("DESTINATION", flags->destination, "An empty directory, or an earlier backup")
        ->required();
}

}  // namespace tailrace::tool
