// Verify with several threads: what it reports doesn't depend on how many.

#include "journal_fixture.hpp"

#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <thread>

namespace tailrace::journal::verify_jobs_test {

namespace {

constexpr std::uint64_t kSegments = 9;

void write_segments(const std::string& directory) {
    EventShape shape;
    shape.payload_bytes = 1000;
    for (Sequence segment = 0; segment < kSegments; ++segment) {
        std::vector<EventRun> runs;
        for (Sequence batch = 0; batch < 10; ++batch) {
            runs.push_back(make_events(segment * 100 + batch * 10, 10, shape));
        }
        TAILRACE_CHECK(write_journal(small_options(directory), runs, Ending::closed));
    }
}

std::string text_of(const VerifyReport& report) {
    std::string text =
        std::to_string(report.segment_count) + " " + std::to_string(report.batch_count) + " " +
        std::to_string(report.event_count) + " " + std::to_string(report.first_sequence) + " " +
        std::to_string(report.end_sequence) + "\n";
    for (const Finding& finding : report.findings) {
        text += std::string(finding_kind_name(finding.kind)) + " " +
                std::to_string(finding.segment_number) + " " + std::to_string(finding.offset) +
                " " + std::to_string(finding.first_sequence) + " " +
                std::to_string(finding.end_sequence) + " " + finding.text + "\n";
    }
    return text;
}

}  // namespace

TEST_CASE("verify: reports the same whatever the number of threads", "[journal][verify]") {
    const TempDirectory temp;
    write_segments(temp.journal());
    SECTION("sound") {}
    SECTION("damaged in many places") {
        for (const std::uint64_t number : {1U, 4U, 8U}) {
            const std::string segment = segment_named(temp.journal(), number);
            for (const std::size_t nth : {2U, 5U, 6U}) {
                flip_bit(segment, batch_offsets(segment)[nth] + 200);
            }
        }
        flip_bit(segment_named(temp.journal(), 6), 100);
        std::filesystem::remove(segment_named(temp.journal(), 3));
        std::filesystem::resize_file(segment_named(temp.journal(), 5), 8 * kBlockSizeBytes);
        flip_bit(temp.journal() + "/0000000000000007.idx", 30);
    }
    const auto alone = verify(temp.journal(), {}, 1);
    REQUIRE(alone);
    for (const std::uint32_t jobs : {0U, 2U, 5U, 40U}) {
        INFO("jobs " << jobs);
        const auto report = verify(temp.journal(), {}, jobs);
        REQUIRE(report);
        CHECK(text_of(*report) == text_of(*alone));
    }
}

TEST_CASE("verify: progress is told on the calling thread, goes up, and ends at everything",
          "[journal][verify]") {
    const TempDirectory temp;
    write_segments(temp.journal());
    const auto caller = std::this_thread::get_id();
    std::uint64_t last = 0;
    std::uint64_t total = 0;
    bool is_orderly = true;
    const auto report = verify(
        temp.journal(),
        [&](std::uint64_t done, std::uint64_t all) {
            is_orderly =
                is_orderly && std::this_thread::get_id() == caller && done >= last && done <= all;
            last = done;
            total = all;
        },
        3);
    REQUIRE(report);
    CHECK(is_orderly);
    CHECK(last == total);
    CHECK(total == kSegments * kMiB);
}

}  // namespace tailrace::journal::verify_jobs_test
