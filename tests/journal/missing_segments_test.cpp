// Segments that SUPER speaks of and that are gone: everybody says so, with the same range, before
// and after a repair. And what is damaged without a loss is called that by everybody.

#include "batch_scan.hpp"
#include "catalogue_file.hpp"
#include "journal_fixture.hpp"
#include "many_segments.hpp"
#include "meddled_files.hpp"
#include "reader_core.hpp"

#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/compress.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/recovery.hpp>
#include <tailrace/journal/repair.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <cstring>
#include <filesystem>
#include <vector>

namespace tailrace::journal::missing_segments_test {

namespace {

namespace fs = std::filesystem;

constexpr Sequence kPerSegment = 40;
constexpr std::uint64_t kSegments = 5;
constexpr Sequence kEnd = kSegments * kPerSegment;

// Five lives, each a segment of four batches.
void write_five(const std::string& directory, Ending last = Ending::closed) {
    EventShape shape;
    shape.payload_bytes = 500;
    shape.step_ns = 10;
    for (std::uint64_t life = 0; life < kSegments; ++life) {
        std::vector<EventRun> runs;
        for (Sequence first = life * kPerSegment; first < (life + 1) * kPerSegment; first += 10) {
            shape.first_time_ns = 1000 + first * 10;
            runs.push_back(make_events(first, 10, shape));
        }
        const Ending ending = life + 1 == kSegments ? last : Ending::closed;
        TAILRACE_CHECK(write_journal(small_options(directory), runs, ending));
    }
}

std::string text_of(Sequence first, Sequence end) {
    return "[" + std::to_string(first) + ", " + std::to_string(end) + ")";
}

void remove_segments(const std::string& directory, std::uint64_t first, std::uint64_t end) {
    for (std::uint64_t number = first; number < end; ++number)
        fs::remove(segment_path(directory, number));
}

// Damage, as verify lists it.
std::vector<std::pair<Sequence, Sequence>> damage_in(const VerifyReport& report, FindingKind kind) {
    std::vector<std::pair<Sequence, Sequence>> ranges;
    for (const Finding& finding : report.findings) {
        if (finding.kind == kind) ranges.emplace_back(finding.first_sequence, finding.end_sequence);
    }
    return ranges;
}

template <typename Outcome>
void check_told(const char* who, const Outcome& outcome, const std::string& range) {
    INFO(who << ": " << (outcome ? std::string("all is well") : outcome.error().message));
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == ErrorCode::corrupt);
    CHECK(outcome.error().message.find(range) != std::string::npos);
}

// Everybody says that [first, end) is lost with segments, and only that.
void check_loss(const std::string& directory, Sequence first, Sequence end) {
    const std::string range = text_of(first, end);
    const auto report = verify(directory);
    REQUIRE(report);
    CHECK_FALSE(report->is_sound());
    CHECK((damage_in(*report, FindingKind::missing_segment) ==
           std::vector<std::pair<Sequence, Sequence>>{{first, end}}));
    CHECK(report->first_sequence == 0);
    const auto summary = inspect(directory);
    REQUIRE(summary);
    REQUIRE(summary->missing.size() == 1);
    CHECK(summary->missing[0].first_sequence == first);
    CHECK(summary->missing[0].end_sequence == end);
    check_told("recovery", preview_recovery(directory), range);
    check_told("writer", Writer::open(small_options(directory)), range);
    check_told("backup", backup(directory, directory + ".copy"), range);
    if (can_compress()) check_told("compress", compress(directory), range);

    // What is before the loss can be read, and what is behind it when it is asked for.
    auto reader = Reader::open(directory);
    REQUIRE(reader);
    CHECK(reader->first_sequence() == 0);
    const ReadBack before = read_all(*reader);
    CHECK(before.sequences.size() == first);
    CHECK(before.error.message.find(range) != std::string::npos);
    CHECK(read_all(*reader).error.message == before.error.message);
    if (end == kEnd) {
        check_told("end", reader->end_sequence(), range);
        return;
    }
    CHECK(*reader->end_sequence() == kEnd);
    REQUIRE(reader->seek_sequence(end));
    CHECK(is_dense(read_all(*reader), end, kEnd));
    REQUIRE(reader->seek_sequence((first + end) / 2));
    CHECK(read_all(*reader).error.message.find(range) != std::string::npos);
    REQUIRE(reader->seek_time(1000 + end * 10));
    CHECK(is_dense(read_all(*reader), end, kEnd));
}

void check_repaired(const std::string& directory, Sequence first, Sequence end) {
    const auto done = repair(directory);
    REQUIRE(done);
    CHECK(done->lost_events == end - first);
    CHECK(done->first_sequence == 0);
    const auto report = verify(directory);
    REQUIRE(report);
    CHECK(report->is_sound());
    CHECK(report->lost_events == end - first);
    CHECK((damage_in(*report, FindingKind::lost_events) ==
           std::vector<std::pair<Sequence, Sequence>>{{first, end}}));
    const ReadBack read = read_all(directory);
    CHECK_FALSE(read.failed);
    REQUIRE(read.gaps.size() == 1);
    CHECK(read.gaps[0].first == first);
    CHECK(read.gaps[0].count == end - first);
    CHECK(read.gaps[0].kind == GapKind::lost);
    CHECK(read.sequences.size() == kEnd - (end - first));
    CHECK(preview_recovery(directory));
    CHECK(repair(directory)->steps.empty());
}

}  // namespace

TEST_CASE("missing segments: everybody says the same range, before and after a repair",
          "[journal][missing]") {
    const TempDirectory temp;
    write_five(temp.journal());
    struct Case {
        std::uint64_t first = 0;
        std::uint64_t end = 0;
    };
    const auto gone =
        GENERATE(Case{1, 2}, Case{1, 4}, Case{3, 4}, Case{2, 5}, Case{5, 6}, Case{4, 6});
    INFO("segments " << gone.first << " to " << gone.end - 1);
    remove_segments(temp.journal(), gone.first, gone.end);
    const Sequence first = (gone.first - 1) * kPerSegment;
    const Sequence end = (gone.end - 1) * kPerSegment;
    check_loss(temp.journal(), first, end);
    check_repaired(temp.journal(), first, end);
}

TEST_CASE("missing segments: nothing is left, and it is no new journal", "[journal][missing]") {
    const TempDirectory temp;
    write_five(temp.journal());
    remove_segments(temp.journal(), 1, kSegments + 1);
    const std::string range = text_of(0, kEnd);
    const auto report = verify(temp.journal());
    REQUIRE(report);
    CHECK((damage_in(*report, FindingKind::missing_segment) ==
           std::vector<std::pair<Sequence, Sequence>>{{0, kEnd}}));
    check_told("reader", Reader::open(temp.journal()), range);
    check_told("inspect", inspect(temp.journal()), range);
    check_told("recovery", preview_recovery(temp.journal()), range);
    check_told("writer", Writer::open(small_options(temp.journal())), range);
    check_told("backup", backup(temp.journal(), temp.path() + "/copy"), range);
    check_told("repair", repair(temp.journal()), range);
}

TEST_CASE("missing segments: of a newest that nobody closed, what follows a repair is told as lost",
          "[journal][missing]") {
    const TempDirectory temp;
    write_five(temp.journal(), Ending::abandoned);
    remove_segments(temp.journal(), kSegments, kSegments + 1);
    const Sequence end = kEnd - kPerSegment;
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    const ReadBack read = read_all(*reader);
    CHECK(read.sequences.size() == end);
    CHECK(read.error.message.find("events from 160 on") != std::string::npos);
    CHECK_FALSE(verify(temp.journal())->is_sound());
    const auto done = repair(temp.journal());
    REQUIRE(done);
    CHECK(done->lost_events == 0);
    CHECK(done->may_have_lost_more);
    // The ring has forgotten some of them by now.
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    REQUIRE(writer->note_gap(end, 25) == AppendStatus::taken);
    REQUIRE(append_all(*writer, make_events(end + 25, 5)));
    REQUIRE(writer->note_gap(end + 30, 5) == AppendStatus::taken);
    REQUIRE(append_all(*writer, make_events(end + 35, 5)));
    REQUIRE(writer->close());
    const ReadBack after = read_all(temp.journal());
    REQUIRE(after.gaps.size() == 2);
    CHECK(after.gaps[0].first == end);
    CHECK(after.gaps[0].kind == GapKind::lost);
    CHECK(after.gaps[1].kind == GapKind::never_journaled);
    const auto report = verify(temp.journal());
    REQUIRE(report);
    CHECK(report->lost_events == 25);
    CHECK(report->gap_events == 5);
}

TEST_CASE("missing segments: a reader that stands at the end is told as well",
          "[journal][missing]") {
    const TempDirectory temp;
    write_five(temp.journal(), Ending::abandoned);
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    REQUIRE(is_dense(read_all(*reader), 0, kEnd));
    // The next writer begins a segment, and that is lost.
    REQUIRE(write_journal(small_options(temp.journal()), {make_events(kEnd, 10)}, Ending::closed));
    remove_segments(temp.journal(), kSegments + 1, kSegments + 2);
    const auto step = reader->next();
    check_told("reader", step, text_of(kEnd, kEnd + 10));
}

TEST_CASE("missing segments: a damaged header has its range, and the rest stays readable",
          "[journal][missing]") {
    const TempDirectory temp;
    write_five(temp.journal());
    const std::uint64_t number = GENERATE(1U, 3U, 5U);
    flip_bit(segment_path(temp.journal(), number), 90);
    const Sequence first = (number - 1) * kPerSegment;
    const Sequence end = number * kPerSegment;
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    const ReadBack read = read_all(*reader);
    CHECK(read.sequences.size() == first);
    CHECK(read.error.message.find(text_of(first, end)) != std::string::npos);
    if (end == kEnd) return;
    REQUIRE(reader->seek_sequence(end));
    CHECK(is_dense(read_all(*reader), end, kEnd));
    // The catalogue leads into it, to one batch; then the header counts.
    REQUIRE(reader->seek_sequence(first + 15));
    const ReadBack within = read_all(*reader);
    CHECK(within.sequences.size() == 5);
    CHECK(within.error.message.find(text_of(first, end)) != std::string::npos);
}

TEST_CASE("damage in a segment: its exact range, and what stands behind it can be sought",
          "[journal][missing]") {
    const TempDirectory temp;
    write_five(temp.journal());
    const std::string segment = segment_path(temp.journal(), 2);
    flip_bit(segment, batch_offsets(segment)[1] + 300);
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    CHECK(read_all(*reader).error.message.find(text_of(50, 60)) != std::string::npos);
    REQUIRE(reader->seek_sequence(60));
    CHECK(is_dense(read_all(*reader), 60, kEnd));
    REQUIRE(reader->seek_sequence(55));
    CHECK(read_all(*reader).error.message.find(text_of(55, 60)) == std::string::npos);
    CHECK(read_all(*reader).error.message.find(text_of(50, 60)) != std::string::npos);
}

namespace {

// Bare of events: markers and seals, in each of the segments.
struct Place {
    std::string path;
    std::uint64_t offset = 0;
};
std::vector<Place> eventless_batches(const std::string& directory) {
    std::vector<Place> places;
    for (const auto& entry : fs::directory_iterator(directory)) {
        const std::string path = entry.path().string();
        if (!path.ends_with(".seg")) continue;
        for (const std::uint64_t offset : batch_offsets(path)) {
            const BatchHeader header = batch_header_at(path, offset);
            if (header.event_count == 0) places.push_back({path, offset});
        }
    }
    return places;
}

// Writes, and is idle in between, so that markers stand among the batches.
void write_idly(const std::string& directory, Ending ending) {
    JournalOptions options = small_options(directory);
    options.marker_idle_ns = 1;
    for (Sequence life = 0; life < 2; ++life) {
        auto writer = Writer::open(options);
        REQUIRE(writer);
        for (Sequence batch = 0; batch < 4; ++batch) {
            REQUIRE(append_all(*writer, make_events(life * 40 + batch * 10, 10)));
            REQUIRE(writer->sync(30 * kSecondNs));
            const std::uint64_t begin_bytes = writer->statistics().written_bytes;
            for (int round = 0; round < 1000; ++round) {
                writer->drive(1'000'000);
                if (writer->statistics().written_bytes > begin_bytes) break;
            }
        }
        if (life == 1 && ending == Ending::abandoned) return;
        REQUIRE(writer->close());
    }
}

bool is_harmless_to_all(const std::string& directory, Sequence end) {
    const auto report = verify(directory);
    REQUIRE(report);
    for (const Finding& finding : report->findings) {
        INFO(finding.text);
        CHECK_FALSE(is_damage(finding.kind));
    }
    const ReadBack read = read_all(directory);
    INFO(read.error.message);
    CHECK(is_dense(read, 0, end));
    const auto preview = preview_recovery(directory);
    INFO((preview ? "" : preview.error().message));
    REQUIRE(preview);
    CHECK(preview->end_sequence == end);
    const auto plan = plan_repair(directory);
    REQUIRE(plan);
    CHECK(plan->lost_events == 0);
    return report->is_sound();
}

}  // namespace

TEST_CASE("marker: one damaged bit is the same for everybody, before and after the next open",
          "[journal][missing]") {
    const TempDirectory temp;
    const Ending ending = GENERATE(Ending::closed, Ending::abandoned);
    const std::string original = temp.path() + "/original";
    write_idly(original, ending);
    const auto places = eventless_batches(original);
    REQUIRE(places.size() > 4);
    for (const Place& place : places) {
        fs::remove_all(temp.journal());
        fs::copy(original, temp.journal());
        const std::string path = temp.journal() + place.path.substr(original.size());
        flip_bit(path, place.offset + 50);
        INFO(path << " at " << place.offset);
        const bool before = is_harmless_to_all(temp.journal(), 80);
        REQUIRE(
            write_journal(small_options(temp.journal()), {make_events(80, 10)}, Ending::closed));
        const bool after = is_harmless_to_all(temp.journal(), 90);
        CHECK(before);
        CHECK(after);
        REQUIRE(repair(temp.journal()));
        CHECK(is_harmless_to_all(temp.journal(), 90));
    }
}

TEST_CASE("many segments: nobody lists them, and what is read grows with their logarithm",
          "[journal][seek]") {
    const TempDirectory temp;
    constexpr std::uint64_t kMany = 3000;
    fs::create_directories(temp.journal());
    CatalogueFile catalogue(posix_files(), temp.journal());
    SegmentHeader before{};
    for (std::uint64_t number = 1; number <= kMany; ++number) {
        SegmentHeader header{};
        header.journal_id.fill(9);
        header.segment_number = number;
        header.salt = 0x5A17'0000 + number;
        header.first_sequence = (number - 1) * 10;
        header.durable_sequence = header.first_sequence;
        header.segment_size_bytes = kMinSegmentSizeBytes;
        header.event_alignment_bytes = 16;
        header.floor_time_ns = header.first_sequence;
        header.previous = {number - 1, before.salt, 3 * kBlockSizeBytes, header.first_sequence, 7};
        seal_segment_header(header);
        const std::string path = segment_path(temp.journal(), number);
        auto file = open_file(posix_files(), path, {.write = true, .create = true});
        REQUIRE(file);
        REQUIRE(posix_files().write(file->id(), 0, std::as_bytes(std::span(&header, 1))).ok());
        fs::resize_file(path, kMinSegmentSizeBytes);
        if (number > 1) catalogue.add(catalogued(before, header));
        before = header;
    }
    catalogue.write(before.journal_id, 1);
    SuperBlock super{};
    super.generation = 1;
    super.journal_id = before.journal_id;
    super.oldest_segment_number = 1;
    super.newest_segment_number = kMany;
    seal_super(super);
    std::vector<std::byte> slots(2 * kBlockSizeBytes);
    std::memcpy(slots.data() + kBlockSizeBytes, &super, sizeof(super));
    auto file =
        open_file(posix_files(), super_path(temp.journal()), {.write = true, .create = true});
    REQUIRE(file);
    REQUIRE(posix_files().write(file->id(), 0, slots).ok());

    const bool has_catalogue = GENERATE(true, false);
    if (!has_catalogue) fs::remove(catalogue_path(temp.journal()));
    MeddledFiles files;
    std::uint64_t lists = 0;
    std::uint64_t opens = 0;
    files.after_list = [&lists](std::vector<std::string>& /*names*/) {
        ++lists;
    };
    files.before_open = [&opens](const std::string& /*path*/) {
        ++opens;
    };
    auto reader = ReaderCore::open(files, temp.journal());
    REQUIRE(reader);
    CHECK(*(*reader)->end_sequence() == (kMany - 1) * 10);
    REQUIRE((*reader)->seek_end());
    REQUIRE((*reader)->seek_sequence(12'345));
    REQUIRE((*reader)->seek_time(20'001));
    CHECK(lists == 0);
    // A seek opens a header for each halving; each look at the extent asks for eighteen names.
    CHECK(opens < 250);
}

}  // namespace tailrace::journal::missing_segments_test
