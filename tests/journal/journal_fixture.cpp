#include "journal_fixture.hpp"

#include "batch_codec.hpp"

#include <tailrace/base/checksum.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace tailrace::journal {

TempDirectory::TempDirectory() {
    const char* const chosen = std::getenv("TAILRACE_TEST_DIR");  // NOLINT(concurrency-mt-unsafe)
    path_ = std::string(chosen != nullptr ? chosen : "/var/tmp") + "/tailrace-journal-XXXXXX";
    TAILRACE_CHECK(::mkdtemp(path_.data()) != nullptr);
}

TempDirectory::~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

Run EventRun::run() const {
    return {first_sequence, event_count, bytes, record_salt, first_time_ns, max_time_ns};
}

namespace {

std::uint64_t filling_of(Sequence sequence, std::uint64_t tag, std::uint64_t word) {
    return (sequence * 0x9E3779B97F4A7C15U) ^ (tag * 0xC2B2AE3D27D4EB4FU) ^ word;
}

}  // namespace

// The payload: the tag, then words that follow from sequence, tag and place; what is left over is
// zero.
void add_event(EventRun& run, std::uint32_t payload_bytes, const EventShape& shape) {
    const Sequence sequence = run.first_sequence + run.event_count;
    const bool timed = shape.first_time_ns != 0;
    const std::uint64_t time = shape.first_time_ns + run.event_count * shape.step_ns;
    EventHeader header{};
    header.stamp = stamp_of(sequence, shape.record_salt);
    header.payload_size_bytes = payload_bytes;
    header.type = 7;
    header.flags = timed ? kHasPublishTime : std::uint8_t{0};
    if (shape.atomic_left > run.event_count + 1) header.flags |= kBatchContinues;
    header.extension_words = timed ? 1 : 0;

    const std::size_t start = run.bytes.size();
    run.bytes.resize(
        start + event_size_bytes(payload_bytes, header.extension_words, shape.alignment_bytes));
    std::byte* at = run.bytes.data() + start;
    std::memcpy(at, &header, sizeof(header));
    at += sizeof(header);
    if (timed) {
        std::memcpy(at, &time, sizeof(time));
        at += sizeof(time);
        run.max_time_ns = std::max(run.max_time_ns, time);
        if (run.event_count == 0) run.first_time_ns = time;
    }
    for (std::uint32_t word = 0; word < payload_bytes / 8; ++word) {
        const std::uint64_t value = word == 0 ? shape.tag : filling_of(sequence, shape.tag, word);
        std::memcpy(at + std::size_t{word} * 8, &value, sizeof(value));
    }
    ++run.event_count;
}

EventRun make_events(Sequence first, std::uint64_t count, const EventShape& shape) {
    EventRun run;
    run.first_sequence = first;
    run.record_salt = shape.record_salt;
    for (std::uint64_t i = 0; i < count; ++i)
        add_event(run, shape.payload_bytes, shape);
    return run;
}

std::uint64_t tag_of(const Event& event) {
    const auto payload = event.payload();
    if (payload.size() < 8) return 0;
    std::uint64_t tag = 0;
    std::memcpy(&tag, payload.data(), sizeof(tag));
    for (std::uint64_t word = 1; word < payload.size() / 8; ++word) {
        std::uint64_t value = 0;
        std::memcpy(&value, payload.data() + word * 8, sizeof(value));
        if (value != filling_of(event.sequence(), tag, word)) return kWrongPayload;
    }
    return tag;
}

JournalOptions small_options(const std::string& directory) {
    JournalOptions options;
    options.directory = directory;
    options.stream_name = "test";
    options.segment_size_bytes = kMiB;
    options.queue_depth = 4;
    options.marker_idle_ns = 0;
    return options;
}

bool append_all(Writer& writer, const EventRun& events) {
    Run run = events.run();
    for (int rounds = 0; run.event_count > 0 && rounds < 1'000'000; ++rounds) {
        const AppendResult taken = writer.append(run);
        run.first_sequence += taken.event_count;
        run.event_count -= taken.event_count;
        run.bytes = run.bytes.subspan(taken.size_bytes);
        if (taken.status != AppendStatus::taken && taken.status != AppendStatus::full) return false;
        writer.drive(taken.status == AppendStatus::full ? 10'000'000 : 0);
    }
    return run.event_count == 0;
}

bool write_journal(const JournalOptions& options,
                   const std::vector<EventRun>& batches,
                   Ending ending) {
    auto writer = Writer::open(options);
    if (!writer) return false;
    for (const EventRun& batch : batches) {
        if (!append_all(*writer, batch)) return false;
        if (!writer->sync(30 * kSecondNs)) return false;
    }
    return ending == Ending::abandoned || writer->close().has_value();
}

ReadBack read_all(Reader& reader) {
    ReadBack read;
    while (true) {
        auto step = reader.next_batch();
        if (!step) {
            read.failed = true;
            read.error = step.error();
            return read;
        }
        if (step->kind == ReadKind::end) return read;
        if (step->kind == ReadKind::gap) {
            read.gaps.push_back(step->gap);
            continue;
        }
        for (const Event& event : step->batch) {
            read.sequences.push_back(event.sequence());
            if (event.is_tombstone()) ++read.tombstones;
            if (tag_of(event) == kWrongPayload) ++read.wrong_payloads;
        }
    }
}

ReadBack read_all(const std::string& directory) {
    auto reader = Reader::open(directory);
    if (reader) return read_all(*reader);
    ReadBack read;
    read.failed = true;
    read.error = reader.error();
    return read;
}

bool is_dense(const ReadBack& read, Sequence first, Sequence end) {
    if (read.failed || read.wrong_payloads > 0 || read.sequences.size() != end - first) {
        return false;
    }
    for (std::size_t i = 0; i < read.sequences.size(); ++i) {
        if (read.sequences[i] != first + i) return false;
    }
    return true;
}

std::string segment_named(const std::string& directory, std::uint64_t number) {
    std::string digits(16, '0');
    for (std::size_t i = 16; number > 0; number /= 16)
        digits[--i] = "0123456789abcdef"[number % 16];
    return directory + "/" + digits + ".seg";
}

std::string first_segment(const std::string& directory) {
    return segment_named(directory, 1);
}

std::string newest_segment(const std::string& directory) {
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (entry.path().extension() == ".seg") newest = std::max(newest, entry.path().string());
    }
    return newest;
}

std::vector<std::byte> bytes_of(const std::string& path, std::uint64_t offset, std::uint64_t size) {
    std::ifstream file(path, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    std::vector<char> text(size);
    file.read(text.data(), static_cast<std::streamsize>(size));
    std::vector<std::byte> bytes(
        static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
    std::transform(text.begin(),
                   text.begin() + static_cast<std::ptrdiff_t>(bytes.size()),
                   bytes.begin(),
                   [](char letter) { return static_cast<std::byte>(letter); });
    return bytes;
}

void overwrite(const std::string& path, std::uint64_t offset, const std::vector<std::byte>& bytes) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    std::vector<char> text(bytes.size());
    std::transform(bytes.begin(), bytes.end(), text.begin(), [](std::byte byte) {
        return static_cast<char>(byte);
    });
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    TAILRACE_CHECK(file.good());
}

void flip_bit(const std::string& path, std::uint64_t offset) {
    auto byte = bytes_of(path, offset, 1);
    TAILRACE_CHECK(byte.size() == 1);
    byte[0] ^= std::byte{1};
    overwrite(path, offset, byte);
}

BatchHeader batch_header_at(const std::string& path, std::uint64_t offset) {
    const auto bytes = bytes_of(path, offset, sizeof(BatchHeader));
    BatchHeader header{};
    if (bytes.size() == sizeof(header)) std::memcpy(&header, bytes.data(), sizeof(header));
    return header;
}

std::vector<std::uint64_t> batch_offsets(const std::string& path) {
    std::vector<std::uint64_t> offsets;
    std::uint64_t at = kBlockSizeBytes;
    while (true) {
        const BatchHeader header = batch_header_at(path, at);
        if (header.magic != kBatchMagic) return offsets;
        offsets.push_back(at);
        at += batch_slot_bytes(header.body_size_bytes);
    }
}

}  // namespace tailrace::journal
