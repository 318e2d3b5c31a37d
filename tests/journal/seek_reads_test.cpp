// How many reads a seek costs: in 100 GB of journal, made of sparse files in which only the batches
// that are sought stand, and indexes as large as those of full segments.

#include "catalogue_file.hpp"
#include "counting_files.hpp"
#include "index_builder.hpp"
#include "journal_fixture.hpp"
#include "posix_files.hpp"
#include "reader_core.hpp"
#include "segment_directory.hpp"
#include "support/seeded_random.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

namespace tailrace::journal::seek_reads_test {

namespace {

constexpr std::uint64_t kSegmentBytes = 256 * kMiB;
constexpr std::uint64_t kSegments = 400;
constexpr std::uint64_t kBatchBytes = 64U << 10;
constexpr std::uint64_t kBatchEvents = 32;
constexpr std::uint64_t kSegmentBatches = (kSegmentBytes - 2 * kBlockSizeBytes) / kBatchBytes;
constexpr std::uint64_t kSegmentEvents = kSegmentBatches * kBatchEvents;
constexpr std::uint64_t kStepNs = 1000;
// The batches that are there: the first, the last, and in the middle two that follow each other.
constexpr std::array<std::uint64_t, 4> kRealBatches = {
    0, kSegmentBatches / 2, kSegmentBatches / 2 + 1, kSegmentBatches - 1};

constexpr std::uint64_t time_of(Sequence sequence) {
    return (sequence + 1) * kStepNs;
}

class SparseJournal {
public:
    explicit SparseJournal(std::string directory) : directory_(std::move(directory)) {
        std::filesystem::create_directories(directory_);
        CatalogueFile catalogue(posix_files(), directory_);
        SegmentHeader before{};
        for (std::uint64_t number = 1; number <= kSegments + 1; ++number) {
            const SegmentHeader header = make_segment(number, before);
            if (number > 1) catalogue.add(catalogued(before, header));
            before = header;
        }
        catalogue.write(before.journal_id, 1);
        SuperBlock super{};
        super.generation = 1;
        super.journal_id = before.journal_id;
        super.oldest_segment_number = 1;
        super.newest_segment_number = before.segment_number;
        std::vector<std::byte> slots(2 * kBlockSizeBytes);
        seal_super(super);
        std::memcpy(slots.data() + kBlockSizeBytes, &super, sizeof(super));
        put(super_path(directory_), 0, slots);
    }

    // Of one of the events that are there.
    [[nodiscard]] static Sequence sequence_at(std::uint64_t segment,
                                              std::size_t batch,
                                              std::uint64_t event) {
        return segment * kSegmentEvents + kRealBatches.at(batch) * kBatchEvents + event;
    }

private:
    void put(const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes) {
        const bool is_new = !std::filesystem::exists(path);
        auto file = open_file(posix_files(), path, {.write = true, .create = is_new});
        REQUIRE(file);
        REQUIRE(posix_files().write(file->id(), offset, bytes).ok());
    }

    SegmentHeader make_segment(std::uint64_t number, const SegmentHeader& before) {
        SegmentHeader header{};
        header.journal_id.fill(7);
        header.segment_number = number;
        header.salt = 0xABCD'0000 + number;
        header.first_sequence = (number - 1) * kSegmentEvents;
        header.durable_sequence = header.first_sequence;
        header.segment_size_bytes = kSegmentBytes;
        header.event_alignment_bytes = 16;
        header.floor_time_ns = header.first_sequence == 0 ? 0 : time_of(header.first_sequence - 1);
        header.previous.segment_number = number - 1;
        if (number > 1) {
            header.previous.salt = before.salt;
            header.previous.end_offset = kBlockSizeBytes + kSegmentBatches * kBatchBytes;
            header.previous.end_sequence = header.first_sequence;
        }
        seal_segment_header(header);
        const std::string path = segment_path(directory_, number);
        put(path, 0, std::as_bytes(std::span(&header, 1)));
        put(path, kSegmentBytes - 1, std::array{std::byte{0}});
        if (number <= kSegments) fill(path, header);
        return header;
    }

    void fill(const std::string& path, const SegmentHeader& header) {
        IndexBuilder index;
        index.begin(kSegmentBytes);
        LogPosition position = first_position(header);
        for (std::uint64_t nth = 0; nth < kSegmentBatches; ++nth) {
            const bool is_real =
                std::find(kRealBatches.begin(), kRealBatches.end(), nth) != kRealBatches.end();
            index.note(position, position.sequence, kBatchBytes);
            if (is_real) {
                put(path, position.offset, batch(header, position));
            } else {
                position.last_checksum = nth;  // of one that nobody looks at
            }
            position.offset += kBatchBytes;
            position.sequence += kBatchEvents;
            position.max_time_ns = time_of(position.sequence - 1);
        }
        CHECK(index.entries().size() == kSegmentBatches);
        put(index_path(directory_, header.segment_number),
            0,
            encode_index(index_header(header, position), index.entries()));
    }

    static std::vector<std::byte> batch(const SegmentHeader& segment, LogPosition& position) {
        EventShape shape;
        shape.payload_bytes = 2000;
        shape.first_time_ns = time_of(position.sequence);
        shape.step_ns = kStepNs;
        const EventRun run = make_events(position.sequence, kBatchEvents, shape);
        std::vector<std::byte> block(kBatchBytes);
        std::memcpy(block.data() + sizeof(BatchHeader), run.bytes.data(), run.bytes.size());
        BatchHeader header{};
        header.first_sequence = position.sequence;
        header.record_salt = run.record_salt;
        header.first_time_ns = run.first_time_ns;
        header.max_time_ns = run.max_time_ns;
        header.previous_checksum = position.last_checksum;
        header.event_count = kBatchEvents;
        header.body_size_bytes = static_cast<std::uint32_t>(run.bytes.size());
        const BatchPlace place{
            segment.segment_number, segment.salt, position.offset, kSegmentBytes, 16};
        position.last_checksum = seal_batch(block, header, place);
        return block;
    }

    std::string directory_;
};

// What a seek and the event behind it cost. Empty: no more than it may.
std::string excess(const CountingFiles& files, std::size_t catalogue_reads) {
    const std::size_t catalogue = files.count_of("CATALOGUE");
    const std::size_t index = files.count_of(".idx");
    const std::size_t segment = files.count_of(".seg");
    std::string told;
    if (catalogue > catalogue_reads || index > 1 || segment > 1) told = "too many reads";
    if (catalogue + index + segment != files.reads.size()) told = "reads of other files";
    for (const NotedRead& read : files.reads) {
        if (read.is_of(".seg") && read.size_bytes > kBatchBytes) told = "more than one block";
        if (read.size_bytes > 128U << 10) told = "a read of an index that is not small";
    }
    if (told.empty()) return told;
    for (const NotedRead& read : files.reads)
        told += "; " + read.path + " " + std::to_string(read.offset);
    return told;
}

std::string sought(ReaderCore& reader,
                   CountingFiles& files,
                   Sequence sequence,
                   bool by_time,
                   std::size_t catalogue_reads) {
    files.reads.clear();
    const auto found =
        by_time ? reader.seek_time(time_of(sequence)) : reader.seek_sequence(sequence);
    if (!found) return found.error().message;
    const auto step = reader.next();
    if (!step) return step.error().message;
    if (step->kind != ReadKind::event || step->event->sequence() != sequence) return "not the one";
    return excess(files, catalogue_reads);
}

}  // namespace

TEST_CASE(
    "seek: in 100 GB of journal one read of the catalogue, one of an index and one of a batch",
    "[journal][seek]") {
    static_assert(kSegments * kSegmentBytes > 100'000'000'000);
    const TempDirectory temp;
    const SparseJournal journal(temp.journal());
    CountingFiles files(posix_files());
    test::SeededRandom random(11);

    {  // readers that were just opened
        for (int round = 0; round < 64; ++round) {
            auto reader = ReaderCore::open(files, temp.journal());
            REQUIRE(reader);
            const Sequence sequence = SparseJournal::sequence_at(random.below(kSegments),
                                                                 random.below(kRealBatches.size()),
                                                                 random.below(kBatchEvents));
            INFO("sequence " << sequence);
            REQUIRE(sought(**reader, files, sequence, round % 2 == 1, 1).empty());
        }
    }
    {  // one reader, everywhere: the catalogue is read no second time
        auto reader = ReaderCore::open(files, temp.journal());
        REQUIRE(reader);
        for (std::uint64_t round = 0; round < 2 * kSegments; ++round) {
            const std::uint64_t segment = (round * 37) % kSegments;
            const Sequence sequence = SparseJournal::sequence_at(
                segment, random.below(kRealBatches.size()), random.below(kBatchEvents));
            INFO("sequence " << sequence);
            const std::string wrong =
                sought(**reader, files, sequence, round % 2 == 1, round == 0 ? 1 : 0);
            REQUIRE(wrong == "");
        }
    }
    {  // reading on from there confirms the segment once
        auto reader = ReaderCore::open(files, temp.journal());
        REQUIRE(reader);
        files.reads.clear();
        const Sequence first = SparseJournal::sequence_at(123, 1, 0);
        REQUIRE((*reader)->seek_sequence(first));
        for (Sequence next = first; next < first + 2 * kBatchEvents; ++next)
            REQUIRE((*reader)->next()->event->sequence() == next);
        // Its header, its successor's, and the second batch.
        CHECK(files.count_of("000000000000007c.seg") == 3);
        CHECK(files.count_of("000000000000007d.seg") == 1);
        CHECK_FALSE((*reader)->next());
    }
    {  // without a catalogue: more reads, the same answer
        std::filesystem::remove(catalogue_path(temp.journal()));
        auto reader = ReaderCore::open(files, temp.journal());
        REQUIRE(reader);
        const Sequence sequence = SparseJournal::sequence_at(200, 2, 5);
        CHECK_FALSE(sought(**reader, files, sequence, false, 1).empty());
        CHECK(files.reads.size() > 9);
        CHECK(files.reads.size() < 24);
        REQUIRE((*reader)->seek_sequence(sequence));
        CHECK((*reader)->next()->event->sequence() == sequence);
    }
}

}  // namespace tailrace::journal::seek_reads_test
