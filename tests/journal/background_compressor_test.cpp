// BackgroundCompressor: beside a writer, in nobody's way, and its journal stays the same to all who
// read it.

#include "journal_fixture.hpp"
#include "support/shared_object.hpp"
#include "support/watchdog.hpp"

#include <tailrace/journal/background_compressor.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <set>
#include <vector>

namespace tailrace::journal::background_compressor_test {

namespace {

constexpr std::uint64_t kEventsPerSegment = 250;  // of 4000 bytes, in segments of 1 MiB

void fill_segment(Writer& writer) {
    EventShape shape;
    shape.payload_bytes = 4000;
    const EventRun run = make_events(writer.next_sequence(), kEventsPerSegment, shape);
    TAILRACE_CHECK(append_all(writer, run));
    TAILRACE_CHECK(writer.sync(30 * kSecondNs).has_value());
}

// News as they come, until so many segments are compressed.
std::vector<CompressedSegment> await_segments(BackgroundCompressor& compressor, std::size_t count) {
    std::vector<CompressedSegment> segments;
    test::wait_until([&] {
        const auto news = compressor.take_news();
        if (news.trouble) FAIL(news.trouble->message);
        segments.insert(segments.end(), news.segments.begin(), news.segments.end());
        return segments.size() >= count;
    });
    return segments;
}

std::set<int> threads_of_this_process() {
    std::set<int> threads;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
        threads.insert(std::stoi(entry.path().filename().string()));
    return threads;
}

bool skip_without_zstd() {
    if (can_compress()) return false;
    WARN("SKIPPED: built without zstd");
    return true;
}

}  // namespace

TEST_CASE("background compressor: takes what was left, and each segment that is sealed",
          "[journal][compress]") {
    if (skip_without_zstd()) return;
    const test::Watchdog watchdog("background compressor", 120);
    const TempDirectory temp;
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    for (int segment = 0; segment < 3; ++segment)
        fill_segment(*writer);
    BackgroundCompressor compressor(temp.journal(), 3, 0);
    auto done = await_segments(compressor, 2);
    for (int segment = 0; segment < 3; ++segment) {
        fill_segment(*writer);
        compressor.wake();
    }
    const auto later = await_segments(compressor, 3);
    done.insert(done.end(), later.begin(), later.end());

    std::uint64_t expected = 0;
    std::uint64_t stored_bytes = 0;
    for (const CompressedSegment& segment : done) {
        CHECK(segment.segment_number == ++expected);
        CHECK(segment.stored_bytes < segment.raw_bytes);
        CHECK(segment.stored_bytes ==
              std::filesystem::file_size(segment_named(temp.journal(), segment.segment_number)));
        stored_bytes += segment.stored_bytes;
    }
    const CompressionFigures figures = compressor.figures();
    CHECK(figures.compressed_segments == done.size());
    CHECK(figures.stored_bytes == stored_bytes);
    REQUIRE(writer->close());
    CHECK(is_dense(read_all(temp.journal()), 0, 6 * kEventsPerSegment));
    CHECK(verify(temp.journal())->findings.empty());
}

TEST_CASE(
    "background compressor: leaves the cores to others, also when a writer in real time "
    "began it",
    "[journal][compress]") {
    if (skip_without_zstd()) return;
    const test::Watchdog watchdog("modest compressor", 120);
    const TempDirectory temp;
    REQUIRE(write_journal(small_options(temp.journal()), {make_events(0, 10)}, Ending::closed));
    const sched_param level{.sched_priority = 1};
    const sched_param ordinary{};
    const bool is_real_time = ::sched_setscheduler(0, SCHED_FIFO, &level) == 0;
    if (!is_real_time) WARN("SKIPPED in part: real-time scheduling is not permitted here");
    const auto before = threads_of_this_process();
    BackgroundCompressor compressor(temp.journal(), 3, 0);
    (void)::sched_setscheduler(0, SCHED_OTHER, &ordinary);
    int thread = 0;
    for (const int candidate : threads_of_this_process()) {
        if (!before.contains(candidate)) thread = candidate;
    }
    REQUIRE(thread != 0);

    test::wait_until(
        [thread] { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(thread)) == 19; });

    CHECK(::sched_getscheduler(thread) == SCHED_OTHER);
    CHECK(::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())) != 19);
}

TEST_CASE("background compressor: what it can't do is told once, and the rest is done",
          "[journal][compress]") {
    if (skip_without_zstd()) return;
    const test::Watchdog watchdog("background compressor in trouble", 120);
    const TempDirectory temp;
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    for (int segment = 0; segment < 3; ++segment)
        fill_segment(*writer);

    SECTION("a damaged segment") {
        const std::string damaged = segment_named(temp.journal(), 1);
        flip_bit(damaged, batch_offsets(damaged)[0] + 200);
        BackgroundCompressor compressor(temp.journal(), 3, 0);
        std::vector<Error> troubles;
        std::uint64_t segments = 0;
        test::wait_until([&] {
            const auto news = compressor.take_news();
            if (news.trouble) troubles.push_back(*news.trouble);
            segments += news.segments.size();
            return segments == 1 && !troubles.empty();
        });
        fill_segment(*writer);
        compressor.wake();
        test::wait_until([&] {
            const auto news = compressor.take_news();
            if (news.trouble) troubles.push_back(*news.trouble);
            segments += news.segments.size();
            return segments == 2;
        });
        REQUIRE(troubles.size() == 1);
        CHECK(troubles.front().code == ErrorCode::corrupt);
        CHECK(troubles.front().message.find(damaged) != std::string::npos);
        CHECK(std::filesystem::file_size(damaged) == kMiB);
    }
    SECTION("no room, twice") {
        BackgroundCompressor compressor(temp.journal(), 3, std::uint64_t{1} << 62U);
        std::optional<Error> trouble;
        test::wait_until([&] {
            if (auto news = compressor.take_news(); news.trouble) trouble = news.trouble;
            return trouble.has_value();
        });
        CHECK(trouble->code == ErrorCode::no_space);
        CHECK(compressor.figures().compressed_segments == 0);
    }
}

TEST_CASE("background compressor: it can be ended at any moment, and the journal is whole",
          "[journal][compress]") {
    if (skip_without_zstd()) return;
    const test::Watchdog watchdog("ended compressor", 120);
    const TempDirectory temp;
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    for (int segment = 0; segment < 6; ++segment)
        fill_segment(*writer);
    constexpr std::uint64_t kSealed = 5;
    constexpr std::uint64_t kMostTurns = 64;
    // Asked of the files: what was done between the last look at the news and the end counts too.
    const auto count_compressed = [&temp] {
        std::uint64_t count = 0;
        for (std::uint64_t number = 1; number <= kSealed; ++number)
            count += std::filesystem::file_size(segment_named(temp.journal(), number)) < kMiB;
        return count;
    };
    std::uint64_t rounds = 0;
    for (std::uint64_t compressed = 0; compressed < kSealed; compressed = count_compressed()) {
        BackgroundCompressor compressor(temp.journal(), 1, 0);
        for (std::uint64_t turn = 0; turn < rounds % kMostTurns; ++turn)
            ::sched_yield();
        if (++rounds % kMostTurns == 0) (void)await_segments(compressor, 1);
    }
    CHECK(rounds >= 1);
    REQUIRE(writer->close());
    CHECK(is_dense(read_all(temp.journal()), 0, 6 * kEventsPerSegment));
    CHECK(verify(temp.journal())->findings.empty());
}

TEST_CASE("background compressor: retention by size keeps what fits once it is compressed",
          "[journal][compress][retention]") {
    if (skip_without_zstd()) return;
    const test::Watchdog watchdog("compressed retention", 120);
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    options.retain_size_bytes = 3 * kMiB;
    constexpr int kSegments = 8;
    bool reopened = false;
    {
        auto writer = Writer::open(options);
        REQUIRE(writer);
        BackgroundCompressor compressor(temp.journal(), 3, 0);
        SECTION("told while it writes") {
            for (int segment = 0; segment < kSegments; ++segment) {
                fill_segment(*writer);
                if (segment == 0) continue;
                compressor.wake();
                for (const CompressedSegment& done : await_segments(compressor, 1))
                    writer->note_stored_size(done.segment_number, done.stored_bytes);
            }
        }
        SECTION("found when it opens") {
            reopened = true;
            for (int segment = 0; segment < 3; ++segment)
                fill_segment(*writer);
            compressor.wake();
            (void)await_segments(compressor, 2);
        }
        REQUIRE(writer->close());
    }
    if (reopened) {
        auto writer = Writer::open(options);
        REQUIRE(writer);
        fill_segment(*writer);
        REQUIRE(writer->close());
    }
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    CHECK(reader->first_sequence() == 0);
    CHECK(is_dense(read_all(*reader), 0, (reopened ? 4 : kSegments) * kEventsPerSegment));
}

}  // namespace tailrace::journal::background_compressor_test
