// tailrace compress: makes the sealed segments of a journal smaller, also while it is written. They
// read as before.

#include "command.hpp"
#include "commands.hpp"
#include "journal_place.hpp"
#include "progress.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/journal/compress.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <memory>

namespace tailrace::tool {

namespace {

struct CompressFlags {
    std::string journal;
    int level = 3;
};

void print_report(const std::string& directory, const journal::CompressReport& report) {
    if (settings().json()) {
        Json document;
        document["journal"] = directory;
        document["compressed_segments"] = report.compressed_segments;
        document["kept_segments"] = report.kept_segments;
        document["raw_bytes"] = report.raw_bytes;
        document["stored_bytes"] = report.stored_bytes;
        out().write_json(document);
        return;
    }
    if (report.compressed_segments == 0) {
        report_done("nothing to compress: the newest segment, and what doesn't shrink, stay");
        return;
    }
    const double ratio = static_cast<double>(report.raw_bytes) /
                         static_cast<double>(std::max<std::uint64_t>(report.stored_bytes, 1));
    report_done(fmt::format("compressed {}: {} of log to {} on disk ({:.1f} to 1)",
                            counted(report.compressed_segments, "segment"),
                            size_text(report.raw_bytes),
                            size_text(report.stored_bytes),
                            ratio));
}

Result<ExitCode> run_compress(CompressFlags& flags) {
    if (auto allowed = allow_only_text_and_json("compress"); !allowed) return allowed.error();
    auto directory = find_journal(flags.journal);
    if (!directory) return directory.error();
    Progress progress(fmt::format("compressing {}", *directory), "bytes", 0);
    journal::CompressOptions options;
    options.level = flags.level;
    options.progress = [&](std::uint64_t done_bytes, std::uint64_t total_bytes) {
        progress.set_total(total_bytes);
        progress.update(done_bytes);
    };
    end_at_first_signal();
    auto report = journal::compress(*directory, options);
    if (!report) return report.error();
    clear_status_line();
    print_report(*directory, *report);
    if (report->damage) return *report->damage;
    return ExitCode::done;
}

}  // namespace

void register_compress(CLI::App& app) {
    const auto flags = std::make_shared<CompressFlags>();
    CLI::App* const command =
        add_command(app,
                    "compress",
                    "Compress the sealed segments of a journal, also while it is written",
                    [flags] { return run_compress(*flags); });
    command->add_option("JOURNAL", flags->journal, "A stream's name, or a journal's directory")
        ->required();
    command->add_option("--level", flags->level, "Of zstd: 1 (fast) to 19 (small)")
        ->type_name("N")
        ->check(CLI::Range(journal::kFastestLevel, journal::kSmallestLevel))
        ->capture_default_str();
}

}  // namespace tailrace::tool
