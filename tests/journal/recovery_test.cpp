// The decision table of docs/journal_format.md, row by row, on real files.

#include "batch_codec.hpp"
#include "journal_fixture.hpp"
#include "segment_codec.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/journal/recovery.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <cstring>
#include <fstream>
#include <functional>
#include <map>

namespace tailrace::journal::recovery_test {

namespace {

constexpr Sequence kPerBatch = 10;

// Five batches of ten events, each durable before the next; then the writer is gone. Batch k
// promises what was before it.
void write_five(const std::string& directory, std::uint64_t marker_idle_ns = 0) {
    JournalOptions options = small_options(directory);
    options.marker_idle_ns = marker_idle_ns;
    auto writer = Writer::open(options);
    TAILRACE_CHECK(writer.has_value());
    for (Sequence first = 0; first < 5 * kPerBatch; first += kPerBatch) {
        TAILRACE_CHECK(append_all(*writer, make_events(first, kPerBatch)));
        TAILRACE_CHECK(writer->sync(30 * kSecondNs).has_value());
    }
    for (int i = 0; marker_idle_ns > 0 && i < 100; ++i)
        writer->drive(1'000'000);
}

// Changes a batch's header and makes its checksum right again.
void reseal(const std::string& path,
            std::uint64_t offset,
            const std::function<void(BatchHeader&)>& change) {
    BatchHeader header = batch_header_at(path, offset);
    change(header);
    const auto checked = std::as_bytes(std::span(&header, 1)).subspan(16);
    header.header_checksum = checksum64(checked, batch_seed(header.salt, offset));
    const auto bytes = std::as_bytes(std::span(&header, 1));
    overwrite(path, offset, {bytes.begin(), bytes.end()});
}

void reseal_segment(const std::string& path, const std::function<void(SegmentHeader&)>& change) {
    const auto bytes = bytes_of(path, 0, sizeof(SegmentHeader));
    SegmentHeader header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    change(header);
    seal_segment_header(header);
    const auto sealed = std::as_bytes(std::span(&header, 1));
    overwrite(path, 0, {sealed.begin(), sealed.end()});
}

// Every file but LOCK, whose text is for people.
std::map<std::string, std::vector<std::byte>> snapshot(const std::string& directory) {
    std::map<std::string, std::vector<std::byte>> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (entry.path().filename() == "LOCK") continue;
        files[entry.path().string()] = bytes_of(entry.path().string(), 0, entry.file_size());
    }
    return files;
}

void check_refused(const std::string& directory, ErrorCode code, const std::string& words) {
    const auto before = snapshot(directory);
    const auto writer = Writer::open(small_options(directory));
    REQUIRE_FALSE(writer);
    INFO(writer.error().message);
    CHECK(writer.error().code == code);
    CHECK(writer.error().message.find(words) != std::string::npos);
    CHECK_FALSE(writer.error().hint.empty());
    const auto again = Writer::open(small_options(directory));
    REQUIRE_FALSE(again);
    CHECK(again.error().message == writer.error().message);
    CHECK(snapshot(directory) == before);  // nothing truncated, nothing made
}

}  // namespace

TEST_CASE("recovery: nothing there means a new journal", "[journal][recovery]") {
    const TempDirectory temp;
    SECTION("no directory") {}
    SECTION("an empty directory") {
        std::filesystem::create_directories(temp.journal());
    }
    SECTION("a SUPER that was being made when the power went off") {
        std::filesystem::create_directories(temp.journal());
        std::ofstream(temp.journal() + "/SUPER") << std::string(8192, '\0');
    }
    SECTION("an empty SUPER") {
        std::filesystem::create_directories(temp.journal());
        std::ofstream(temp.journal() + "/SUPER").flush();
    }
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    CHECK(writer->recovery().created);
    CHECK(writer->next_sequence() == 0);
}

TEST_CASE("recovery: somebody else's SUPER is not overwritten", "[journal][recovery]") {
    const TempDirectory temp;
    std::filesystem::create_directories(temp.journal());
    std::ofstream(temp.journal() + "/SUPER") << std::string(8192, 'x');
    check_refused(temp.journal(), ErrorCode::not_tailrace, "SUPER");
}

TEST_CASE("recovery: a torn write of SUPER leaves the other slot", "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal());
    flip_bit(temp.journal() + "/SUPER", GENERATE(20U, 4096U + 20U));
    const auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    CHECK(writer->next_sequence() == 50);
}

TEST_CASE("recovery: without SUPER the segments say it all", "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal());
    SECTION("gone") {
        std::filesystem::remove(temp.journal() + "/SUPER");
    }
    SECTION("both slots damaged") {
        flip_bit(temp.journal() + "/SUPER", 20);
        flip_bit(temp.journal() + "/SUPER", 4096 + 20);
        const auto report = verify(temp.journal());
        CHECK(report->is_sound());
        CHECK(report->findings.at(0).kind == FindingKind::damaged_super);
    }
    {
        auto writer = Writer::open(small_options(temp.journal()));
        REQUIRE(writer);
        REQUIRE(append_all(*writer, make_events(50, 5)));
        REQUIRE(writer->close());
    }
    CHECK(verify(temp.journal())->findings.empty());
    CHECK(is_dense(read_all(temp.journal()), 0, 55));
}

TEST_CASE("recovery: a missing segment is refused, whichever it is", "[journal][recovery]") {
    const TempDirectory temp;
    for (int i = 0; i < 3; ++i) {
        REQUIRE(write_journal(small_options(temp.journal()),
                              {make_events(static_cast<Sequence>(i) * 10, 10)},
                              Ending::closed));
    }
    const auto missing = GENERATE(1U, 2U, 3U);
    std::filesystem::remove(segment_named(temp.journal(), missing));
    check_refused(temp.journal(), ErrorCode::corrupt, "missing");
    if (missing != 1) CHECK_FALSE(verify(temp.journal())->is_sound());
}

TEST_CASE("recovery: all segments gone is refused too", "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal());
    std::filesystem::remove(first_segment(temp.journal()));
    check_refused(temp.journal(), ErrorCode::corrupt, "is missing");
}

TEST_CASE("recovery: a segment whose header can't be trusted is refused", "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal());
    const std::string segment = first_segment(temp.journal());
    SECTION("damaged") {
        flip_bit(segment, 100);
        check_refused(temp.journal(), ErrorCode::corrupt, "checksum");
    }
    SECTION("foreign") {
        overwrite(segment, 0, std::vector<std::byte>(8, std::byte{'x'}));
        check_refused(temp.journal(), ErrorCode::not_tailrace, "doesn't begin as");
    }
    SECTION("newer") {
        flip_bit(segment, 17);  // major version 257
        check_refused(temp.journal(), ErrorCode::incompatible, "newer format");
    }
    SECTION("truncated to nothing") {
        std::filesystem::resize_file(segment, 0);
        check_refused(temp.journal(), ErrorCode::truncated, "0 bytes");
    }
    SECTION("truncated behind its header") {
        std::filesystem::resize_file(segment, 40'960);
        check_refused(temp.journal(), ErrorCode::truncated, "40960 bytes");
    }
    SECTION("of another journal") {
        reseal_segment(segment, [](SegmentHeader& header) { header.journal_id[0] ^= 1; });
        check_refused(temp.journal(), ErrorCode::corrupt, "another journal");
    }
    SECTION("renamed") {
        std::filesystem::rename(segment, segment_named(temp.journal(), 2));
        check_refused(temp.journal(), ErrorCode::corrupt, "");
    }
    SECTION("with features that this program doesn't know") {
        reseal_segment(segment, [](SegmentHeader& header) { header.features_ro_compat = 1; });
        CHECK(is_dense(read_all(temp.journal()), 0, 50) == false);  // its chain changed with it
        check_refused(temp.journal(), ErrorCode::incompatible, "features");
    }
    const auto report = verify(temp.journal());
    CHECK((!report || !report->is_sound() || report->findings.size() > 0));
}

TEST_CASE("recovery: a clean close is believed, with its seal in place", "[journal][recovery]") {
    const TempDirectory temp;
    REQUIRE(write_journal(small_options(temp.journal()), {make_events(0, 50)}, Ending::closed));
    const auto preview = preview_recovery(temp.journal());
    REQUIRE(preview);
    CHECK(preview->clean_close);
    CHECK(preview->end_sequence == 50);
    CHECK(preview->scanned_bytes < 512 * 1024);  // the seal, not the segment

    // Damage to the seal: it is walked instead, and SUPER's promise holds.
    const std::string segment = first_segment(temp.journal());
    flip_bit(segment, batch_offsets(segment).back() + 40);
    const auto walked = preview_recovery(temp.journal());
    REQUIRE(walked);
    CHECK_FALSE(walked->clean_close);
    CHECK(walked->end_sequence == 50);
}

TEST_CASE("recovery: a torn tail ends the log there", "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal());
    const std::string segment = first_segment(temp.journal());
    const std::uint64_t last = batch_offsets(segment).back();
    // Batch 4 was promised by nobody: it counts as never acknowledged.
    SECTION("a bit of its header") {
        flip_bit(segment, last + 50);
    }
    SECTION("a bit of its body") {
        flip_bit(segment, last + 200);
    }
    SECTION("only its first sector was written") {
        overwrite(segment, last + 512, std::vector<std::byte>(3584));
    }
    SECTION("only its other sectors were written") {
        overwrite(segment, last, std::vector<std::byte>(512));
    }
    const auto preview = preview_recovery(temp.journal());
    REQUIRE(preview);
    CHECK(preview->end_sequence == 40);
    CHECK(preview->torn);
    CHECK(preview->torn_offset == last);
    CHECK(preview->promised_sequence <= 40);

    auto reader = Reader::open(temp.journal());
    CHECK(is_dense(read_all(*reader), 0, 40));
    const auto report = verify(temp.journal());
    CHECK(report->is_sound());
    REQUIRE(report->findings.size() == 1);
    CHECK(report->findings[0].kind == FindingKind::torn_tail);

    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    CHECK(writer->next_sequence() == 40);
    REQUIRE(append_all(*writer, make_events(40, 5)));
    REQUIRE(writer->close());
    CHECK(is_dense(read_all(temp.journal()), 0, 45));
    CHECK(is_dense(read_all(*reader), 40, 45));  // the reader that waited at the tear goes on too
}

TEST_CASE("recovery: damage below a promise is refused with its exact range",
          "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal());
    const std::string segment = first_segment(temp.journal());
    const auto damaged = static_cast<std::size_t>(GENERATE(0, 1, 2, 3));
    const std::uint64_t offset = batch_offsets(segment)[damaged];
    SECTION("body") {
        flip_bit(segment, offset + 300);
    }
    SECTION("header") {
        flip_bit(segment, offset + 40);
    }
    SECTION("all of it") {
        overwrite(segment, offset, std::vector<std::byte>(4096));
    }

    const std::string range = "[" + std::to_string(damaged * kPerBatch) + ", 40)";
    check_refused(temp.journal(), ErrorCode::corrupt, range);
    const auto preview = preview_recovery(temp.journal());
    REQUIRE_FALSE(preview);
    CHECK(preview.error().message.find(range) != std::string::npos);

    const ReadBack read = read_all(temp.journal());
    CHECK(read.failed);
    CHECK(read.error.code == ErrorCode::corrupt);
    CHECK(read.error.message.find(range) != std::string::npos);
    CHECK(read.sequences.size() == damaged * kPerBatch);  // what stands before it is handed out
    const auto report = verify(temp.journal());
    CHECK_FALSE(report->is_sound());
    CHECK(report->findings.at(0).first_sequence == damaged * kPerBatch);
}

TEST_CASE("recovery: a marker behind the last acknowledged batch protects that one too",
          "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal(), 1);
    const std::string segment = first_segment(temp.journal());
    const auto offsets = batch_offsets(segment);
    std::uint64_t last_with_events = 0;
    for (const std::uint64_t offset : offsets) {
        if (batch_header_at(segment, offset).event_count > 0) last_with_events = offset;
    }
    flip_bit(segment, last_with_events + 200);
    check_refused(temp.journal(), ErrorCode::corrupt, "[40, 50)");
}

TEST_CASE("recovery: a promise in SUPER or in the segment header counts as well",
          "[journal][recovery]") {
    const TempDirectory temp;
    SECTION("SUPER, of a clean close whose last batch is damaged") {
        REQUIRE(write_journal(small_options(temp.journal()), {make_events(0, 50)}, Ending::closed));
        const std::string segment = first_segment(temp.journal());
        overwrite(segment, kBlockSizeBytes, std::vector<std::byte>(2 * kBlockSizeBytes));
        check_refused(temp.journal(), ErrorCode::corrupt, "[0, 50)");
    }
    SECTION("the header of the newest, which says where its predecessor ended") {
        write_five(temp.journal());
        { auto writer = Writer::open(small_options(temp.journal())); }
        const std::string segment = first_segment(temp.journal());
        flip_bit(segment, batch_offsets(segment)[4] + 200);
        // Recovery looks at the newest alone, so opening is fine; reading tells.
        const ReadBack read = read_all(temp.journal());
        CHECK(read.failed);
        CHECK(read.error.message.find("[40, 50)") != std::string::npos);
        const auto report = verify(temp.journal());
        CHECK_FALSE(report->is_sound());
        CHECK(report->findings.at(0).end_sequence == 50);
    }
}

TEST_CASE("recovery: a sound batch of a newer version is neither the end nor damage",
          "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal());
    const std::string segment = first_segment(temp.journal());
    reseal(segment, batch_offsets(segment).back(), [](BatchHeader& header) { header.version = 2; });
    check_refused(temp.journal(), ErrorCode::incompatible, "newer format");
    const ReadBack read = read_all(temp.journal());
    CHECK(read.error.code == ErrorCode::incompatible);
    CHECK(read.sequences.size() == 40);
}

TEST_CASE("recovery: sound batches behind a hole that nobody promised are discarded, and stay dead",
          "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal());
    const std::string segment = first_segment(temp.journal());
    const auto offsets = batch_offsets(segment);
    // As if batches 3 and 4 had been in flight together, and only 4 had reached the disk.
    overwrite(segment, offsets[3], std::vector<std::byte>(kBlockSizeBytes));
    reseal(segment, offsets[4], [](BatchHeader& header) { header.durable_sequence = 30; });
    const auto preview = preview_recovery(temp.journal());
    REQUIRE(preview);
    CHECK(preview->end_sequence == 30);
    CHECK(preview->discarded_batches == 1);
    CHECK(preview->discarded_events == 10);

    // The first successor writes other events in their place, exactly as many, and crashes; so does
    // the second.
    EventShape other;
    other.tag = 2;
    REQUIRE(write_journal(
        small_options(temp.journal()), {make_events(30, 10, other)}, Ending::abandoned));
    CHECK(is_dense(read_all(temp.journal()), 0, 40));
    REQUIRE(write_journal(
        small_options(temp.journal()), {make_events(40, 5, other)}, Ending::abandoned));

    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    std::uint64_t from_the_dead = 0;
    Sequence next = 0;
    for (auto step = reader->next(); step && step->kind == ReadKind::event; step = reader->next()) {
        if (step->event->sequence() != next++) ++from_the_dead;
        const std::uint64_t expected = step->event->sequence() < 30 ? 0 : 2;
        if (tag_of(*step->event) != expected) ++from_the_dead;
    }
    CHECK(next == 45);
    CHECK(from_the_dead == 0);
    CHECK(verify(temp.journal())->is_sound());
}

TEST_CASE("recovery: a write that lands after the end was decided changes nothing",
          "[journal][recovery]") {
    // A killed writer's last write may still be on its way to the device while its successor
    // recovers.
    const TempDirectory temp;
    write_five(temp.journal());
    const std::string old = first_segment(temp.journal());
    const std::uint64_t last = batch_offsets(old).back();
    const auto late = bytes_of(old, last, kBlockSizeBytes);
    overwrite(old, last, std::vector<std::byte>(kBlockSizeBytes));
    EventShape other;
    other.tag = 2;
    REQUIRE(
        write_journal(small_options(temp.journal()), {make_events(40, 5, other)}, Ending::closed));

    overwrite(old, last, late);

    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    REQUIRE(reader->seek_sequence(40));
    CHECK(tag_of(*reader->next()->event) == 2);
    REQUIRE(reader->seek_sequence(30));
    std::uint64_t wrong = 0;
    Sequence next = 30;
    for (auto step = reader->next(); step && step->kind == ReadKind::event; step = reader->next()) {
        if (step->event->sequence() != next++) ++wrong;
        if (tag_of(*step->event) != (step->event->sequence() < 40 ? 0U : 2U)) ++wrong;
    }
    CHECK(next == 45);
    CHECK(wrong == 0);
    const auto report = verify(temp.journal());
    CHECK(report->findings.empty());
    CHECK(report->event_count == 45);
}

TEST_CASE("recovery: always goes on in a new segment, which names the end of the old one",
          "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal());
    const std::string old = first_segment(temp.journal());
    flip_bit(old, batch_offsets(old).back() + 200);
    const auto before = bytes_of(old, 0, 32 * kBlockSizeBytes);
    REQUIRE(write_journal(small_options(temp.journal()), {make_events(40, 5)}, Ending::abandoned));

    CHECK(bytes_of(old, 0, 32 * kBlockSizeBytes) == before);
    SegmentHeader header;
    const auto bytes = bytes_of(segment_named(temp.journal(), 2), 0, sizeof(header));
    std::memcpy(&header, bytes.data(), sizeof(header));
    SegmentHeader old_header;
    std::memcpy(&old_header, before.data(), sizeof(old_header));
    CHECK(header.previous.segment_number == 1);
    CHECK(header.previous.end_offset == batch_offsets(old).back());
    CHECK(header.previous.end_sequence == 40);
    CHECK(header.previous.salt == old_header.salt);
    CHECK(header.salt != old_header.salt);
    CHECK(header.writer_epoch == old_header.writer_epoch + 1);
}

TEST_CASE("recovery: done again and again it finds the same", "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal());
    const std::string segment = first_segment(temp.journal());
    flip_bit(segment, batch_offsets(segment).back() + 200);
    const auto first = preview_recovery(temp.journal());
    const auto second = preview_recovery(temp.journal());
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->end_sequence == second->end_sequence);
    CHECK(first->end_offset == second->end_offset);
    for (int i = 0; i < 3; ++i) {
        const auto report = recover(temp.journal());
        REQUIRE(report);
        CHECK(report->end_sequence == 40);
        CHECK(report->clean_close == (i > 0));
    }
    CHECK(is_dense(read_all(temp.journal()), 0, 40));
    CHECK(verify(temp.journal())->is_sound());
}

TEST_CASE("recovery: gives back the room behind the end, and nothing that says anything",
          "[journal][recovery]") {
    const TempDirectory temp;
    write_five(temp.journal());
    const std::string segment = first_segment(temp.journal());
    const auto before = bytes_of(segment, 0, kMiB);
    { auto writer = Writer::open(small_options(temp.journal())); }
    CHECK(bytes_of(segment, 0, kMiB) == before);
}

TEST_CASE("recovery: tools find no journal where there is none", "[journal][recovery]") {
    const TempDirectory temp;
    CHECK(preview_recovery(temp.journal()).error().code == ErrorCode::not_found);
    CHECK(recover(temp.journal()).error().code == ErrorCode::not_found);
    CHECK_FALSE(std::filesystem::exists(temp.journal()));
    std::filesystem::create_directories(temp.journal());
    CHECK(recover(temp.journal()).error().code == ErrorCode::not_found);
    CHECK(std::filesystem::is_empty(temp.journal()));
    CHECK(Reader::open(temp.journal()).error().code == ErrorCode::not_found);
}

}  // namespace tailrace::journal::recovery_test
