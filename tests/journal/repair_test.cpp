// Repair: real bytes are damaged, and afterwards everything that was sound is read, every loss is a
// gap, and the journal goes on.

#include "journal_fixture.hpp"
#include "posix_files.hpp"
#include "repair_apply.hpp"
#include "support/file_content.hpp"
#include "support/test_length.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/journal/repair.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

namespace tailrace::journal::repair_test {

namespace {

constexpr Sequence kEventsPerSegment = 100;
constexpr Sequence kEventsPerBatch = 10;
constexpr std::uint64_t kSegments = 4;
constexpr Sequence kEnd = kSegments * kEventsPerSegment;

// Four segments of ten batches of ten events, closed each.
void write_segments(const std::string& directory, Ending last = Ending::closed) {
    EventShape shape;
    shape.payload_bytes = 1000;
    shape.step_ns = 10;
    for (Sequence segment = 0; segment < kSegments; ++segment) {
        std::vector<EventRun> runs;
        for (Sequence batch = 0; batch < 10; ++batch) {
            const Sequence first = segment * kEventsPerSegment + batch * kEventsPerBatch;
            shape.first_time_ns = 5000 + first * 10;
            runs.push_back(make_events(first, kEventsPerBatch, shape));
        }
        TAILRACE_CHECK(write_journal(
            small_options(directory), runs, segment + 1 == kSegments ? last : Ending::closed));
    }
}

using Files = std::map<std::string, std::string>;

Files files_of(const std::string& directory) {
    Files files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (!entry.is_regular_file() || entry.path().filename() == "LOCK") continue;
        files[entry.path().filename().string()] = test::file_content(entry.path());
    }
    return files;
}

using Lost = std::vector<std::pair<Sequence, Sequence>>;

Lost lost_in(const RepairPlan& plan) {
    Lost lost;
    for (const RepairStep& step : plan.steps) {
        if (step.end_sequence > step.first_sequence) {
            lost.emplace_back(step.first_sequence, step.end_sequence);
        }
    }
    return lost;
}

// Everything but the lost ranges is read, and each of those is told as a gap.
void check_content(const std::string& directory, Sequence first, Sequence end, const Lost& lost) {
    auto reader = Reader::open(directory);
    REQUIRE(reader);
    const ReadBack read = read_all(*reader);
    INFO(read.error.message);
    REQUIRE_FALSE(read.failed);
    CHECK(read.wrong_payloads == 0);
    std::vector<Sequence> expected;
    for (Sequence sequence = first; sequence < end; ++sequence) {
        const bool is_lost = std::any_of(lost.begin(), lost.end(), [&](const auto& range) {
            return sequence >= range.first && sequence < range.second;
        });
        if (!is_lost) expected.push_back(sequence);
    }
    CHECK(read.sequences == expected);
    std::uint64_t told = 0;
    for (const Gap& gap : read.gaps) {
        told += gap.count;
        CHECK(gap.kind == GapKind::lost);
    }
    CHECK(told == end - first - expected.size());
}

// Plans, repairs, and looks at the journal from all sides.
void repair_and_check(const std::string& directory,
                      Sequence first,
                      Sequence end,
                      const Lost& lost) {
    const Files before = files_of(directory);
    const auto plan = plan_repair(directory);
    INFO((plan ? "" : plan.error().message));
    REQUIRE(plan);
    CHECK(lost_in(*plan) == lost);
    CHECK((files_of(directory) == before));  // planning changes nothing

    const auto done = repair(directory);
    REQUIRE(done);
    CHECK(done->steps.size() == plan->steps.size());
    CHECK(done->first_sequence == first);
    CHECK(done->end_sequence == end);
    const Files kept = files_of(done->kept_directory);
    for (const RepairStep& step : done->steps) {
        if (step.kept_path.empty()) continue;
        const std::string name = std::filesystem::path(step.path).filename().string();
        INFO(name);
        REQUIRE(kept.count(name) == 1);
        CHECK((kept.at(name) == before.at(name)));
    }
    CHECK(kept.count("NOTE") == 1);

    const auto report = verify(directory);
    REQUIRE(report);
    // What is lost stays told, range by range.
    Lost told;
    for (const Finding& finding : report->findings) {
        if (finding.kind != FindingKind::lost_events) FAIL_CHECK(finding.text);
        told.emplace_back(finding.first_sequence, finding.end_sequence);
    }
    CHECK(told == lost);
    CHECK(report->gap_events == 0);
    CHECK(report->end_sequence == end);
    check_content(directory, first, end, lost);

    const auto again = repair(directory);
    REQUIRE(again);
    CHECK(again->steps.empty());

    REQUIRE(write_journal(small_options(directory), {make_events(end, 5)}, Ending::closed));
    CHECK(verify(directory)->is_sound());
    check_content(directory, first, end + 5, lost);
}

}  // namespace

TEST_CASE("repair: a sound journal has nothing to repair", "[journal][repair]") {
    const TempDirectory temp;
    write_segments(temp.journal());
    const auto plan = plan_repair(temp.journal());
    REQUIRE(plan);
    CHECK(plan->steps.empty());
    CHECK(plan->end_sequence == kEnd);
    const Files before = files_of(temp.journal());
    REQUIRE(repair(temp.journal()));
    CHECK((files_of(temp.journal()) == before));
    CHECK_FALSE(std::filesystem::exists(temp.journal() + "/repaired"));
    CHECK(plan_repair(temp.path()).error().code == ErrorCode::not_found);
    CHECK(repair(temp.path()).error().code == ErrorCode::not_found);
    CHECK_FALSE(std::filesystem::exists(temp.path() + "/LOCK"));
}

TEST_CASE("repair: damaged batches of a sealed segment become gaps", "[journal][repair]") {
    const TempDirectory temp;
    write_segments(temp.journal());
    const std::string segment = segment_named(temp.journal(), 2);
    const auto offsets = batch_offsets(segment);
    Lost lost;
    SECTION("a body") {
        flip_bit(segment, offsets[4] + 300);
        lost = {{140, 150}};
    }
    SECTION("a header") {
        flip_bit(segment, offsets[4] + 50);
        lost = {{140, 150}};
    }
    SECTION("the first") {
        flip_bit(segment, offsets[0] + 50);
        lost = {{100, 110}};
    }
    SECTION("the last with events, and the seal") {
        flip_bit(segment, offsets[9] + 50);
        flip_bit(segment, offsets[10] + 50);
        lost = {{190, 200}};
    }
    SECTION("the seal alone, which loses nothing") {
        flip_bit(segment, offsets[10] + 50);
    }
    SECTION("several, some of them side by side") {
        for (const std::size_t nth : {1U, 2U, 3U, 6U, 9U})
            flip_bit(segment, offsets[nth] + 200);
        lost = {{110, 140}, {160, 170}, {190, 200}};
    }
    SECTION("all") {
        for (const std::uint64_t offset : offsets)
            overwrite(segment, offset, std::vector<std::byte>(128, std::byte{0xEE}));
        lost = {{100, 200}};
    }
    repair_and_check(temp.journal(), 0, kEnd, lost);
}

TEST_CASE("repair: a segment's header is made anew", "[journal][repair]") {
    const TempDirectory temp;
    write_segments(temp.journal());
    const std::string first = segment_named(temp.journal(), 1);
    const std::string second = segment_named(temp.journal(), 2);
    Lost lost;
    SECTION("in the middle") {
        flip_bit(second, 90);
    }
    SECTION("in the middle, with its first batch") {
        flip_bit(second, 90);
        flip_bit(second, batch_offsets(second)[0] + 50);
        lost = {{100, 110}};
    }
    SECTION("in the middle, with batches of it and of the one before") {
        flip_bit(first, batch_offsets(first)[9] + 200);
        flip_bit(second, 90);
        flip_bit(second, batch_offsets(second)[5] + 200);
        lost = {{90, 100}, {150, 160}};
    }
    SECTION("two in a row") {
        flip_bit(second, 90);
        overwrite(segment_named(temp.journal(), 3), 0, std::vector<std::byte>(kBlockSizeBytes));
    }
    SECTION("the oldest") {
        flip_bit(first, 90);
    }
    SECTION("the newest") {
        flip_bit(segment_named(temp.journal(), 4), 90);
    }
    repair_and_check(temp.journal(), 0, kEnd, lost);
}

TEST_CASE("repair: whole segments that are gone, cut or exchanged", "[journal][repair]") {
    const TempDirectory temp;
    write_segments(temp.journal());
    const auto path = [&](std::uint64_t number) {
        return segment_named(temp.journal(), number);
    };
    Lost lost;
    SECTION("one is missing in the middle") {
        std::filesystem::remove(path(2));
        lost = {{100, 200}};
    }
    SECTION("two are missing in the middle") {
        std::filesystem::remove(path(2));
        std::filesystem::remove(path(3));
        lost = {{100, 300}};
    }
    SECTION("one was replaced by another") {
        std::filesystem::copy_file(
            path(1), path(3), std::filesystem::copy_options::overwrite_existing);
        lost = {{200, 300}};
    }
    SECTION("one was cut") {
        std::filesystem::resize_file(path(2), batch_offsets(path(2))[3] + 100);
        lost = {{130, 200}};
    }
    SECTION("one was cut within its header") {
        std::filesystem::resize_file(path(2), 100);
        lost = {{100, 200}};
    }
    SECTION("the newest is missing") {
        // All that is known of it is what SUPER promised when it was closed.
        std::filesystem::remove(path(4));
        lost = {{300, 400}};
    }
    SECTION("the oldest is missing") {
        std::filesystem::remove(path(1));
        lost = {{0, 100}};
    }
    SECTION("the two oldest are missing") {
        std::filesystem::remove(path(1));
        std::filesystem::remove(path(2));
        lost = {{0, 200}};
    }
    SECTION("the oldest is another file, which holds nothing of it") {
        overwrite(path(1), 0, std::vector<std::byte>(kMiB, std::byte{0xEE}));
        lost = {{0, 100}};
    }
    SECTION("the oldest is missing, and SUPER's word of where it began with it") {
        // The catalogue says it as well.
        std::filesystem::remove(path(1));
        for (const std::uint64_t slot : {0U, 1U}) {
            auto bytes =
                bytes_of(temp.journal() + "/SUPER", slot * kBlockSizeBytes, kBlockSizeBytes);
            SuperBlock super{};
            std::memcpy(&super, bytes.data(), sizeof(super));
            super.features_compat = 0;
            super.first_sequence = 0;
            seal_super(super);
            std::memcpy(bytes.data(), &super, sizeof(super));
            overwrite(temp.journal() + "/SUPER", slot * kBlockSizeBytes, bytes);
        }
        lost = {{0, 100}};
    }
    repair_and_check(temp.journal(), 0, kEnd, lost);
}

TEST_CASE("repair: damage below a promise in the newest segment", "[journal][repair]") {
    const TempDirectory temp;
    write_segments(temp.journal(), Ending::abandoned);
    const std::string newest = newest_segment(temp.journal());
    const auto offsets = batch_offsets(newest);
    Lost lost;
    Sequence end = kEnd;
    SECTION("in the middle") {
        flip_bit(newest, offsets[3] + 200);
        lost = {{330, 340}};
    }
    SECTION("and nothing sound behind it but a promise") {
        // The last header promises all before it; it stands, its body and all others don't.
        for (std::size_t nth = 3; nth < offsets.size(); ++nth)
            flip_bit(newest, offsets[nth] + 200);
        lost = {{330, 390}};
        end = 390;
    }
    CHECK(Writer::open(small_options(temp.journal())).error().code == ErrorCode::corrupt);
    repair_and_check(temp.journal(), 0, end, lost);
}

TEST_CASE("repair: a torn tail is no damage", "[journal][repair]") {
    const TempDirectory temp;
    write_segments(temp.journal(), Ending::abandoned);
    const std::string newest = newest_segment(temp.journal());
    flip_bit(newest, batch_offsets(newest).back() + 200);
    const auto plan = plan_repair(temp.journal());
    REQUIRE(plan);
    CHECK(plan->steps.empty());
    CHECK(plan->end_sequence == 390);
}

TEST_CASE("repair: what a recovery discarded stays discarded", "[journal][repair]") {
    const TempDirectory temp;
    write_segments(temp.journal(), Ending::abandoned);
    // Torn at its end, it is cut there; then the journal goes on with other events.
    const std::string torn = newest_segment(temp.journal());
    flip_bit(torn, batch_offsets(torn)[9] + 200);
    EventShape shape;
    shape.first_time_ns = 9'000'000;
    shape.tag = 5;
    REQUIRE(write_journal(
        small_options(temp.journal()), {make_events(390, 20, shape)}, Ending::closed));
    SECTION("when the segment behind it lost its header") {
        flip_bit(newest_segment(temp.journal()), 90);
    }
    SECTION("when it lost its own") {
        flip_bit(torn, 90);
    }
    SECTION("when both did") {
        flip_bit(newest_segment(temp.journal()), 90);
        flip_bit(torn, 90);
    }
    repair_and_check(temp.journal(), 0, 410, {});
}

TEST_CASE("repair: what is derived is made anew, without a loss", "[journal][repair]") {
    const TempDirectory temp;
    write_segments(temp.journal());
    SECTION("both slots of SUPER are damaged") {
        flip_bit(temp.journal() + "/SUPER", 100);
        flip_bit(temp.journal() + "/SUPER", kBlockSizeBytes + 100);
    }
    SECTION("SUPER is missing") {
        std::filesystem::remove(temp.journal() + "/SUPER");
    }
    SECTION("an index is damaged") {
        flip_bit(temp.journal() + "/0000000000000002.idx", 30);
    }
    SECTION("an index is missing") {
        std::filesystem::remove(temp.journal() + "/0000000000000002.idx");
    }
    SECTION("the catalogue is damaged") {
        flip_bit(temp.journal() + "/CATALOGUE", 30);
    }
    SECTION("an entry of the catalogue is damaged") {
        flip_bit(temp.journal() + "/CATALOGUE", 64 + 30);
    }
    SECTION("the catalogue is missing") {
        std::filesystem::remove(temp.journal() + "/CATALOGUE");
    }
    SECTION("all at once") {
        std::filesystem::remove(temp.journal() + "/CATALOGUE");
        std::filesystem::remove(temp.journal() + "/SUPER");
        flip_bit(temp.journal() + "/0000000000000001.idx", 30);
        std::filesystem::remove(temp.journal() + "/0000000000000002.idx");
    }
    repair_and_check(temp.journal(), 0, kEnd, {});
}

TEST_CASE("repair: refuses beside a writer, and what it can't judge", "[journal][repair]") {
    const TempDirectory temp;
    write_segments(temp.journal());
    const std::string segment = segment_named(temp.journal(), 2);
    const std::uint64_t offset = batch_offsets(segment)[1];
    SECTION("a writer runs") {
        flip_bit(segment, offset + 200);
        auto writer = Writer::open(small_options(temp.journal()));
        REQUIRE(writer);
        CHECK(plan_repair(temp.journal()));
        CHECK(repair(temp.journal()).error().code == ErrorCode::busy);
    }
    SECTION("a batch of a newer version") {
        BatchHeader header = batch_header_at(segment, offset);
        header.version = 9;
        const auto bytes = std::as_bytes(std::span(&header, 1));
        header.header_checksum = checksum64(bytes.subspan(16), header.salt ^ offset);
        overwrite(segment, offset, {bytes.begin(), bytes.end()});
        CHECK(plan_repair(temp.journal()).error().code == ErrorCode::incompatible);
    }
    SECTION("no header at all is left") {
        for (std::uint64_t number = 1; number <= kSegments; ++number)
            flip_bit(segment_named(temp.journal(), number), 90);
        CHECK(plan_repair(temp.journal()).error().code == ErrorCode::corrupt);
    }
    SECTION("two halves of different journals") {
        const std::string other = temp.path() + "/other";
        write_segments(other);
        std::filesystem::remove(temp.journal() + "/SUPER");
        for (const std::uint64_t number : {3U, 4U}) {
            std::filesystem::copy_file(segment_named(other, number),
                                       segment_named(temp.journal(), number),
                                       std::filesystem::copy_options::overwrite_existing);
        }
        // Those of another journal are no part of this one: two segments are lost.
        repair_and_check(temp.journal(), 0, 200, {});
    }
}

namespace {

// The kernel's files, until a number of changes has been made: then nothing works any more, as
// after a crash.
class DyingFiles final : public FileStore {
public:
    explicit DyingFiles(std::uint64_t changes) : changes_left_(changes) {}

    [[nodiscard]] bool is_dead() const { return changes_left_ == 0; }

    IoOutcome open(const std::string& path, OpenFlags flags) noexcept override {
        return flags.create && !lives() ? kDead : files_.open(path, flags);
    }
    void close(FileId file) noexcept override { files_.close(file); }
    IoOutcome size_bytes(FileId file) noexcept override { return files_.size_bytes(file); }
    IoOutcome hold(FileId file, FileHold hold) noexcept override { return files_.hold(file, hold); }
    bool is_named(FileId file, const std::string& path) noexcept override {
        return files_.is_named(file, path);
    }
    IoOutcome read(FileId file, std::uint64_t offset, std::span<std::byte> into) noexcept override {
        return files_.read(file, offset, into);
    }
    IoOutcome write(FileId file,
                    std::uint64_t offset,
                    std::span<const std::byte> bytes) noexcept override {
        if (lives()) return files_.write(file, offset, bytes);
        (void)files_.write(file, offset, bytes.first(bytes.size() / 2));  // torn
        return kDead;
    }
    IoOutcome allocate(FileId file, std::uint64_t size_bytes) noexcept override {
        return files_.allocate(file, size_bytes);
    }
    void deallocate(FileId /*file*/,
                    std::uint64_t /*at*/,
                    std::uint64_t /*size*/) noexcept override {}
    IoOutcome sync(FileId file) noexcept override { return lives() ? files_.sync(file) : kDead; }
    void forget_cache(FileId /*file*/) noexcept override {}
    IoOutcome rename(const std::string& from, const std::string& to) noexcept override {
        return lives() ? files_.rename(from, to) : kDead;
    }
    IoOutcome remove(const std::string& path) noexcept override {
        return lives() ? files_.remove(path) : kDead;
    }
    IoOutcome link(const std::string& from, const std::string& to) noexcept override {
        return lives() ? files_.link(from, to) : kDead;
    }
    IoOutcome make_directory(const std::string& path) noexcept override {
        return lives() ? files_.make_directory(path) : kDead;
    }
    IoOutcome sync_directory(const std::string& directory) noexcept override {
        return lives() ? files_.sync_directory(directory) : kDead;
    }
    IoOutcome list(const std::string& directory,
                   std::vector<std::string>& names) noexcept override {
        return files_.list(directory, names);
    }

private:
    static constexpr IoOutcome kDead{0, EIO};

    bool lives() noexcept {
        if (changes_left_ > 0) --changes_left_;
        return changes_left_ > 0;
    }

    PosixFiles files_;
    std::uint64_t changes_left_;
};

}  // namespace

TEST_CASE("repair: a crash leaves each file as it was or repaired, and the next repair ends it",
          "[journal][search][repair]") {
    const TempDirectory temp;
    const std::string original = temp.path() + "/original";
    write_segments(original);
    flip_bit(segment_named(original, 1), batch_offsets(segment_named(original, 1))[2] + 200);
    flip_bit(segment_named(original, 2), 90);
    std::filesystem::remove(segment_named(original, 3));
    flip_bit(original + "/0000000000000003.idx", 30);
    flip_bit(original + "/SUPER", 100);
    flip_bit(original + "/SUPER", kBlockSizeBytes + 100);
    const Files before = files_of(original);

    const std::string whole = temp.path() + "/whole";
    std::filesystem::copy(original, whole);
    REQUIRE(repair(whole));
    const Files after = files_of(whole);
    const auto is_in = [](const Files& files, const std::string& name, const std::string& bytes) {
        return files.count(name) != 0 && files.at(name) == bytes;
    };

    const std::uint64_t stride = test::is_full_length() ? 1 : 4;
    bool is_done = false;
    std::uint64_t changes = test::sample_offset(stride) + 1 - stride;
    while (!is_done) {  // ends: each round may make more changes
        changes += stride;
        std::filesystem::remove_all(temp.journal());
        std::filesystem::copy(original, temp.journal());
        DyingFiles files(changes);
        auto work = RepairPlanner(files, temp.journal()).run();
        REQUIRE(work);
        const auto outcome = RepairWorker(files, temp.journal(), *work).run();
        is_done = !files.is_dead();
        INFO("after " << changes << " changes");
        REQUIRE(outcome.has_value() == is_done);
        for (const auto& [name, bytes] : files_of(temp.journal()))
            REQUIRE((is_in(before, name, bytes) || is_in(after, name, bytes)));
        REQUIRE(repair(temp.journal()));
        REQUIRE((files_of(temp.journal()) == after));
    }
    CHECK(changes > 30);
    check_content(temp.journal(), 0, kEnd, {{20, 30}, {200, 300}});
}

}  // namespace tailrace::journal::repair_test
