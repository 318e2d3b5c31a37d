#include "segment_census.hpp"

#include "assessment.hpp"
#include "journal_fixture.hpp"
#include "many_segments.hpp"
#include "meddled_files.hpp"
#include "reader_core.hpp"
#include "verify_core.hpp"

#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/recovery.hpp>
#include <tailrace/journal/repair.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

namespace tailrace::journal::segment_census_test {

namespace {

namespace fs = std::filesystem;

constexpr Sequence kSixSegments = 96;  // events

SegmentHeader header_of(const std::string& directory, std::uint64_t number) {
    const std::string path = segment_path(directory, number);
    auto file = open_file(posix_files(), path, {});
    REQUIRE(file);
    auto header = read_segment_header(posix_files(), *file, path, Access::reading);
    REQUIRE(header);
    return *header;
}

void check_begin(const std::string& directory, Sequence first) {
    const auto census = take_census(posix_files(), directory);
    REQUIRE(census);
    CHECK(census->missing.empty());
    const auto preview = preview_recovery(directory);
    INFO("recovery: " << (preview ? "" : preview.error().message));
    REQUIRE(preview);
    CHECK(preview->first_sequence == first);
    auto reader = Reader::open(directory);
    INFO("reader: " << (reader ? "" : reader.error().message));
    REQUIRE(reader);
    CHECK(reader->first_sequence() == first);
    const ReadBack read = read_all(*reader);
    CHECK_FALSE(read.failed);
    CHECK(is_dense(read, first, preview->end_sequence));
    const auto report = verify(directory);
    REQUIRE(report);
    CHECK(report->is_sound());
    CHECK(report->first_sequence == first);
    const auto summary = inspect(directory);
    REQUIRE(summary);
    CHECK(summary->first_sequence == first);
    const auto plan = plan_repair(directory);
    REQUIRE(plan);
    CHECK(plan->first_sequence == first);
    CHECK(plan->lost_events == 0);
}

}  // namespace

TEST_CASE("segment census: everybody says the same of where a journal begins",
          "[journal][retention]") {
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    write_segments(options, 4);
    const std::string first = segment_path(temp.journal(), 1);
    fs::copy_file(first, temp.path() + "/first");
    options.retain_size_bytes = 3 * kMiB;
    write_segments(options, 4);

    const SuperBlock super = super_of(temp.journal());
    const SegmentHeader newest = header_of(temp.journal(), super.newest_segment_number);
    REQUIRE((newest.features_compat & kSegmentNamesOldest) != 0);
    REQUIRE(newest.oldest_segment_number == super.oldest_segment_number);
    REQUIRE(super.oldest_segment_number > 3);
    const Sequence begin = header_of(temp.journal(), super.oldest_segment_number).first_sequence;
    // One that was given up and is still there, with a hole behind it.
    fs::copy_file(temp.path() + "/first", first);
    const std::uint64_t last_slot = (super.generation % 2) * kBlockSizeBytes;
    SECTION("SUPER says it") {}
    SECTION("the last slot of SUPER is lost, and the newest header says it") {
        flip_bit(super_path(temp.journal()), last_slot + 80);
        REQUIRE(super_of(temp.journal()).oldest_segment_number < super.oldest_segment_number);
    }
    SECTION("SUPER is lost, and the newest header says it") {
        fs::resize_file(super_path(temp.journal()), 0);
    }
    check_begin(temp.journal(), begin);
    const std::string copy = temp.path() + "/copy";
    const auto report = backup(temp.journal(), copy);
    REQUIRE(report);
    CHECK(report->first_sequence == begin);
    check_begin(copy, begin);
}

TEST_CASE("segment census: a header of another journal has no say", "[journal][retention]") {
    const TempDirectory temp;
    write_segments(small_options(temp.journal()), 3);
    JournalOptions other = small_options(temp.path() + "/other");
    other.retain_size_bytes = 2 * kMiB;
    write_segments(other, 6);
    const std::uint64_t number = super_of(other.directory).newest_segment_number;
    REQUIRE(header_of(other.directory, number).oldest_segment_number > 4);
    fs::copy_file(segment_path(other.directory, number), segment_path(temp.journal(), number));
    const auto census = take_census(posix_files(), temp.journal());
    REQUIRE(census);
    CHECK(census->oldest_segment_number == 1);
    CHECK(preview_recovery(temp.journal()).error().code == ErrorCode::corrupt);
}

TEST_CASE("segment census: a copy keeps what its source has given up, also when it was stopped",
          "[journal][retention][backup]") {
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    JournalOptions options = small_options(temp.journal());
    write_segments(options, 4);
    REQUIRE(backup(temp.journal(), copy));
    const auto super = bytes_of(super_path(copy), 0, 2 * kBlockSizeBytes);
    options.retain_size_bytes = 4 * kMiB;
    write_segments(options, 2);
    const SuperBlock source = super_of(temp.journal());
    REQUIRE(source.oldest_segment_number > 1);
    REQUIRE(backup(temp.journal(), copy));
    const SegmentHeader newest = header_of(copy, source.newest_segment_number);
    REQUIRE(newest.oldest_segment_number > 1);
    check_begin(copy, 0);

    // Stopped before SUPER.
    overwrite(super_path(copy), 0, super);
    check_begin(copy, 0);
    SECTION("gone on with") {
        const auto report = backup(temp.journal(), copy);
        REQUIRE(report);
        check_begin(copy, 0);
    }
    SECTION("opened") {
        write_segments(small_options(copy), 1);
        check_begin(copy, 0);
        CHECK((super_of(copy).flags & kSuperCopy) == 0);
    }
}

TEST_CASE("segment census: whoever looks while retention works finds a whole journal",
          "[journal][retention]") {
    const TempDirectory temp;
    write_segments(small_options(temp.journal()), 6);
    const Sequence begin = header_of(temp.journal(), 4).first_sequence;
    // Whenever it comes: between the names, at a header, at the content of a segment.
    int moment = GENERATE(range(0, 13));
    MeddledFiles files;
    bool has_acted = false;
    const auto act = [&] {
        if (moment-- != 0) return;
        has_acted = true;
        give_up_below(temp.journal(), 4);
    };
    files.after_list = [&act](std::vector<std::string>&) {
        act();
    };
    files.before_open = [&act](const std::string& path) {
        if (path.ends_with(".seg")) act();
    };
    SECTION("recovery's preview") {
        const auto found = assess(files, temp.journal(), AssessMode::looking);
        INFO((found ? "" : found.error().message));
        REQUIRE(found);
        if (has_acted) {
            const Sequence first = found->report.first_sequence;
            CHECK((first == begin || first == 0));
        }
        CHECK(found->report.end_sequence == kSixSegments);
    }
    SECTION("verify") {
        const auto report = VerifyCore(files, temp.journal(), {}, 1).run();
        REQUIRE(report);
        for (const Finding& finding : report->findings)
            FAIL_CHECK(finding.text);
        CHECK(report->end_sequence == kSixSegments);
        CHECK(has_acted);
    }
}

TEST_CASE("segment census: names that went while they were listed are no loss",
          "[journal][retention]") {
    const TempDirectory temp;
    write_segments(small_options(temp.journal()), 6);
    const Sequence begin = header_of(temp.journal(), 4).first_sequence;
    MeddledFiles files;
    const bool lists_oldest = GENERATE(true, false);
    bool has_acted = false;
    files.after_list = [&](std::vector<std::string>& names) {
        if (std::exchange(has_acted, true)) return;
        give_up_below(temp.journal(), 4);
        std::erase_if(names, [&](const std::string& name) {
            return (name < "0000000000000004" && name.ends_with(".seg")) &&
                   !(lists_oldest && name.starts_with("0000000000000001"));
        });
    };
    SECTION("recovery's preview") {
        const auto found = assess(files, temp.journal(), AssessMode::looking);
        INFO((found ? "" : found.error().message));
        REQUIRE(found);
        CHECK(found->report.first_sequence == begin);
    }
    SECTION("a reader") {
        // It lists names only where SUPER can't be believed as a whole.
        const std::uint64_t older_slot = (super_of(temp.journal()).generation + 1) % 2;
        flip_bit(super_path(temp.journal()), older_slot * kBlockSizeBytes + 100);
        auto reader = ReaderCore::open(files, temp.journal());
        INFO((reader ? "" : reader.error().message));
        REQUIRE(reader);
        CHECK((*reader)->first_sequence() == begin);
    }
    SECTION("verify") {
        const auto report = VerifyCore(files, temp.journal(), {}, 1).run();
        REQUIRE(report);
        CHECK(report->is_sound());
        CHECK(report->first_sequence == begin);
    }
    CHECK(has_acted);
}

}  // namespace tailrace::journal::segment_census_test
