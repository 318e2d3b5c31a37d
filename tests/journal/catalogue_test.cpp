// The catalogue is never believed: whatever is wrong with it costs time alone.

#include "catalogue_file.hpp"
#include "counting_files.hpp"
#include "journal_fixture.hpp"
#include "posix_files.hpp"
#include "reader_core.hpp"
#include "segment_directory.hpp"
#include "simulated_lab.hpp"
#include "support/seeded_random.hpp"
#include "support/test_length.hpp"

#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/compress.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace tailrace::journal::catalogue_test {

namespace {

constexpr Sequence kEvents = 3000;
constexpr std::uint64_t kRunEvents = 30;
constexpr std::uint64_t kPlaces = 11;

std::uint64_t time_of(Sequence sequence) {
    return (sequence + 1) * 10;
}

void write_sample(const std::string& directory, Ending ending) {
    EventShape shape;
    shape.payload_bytes = 2000;
    shape.step_ns = 10;
    std::vector<EventRun> runs;
    for (Sequence first = 0; first < kEvents; first += kRunEvents) {
        shape.first_time_ns = time_of(first);
        runs.push_back(make_events(first, kRunEvents, shape));
    }
    REQUIRE(write_journal(small_options(directory), runs, ending));
}

// Seeks here and there, by sequence and by time, reads on for a while, and once to the end. Empty:
// all as it is.
std::string wrong_answer(FileStore& files, const std::string& directory, Sequence end) {
    auto reader = ReaderCore::open(files, directory);
    if (!reader) return reader.error().message;
    for (std::uint64_t place = 0; place < 2 * kPlaces; ++place) {
        const bool by_time = place % 2 == 1;
        const Sequence sequence = (place / 2) * (end - 1) / (kPlaces - 1);
        const auto found =
            by_time ? (*reader)->seek_time(time_of(sequence)) : (*reader)->seek_sequence(sequence);
        if (!found) return found.error().message;
        const Sequence stop = place == 2 ? end : std::min(end, sequence + 2 * kRunEvents);
        for (Sequence next = sequence; next < stop; ++next) {
            auto step = (*reader)->next();
            if (!step) return step.error().message;
            if (step->kind != ReadKind::event || step->event->sequence() != next) {
                return "event " + std::to_string(next) + " is not where it should be";
            }
        }
    }
    if ((*reader)->seek_sequence(end + 1)) return "there is something behind the end";
    return {};
}

// Seeks to every fifth event that is there.
std::string wrong_place(SimulatedDisk& disk, Sequence durable) {
    auto reader = ReaderCore::open(disk, "/sim");
    if (!reader) return reader.error().message;
    auto end = (*reader)->end_sequence();
    if (!end) return end.error().message;
    if (*end < durable) return "less is there than was acknowledged";
    for (Sequence sequence = (*reader)->first_sequence(); sequence < *end; sequence += 5) {
        if (auto found = (*reader)->seek_sequence(sequence); !found) return found.error().message;
        const auto step = (*reader)->next();
        if (!step) return step.error().message;
        if (step->kind != ReadKind::event || step->event->sequence() != sequence) {
            return "event " + std::to_string(sequence) + " is not where it should be";
        }
    }
    return {};
}

std::vector<std::byte> all_of(const std::string& path) {
    return bytes_of(path, 0, std::filesystem::file_size(path));
}

void replace(const std::string& path, std::span<const std::byte> bytes) {
    std::filesystem::remove(path);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),  // NOLINT
               static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

TEST_CASE("catalogue: says of every segment what the headers say, a closed newest included",
          "[journal][catalogue]") {
    const TempDirectory temp;
    write_sample(temp.journal(), Ending::closed);
    const auto catalogue = read_catalogue(posix_files(), temp.journal());
    REQUIRE(catalogue);
    auto listing = list_journal(posix_files(), temp.journal());
    REQUIRE(listing);
    CHECK(listing->foreign_names.empty());
    REQUIRE(catalogue->segments.size() == listing->segment_numbers.size());
    CHECK(catalogue->damaged_entries == 0);
    Sequence next = 0;
    for (const CataloguedSegment& segment : catalogue->segments) {
        const std::string path = segment_path(temp.journal(), segment.number);
        auto file = open_file(posix_files(), path, {});
        auto header = read_segment_header(posix_files(), *file, path, Access::reading);
        REQUIRE(header);
        CHECK(segment.entry.salt == header->salt);
        CHECK(segment.entry.first_sequence == header->first_sequence);
        CHECK(segment.entry.floor_time_ns == header->floor_time_ns);
        CHECK(segment.entry.segment_size_bytes == header->segment_size_bytes);
        CHECK(segment.entry.first_sequence == next);
        next = segment.entry.end_sequence;
    }
    CHECK(next == kEvents);
    CHECK(catalogue->segments.back().entry.max_time_ns == time_of(kEvents - 1));
}

TEST_CASE("catalogue: a copy has its own, and compressing leaves it as it is",
          "[journal][catalogue]") {
    const TempDirectory temp;
    write_sample(temp.journal(), Ending::abandoned);
    std::string directory = temp.journal();
    SECTION("a copy") {
        directory = temp.path() + "/copy";
        REQUIRE(backup(temp.journal(), directory, {}));
    }
    SECTION("a copy of one without a catalogue, made again") {
        directory = temp.path() + "/copy";
        std::filesystem::remove(catalogue_path(temp.journal()));
        REQUIRE(backup(temp.journal(), directory, {}));
        REQUIRE(backup(temp.journal(), directory, {}));
    }
    SECTION("compressed") {
        if (!can_compress()) {
            WARN("SKIPPED: built without zstd");
            return;
        }
        REQUIRE(compress(directory, {}));
    }
    SECTION("of a directory that can only be read") {
        // As root permissions say nothing; that a reader writes nothing is seen by what is there.
        const auto before = all_of(catalogue_path(directory));
        flip_bit(catalogue_path(directory), 70);
        const auto wrong = all_of(catalogue_path(directory));
        REQUIRE(wrong_answer(posix_files(), directory, kEvents) == "");
        REQUIRE(all_of(catalogue_path(directory)) == wrong);
        replace(catalogue_path(directory), before);
    }
    std::vector<SegmentHeader> headers;
    auto listing = list_journal(posix_files(), directory);
    REQUIRE(listing);
    for (const std::uint64_t number : listing->segment_numbers) {
        const std::string path = segment_path(directory, number);
        auto file = open_file(posix_files(), path, {});
        auto header = read_segment_header(posix_files(), *file, path, Access::reading);
        REQUIRE(header);
        headers.push_back(*header);
    }
    const CatalogueCheck check = check_catalogue(posix_files(), directory, headers);
    CHECK(check.text == "");
    CHECK(check.missing_entries == 0);
    CHECK(headers.size() > 3);
    CHECK(wrong_answer(posix_files(), directory, kEvents) == "");
}

TEST_CASE("catalogue: where a segment ends, its successor has the last word",
          "[journal][catalogue]") {
    const TempDirectory temp;
    EventShape shape;
    shape.tag = 1;
    REQUIRE(write_journal(
        small_options(temp.journal()), {make_events(0, 10, shape)}, Ending::abandoned));
    shape.tag = 2;
    REQUIRE(write_journal(
        small_options(temp.journal()), {make_events(10, 10, shape)}, Ending::abandoned));

    // A segment that a crash cut off has got its index from recovery.
    REQUIRE(std::filesystem::exists(index_path(temp.journal(), 1)));

    // A batch that recovery has discarded, whose events the next writer numbered anew; and a
    // catalogue with its checksums right that says that it still counts.
    const std::string path = segment_named(temp.journal(), 1);
    auto file = open_file(posix_files(), path, {.write = true});
    REQUIRE(file);
    auto header = read_segment_header(posix_files(), *file, path, Access::reading);
    REQUIRE(header);
    shape.tag = 3;
    const EventRun dead = make_events(10, 5, shape);
    const BatchHeader last = batch_header_at(path, kBlockSizeBytes);
    LogPosition end = first_position(*header);
    advance(end, last);
    std::vector<std::byte> block(batch_slot_bytes(dead.bytes.size()));
    std::memcpy(block.data() + sizeof(BatchHeader), dead.bytes.data(), dead.bytes.size());
    BatchHeader batch{};
    batch.first_sequence = 10;
    batch.record_salt = dead.record_salt;
    batch.first_time_ns = batch.max_time_ns = end.max_time_ns;
    batch.previous_checksum = end.last_checksum;
    batch.event_count = 5;
    batch.body_size_bytes = static_cast<std::uint32_t>(dead.bytes.size());
    const BatchPlace place{1, header->salt, end.offset, header->segment_size_bytes, 16};
    batch.header_checksum = seal_batch(block, batch, place);
    REQUIRE(posix_files().write(file->id(), end.offset, block).ok());
    advance(end, batch);
    Sequence from = 3;
    SECTION("the index lies too") {
        IndexBuilder index;
        index.begin(header->segment_size_bytes);
        index.note(first_position(*header), last);
        replace(index_path(temp.journal(), 1),
                encode_index(index_header(*header, end), index.entries()));
    }
    SECTION("the index knows better") {
        from = 12;  // where the discarded batch is
    }
    CatalogueFile liar(posix_files(), temp.journal());
    liar.add(catalogued(*header, end));
    liar.write(header->journal_id, 1);

    auto reader = ReaderCore::open(posix_files(), temp.journal());
    REQUIRE(reader);
    REQUIRE((*reader)->seek_sequence(from));
    for (Sequence next = from; next < 20; ++next) {
        const auto step = (*reader)->next();
        REQUIRE(step);
        REQUIRE(step->kind == ReadKind::event);
        REQUIRE(step->event->sequence() == next);
        REQUIRE(tag_of(*step->event) == (next < 10 ? 1U : 2U));
    }
}

TEST_CASE("catalogue: with any byte of it wrong, or cut anywhere, every place is found",
          "[journal][search][catalogue]") {
    const TempDirectory temp;
    write_sample(temp.journal(), Ending::abandoned);
    const std::string path = catalogue_path(temp.journal());
    const auto sound = all_of(path);
    REQUIRE(sound.size() > catalogue_entry_offset(3));
    REQUIRE(wrong_answer(posix_files(), temp.journal(), kEvents) == "");
    SECTION("a byte") {
        const std::uint64_t stride = test::is_full_length() ? 1 : 3;
        for (std::size_t at = test::sample_offset(stride); at < sound.size(); at += stride) {
            INFO("byte " << at);
            flip_bit(path, at);
            REQUIRE(wrong_answer(posix_files(), temp.journal(), kEvents) == "");
            replace(path, sound);
        }
    }
    SECTION("its length") {
        for (std::size_t size = 0; size < sound.size(); size += 16) {
            INFO("size " << size);
            replace(path, std::span(sound).first(size));
            REQUIRE(wrong_answer(posix_files(), temp.journal(), kEvents) == "");
        }
    }
    SECTION("it is a directory, or gone") {
        std::filesystem::remove(path);
        REQUIRE(wrong_answer(posix_files(), temp.journal(), kEvents) == "");
        std::filesystem::create_directory(path);
        REQUIRE(wrong_answer(posix_files(), temp.journal(), kEvents) == "");
    }
}

TEST_CASE("catalogue: one that lies, with its checksums right, is found out",
          "[journal][search][catalogue]") {
    const TempDirectory temp;
    write_sample(temp.journal(), Ending::abandoned);
    const std::string path = catalogue_path(temp.journal());
    const auto sound = read_catalogue(posix_files(), temp.journal());
    REQUIRE(sound);
    test::SeededRandom random("catalogue that lies");
    constexpr std::size_t kFields = sizeof(CatalogueEntry) / sizeof(std::uint64_t);
    for (int round = 0; round < 400; ++round) {
        std::vector<std::byte> bytes(catalogue_entry_offset(sound->segments.size()));
        std::memcpy(bytes.data(), &sound->header, sizeof(sound->header));
        const std::size_t liar = random.below(sound->segments.size());
        const std::size_t field = 1 + random.below(kFields - 1);
        // Then nothing stands before it that contradicts it.
        const bool is_alone = random.one_in(2);
        for (std::size_t slot = 0; slot < sound->segments.size(); ++slot) {
            if (is_alone && slot != liar) continue;
            CataloguedSegment segment = sound->segments[slot];
            std::array<std::uint64_t, kFields> words{};
            std::memcpy(words.data(), &segment.entry, sizeof(segment.entry));
            std::array<std::uint64_t, kFields> other{};
            std::memcpy(other.data(),
                        &sound->segments[random.below(sound->segments.size())].entry,
                        sizeof(segment.entry));
            if (slot == liar) {
                const std::array<std::uint64_t, 6> lies = {other[field],
                                                           0,
                                                           words[field] + kBlockSizeBytes,
                                                           words[field] - kBlockSizeBytes,
                                                           words[field] + random.below(900),
                                                           words[field] - random.below(900)};
                words.at(field) = lies.at(random.below(lies.size()));
                if (random.one_in(4)) words = other;
            }
            std::memcpy(&segment.entry, words.data(), sizeof(segment.entry));
            const CatalogueEntry entry = sealed_entry(sound->header.journal_id, segment);
            std::memcpy(bytes.data() + catalogue_entry_offset(slot), &entry, sizeof(entry));
        }
        replace(path, bytes);
        INFO("round " << round << ", segment " << liar << ", field " << field);
        REQUIRE(wrong_answer(posix_files(), temp.journal(), kEvents) == "");
    }
}

TEST_CASE("catalogue: a seek into what is being written walks it once, and then remembers",
          "[journal][catalogue]") {
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    options.segment_size_bytes = 16 * kMiB;
    EventShape shape;
    shape.payload_bytes = 2000;
    std::vector<EventRun> runs;
    for (Sequence first = 0; first < kEvents; first += kRunEvents)
        runs.push_back(make_events(first, kRunEvents, shape));
    REQUIRE(write_journal(options, runs, Ending::abandoned));
    CountingFiles files(posix_files());
    auto reader = ReaderCore::open(files, temp.journal());
    REQUIRE(reader);
    REQUIRE((*reader)->seek_sequence(1500));
    CHECK(files.reads.size() > 50);
    for (const Sequence sequence : {2900U, 100U, 1777U}) {
        files.reads.clear();
        REQUIRE((*reader)->seek_sequence(sequence));
        CHECK((*reader)->next()->event->sequence() == sequence);
        // A look for the catalogue, SUPER, the segment's header, its end, and the batch.
        CHECK(files.reads.size() <= 8);
    }
}

TEST_CASE("catalogue: stopped at every step, every place is found before and after the next writer",
          "[journal][search][catalogue][crash]") {
    std::uint64_t with_catalogue = 0;
    std::uint64_t without_one = 0;
    constexpr std::array kSurvivals = {Survival::nothing, Survival::everything, Survival::some};
    const std::uint64_t stride = test::is_full_length() ? 3 : 10;
    const std::uint64_t offset = test::sample_offset(stride);
    CAPTURE(offset);
    for (const Survival survival : kSurvivals) {
        for (std::uint64_t stop = 1 + offset; stop < 330; stop += stride) {
            INFO("survival " << static_cast<int>(survival) << ", stop after " << stop);
            SimulatedLab lab(29 + stop);
            lab.options.retain_size_bytes = 4 * kMiB;
            Sequence durable = 0;
            for (const std::uint64_t stop_now : {std::uint64_t{0}, stop, std::uint64_t{0}}) {
                if (stop_now != 0) lab.disk.stop_after(stop_now);
                auto opened = WriterCore::open(lab.options, lab.around);
                REQUIRE((opened || stop_now != 0));
                if (opened) {
                    lab.writer = std::move(*opened);
                    lab.fill_segments(2);
                    durable = std::max(durable, lab.writer->durable_sequence());
                }
                lab.disk.cut();
                lab.writer.reset();
                lab.disk.power_on(survival);
                (lab.disk.exists("/sim/CATALOGUE") ? with_catalogue : without_one) += 1;
                REQUIRE(wrong_place(lab.disk, durable) == "");
            }
        }
    }
    CHECK(with_catalogue > 300 / stride);
    CHECK(without_one > 300 / stride);
}

}  // namespace tailrace::journal::catalogue_test
