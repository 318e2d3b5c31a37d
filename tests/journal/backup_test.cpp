// Backup: beside a writer that never stops, each copy is a journal of its own that holds exactly a
// durable prefix.

#include "journal_fixture.hpp"

#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/recovery.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <fstream>

namespace tailrace::journal::backup_test {

namespace {

EventRun events_of(Sequence first, std::uint64_t count, std::uint64_t tag = 0) {
    EventShape shape;
    shape.payload_bytes = 3000;
    shape.tag = tag;
    return make_events(first, count, shape);
}

void write_some(const std::string& directory, Sequence first, std::uint64_t count) {
    REQUIRE(write_journal(small_options(directory), {events_of(first, count)}, Ending::closed));
}

void check_copy(const std::string& directory, Sequence end) {
    const auto report = verify(directory);
    REQUIRE(report);
    for (const Finding& finding : report->findings)
        FAIL_CHECK(finding.text);
    CHECK(report->end_sequence == end);
    const ReadBack read = read_all(directory);
    INFO(read.error.message);
    CHECK(is_dense(read, 0, end));
    CHECK(read.wrong_payloads == 0);
    const auto preview = preview_recovery(directory);
    REQUIRE(preview);
    CHECK(preview->end_sequence == end);
}

}  // namespace

TEST_CASE("backup: copies of a running journal hold what was durable, and grow",
          "[journal][backup]") {
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    Sequence next = 0;
    Sequence copied = 0;
    std::uint64_t kept = 0;
    for (int round = 0; round < 12; ++round) {
        // Some of it written and flushed, some of it still under way.
        REQUIRE(append_all(*writer, events_of(next, 150)));
        next += 150;
        if (round % 3 == 0) REQUIRE(writer->sync(30 * kSecondNs));
        const Sequence durable_before = writer->durable_sequence();
        const auto report = backup(temp.journal(), copy, {.durable_sequence = durable_before});
        INFO((report ? "" : report.error().message));
        REQUIRE(report);
        CHECK(report->end_sequence >= copied);
        CHECK(report->end_sequence <= writer->durable_sequence());
        copied = report->end_sequence;
        kept = report->kept_segments;
        check_copy(copy, copied);
        // A new one each time, too.
        const std::string fresh = temp.path() + "/fresh" + std::to_string(round);
        REQUIRE(backup(temp.journal(), fresh));
        CHECK(verify(fresh)->is_sound());
    }
    CHECK(kept >= 3);
    REQUIRE(writer->close());
    const auto last = backup(temp.journal(), copy);
    REQUIRE(last);
    CHECK(last->end_sequence == next);
    check_copy(copy, next);
    CHECK(backup(temp.journal(), copy)->copied_bytes == 0);
}

TEST_CASE("backup: what nobody promised is not copied while a writer runs", "[journal][backup]") {
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    auto options = small_options(temp.journal());
    options.sync_policy = SyncPolicy::none;
    auto writer = Writer::open(options);
    REQUIRE(writer);
    REQUIRE(append_all(*writer, events_of(0, 200)));
    while (writer->written_sequence() < 100)  // ends: the disk takes what was appended
        writer->drive(1'000'000);
    CHECK(writer->durable_sequence() == 0);
    const auto report = backup(temp.journal(), copy);
    REQUIRE(report);
    CHECK(report->end_sequence == 0);
    check_copy(copy, 0);
    REQUIRE(writer->sync(30 * kSecondNs));
    REQUIRE(backup(temp.journal(), copy, {.durable_sequence = writer->durable_sequence()}));
    check_copy(copy, 200);
}

TEST_CASE("backup: a copy goes on as a journal, and is then no copy any more",
          "[journal][backup]") {
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    write_some(temp.journal(), 0, 500);
    REQUIRE(backup(temp.journal(), copy));
    write_some(copy, 500, 10);
    check_copy(copy, 510);
    CHECK(backup(temp.journal(), copy).error().code == ErrorCode::already_exists);
    write_some(temp.journal(), 500, 500);
    CHECK(backup(temp.journal(), copy).error().code == ErrorCode::already_exists);
    check_copy(copy, 510);
}

TEST_CASE("backup: what its source has given up stays in the copy, also when a writer opens that",
          "[journal][backup]") {
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    auto options = small_options(temp.journal());
    options.retain_size_bytes = 3 * kMiB;
    Sequence next = 0;
    for (int life = 0; life < 3; ++life) {
        auto writer = Writer::open(options);
        REQUIRE(writer);
        // Less than retention keeps, so that each copy follows on the last one.
        for (int part = 0; part < 6; ++part) {
            REQUIRE(append_all(*writer, events_of(next, 100)));
            next += 100;
            REQUIRE(writer->sync(30 * kSecondNs));
            REQUIRE(backup(temp.journal(), copy));
        }
        REQUIRE(writer->close());
    }
    auto source = Reader::open(temp.journal());
    REQUIRE(source);
    REQUIRE(source->first_sequence() > 0);  // retention gave something up
    check_copy(copy, preview_recovery(copy)->end_sequence);
    const Sequence end = preview_recovery(copy)->end_sequence;
    {
        auto writer = Writer::open(small_options(copy));
        REQUIRE(writer);
        CHECK(writer->next_sequence() == end);
    }
    CHECK(is_dense(read_all(copy), 0, end));
}

TEST_CASE("backup: a copy of what the source's recovery then cut is no copy any more",
          "[journal][backup]") {
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    REQUIRE(write_journal(
        small_options(temp.journal()), {events_of(0, 10), events_of(10, 10)}, Ending::abandoned));
    REQUIRE(backup(temp.journal(), copy));
    check_copy(copy, 20);
    // The last batch, which no header promises, is lost at the source; other events follow.
    const std::string newest = newest_segment(temp.journal());
    flip_bit(newest, batch_offsets(newest).back() + 200);
    REQUIRE(write_journal(small_options(temp.journal()), {events_of(10, 30, 5)}, Ending::closed));
    CHECK(backup(temp.journal(), copy).error().code == ErrorCode::already_exists);
    check_copy(copy, 20);
}

TEST_CASE("backup: a destination that is something else is refused and left alone",
          "[journal][backup]") {
    const TempDirectory temp;
    const std::string other = temp.path() + "/other";
    write_some(temp.journal(), 0, 100);
    ErrorCode code = ErrorCode::already_exists;
    SECTION("another journal") {
        write_some(other, 0, 100);
    }
    SECTION("another journal without SUPER") {
        write_some(other, 0, 100);
        std::filesystem::remove(other + "/SUPER");
    }
    SECTION("somebody's files") {
        std::filesystem::create_directory(other);
        std::ofstream(other + "/letter.txt") << "hello";
    }
    SECTION("a journal that is being written") {
        REQUIRE(backup(temp.journal(), other));
        auto writer = Writer::open(small_options(other));
        REQUIRE(writer);
        CHECK(backup(temp.journal(), other).error().code == ErrorCode::busy);
        return;
    }
    SECTION("a file") {
        std::ofstream(other) << "hello";
        CHECK_FALSE(backup(temp.journal(), other));
        return;
    }
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(other))
        names.push_back(entry.path());
    CHECK(backup(temp.journal(), other).error().code == code);
    for (const auto& entry : std::filesystem::directory_iterator(other)) {
        const bool is_known = std::find(names.begin(), names.end(), entry.path()) != names.end();
        CHECK((is_known || entry.path().filename() == "LOCK"));
    }
    CHECK(backup(temp.journal(), temp.journal()).error().code == ErrorCode::invalid_argument);
    CHECK(backup(temp.path(), other).error().code == ErrorCode::not_found);
}

TEST_CASE("backup: one that was stopped is gone on with", "[journal][backup]") {
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    for (Sequence part = 0; part < 4; ++part)
        write_some(temp.journal(), part * 100, 100);
    std::uint64_t kept = 0;
    SECTION("in its first segment") {
        std::filesystem::create_directory(copy);
        std::ofstream(copy + "/LOCK") << "pid 1\n";
        std::ofstream(copy + "/0000000000000001.seg.copying") << "half";
    }
    SECTION("before SUPER was written") {
        REQUIRE(backup(temp.journal(), copy));
        std::filesystem::remove(copy + "/SUPER");
        std::filesystem::remove(segment_named(copy, 4));
        std::ofstream(copy + "/0000000000000004.seg.copying") << "half";
        kept = 3;
    }
    SECTION("in the middle of adding to its newest segment") {
        REQUIRE(backup(temp.journal(), copy));
        const std::string newest = segment_named(copy, 4);
        const auto offsets = batch_offsets(newest);
        overwrite(newest, offsets[offsets.size() - 2], std::vector<std::byte>(kBlockSizeBytes));
        std::filesystem::remove(copy + "/SUPER");
        kept = 3;
    }
    const auto report = backup(temp.journal(), copy);
    INFO((report ? "" : report.error().message));
    REQUIRE(report);
    CHECK(report->kept_segments == kept);
    check_copy(copy, 400);
}

TEST_CASE("backup: what is damaged below a promise is not copied over in silence",
          "[journal][backup]") {
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    write_some(temp.journal(), 0, 100);
    const std::string newest = newest_segment(temp.journal());
    flip_bit(newest, batch_offsets(newest)[0] + 200);
    CHECK(backup(temp.journal(), copy).error().code == ErrorCode::corrupt);
}

}  // namespace tailrace::journal::backup_test
