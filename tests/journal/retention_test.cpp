// Retention: which segments go, what becomes of their files, and that nothing of them comes back.

#include "retention.hpp"

#include "assessment.hpp"
#include "journal_fixture.hpp"
#include "lease.hpp"
#include "posix_files.hpp"
#include "simulated_lab.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <thread>

namespace tailrace::journal::retention_test {

namespace {

JournalOptions keeping(const std::string& directory, std::uint64_t retain_size_bytes) {
    JournalOptions options = small_options(directory);
    options.retain_size_bytes = retain_size_bytes;
    return options;
}

// Retention at the worst moment: a segment loses its name between its opening and its lease.
class NameGoesFirst final : public PosixFiles {
public:
    NameGoesFirst(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
    IoOutcome hold(FileId file, FileHold hold) noexcept override {
        if (!PosixFiles::rename(from_, to_).ok()) return {0, EIO};
        return PosixFiles::hold(file, hold);
    }

private:
    std::string from_;
    std::string to_;
};

// Writes about so many segments of 1 MiB; the sequence after the last event.
Sequence fill_segments(Writer& writer, std::uint64_t segments) {
    EventShape shape;
    shape.payload_bytes = 4000;
    const Sequence first = writer.next_sequence();
    const Sequence end = first + segments * 250;
    TAILRACE_CHECK(append_all(writer, make_events(first, end - first, shape)));
    TAILRACE_CHECK(writer.sync(30 * kSecondNs).has_value());
    return end;
}

std::uint64_t count_named(const std::string& directory, const std::string& extension) {
    std::uint64_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        count += entry.path().extension() == extension ? 1U : 0U;
    return count;
}

// Drives until the thread in the background has removed what it should.
bool drive_until(Writer& writer, const std::function<bool(const WriterStatistics&)>& reached) {
    constexpr std::uint64_t kWatchdogNs = 60 * kSecondNs;
    for (const std::uint64_t begin_ns = monotonic_ns(); monotonic_ns() < begin_ns + kWatchdogNs;) {
        if (reached(writer.statistics())) return true;
        (void)writer.drive(0);
        std::this_thread::yield();
    }
    return false;
}

}  // namespace

TEST_CASE("retention: by size the oldest go until the rest fits, but never the last two",
          "[journal][retention]") {
    Retention retention({1000, 0});
    CHECK(retention.oldest_to_keep(5000, 0) == 0);
    retention.add({1, 400, 10});
    CHECK(retention.oldest_to_keep(5000, 0) == 0);  // the predecessor of the active one
    retention.add({2, 300, 20});
    retention.add({3, 100, 30});
    CHECK(retention.kept_bytes() == 800);
    CHECK(retention.oldest_to_keep(200, 0) == 0);
    CHECK(retention.oldest_to_keep(201, 0) == 2);
    CHECK(retention.oldest_to_keep(600, 0) == 2);
    CHECK(retention.oldest_to_keep(601, 0) == 3);
    CHECK(retention.oldest_to_keep(5000, 0) == 3);
    retention.forget_below(3);
    CHECK(retention.kept_bytes() == 100);
    CHECK(retention.oldest_to_keep(5000, 0) == 0);
}

TEST_CASE("retention: by hand what lies below a segment goes, but for the last and what is held",
          "[journal][retention]") {
    Retention retention({});
    CHECK(retention.oldest_without(5) == 0);
    for (std::uint64_t number = 3; number < 7; ++number)
        retention.add({number, 100, 0, number * 10});
    CHECK(retention.oldest_without(0) == 0);
    CHECK(retention.oldest_without(3) == 0);
    CHECK(retention.oldest_without(5) == 5);
    CHECK(retention.oldest_without(6) == 6);
    CHECK(retention.oldest_without(100) == 6);
    CHECK(retention.oldest_to_keep(UINT64_MAX / 2, UINT64_MAX) == 0);  // there is no limit
    // It reads in segment 4, and is spared what fits into so many bytes from there on.
    retention.hold_back({{45, 1000}});
    CHECK(retention.oldest_without(6) == 4);
    retention.hold_back({{45, 100}});
    CHECK(retention.oldest_without(6) == 5);
    retention.hold_back({{45, 99}});
    CHECK(retention.oldest_without(6) == 6);
}

TEST_CASE("retention: a segment that was compressed counts as what it takes now",
          "[journal][retention]") {
    Retention retention({1000, 0});
    for (std::uint64_t number = 5; number < 8; ++number)
        retention.add({number, 400, 10});
    CHECK(retention.oldest_to_keep(400, 0) == 7);
    retention.resize(6, 50);
    CHECK(retention.kept_bytes() == 850);
    CHECK(retention.oldest_to_keep(400, 0) == 6);
    retention.resize(5, 100);
    CHECK(retention.oldest_to_keep(400, 0) == 0);
    retention.resize(4, 1);
    retention.resize(8, 1);  // neither is there
    CHECK(retention.kept_bytes() == 550);
    retention.forget_below(6);
    CHECK(retention.kept_bytes() == 450);
    retention.resize(5, 1);
    CHECK(retention.kept_bytes() == 450);
}

TEST_CASE("retention: by age a segment goes when its last append is too old",
          "[journal][retention]") {
    Retention retention({0, 100});
    retention.add({1, 1, 1000});
    retention.add({2, 1, 2000});
    retention.add({3, 1, 3000});
    CHECK(retention.oldest_to_keep(1, 500) == 0);  // a clock behind makes nothing old
    CHECK(retention.oldest_to_keep(1, 1100) == 0);
    CHECK(retention.oldest_to_keep(1, 1101) == 2);
    CHECK(retention.oldest_to_keep(1, 2101) == 3);
    CHECK(retention.oldest_to_keep(1, 900'000) == 3);
}

TEST_CASE("retention: the writer keeps about as much as was asked for, and recycles the rest",
          "[journal][retention]") {
    const TempDirectory temp;
    Sequence end = 0;
    Sequence first = 0;
    {
        auto writer = Writer::open(keeping(temp.journal(), 4 * kMiB));
        REQUIRE(writer);
        end = fill_segments(*writer, 20);
        REQUIRE(drive_until(*writer, [](const WriterStatistics& figures) {
            return figures.recycled_segments + figures.unlinked_segments >= 16;
        }));
        CHECK(writer->statistics().recycled_segments > 10);
        CHECK(writer->statistics().leased_segments == 0);
        CHECK(count_named(temp.journal(), ".seg") <= 5);
        CHECK(count_named(temp.journal(), ".idx") <= 4);
        auto reader = Reader::open(temp.journal());
        REQUIRE(reader);
        first = reader->first_sequence();
        CHECK(first >= 15 * 250);
        CHECK(is_dense(read_all(*reader), first, end));
        REQUIRE(writer->close());
    }
    CHECK(verify(temp.journal())->is_sound());
    CHECK(preview_recovery(temp.journal())->first_sequence == first);
    auto again = Writer::open(keeping(temp.journal(), 4 * kMiB));
    REQUIRE(again);
    CHECK(again->next_sequence() == end);
    CHECK(again->recovery().clean_close);
    CHECK(fill_segments(*again, 3) == end + 750);
    CHECK(verify(temp.journal())->is_sound());
}

TEST_CASE("retention: a writer that is killed over recycled segments ends where it had written",
          "[journal][retention]") {
    const TempDirectory temp;
    Sequence end = 0;
    {
        auto writer = Writer::open(keeping(temp.journal(), 3 * kMiB));
        REQUIRE(writer);
        end = fill_segments(*writer, 12);
        CHECK(writer->statistics().recycled_segments > 0);
        const auto newest = open_file(posix_files(), newest_segment(temp.journal()), {});
        const auto header = read_segment_header(posix_files(), *newest, "newest", Access::reading);
        CHECK((header->features_compat & kSegmentRecycled) != 0);
        CHECK((header->features_compat & kSegmentNamesOldest) != 0);
    }  // not closed: as a crash leaves it
    const auto report = verify(temp.journal());
    REQUIRE(report);
    CHECK(report->is_sound());
    for (const Finding& finding : report->findings)
        CHECK(finding.kind != FindingKind::torn_tail);  // old batches behind the end are none
    auto writer = Writer::open(keeping(temp.journal(), 3 * kMiB));
    REQUIRE(writer);
    CHECK(writer->next_sequence() == end);
    CHECK_FALSE(writer->recovery().torn);
    CHECK(writer->recovery().discarded_batches == 0);
}

TEST_CASE("retention: by age, while the writer is idle, by its own clock alone",
          "[journal][retention]") {
    SimulatedLab lab(5);
    lab.options.retain_age_ns = 60 * kSecondNs;
    lab.open();
    // Events that claim to be of long ago: publish times have no say.
    lab.fill_segments(6);
    REQUIRE(lab.segment_count() == 6);
    lab.drive_idle();
    CHECK(lab.segment_count() == 6);
    lab.disk.set_wall_ns(lab.disk.wall_ns() - 3600 * kSecondNs);  // set back: nothing gets younger
    lab.drive_idle();
    CHECK(lab.segment_count() == 6);
    lab.disk.set_wall_ns(lab.disk.wall_ns() + 7200 * kSecondNs);  // nor older, set forward
    lab.drive_idle();
    CHECK(lab.segment_count() == 6);
    lab.disk.pass_ns(60 * kSecondNs);
    (void)lab.writer->drive(0);
    CHECK(lab.segment_count() == 5);  // a part at once
    lab.drive_idle();
    CHECK(lab.segment_count() == 2);
    CHECK(lab.writer->statistics().unlinked_segments == 4);
    // Either slot of SUPER alone knows where the journal begins now.
    for (const std::uint64_t slot : {0U, 1U}) {
        SimulatedDisk& disk = lab.disk;
        const auto kept = disk.look_at("/sim/SUPER", 0, 2 * kBlockSizeBytes);
        disk.flip_bit("/sim/SUPER", slot * kBlockSizeBytes + 20, 0);
        CHECK(assess(disk, "/sim", AssessMode::looking));
        disk.overwrite("/sim/SUPER", 0, kept);
    }
}

TEST_CASE("retention: a start with the clock a month ahead costs nothing and leaves nothing behind",
          "[journal][retention]") {
    SimulatedLab lab(7);
    lab.options.retain_age_ns = 3600 * kSecondNs;
    lab.open();
    lab.fill_segments(6);
    const std::uint64_t month_ns = 30 * 24 * 3600 * kSecondNs;
    const std::uint64_t right_ns = lab.disk.wall_ns();
    // Time passes on both clocks, as on a machine.
    const auto run = [&lab](std::uint64_t seconds) {
        for (std::uint64_t second = 0; second < seconds; ++second) {
            lab.disk.pass_ns(kSecondNs);
            lab.disk.set_wall_ns(lab.disk.wall_ns() + kSecondNs);
            (void)lab.writer->drive(0);
        }
    };
    for (int start = 0; start < 3; ++start) {
        if (GENERATE(true, false)) (void)lab.writer->close(kSecondNs);
        lab.disk.set_wall_ns(right_ns + month_ns);
        lab.open();
        run(300);  // long enough to believe the clock
        lab.fill_half_segment();
        CHECK(lab.segment_count() == 7U + static_cast<unsigned>(start));
        lab.disk.set_wall_ns(right_ns);
    }
    // And what is old by a clock that is right goes when its time has come.
    lab.open();
    run(3620);
    CHECK(lab.segment_count() == 2);
}

TEST_CASE("retention: what grew old while nobody recorded goes a minute after the start, in parts",
          "[journal][retention]") {
    SimulatedLab lab(8);
    lab.options.retain_age_ns = 3600 * kSecondNs;
    lab.open();
    lab.fill_segments(8);
    for (int second = 0; second < 1900; ++second) {
        lab.disk.pass_ns(kSecondNs);
        lab.disk.set_wall_ns(lab.disk.wall_ns() + kSecondNs);
        (void)lab.writer->drive(0);
    }
    REQUIRE(lab.writer->close(kSecondNs));
    REQUIRE(lab.segment_count() == 8);
    lab.disk.set_wall_ns(lab.disk.wall_ns() + 24 * 3600 * kSecondNs);
    lab.open();
    CHECK(lab.segment_count() == 9);
    std::uint64_t most_at_once = 0;
    for (int second = 0; second < 90; ++second) {
        const std::uint64_t before = lab.segment_count();
        lab.disk.pass_ns(kSecondNs);
        lab.disk.set_wall_ns(lab.disk.wall_ns() + kSecondNs);
        (void)lab.writer->drive(0);
        if (second < 55) CHECK(lab.segment_count() == 9);
        most_at_once = std::max(most_at_once, before - lab.segment_count());
    }
    CHECK(lab.segment_count() == 2);
    CHECK(most_at_once <= 2);
}

TEST_CASE("retention: with a damaged slot of SUPER the newest header says where the journal begins",
          "[journal][retention]") {
    SimulatedLab lab(6);
    lab.options.retain_size_bytes = 3 * kMiB;
    lab.open();
    lab.fill_segments(9);
    for (const std::uint64_t slot : {0U, 1U}) {
        const auto kept = lab.disk.look_at("/sim/SUPER", 0, 2 * kBlockSizeBytes);
        lab.disk.flip_bit("/sim/SUPER", slot * kBlockSizeBytes + 20, 0);
        const auto found = assess(lab.disk, "/sim", AssessMode::looking);
        CHECK(found);
        lab.disk.overwrite("/sim/SUPER", 0, kept);
    }
    // But a segment that nobody disowned is still missed.
    const auto found = assess(lab.disk, "/sim", AssessMode::looking);
    REQUIRE(found);
    REQUIRE(lab.disk.remove(segment_path("/sim", found->segments.front().segment_number)).ok());
    const auto refused = assess(lab.disk, "/sim", AssessMode::looking);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::corrupt);
}

TEST_CASE("lease: a segment that is read keeps its bytes, loses its name, and goes afterwards",
          "[journal][lease]") {
    const TempDirectory temp;
    auto writer = Writer::open(keeping(temp.journal(), 3 * kMiB));
    REQUIRE(writer);
    (void)fill_segments(*writer, 2);
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    auto step = reader->next_batch();
    REQUIRE(step);
    Sequence next = step->batch.end_sequence();

    const Sequence end = fill_segments(*writer, 10);
    REQUIRE(drive_until(*writer, [](const WriterStatistics& figures) {
        return figures.leased_segments == 1 && figures.recycled_segments > 2;
    }));
    CHECK(writer->statistics().leased_bytes == kMiB);
    CHECK_FALSE(std::filesystem::exists(segment_named(temp.journal(), 1)));
    CHECK(count_named(temp.journal(), ".retired") == 1);
    CHECK(verify(temp.journal())->is_sound());

    // All of the leased segment is still read, then an exact error instead of a jump.
    while ((step = reader->next_batch())) {
        REQUIRE(step->kind == ReadKind::event);
        REQUIRE(step->batch.first_sequence == next);
        for (const Event& event : step->batch)
            REQUIRE(tag_of(event) == 0);
        next = step->batch.end_sequence();
    }
    CHECK(step.error().code == ErrorCode::sequence_gone);
    const Sequence first = reader->first_sequence();
    CHECK(first > next);
    CHECK(step.error().message.find("[" + std::to_string(next) + ", " + std::to_string(first)) !=
          std::string::npos);
    CHECK(step.error().hint.find(std::to_string(first)) != std::string::npos);
    CHECK(reader->next_batch().error().code == ErrorCode::sequence_gone);  // and again
    CHECK(reader->seek_sequence(next).error().code == ErrorCode::sequence_gone);
    REQUIRE(reader->seek_sequence(first));
    CHECK(is_dense(read_all(*reader), first, end));
    REQUIRE(drive_until(
        *writer, [](const WriterStatistics& figures) { return figures.leased_segments == 0; }));
    CHECK(count_named(temp.journal(), ".retired") == 0);
}

TEST_CASE("lease: what a dead writer could not remove, the next one does", "[journal][lease]") {
    const TempDirectory temp;
    {
        auto writer = Writer::open(keeping(temp.journal(), 3 * kMiB));
        REQUIRE(writer);
        (void)fill_segments(*writer, 2);
        auto lease = open_leased(posix_files(), segment_named(temp.journal(), 1));
        REQUIRE(lease);
        (void)fill_segments(*writer, 6);
        REQUIRE(drive_until(
            *writer, [](const WriterStatistics& figures) { return figures.leased_segments == 1; }));
        writer = make_error(ErrorCode::closed, "gone");
    }
    CHECK(count_named(temp.journal(), ".retired") == 1);
    auto writer = Writer::open(keeping(temp.journal(), 3 * kMiB));
    REQUIRE(writer);
    REQUIRE(drive_until(*writer, [&temp](const WriterStatistics&) {
        return count_named(temp.journal(), ".retired") == 0;
    }));
}

TEST_CASE("lease: nobody gets one on a file that is held alone, or whose name leads elsewhere",
          "[journal][lease]") {
    const TempDirectory temp;
    REQUIRE(write_journal(small_options(temp.journal()), {make_events(0, 10)}, Ending::closed));
    const std::string path = segment_named(temp.journal(), 1);
    PosixFiles& files = posix_files();
    {
        auto alone = open_file(files, path, {.write = true});
        REQUIRE(alone);
        REQUIRE(files.hold(alone->id(), FileHold::alone).ok());
        CHECK(open_leased(files, path).error().code == ErrorCode::not_found);
    }
    auto lease = open_leased(files, path);
    REQUIRE(lease);
    auto second = open_leased(files, path);
    CHECK(second);
    auto alone = open_file(files, path, {.write = true});
    CHECK(files.hold(alone->id(), FileHold::alone).os_errno == EAGAIN);
    CHECK(files.is_named(lease->id(), path));
    std::filesystem::rename(path, temp.path() + "/elsewhere");
    CHECK_FALSE(files.is_named(lease->id(), path));
    std::filesystem::rename(temp.path() + "/elsewhere", path);
    NameGoesFirst racing(path, temp.journal() + "/spare");
    CHECK(open_leased(racing, path).error().code == ErrorCode::not_found);
}

}  // namespace tailrace::journal::retention_test
