// A whole directory: a sound journal whose files are changed here and there, with checksums set
// right again where the input says so. Looking, reading, seeking, verifying, opening and going on
// must end, stay inside their memory, and agree with each other.
//
// Input: a list of changes {file, what to set right, place, length, bytes}.

#include "assessment.hpp"
#include "catalogue_codec.hpp"
#include "fuzz_input.hpp"
#include "journal/journal_fixture.hpp"
#include "journal/simulated_writer.hpp"
#include "reader_core.hpp"
#include "verify_core.hpp"

#include <tailrace/base/checksum.hpp>

namespace {

using namespace tailrace;
using namespace tailrace::journal;

constexpr const char* kDirectory = "/fuzz";
constexpr int kMaxChanges = 8;
constexpr std::uint64_t kMaxSteps = 100'000;

JournalOptions options() {
    JournalOptions options = small_options(kDirectory);
    options.segment_size_bytes = kMinSegmentSizeBytes;
    options.segment_fill = SegmentFill::allocated;
    options.marker_idle_ns = 100'000;
    return options;
}

// Three lives: one closed, one with a roll, one that just stops.
const SimulatedDisk& sound_journal() {
    static SimulatedDisk disk(5);
    static bool made = false;
    if (made) return disk;
    WriterEnvironment around = simulated_environment(disk);
    around.max_batch_size_bytes = 32U << 10;
    for (int life = 0; life < 3; ++life) {
        auto writer = WriterCore::open(options(), around);
        fuzz::require(writer.has_value());
        WriterCore& core = **writer;
        for (int i = 0; i < 6 + life * 3; ++i) {
            EventShape shape;
            shape.payload_bytes = static_cast<std::uint32_t>(40 + i * 700);
            shape.first_time_ns = 1'000'000 + static_cast<std::uint64_t>(i) * 1'000;
            shape.step_ns = 10;
            (void)core.append(make_events(core.next_sequence(), 3, shape).run());
            if (i == 3) (void)core.note_gap(core.next_sequence(), 4);
            if (i == 4) (void)core.append_tombstone(core.next_sequence(), kTestSalt);
            fuzz::require(core.sync(kSecondNs).has_value());
            for (int idle = 0; idle < 30; ++idle)
                (void)core.drive(1'000);
        }
        if (life == 0) fuzz::require(core.close(kSecondNs).has_value());
    }
    disk.settle();
    made = true;
    return disk;
}

template <typename Block>
void reseal_block(SimulatedDisk& disk,
                  const std::string& path,
                  std::uint64_t at,
                  std::uint64_t magic) {
    const auto bytes = disk.look_at(path, at, sizeof(Block));
    Block block{};
    std::memcpy(&block, bytes.data(), sizeof(block));
    const auto checked = std::as_bytes(std::span(&block, 1));
    block.checksum = checksum64(checked.subspan(16), magic);
    disk.overwrite(path, at, checked);
}

void reseal_batch(SimulatedDisk& disk, const std::string& path, std::uint64_t at) {
    const auto bytes = disk.look_at(path, at, sizeof(BatchHeader));
    BatchHeader header{};
    std::memcpy(&header, bytes.data(), sizeof(header));
    const std::uint64_t seed = batch_seed(header.salt, at);
    const auto body = disk.look_at(
        path, at + sizeof(header), std::min<std::uint32_t>(header.body_size_bytes, 65536));
    header.body_checksum = checksum64(body, seed);
    const auto checked = std::as_bytes(std::span(&header, 1));
    header.header_checksum = checksum64(checked.subspan(16), seed);
    disk.overwrite(path, at, checked);
}

void reseal_entry(SimulatedDisk& disk, const std::string& path, std::uint64_t at) {
    CatalogueHeader header{};
    const auto head = disk.look_at(path, 0, sizeof(header));
    std::memcpy(&header, head.data(), sizeof(header));
    if (at < sizeof(header)) {
        header = make_catalogue_header(header.journal_id, header.first_number);
        disk.overwrite(path, 0, std::as_bytes(std::span(&header, 1)));
        return;
    }
    const std::uint64_t slot = (at - sizeof(header)) / sizeof(CatalogueEntry);
    CataloguedSegment segment;
    segment.number = header.first_number + slot;
    const auto entry = disk.look_at(path, catalogue_entry_offset(slot), sizeof(CatalogueEntry));
    std::memcpy(&segment.entry, entry.data(), entry.size());
    segment.entry = sealed_entry(header.journal_id, segment);
    disk.overwrite(path, catalogue_entry_offset(slot), std::as_bytes(std::span(&segment.entry, 1)));
}

void change(SimulatedDisk& disk, fuzz::FuzzInput& input) {
    const auto paths = disk.paths();
    const std::string& path = paths[input.take<std::uint8_t>() % paths.size()];
    const auto how = input.take<std::uint8_t>();
    const auto block = std::uint64_t{input.take<std::uint8_t>()} % 16 * kBlockSizeBytes;
    const auto within = input.take<std::uint16_t>() % kBlockSizeBytes;
    const auto bytes = input.take_bytes(input.take<std::uint8_t>() % 65U);
    if (how % 16 == 15) {
        (void)disk.remove(path);
        return;
    }
    disk.overwrite(path, block + within, bytes);
    if (how % 2 == 0) return;
    if (path.ends_with("SUPER")) {
        reseal_block<SuperBlock>(disk, path, block % (2 * kBlockSizeBytes), kSuperMagic);
    } else if (path.ends_with("CATALOGUE")) {
        reseal_entry(disk, path, block + within);
    } else if (block == 0) {
        reseal_block<SegmentHeader>(disk, path, 0, kSegmentMagic);
    } else {
        reseal_batch(disk, path, block);
    }
}

// Reads to the end or to an error; how far.
Sequence read_on(ReaderCore& reader) {
    std::uint64_t steps = 0;
    while (true) {
        auto step = reader.next_batch();
        if (!step || step->kind == ReadKind::end) break;
        fuzz::require(++steps < kMaxSteps);
        Sequence next = step->batch.first_sequence;
        std::uint64_t sum = 0;
        if (step->kind != ReadKind::event) continue;
        for (const Event& event : step->batch) {
            fuzz::require(event.sequence() == next++);
            for (const std::byte byte : event.payload())
                sum += static_cast<std::uint64_t>(byte);
        }
        fuzz::require(sum + 1 != 0);
    }
    return reader.next_sequence();
}

void read_everywhere(SimulatedDisk& disk, std::uint64_t place) {
    auto reader = ReaderCore::open(disk, kDirectory);
    if (!reader) return;
    (void)read_on(**reader);
    if ((*reader)->seek_sequence(place)) (void)read_on(**reader);
    if ((*reader)->seek_time(1'000'000 + place)) (void)read_on(**reader);
    if ((*reader)->seek_end()) (void)read_on(**reader);
    (void)(*reader)->end_sequence();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    SimulatedDisk disk(sound_journal());
    fuzz::FuzzInput input(data, size_bytes);
    const auto place = input.take<std::uint8_t>();
    for (int i = 0; i < kMaxChanges && !input.is_empty(); ++i)
        change(disk, input);

    read_everywhere(disk, place);
    (void)VerifyCore(disk, kDirectory, {}, 1).run();
    auto found = assess(disk, kDirectory, AssessMode::looking);
    WriterEnvironment around = simulated_environment(disk);
    around.max_batch_size_bytes = 32U << 10;
    auto writer = WriterCore::open(options(), around);
    if (!writer) return 0;
    fuzz::require(found.has_value());
    const Sequence begin = (*writer)->next_sequence();
    fuzz::require(found->segments.empty() || begin == found->end.sequence);
    if (begin > kNoSequence - 100) return 0;
    const EventRun events =
        make_events(begin, 3, EventShape{.alignment_bytes = (*writer)->event_alignment_bytes()});
    if ((*writer)->append(events.run()).event_count != 3) return 0;
    if (!(*writer)->close(kSecondNs)) return 0;
    // What was just written is there, whatever lies before it.
    auto reader = ReaderCore::open(disk, kDirectory);
    if (reader && (*reader)->seek_sequence(begin)) fuzz::require(read_on(**reader) == begin + 3);
    return 0;
}
