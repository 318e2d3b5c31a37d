// Question: how much smaller does this journal become, how fast, and how fast does it replay then?
//
//     journal --backup--> copy --read--> --compress--> --read again-->
//
// One thread, from and to the page cache where the copy fits into it, so the figures are those of
// the processor, not of a device. The content is the caller's own: a ratio of made-up events says
// nothing. Doesn't show: seeks, several readers.

#include "compress.hpp"

#include "machine.hpp"
#include "scratch_directory.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/compress.hpp>
#include <tailrace/journal/reader.hpp>

#include <fmt/format.h>

namespace tailrace::bench {

namespace {

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

}  // namespace

Result<nlohmann::json> run_compress(const CompressBenchOptions& options) {
    const ScratchDirectory copy(options.copy_parent, "compress");
    if (auto copied = journal::backup(options.journal_directory, copy.path()); !copied)
        return copied.error();
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
                          fmt::format("'{}' has no segment to compress", options.journal_directory),
                          "the newest segment is never compressed; record more, or smaller ones");
    }
    nlohmann::json document;
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
    return document;
}

}  // namespace tailrace::bench
