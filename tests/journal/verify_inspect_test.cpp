#include "journal_fixture.hpp"

#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>

namespace tailrace::journal::verify_inspect_test {

namespace {

// Three segments of ten batches of ten events.
void write_three(const std::string& directory) {
    EventShape shape;
    shape.payload_bytes = 4000;
    for (Sequence segment = 0; segment < 3; ++segment) {
        std::vector<EventRun> runs;
        for (Sequence batch = 0; batch < 10; ++batch) {
            runs.push_back(make_events(segment * 100 + batch * 10, 10, shape));
        }
        TAILRACE_CHECK(write_journal(small_options(directory), runs, Ending::closed));
    }
}

const Finding* find(const VerifyReport& report, FindingKind kind) {
    const auto found = std::find_if(
        report.findings.begin(), report.findings.end(), [kind](const Finding& finding) {
            return finding.kind == kind;
        });
    return found == report.findings.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("verify: a sound journal has no finding, and everything is counted",
          "[journal][verify]") {
    const TempDirectory temp;
    write_three(temp.journal());
    std::uint64_t last_done = 0;
    std::uint64_t total = 0;
    const auto report = verify(temp.journal(), [&](std::uint64_t done, std::uint64_t all) {
        last_done = done;
        total = all;
    });
    REQUIRE(report);
    CHECK(report->findings.empty());
    CHECK(report->segment_count == 3);
    CHECK(report->event_count == 300);
    CHECK(report->batch_count == 33);
    CHECK(report->first_sequence == 0);
    CHECK(report->end_sequence == 300);
    CHECK(last_done == total);
    CHECK(total == 3 * kMiB);
}

TEST_CASE("verify: damage in the middle costs exactly the events of that batch",
          "[journal][verify]") {
    const TempDirectory temp;
    write_three(temp.journal());
    const std::string segment = segment_named(temp.journal(), 2);
    const std::uint64_t offset = batch_offsets(segment)[4];
    flip_bit(segment, offset + 300);

    const auto report = verify(temp.journal());
    REQUIRE(report);
    REQUIRE(report->findings.size() == 1);
    const Finding& finding = report->findings[0];
    CHECK(finding.kind == FindingKind::damaged_batch);
    CHECK(finding.segment_number == 2);
    CHECK(finding.offset == offset);
    CHECK(finding.first_sequence == 140);
    CHECK(finding.end_sequence == 150);
    CHECK(report->event_count == 290);
    CHECK_FALSE(report->is_sound());

    // A reader says the same, and what stands behind can still be read when it is asked for.
    auto reader = Reader::open(temp.journal());
    const ReadBack read = read_all(*reader);
    CHECK(read.error.code == ErrorCode::corrupt);
    CHECK(read.sequences.size() == 140);
    REQUIRE(reader->seek_sequence(200));
    CHECK(is_dense(read_all(*reader), 200, 300));
}

TEST_CASE("verify: each harmless finding is told and is no damage", "[journal][verify]") {
    const TempDirectory temp;
    write_three(temp.journal());
    FindingKind kind{};
    SECTION("a file that isn't ours") {
        std::ofstream(temp.journal() + "/notes.txt") << "hello";
        kind = FindingKind::foreign_file;
    }
    SECTION("a name that only looks like ours") {
        std::ofstream(temp.journal() + "/00000000000000zz.seg") << "hello";
        kind = FindingKind::foreign_file;
    }
    SECTION("a damaged index") {
        flip_bit(temp.journal() + "/0000000000000002.idx", 20);
        kind = FindingKind::damaged_index;
    }
    SECTION("a damaged catalogue") {
        flip_bit(temp.journal() + "/CATALOGUE", 20);
        kind = FindingKind::damaged_catalogue;
    }
    SECTION("a damaged entry of the catalogue") {
        flip_bit(temp.journal() + "/CATALOGUE", 64 + 20);
        kind = FindingKind::damaged_catalogue;
    }
    SECTION("bytes in the padding") {
        const std::string segment = first_segment(temp.journal());
        const auto offsets = batch_offsets(segment);
        overwrite(segment, offsets[1] - 8, std::vector<std::byte>(8, std::byte{1}));
        kind = FindingKind::dirty_padding;
    }
    SECTION("no SUPER") {
        std::filesystem::remove(temp.journal() + "/SUPER");
        kind = FindingKind::damaged_super;
    }
    const auto report = verify(temp.journal());
    REQUIRE(report);
    REQUIRE(report->findings.size() == 1);
    CHECK(report->findings[0].kind == kind);
    CHECK(report->is_sound());
    CHECK(is_dense(read_all(temp.journal()), 0, 300));
}

TEST_CASE("verify: what is wrong with whole segments", "[journal][verify]") {
    const TempDirectory temp;
    write_three(temp.journal());
    const std::string middle = segment_named(temp.journal(), 2);
    FindingKind kind{};
    SECTION("missing") {
        std::filesystem::remove(middle);
        kind = FindingKind::missing_segment;
    }
    SECTION("its header damaged") {
        flip_bit(middle, 200);
        kind = FindingKind::damaged_segment_header;
    }
    SECTION("cut off") {
        std::filesystem::resize_file(middle, 5 * kBlockSizeBytes);
        kind = FindingKind::truncated_segment;
    }
    SECTION("cut off within its header") {
        std::filesystem::resize_file(middle, 100);
        kind = FindingKind::truncated_segment;
    }
    SECTION("exchanged for the first") {
        std::filesystem::copy_file(first_segment(temp.journal()),
                                   middle,
                                   std::filesystem::copy_options::overwrite_existing);
        kind = FindingKind::damaged_segment_header;
    }
    const auto report = verify(temp.journal());
    REQUIRE(report);
    const Finding* const finding = find(*report, kind);
    REQUIRE(finding != nullptr);
    CHECK(finding->first_sequence == 100);
    CHECK(finding->end_sequence == 200);
    CHECK_FALSE(report->is_sound());
}

TEST_CASE("verify and inspect: where there is no journal it is an error", "[journal][verify]") {
    const TempDirectory temp;
    CHECK(verify(temp.path()).error().code == ErrorCode::not_found);
    CHECK(inspect(temp.path()).error().code == ErrorCode::not_found);
    CHECK(verify(temp.path() + "/none").error().code == ErrorCode::not_found);
    CHECK_FALSE(is_journal(temp.path()));
    CHECK_FALSE(is_journal(temp.path() + "/none"));
}

TEST_CASE("inspect: says of each segment what it holds and what became of it",
          "[journal][inspect]") {
    const TempDirectory temp;
    write_three(temp.journal());
    EventShape shape;
    shape.first_time_ns = 77'000;
    REQUIRE(write_journal(
        small_options(temp.journal()), {make_events(300, 5, shape)}, Ending::abandoned));
    const std::string torn = segment_named(temp.journal(), 4);
    flip_bit(torn, batch_offsets(torn).back() + 200);
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    REQUIRE(append_all(*writer, make_events(300, 7)));
    REQUIRE(writer->sync(30 * kSecondNs));

    const auto summary = inspect(temp.journal());

    REQUIRE(summary);
    CHECK(is_journal(temp.journal()));
    CHECK(summary->stream_name == "test");
    CHECK(summary->journal_id.size() == 32);
    CHECK(summary->format_major == kFormatMajor);
    CHECK(summary->event_alignment_bytes == 16);
    CHECK_FALSE(summary->clean_close);
    CHECK(summary->writer_runs);
    CHECK(summary->first_sequence == 0);
    CHECK(summary->end_sequence == 307);
    REQUIRE(summary->segments.size() == 5);
    CHECK(summary->segments[0].state == SegmentState::sealed);
    CHECK(summary->segments[0].has_index);
    CHECK(summary->segments[2].end_sequence == 300);
    CHECK(summary->segments[3].state == SegmentState::cut);
    CHECK(summary->segments[3].used_bytes == kBlockSizeBytes);
    CHECK(summary->segments[4].state == SegmentState::active);
    CHECK(summary->segments[4].writer_epoch == 5);
    CHECK(summary->segments[0].allocated_bytes < kMiB);  // the rest was given back at the close

    REQUIRE(writer->close());
    CHECK(inspect(temp.journal())->clean_close);
    flip_bit(segment_named(temp.journal(), 1), 100);
    CHECK(inspect(temp.journal())->segments[0].state == SegmentState::damaged);
}

}  // namespace tailrace::journal::verify_inspect_test
