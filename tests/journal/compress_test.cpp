// Compress: a compressed segment reads, seeks, verifies, repairs and is backed up like the one that
// it was.

#include "batch_codec.hpp"
#include "journal_fixture.hpp"
#include "posix_files.hpp"
#include "segment_content.hpp"
#include "segment_directory.hpp"

#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/compress.hpp>
#include <tailrace/journal/repair.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

namespace tailrace::journal::compress_test {

namespace {

constexpr Sequence kEnd = 700;

// Three segments of more than two frames and the newest, of events that compress well.
void write_segments(const std::string& directory) {
    auto options = small_options(directory);
    options.segment_size_bytes = 4 * kMiB;
    EventShape shape;
    shape.payload_bytes = 13'000;
    shape.step_ns = 10;
    for (Sequence segment = 0; segment < 4; ++segment) {
        std::vector<EventRun> runs;
        const std::uint64_t batches = segment == 3 ? 7 : 21;
        for (Sequence batch = 0; batch < batches; ++batch) {
            const Sequence first = segment * 210 + batch * 10;
            shape.first_time_ns = 5000 + first * 10;
            EventRun run = make_events(first, 10, shape);
            runs.push_back(run);
        }
        TAILRACE_CHECK(write_journal(options, runs, Ending::closed));
    }
}

bool skip_without_zstd() {
    if (can_compress()) return false;
    WARN("SKIPPED: built without zstd");
    return true;
}

void check_whole(const std::string& directory) {
    const auto report = verify(directory);
    REQUIRE(report);
    for (const Finding& finding : report->findings)
        FAIL_CHECK(finding.text);
    const ReadBack read = read_all(directory);
    INFO(read.error.message);
    CHECK(is_dense(read, 0, kEnd));
    CHECK(read.wrong_payloads == 0);
}

}  // namespace

TEST_CASE("compress: a compressed journal is the same to everybody who reads it",
          "[journal][compress]") {
    if (skip_without_zstd()) return;
    const TempDirectory temp;
    write_segments(temp.journal());
    auto old_reader = Reader::open(temp.journal());
    REQUIRE(old_reader);
    const auto before = verify(temp.journal());
    std::uint64_t last_done = 0;
    std::uint64_t total = 1;
    const auto report = compress(temp.journal(), {.level = 3, .progress = [&](auto done, auto all) {
                                                      last_done = done;
                                                      total = all;
                                                  }});
    INFO((report ? "" : report.error().message));
    REQUIRE(report);
    CHECK(report->compressed_segments == 3);
    CHECK(report->kept_segments == 1);
    CHECK(report->stored_bytes < report->raw_bytes);
    CHECK(std::filesystem::file_size(segment_named(temp.journal(), 1)) < 4 * kMiB);
    CHECK(last_done <= total);
    check_whole(temp.journal());
    CHECK(verify(temp.journal())->event_count == before->event_count);
    CHECK(verify(temp.journal())->batch_count == before->batch_count);
    // Who had a segment open reads on in the old file.
    CHECK(is_dense(read_all(*old_reader), 0, kEnd));

    auto reader = Reader::open(temp.journal());
    for (Sequence sequence = 0; sequence < kEnd; sequence += 37) {
        REQUIRE(reader->seek_sequence(sequence));
        CHECK(reader->next()->event->sequence() == sequence);
        REQUIRE(reader->seek_time(5000 + sequence * 10));
        CHECK(reader->next()->event->sequence() == sequence);
    }
    CHECK(compress(temp.journal())->compressed_segments == 0);
    CHECK(repair(temp.journal())->steps.empty());

    auto options = small_options(temp.journal());
    REQUIRE(write_journal(options, {make_events(kEnd, 5)}, Ending::closed));
    CHECK(is_dense(read_all(temp.journal()), 0, kEnd + 5));
    CHECK(compress(temp.journal())->compressed_segments == 1);
    CHECK(is_dense(read_all(temp.journal()), 0, kEnd + 5));
}

TEST_CASE("compress: a writer that finds a compressed segment as the newest goes on behind its end",
          "[journal][compress]") {
    if (skip_without_zstd()) return;
    const TempDirectory temp;
    write_segments(temp.journal());
    REQUIRE(compress(temp.journal(), {.level = 3}));
    // As a first backup leaves it that was stopped: the last segments and SUPER are not there yet.
    REQUIRE(std::filesystem::remove(segment_path(temp.journal(), 4)));
    REQUIRE(std::filesystem::remove(temp.journal() + "/SUPER"));
    constexpr Sequence kKept = 630;
    for (int round = 0; round < 2; ++round) {
        auto writer = Writer::open(small_options(temp.journal()));
        REQUIRE(writer);
        CHECK(writer->next_sequence() == kKept);
    }
    CHECK(is_dense(read_all(temp.journal()), 0, kKept));
    CHECK(verify(temp.journal())->is_sound());
}

TEST_CASE("compress: damage in a compressed segment is found, has its range, and is repaired",
          "[journal][compress]") {
    if (skip_without_zstd()) return;
    const TempDirectory temp;
    write_segments(temp.journal());
    REQUIRE(compress(temp.journal()));
    const std::string segment = segment_named(temp.journal(), 2);
    SECTION("in a frame") {
        flip_bit(segment, 2 * kBlockSizeBytes);
    }
    SECTION("in the table of frames") {
        flip_bit(segment, std::filesystem::file_size(segment) - kBlockSizeBytes - 5);
    }
    const auto report = verify(temp.journal());
    REQUIRE(report);
    REQUIRE_FALSE(report->is_sound());
    const Finding& finding = report->findings.front();
    CHECK(finding.segment_number == 2);
    CHECK(finding.first_sequence >= 210);
    CHECK(finding.end_sequence <= 420);
    CHECK(read_all(temp.journal()).error.code == ErrorCode::corrupt);
    const auto done = repair(temp.journal());
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
    CHECK(done->lost_events > 0);
    CHECK(done->lost_events <= 210);
    const auto after = verify(temp.journal());
    REQUIRE(after);
    CHECK(after->is_sound());
    CHECK(after->lost_events == done->lost_events);
    for (const Finding& told : after->findings)
        CHECK(told.kind == FindingKind::lost_events);
    const ReadBack read = read_all(temp.journal());
    CHECK_FALSE(read.failed);
    CHECK(read.sequences.size() == kEnd - done->lost_events);
}

TEST_CASE("compress: of a frame whose checksum differs nothing is handed on",
          "[journal][compress]") {
    if (skip_without_zstd()) return;
    const TempDirectory temp;
    write_segments(temp.journal());
    REQUIRE(compress(temp.journal()));
    const std::string path = segment_named(temp.journal(), 1);
    const auto first_batch = [&path] {
        auto file = open_file(posix_files(), path, {});
        REQUIRE(file);
        const auto header = read_segment_header(posix_files(), *file, path, Access::reading);
        REQUIRE(header);
        SegmentContent content(posix_files());
        REQUIRE(content.attach(std::move(*file), *header));
        std::vector<std::byte> bytes(8 * kBlockSizeBytes);
        REQUIRE(content.read(kBlockSizeBytes, bytes).value == bytes.size());
        return bytes;
    };
    const auto sound = first_batch();
    CHECK_FALSE(is_zero(sound));
    // Somewhere in the frame: what zstd makes of it may be anything, and is not asked for.
    for (std::uint64_t offset = kBlockSizeBytes + 20; offset < 3 * kBlockSizeBytes; offset += 97) {
        flip_bit(path, offset);
        CHECK(is_zero(first_batch()));
        flip_bit(path, offset);
    }
    CHECK(first_batch() == sound);
}

TEST_CASE("compress: one that is stopped keeps what is done, and the next goes on there",
          "[journal][compress]") {
    if (skip_without_zstd()) return;
    const TempDirectory temp;
    write_segments(temp.journal());
    std::atomic<bool> stop{false};
    std::vector<std::uint64_t> done;
    std::uint64_t frames = 0;
    CompressOptions options;
    options.stop = &stop;
    options.compressed = [&](const CompressedSegment& segment) {
        done.push_back(segment.segment_number);
        CHECK(segment.stored_bytes ==
              std::filesystem::file_size(segment_named(temp.journal(), segment.segment_number)));
        CHECK(segment.stored_bytes < segment.raw_bytes);
    };
    SECTION("in the middle of the second segment") {
        options.progress = [&](std::uint64_t, std::uint64_t) {
            if (++frames == 5) stop.store(true);
        };
    }
    SECTION("behind the first segment") {
        options.compressed = [&, inner = options.compressed](const CompressedSegment& segment) {
            inner(segment);
            stop.store(true);
        };
    }
    const auto report = compress(temp.journal(), options);
    REQUIRE(report);
    REQUIRE(stop.load());
    CHECK(done == std::vector<std::uint64_t>{1});
    CHECK(report->compressed_segments == 1);
    CHECK(report->next_segment_number <= 2);
    check_whole(temp.journal());
    CHECK(verify(temp.journal())->findings.empty());

    stop.store(false);
    options.progress = {};
    options.compressed = [&](const CompressedSegment& segment) {
        done.push_back(segment.segment_number);
    };
    options.first_segment_number = report->next_segment_number;
    const auto rest = compress(temp.journal(), options);
    REQUIRE(rest);
    CHECK(done == std::vector<std::uint64_t>{1, 2, 3});
    CHECK(rest->next_segment_number == 4);
    check_whole(temp.journal());
}

TEST_CASE("compress: it begins no segment for which there is no room beside the writer's",
          "[journal][compress]") {
    if (skip_without_zstd()) return;
    const TempDirectory temp;
    write_segments(temp.journal());
    CompressOptions options;
    options.spared_bytes = std::uint64_t{1} << 62U;
    const auto refused = compress(temp.journal(), options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::no_space);
    CHECK(refused.error().message.find(segment_named(temp.journal(), 1)) != std::string::npos);
    CHECK(std::filesystem::file_size(segment_named(temp.journal(), 1)) == 4 * kMiB);
    options.spared_bytes = 1;
    CHECK(compress(temp.journal(), options)->compressed_segments == 3);
    check_whole(temp.journal());
}

TEST_CASE("compress: a cut file, and a damaged segment, are refused", "[journal][compress]") {
    if (skip_without_zstd()) return;
    const TempDirectory temp;
    write_segments(temp.journal());
    const std::string segment = segment_named(temp.journal(), 2);
    SECTION("damaged before") {
        flip_bit(segment, batch_offsets(segment)[3] + 200);
        const auto report = compress(temp.journal());
        REQUIRE(report);
        REQUIRE(report->damage);
        CHECK(report->damage->code == ErrorCode::corrupt);
        CHECK(report->damage->message.find(segment) != std::string::npos);
        CHECK(std::filesystem::file_size(segment) == 4 * kMiB);
        // The others have nothing to do with it.
        CHECK(report->compressed_segments == 2);
        CHECK(std::filesystem::file_size(segment_named(temp.journal(), 1)) < 4 * kMiB);
        CHECK(std::filesystem::file_size(segment_named(temp.journal(), 3)) < 4 * kMiB);
    }
    SECTION("cut afterwards") {
        REQUIRE(compress(temp.journal()));
        std::filesystem::resize_file(segment, std::filesystem::file_size(segment) - 1);
        CHECK(read_all(temp.journal()).error.code == ErrorCode::truncated);
        CHECK_FALSE(verify(temp.journal())->is_sound());
    }
    CHECK(compress(temp.path()).error().code == ErrorCode::not_found);
}

TEST_CASE("compress: a backup takes compressed segments as they are", "[journal][compress]") {
    if (skip_without_zstd()) return;
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    write_segments(temp.journal());
    SECTION("from the start") {
        REQUIRE(compress(temp.journal()));
        REQUIRE(backup(temp.journal(), copy));
        CHECK(std::filesystem::file_size(segment_named(copy, 2)) ==
              std::filesystem::file_size(segment_named(temp.journal(), 2)));
    }
    SECTION("onto one that has them uncompressed") {
        REQUIRE(backup(temp.journal(), copy));
        REQUIRE(compress(temp.journal()));
        REQUIRE(backup(temp.journal(), copy));
    }
    SECTION("compressed in the copy alone") {
        REQUIRE(backup(temp.journal(), copy));
        REQUIRE(compress(copy));
        REQUIRE(backup(temp.journal(), copy));
    }
    check_whole(copy);
}

TEST_CASE("compress: a name that retention has taken away meanwhile doesn't come back",
          "[journal][compress][retention]") {
    if (skip_without_zstd()) return;
    const TempDirectory temp;
    write_segments(temp.journal());
    const std::string first = segment_named(temp.journal(), 1);
    // The compressor leases it, so retention takes its name alone.
    bool has_acted = false;
    CompressOptions options;
    options.progress = [&](std::uint64_t, std::uint64_t) {
        if (std::exchange(has_acted, true)) return;
        auto super = read_super(posix_files(), temp.journal(), Access::writing);
        TAILRACE_CHECK(super.has_value());
        super->newest->oldest_segment_number = 2;
        ++super->newest->generation;
        TAILRACE_CHECK(write_super(posix_files(), temp.journal(), *super->newest).has_value());
        std::filesystem::rename(first, retired_path(temp.journal(), 1));
    };
    const auto report = compress(temp.journal(), options);
    INFO((report ? "" : report.error().message));
    REQUIRE(report);
    REQUIRE(has_acted);
    CHECK(report->compressed_segments == 2);
    CHECK_FALSE(std::filesystem::exists(first));
    CHECK_FALSE(std::filesystem::exists(first + ".copying"));
    const auto verified = verify(temp.journal());
    REQUIRE(verified);
    CHECK(verified->findings.empty());
    CHECK(verified->first_sequence == 210);
}

TEST_CASE(
    "compress: leaves nothing behind when it fails, and removes what one left that was killed",
    "[journal][compress]") {
    if (skip_without_zstd()) return;
    const TempDirectory temp;
    write_segments(temp.journal());
    const std::string left = segment_named(temp.journal(), 2) + ".copying";
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    {
        // Files may not grow any more: what is written next fails with EFBIG.
        const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
        CompressOptions options;
        options.progress = [&before](std::uint64_t, std::uint64_t) {
            rlimit now = before;
            now.rlim_cur = 2 * kBlockSizeBytes;
            TAILRACE_CHECK(::setrlimit(RLIMIT_FSIZE, &now) == 0);
        };
        const auto report = compress(temp.journal(), options);
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        (void)::signal(SIGXFSZ, old_handler);
        REQUIRE_FALSE(report);
        CHECK(report.error().os_errno == EFBIG);
    }
    check_whole(temp.journal());
    CHECK(verify(temp.journal())->findings.empty());

    REQUIRE(compress(temp.journal()));
    std::ofstream(left) << "half";
    CHECK(verify(temp.journal())->findings.size() == 1);
    REQUIRE(compress(temp.journal()));
    CHECK(verify(temp.journal())->findings.empty());
    check_whole(temp.journal());
}

}  // namespace tailrace::journal::compress_test
