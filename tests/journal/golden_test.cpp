// Journals that earlier versions wrote, kept for ever: each is read, verified, recovered and gone
// on with by this one, and gives exactly the events of its manifest.
//
// A golden file is a journal without its zeroes, as text: "file NAME SIZE", then lines of an offset
// and bytes in hexadecimal; then the manifest, "event SEQUENCE TYPE FLAGS SIZE CHECKSUM" (of the
// event with its header, without the padding) and "gap FIRST COUNT", in order. A version that
// writes other bytes gets a golden file of its own; none is ever changed:
//   TAILRACE_GOLDEN=tests/journal/golden/1.0-lives.txt journal_tests "golden: make one"

#include "journal_fixture.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/journal/compress.hpp>
#include <tailrace/journal/recovery.hpp>
#include <tailrace/journal/repair.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace tailrace::journal::golden_test {

namespace {

constexpr std::size_t kBytesPerLine = 32;

std::string hex_of(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes) {
        text += "0123456789abcdef"[static_cast<unsigned>(byte) >> 4U];
        text += "0123456789abcdef"[static_cast<unsigned>(byte) & 15U];
    }
    return text;
}

std::vector<std::byte> bytes_of_hex(const std::string& text) {
    std::vector<std::byte> bytes;
    for (std::size_t at = 0; at + 1 < text.size(); at += 2) {
        bytes.push_back(static_cast<std::byte>(std::stoul(text.substr(at, 2), nullptr, 16)));
    }
    return bytes;
}

// One line for each event and gap of a journal.
std::vector<std::string> manifest_of(const std::string& directory) {
    std::vector<std::string> lines;
    auto reader = Reader::open(directory);
    REQUIRE(reader);
    while (true) {
        auto step = reader->next();
        if (!step) {
            lines.push_back("error " + step.error().message);
            return lines;
        }
        if (step->kind == ReadKind::end) return lines;
        std::ostringstream line;
        if (step->kind == ReadKind::gap) {
            line << "gap " << step->gap.first << ' ' << step->gap.count;
        } else {
            const Event& event = *step->event;
            EventHeader header{};
            std::memcpy(&header, event.record(), sizeof(header));
            const std::size_t size = sizeof(header) + std::size_t{8} * header.extension_words +
                                     header.payload_size_bytes;
            line << "event " << event.sequence() << ' ' << header.type << ' '
                 << unsigned{header.flags} << ' ' << header.payload_size_bytes << ' ' << std::hex
                 << checksum64(std::span(event.record(), size), 0);
        }
        lines.push_back(line.str());
    }
}

void pack(const std::string& directory, const std::string& target) {
    std::ofstream out(target);
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (entry.is_regular_file()) names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
        if (name == "LOCK" || name.starts_with("spare")) continue;
        const auto size = std::filesystem::file_size(directory + "/" + name);
        const auto bytes = bytes_of(directory + "/" + name, 0, size);
        out << "file " << name << ' ' << size << '\n';
        for (std::size_t at = 0; at < bytes.size(); at += kBytesPerLine) {
            const auto part =
                std::span(bytes).subspan(at, std::min(kBytesPerLine, bytes.size() - at));
            const bool is_zero = std::all_of(
                part.begin(), part.end(), [](std::byte byte) { return byte == std::byte{0}; });
            if (!is_zero) out << at << ' ' << hex_of(part) << '\n';
        }
    }
    for (const std::string& line : manifest_of(directory))
        out << line << '\n';
}

// Makes the journal, returns its manifest.
std::vector<std::string> unpack(const std::string& source, const std::string& directory) {
    std::filesystem::create_directories(directory);
    std::ifstream in(source);
    REQUIRE(in);
    std::vector<std::string> manifest;
    std::string path;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string first;
        words >> first;
        if (first == "file") {
            std::string name;
            std::uint64_t size = 0;
            words >> name >> size;
            path = directory + "/" + name;
            std::ofstream(path).flush();
            std::filesystem::resize_file(path, size);
        } else if (first == "event" || first == "gap") {
            manifest.push_back(line);
        } else {
            std::string hex;
            words >> hex;
            overwrite(path, std::stoull(first), bytes_of_hex(hex));
        }
    }
    return manifest;
}

// Each kind of batch and ending that format 1.0 has: events of two alignments are two journals.
void make_golden(const std::string& directory, std::uint32_t alignment_bytes) {
    JournalOptions options = small_options(directory);
    options.stream_name = "golden";
    options.segment_size_bytes = kMinSegmentSizeBytes;
    options.segment_fill = SegmentFill::allocated;
    options.event_alignment_bytes = alignment_bytes;
    options.start_sequence = 1'000;
    EventShape shape;
    shape.alignment_bytes = alignment_bytes;
    const auto append = [&](Writer& writer, std::uint64_t count, std::uint32_t payload_bytes) {
        shape.payload_bytes = payload_bytes;
        REQUIRE(append_all(writer, make_events(writer.next_sequence(), count, shape)));
        REQUIRE(writer.sync(30 * kSecondNs));
    };
    {
        options.marker_idle_ns = 1;
        auto writer = Writer::open(options);
        REQUIRE(writer);
        append(*writer, 3, 40);
        shape.first_time_ns = 1'764'000'000'000'000'000;
        shape.step_ns = 1'000;
        append(*writer, 2, 0);
        for (int i = 0; i < 100; ++i)
            writer->drive(100'000);  // a marker
        REQUIRE(writer->append_tombstone(writer->next_sequence(), kTestSalt) ==
                AppendStatus::taken);
        REQUIRE(writer->note_gap(writer->next_sequence(), 5) == AppendStatus::taken);
        append(*writer, 2, 100);  // states the gap
        REQUIRE(writer->note_gap(writer->next_sequence(), 2) == AppendStatus::taken);
        REQUIRE(writer->sync(30 * kSecondNs));  // a marker that states a gap
        REQUIRE(writer->close());
    }
    {
        options.marker_idle_ns = 0;
        shape.record_salt = kTestSalt + 1;
        auto writer = Writer::open(options);
        REQUIRE(writer);
        for (int i = 0; i < 18; ++i)
            append(*writer, 1, 10);  // rolls
    }
    {
        auto writer = Writer::open(options);
        REQUIRE(writer);
        append(*writer, 2, 300);
        append(*writer, 1, 20);
    }
    // The last batch is torn.
    const std::string newest = newest_segment(directory);
    flip_bit(newest, batch_offsets(newest).back() + 130);
}

// What repair leaves: a header made anew, a batch and a whole segment in whose place a mended one
// stands.
void mend_golden(const std::string& directory) {
    const std::string first = segment_named(directory, 1);
    flip_bit(first, batch_offsets(first)[1] + 130);
    flip_bit(segment_named(directory, 2), 100);
    REQUIRE(std::filesystem::remove(segment_named(directory, 3)));
    const auto done = repair(directory);
    REQUIRE(done);
    REQUIRE(done->lost_events > 0);
}

SegmentHeader header_of(const std::string& path) {
    SegmentHeader header{};
    const auto bytes = bytes_of(path, 0, sizeof(header));
    std::memcpy(&header, bytes.data(), sizeof(header));
    return header;
}

// Which features the segments of a journal have, and whether a mended batch is among theirs.
struct Features {
    std::uint64_t incompat = 0;
    bool has_mended_batch = false;
};
Features features_of(const std::string& directory) {
    Features features;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (entry.path().extension() != ".seg") continue;
        const std::uint64_t incompat = header_of(entry.path()).features_incompat;
        features.incompat |= incompat;
        if ((incompat & kFeatureCompressed) != 0) continue;
        for (const std::uint64_t offset : batch_offsets(entry.path())) {
            const BatchHeader batch = batch_header_at(entry.path(), offset);
            if ((batch.flags & kBatchMended) != 0) features.has_mended_batch = true;
        }
    }
    return features;
}

}  // namespace

TEST_CASE("golden: a journal of an earlier version is read, verified, recovered and gone on with",
          "[journal][golden]") {
    const std::string name =
        GENERATE("1.0-lives.txt", "1.0-aligned.txt", "1.0-mended.txt", "1.0-compressed.txt");
    const TempDirectory temp;
    INFO(name);
    if (name == "1.0-compressed.txt" && !can_compress()) {
        WARN("SKIPPED: built without zstd");
        return;
    }
    const auto manifest =
        unpack(std::string(TAILRACE_GOLDEN_DIRECTORY) + "/" + name, temp.journal());
    REQUIRE(manifest.size() > 20);
    const Features features = features_of(temp.journal());
    CHECK(((features.incompat & kFeatureCompressed) != 0) == (name == "1.0-compressed.txt"));
    CHECK(features.has_mended_batch == (name == "1.0-mended.txt"));
    if (name == "1.0-mended.txt") CHECK((features.incompat & kFeatureMended) != 0);

    CHECK(manifest_of(temp.journal()) == manifest);
    const auto report = verify(temp.journal());
    REQUIRE(report);
    CHECK(report->is_sound());
    const auto found = recover(temp.journal());
    REQUIRE(found);
    CHECK(found->torn);
    CHECK(manifest_of(temp.journal()) == manifest);

    JournalOptions options = small_options(temp.journal());
    options.stream_name = "golden";
    options.event_alignment_bytes = name == "1.0-aligned.txt" ? 64 : 16;
    {
        auto writer = Writer::open(options);
        REQUIRE(writer);
        CHECK(writer->next_sequence() == found->end_sequence);
        EventShape shape;
        shape.alignment_bytes = options.event_alignment_bytes;
        REQUIRE(append_all(*writer, make_events(writer->next_sequence(), 3, shape)));
        REQUIRE(writer->close());
    }
    auto longer = manifest_of(temp.journal());
    REQUIRE(longer.size() == manifest.size() + 3);
    longer.resize(manifest.size());
    CHECK(longer == manifest);
    CHECK(verify(temp.journal())->is_sound());
}

TEST_CASE("golden: make one", "[.golden]") {
    const char* const target = std::getenv("TAILRACE_GOLDEN");  // NOLINT(concurrency-mt-unsafe)
    REQUIRE(target != nullptr);
    const TempDirectory temp;
    const std::string name = target;
    make_golden(temp.journal(), name.ends_with("aligned.txt") ? 64 : 16);
    if (name.ends_with("mended.txt")) mend_golden(temp.journal());
    if (name.ends_with("compressed.txt")) {
        const auto done = compress(temp.journal());
        REQUIRE(done);
        REQUIRE(done->compressed_segments > 0);
    }
    pack(temp.journal(), target);
}

}  // namespace tailrace::journal::golden_test
