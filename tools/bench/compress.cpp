// Question: how much smaller does this journal become, how fast, and how fast does it replay then?
//
//     journal --backup--> copy --read--> --compress--> --read again-->
//
// One thread, from and to the page cache where the copy fits into it, so the figures are those of
// the processor, not of a device. The content is the caller's own: a ratio of made-up events says
// nothing. Doesn't show: seeks, several readers.

#include "compress.hpp"

#include "bench_guard.hpp"
#include "command.hpp"
#include "journal_place.hpp"
#include "machine.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/compress.hpp>
#include <tailrace/journal/reader.hpp>

#include <unistd.h>

#include <filesystem>
#include <fmt/format.h>
#include <memory>

namespace tailrace::tool {

namespace {

struct CompressBench {
    std::string journal;
    int level = 3;
};

// A copy that goes away.
class Copy {
public:
    Copy() : path_(fmt::format("{}/bench-compress-{}", usual_journal_parent(), ::getpid())) {}
    Copy(const Copy&) = delete;
    Copy& operator=(const Copy&) = delete;
    ~Copy() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

struct ReadOutcome {
    std::uint64_t bytes = 0;
    std::uint64_t events = 0;
    std::uint64_t digest = 0;
    double seconds = 0;
};

Result<ReadOutcome> read_whole(const std::string& directory) {
    ReadOutcome outcome;
    const std::uint64_t start_ns = monotonic_ns();
    auto reader = journal::Reader::open(directory);
    if (!reader) return reader.error();
    while (true) {  // ends: nobody writes to the copy
        auto step = reader->next_batch();
        if (!step) return step.error();
        if (step->kind == journal::ReadKind::end) break;
        if (step->kind != journal::ReadKind::event) continue;
        outcome.bytes += step->batch.bytes.size();
        outcome.events += step->batch.event_count;
        outcome.digest = checksum64(step->batch.bytes, outcome.digest);
    }
    outcome.seconds = static_cast<double>(monotonic_ns() - start_ns) / 1e9;
    return outcome;
}

Result<ExitCode> run(const CompressBench& options) {
    auto directory = find_journal(options.journal);
    if (!directory) return directory.error();
    const Copy copy;
    if (auto copied = journal::backup(*directory, copy.path()); !copied) return copied.error();
    auto before = read_whole(copy.path());
    if (!before) return before.error();
    const std::uint64_t start_ns = monotonic_ns();
    auto report = journal::compress(copy.path(), {.level = options.level});
    if (!report) return report.error();
    const double seconds = static_cast<double>(monotonic_ns() - start_ns) / 1e9;
    auto after = read_whole(copy.path());
    if (!after) return after.error();
    if (after->digest != before->digest) {
        return make_error(ErrorCode::corrupt, "the compressed copy read otherwise", "report this");
    }
    if (report->compressed_segments == 0) {
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("'{}' has no segment to compress", *directory),
                          "the newest segment is never compressed; record more, or smaller ones");
    }
    Json document;
    document["bench"] = "compress";
    document["machine"] = machine_description();
    document["level"] = options.level;
    document["segments"] = report->compressed_segments;
    document["ratio"] =
        static_cast<double>(report->raw_bytes) / static_cast<double>(report->stored_bytes);
    document["compress_bytes_per_s"] = static_cast<double>(report->raw_bytes) / seconds;
    document["read_bytes_per_s"] = static_cast<double>(before->bytes) / before->seconds;
    document["read_compressed_bytes_per_s"] = static_cast<double>(after->bytes) / after->seconds;
    document["read_events_per_s"] = static_cast<double>(before->events) / before->seconds;
    document["read_compressed_events_per_s"] = static_cast<double>(after->events) / after->seconds;
    if (settings().json()) {
        out().write_json(document);
        return ExitCode::done;
    }
    out().write(fmt::format("compress   level {}, {} segments, {:.2f} to 1, {:.2f} GB/s\n",
                            options.level,
                            report->compressed_segments,
                            document["ratio"].get<double>(),
                            document["compress_bytes_per_s"].get<double>() / 1e9));
    out().write(fmt::format("machine    {}\n", machine_description()));
    out().write(fmt::format("read       {:.2f} GB/s as it was, {:.2f} GB/s compressed\n",
                            document["read_bytes_per_s"].get<double>() / 1e9,
                            document["read_compressed_bytes_per_s"].get<double>() / 1e9));
    return ExitCode::done;
}

}  // namespace

void add_bench_compress(CLI::App& bench) {
    const auto options = std::make_shared<CompressBench>();
    CLI::App* const command =
        add_command(bench,
                    "compress",
                    "What compressing a journal saves, and what reading it costs",
                    [options] { return run_guarded([options] { return run(*options); }); });
    command->add_option("JOURNAL", options->journal, "A stream's name, or a journal's directory")
        ->required();
    command->add_option("--level", options->level, "Of zstd: 1 (fast) to 19 (small)")
        ->check(CLI::Range(1, 19))
        ->capture_default_str();
}

}  // namespace tailrace::tool
