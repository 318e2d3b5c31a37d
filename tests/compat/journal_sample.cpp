// Writes a journal through the library's public interface, and prints what must be read back from
// it: one line per event or gap, in order.
//
//     journal_sample DIRECTORY SEED ALIGNMENT [RETAIN_SIZE_BYTES]
//
// Events of many sizes with every extension word, tombstones, gaps, lives that end by a close and
// lives that end as a crash does, several full segments. The same seed makes the same events.

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/event_header.hpp>
#include <tailrace/journal/writer.hpp>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace tailrace;

constexpr std::uint64_t kSegmentSizeBytes = 1U << 20;
constexpr std::uint64_t kTimeoutNs = 30'000'000'000;
constexpr int kLives = 5;
constexpr int kStepsPerLife = 60;

class Sample {
public:
    Sample(std::string directory,
           std::uint64_t seed,
           std::uint32_t alignment_bytes,
           std::uint64_t retain_size_bytes)
        : random_(seed),
          alignment_bytes_(alignment_bytes) {
        options_.directory = std::move(directory);
        options_.stream_name = "sample";
        options_.segment_size_bytes = kSegmentSizeBytes;
        options_.event_alignment_bytes = alignment_bytes;
        options_.start_sequence = 1000;
        options_.marker_idle_ns = 0;
        options_.retain_size_bytes = retain_size_bytes;
    }

    bool live(bool closes);

private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    void add_event(std::vector<std::byte>& run, Sequence sequence);
    bool append_run(journal::Writer& writer);
    bool step(journal::Writer& writer);

    std::mt19937_64 random_;
    std::uint32_t alignment_bytes_;
    journal::JournalOptions options_;
    std::uint64_t record_salt_ = 0;
    std::uint64_t time_ns_ = 1'764'000'000'000'000'000;
};

// Prints the event as it adds it.
void Sample::add_event(std::vector<std::byte>& run, Sequence sequence) {
    EventHeader header{};
    header.stamp = stamp_of(sequence, record_salt_);
    header.payload_size_bytes =
        static_cast<std::uint32_t>(below(16) == 0 ? below(20'000) : below(200));
    header.type = static_cast<EventType>(below(1000));
    // Any of the extension words, but no tombstone, which append_tombstone() makes.
    header.flags = static_cast<std::uint8_t>(below(32) & ~std::uint64_t{kTombstone});
    header.extension_words = extension_words_of(header.flags);
    time_ns_ += below(2000);
    std::vector<std::uint64_t> extension;
    if ((header.flags & kHasPublishTime) != 0) extension.push_back(time_ns_);
    while (extension.size() < header.extension_words)
        extension.push_back(random_());
    std::vector<std::byte> payload(header.payload_size_bytes);
    for (std::byte& byte : payload)
        byte = static_cast<std::byte>(below(256));

    const std::size_t start = run.size();
    run.resize(start + event_size_bytes(payload.size(), header.extension_words, alignment_bytes_));
    std::byte* at = run.data() + start;
    std::memcpy(at, &header, sizeof(header));
    at += sizeof(header);
    std::copy_n(std::as_bytes(std::span(extension)).data(), extension.size() * 8, at);
    at += extension.size() * 8;
    std::copy(payload.begin(), payload.end(), at);
    std::printf("event %" PRIu64 " %u %u %zu %016" PRIx64,
                sequence,
                unsigned{header.type},
                unsigned{header.flags},
                payload.size(),
                checksum64(payload, 0));
    for (const std::uint64_t one : extension)
        std::printf(" %" PRIu64, one);
    std::printf("\n");
}

bool Sample::append_run(journal::Writer& writer) {
    journal::Run run;
    run.first_sequence = writer.next_sequence();
    run.event_count = 1 + below(150);
    run.record_salt = record_salt_;
    run.first_publish_time_ns = time_ns_;
    std::vector<std::byte> bytes;
    for (std::uint64_t i = 0; i < run.event_count; ++i)
        add_event(bytes, run.first_sequence + i);
    run.bytes = bytes;
    run.max_publish_time_ns = time_ns_;
    while (run.event_count > 0) {
        const journal::AppendResult taken = writer.append(run);
        run.first_sequence += taken.event_count;
        run.event_count -= taken.event_count;
        run.bytes = run.bytes.subspan(taken.size_bytes);
        if (taken.status != journal::AppendStatus::taken &&
            taken.status != journal::AppendStatus::full) {
            return false;
        }
        writer.drive(taken.status == journal::AppendStatus::full ? 10'000'000 : 0);
    }
    return true;
}

// Tries again while the writer has no room.
template <typename Call>
bool insist(journal::Writer& writer, const Call& call) {
    journal::AppendStatus status = call();
    while (status == journal::AppendStatus::full) {
        writer.drive(10'000'000);
        status = call();
    }
    return status == journal::AppendStatus::taken;
}

bool Sample::step(journal::Writer& writer) {
    const Sequence next = writer.next_sequence();
    switch (below(12)) {
        case 0:
            std::printf("tombstone %" PRIu64 "\n", next);
            return insist(writer, [&] { return writer.append_tombstone(next, record_salt_); });
        case 1: {
            const std::uint64_t count = 1 + below(1000);
            std::printf("gap %" PRIu64 " %" PRIu64 "\n", next, count);
            return insist(writer, [&] { return writer.note_gap(next, count); }) &&
                   append_run(writer);
        }
        case 2:
            return writer.sync(kTimeoutNs).has_value();
        default:
            return append_run(writer);
    }
}

bool Sample::live(bool closes) {
    record_salt_ = random_();
    auto writer = journal::Writer::open(options_);
    if (!writer) {
        std::fprintf(stderr, "journal_sample: %s\n", writer.error().message.c_str());
        return false;
    }
    for (int i = 0; i < kStepsPerLife; ++i) {
        if (!step(*writer)) return false;
    }
    // A life that ends as a crash does leaves everything acknowledged.
    return closes ? writer->close().has_value() : writer->sync(kTimeoutNs).has_value();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4 && argc != 5) {
        std::fprintf(stderr, "journal_sample DIRECTORY SEED ALIGNMENT [RETAIN_SIZE_BYTES]\n");
        return 2;
    }
    Sample sample(argv[1],
                  std::strtoull(argv[2], nullptr, 10),
                  static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 10)),
                  argc == 5 ? std::strtoull(argv[4], nullptr, 10) : 0);
    for (int life = 0; life < kLives; ++life) {
        if (!sample.live(life % 2 == 1)) return 1;
    }
    return 0;
}
