// Repair of segments with blocks that can't be read at all.

#include "assessment.hpp"
#include "journal_fixture.hpp"
#include "meddled_files.hpp"
#include "repair_apply.hpp"
#include "verify_core.hpp"

#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

namespace tailrace::journal::repair_unreadable_test {

namespace {

constexpr Sequence kEnd = 300;

// Three segments of ten batches of ten events; each is closed, so that all of it is promised.
void write_three_segments(const std::string& directory) {
    EventShape shape;
    shape.payload_bytes = 900;
    for (Sequence segment = 0; segment < 3; ++segment) {
        std::vector<EventRun> runs;
        for (Sequence batch = 0; batch < 10; ++batch)
            runs.push_back(make_events(segment * 100 + batch * 10, 10, shape));
        TAILRACE_CHECK(write_journal(small_options(directory), runs, Ending::closed));
    }
}

void lose_clean_close(const std::string& directory) {
    auto super = read_super(posix_files(), directory, Access::writing);
    TAILRACE_CHECK(super.has_value() && super->newest.has_value());
    ++super->newest->generation;
    super->newest->flags = 0;
    super->newest->durable_sequence = 0;  // what is promised, batches say
    TAILRACE_CHECK(write_super(posix_files(), directory, *super->newest).has_value());
}

struct Loss {
    std::uint64_t number = 0;
    Sequence first = 0;
    Sequence end = 0;
};

// Plans, repairs through these files, and looks at what came of it.
void repair_and_check(MeddledFiles& files, const std::string& directory, const Loss& loss) {
    const auto work = RepairPlanner(files, directory).run();
    INFO((work ? "" : work.error().message));
    REQUIRE(work);
    REQUIRE(work->plan.steps.size() == 1);
    const RepairStep& step = work->plan.steps.front();
    CHECK(step.segment_number == loss.number);
    CHECK(step.first_sequence == loss.first);
    CHECK(step.end_sequence == loss.end);
    CHECK(step.text.find("EIO") != std::string::npos);
    REQUIRE_FALSE(step.kept_path.empty());
    const auto done = RepairWorker(files, directory, *work).run();
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
    CHECK(std::filesystem::exists(step.kept_path));

    // The blocks are still bad; nobody has to read them any more.
    const auto report = VerifyCore(files, directory, {}, 1).run();
    REQUIRE(report);
    // What is lost stays told, as what a repair made a gap of.
    for (const Finding& finding : report->findings) {
        if (finding.kind != FindingKind::lost_events) FAIL_CHECK(finding.text);
        CHECK(finding.first_sequence == loss.first);
        CHECK(finding.end_sequence == loss.end);
    }
    CHECK(report->lost_events == loss.end - loss.first);
    const auto found = assess(files, directory, AssessMode::deciding);
    INFO((found ? "" : found.error().message));
    REQUIRE(found);
    CHECK(found->end.sequence == kEnd);
    const ReadBack read = read_all(directory);
    CHECK_FALSE(read.failed);
    CHECK(read.wrong_payloads == 0);
    CHECK(read.sequences.size() == kEnd - (loss.end - loss.first));
    if (loss.end > loss.first) {
        REQUIRE(read.gaps.size() == 1);
        CHECK(read.gaps[0].first == loss.first);
        CHECK(read.gaps[0].count == loss.end - loss.first);
    }
}

}  // namespace

TEST_CASE("repair: a block that can't be read costs the events of its batch alone",
          "[journal][repair]") {
    const TempDirectory temp;
    write_three_segments(temp.journal());
    lose_clean_close(temp.journal());
    MeddledFiles files;
    files.reads_all_or_nothing = GENERATE(false, true);
    const std::uint64_t number = GENERATE(1U, 3U);  // sealed, and the newest
    const std::string path = segment_named(temp.journal(), number);
    const auto offsets = batch_offsets(path);
    const Sequence first = (number - 1) * 100;
    SECTION("its first block") {
        files.lose_block(path, offsets[4]);
        CHECK_FALSE(VerifyCore(files, temp.journal(), {}, 1).run()->is_sound());
        repair_and_check(files, temp.journal(), {number, first + 40, first + 50});
    }
    SECTION("a block inside") {
        files.lose_block(path, offsets[7] + kBlockSizeBytes);
        repair_and_check(files, temp.journal(), {number, first + 70, first + 80});
    }
    SECTION("some in a row") {
        for (std::uint64_t at = offsets[2] + kBlockSizeBytes; at <= offsets[4];
             at += kBlockSizeBytes)
            files.lose_block(path, at);
        repair_and_check(files, temp.journal(), {number, first + 20, first + 50});
    }
}

TEST_CASE("repair: a segment that can't be read behind its end is made anew up to there",
          "[journal][repair]") {
    const TempDirectory temp;
    write_three_segments(temp.journal());
    lose_clean_close(temp.journal());
    MeddledFiles files;
    const std::string path = segment_named(temp.journal(), 3);
    // Where nothing was ever written; recovery looks there for a promise. Without its seal, as
    // after a crash.
    const auto offsets = batch_offsets(path);
    overwrite(path, offsets.back(), std::vector<std::byte>(kBlockSizeBytes));
    files.lose_block(path, offsets.back() + 20 * kBlockSizeBytes);
    const auto refused = assess(files, temp.journal(), AssessMode::deciding);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().os_errno == EIO);
    CHECK_FALSE(VerifyCore(files, temp.journal(), {}, 1).run()->is_sound());
    repair_and_check(files, temp.journal(), {3, kEnd, kEnd});
}

}  // namespace tailrace::journal::repair_unreadable_test
