// Reading ahead over a store whose reads complete in any order, are cut short, or fail.

#include "read_ahead.hpp"

#include "batch_scan.hpp"
#include "journal_fixture.hpp"
#include "posix_files.hpp"
#include "segment_directory.hpp"
#include "support/seeded_random.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace tailrace::journal::read_ahead_test {

namespace {

// One file in memory, and a queue of reads of it.
class MemoryFile final : public PosixFiles {
public:
    explicit MemoryFile(std::uint64_t size_bytes) : bytes(size_bytes) {
        for (std::uint64_t at = 0; at + sizeof(at) <= size_bytes; at += sizeof(at))
            std::memcpy(bytes.data() + at, &at, sizeof(at));
    }

    IoOutcome open_past_cache(FileId /*file*/) noexcept override {
        ++opens;
        return {kFile, 0};
    }
    void close(FileId file) noexcept override { closes += file == kFile ? 1 : 0; }
    std::unique_ptr<ReadQueue> make_read_queue(std::size_t /*depth*/) noexcept override {
        if (refuses) return nullptr;
        return std::make_unique<Queue>(*this);
    }

    static constexpr FileId kFile = 1000;
    std::vector<std::byte> bytes;
    bool refuses = false;
    std::uint64_t fails_at = ~std::uint64_t{0};  // a read that holds this offset fails
    std::uint64_t short_at = ~std::uint64_t{0};  // or ends before it
    bool breaks = false;                         // the queue does, when it is asked
    int opens = 0;
    int closes = 0;
    std::size_t most_in_flight = 0;
    test::SeededRandom random{2026};

private:
    struct Read {
        std::uint64_t offset;
        std::span<std::byte> into;
        std::uint64_t tag;
    };

    class Queue final : public ReadQueue {
    public:
        explicit Queue(MemoryFile& file) : file_(file) {}
        bool submit_read(FileId file,
                         std::uint64_t offset,
                         std::span<std::byte> into,
                         std::uint64_t tag) noexcept override {
            TAILRACE_CHECK(file == kFile && offset + into.size() <= file_.bytes.size());
            // The kernel may write there at any time from now on.
            std::memset(into.data(), 0xEE, into.size());
            reads_.push_back({offset, into, tag});
            file_.most_in_flight = std::max(file_.most_in_flight, reads_.size());
            return true;
        }
        // One at random.
        IoOutcome reap(std::span<Completion> into) noexcept override {
            TAILRACE_CHECK(!reads_.empty());
            if (file_.breaks) return {0, EBADF};
            const auto nth =
                reads_.begin() + static_cast<std::ptrdiff_t>(file_.random.below(reads_.size()));
            const Read read = *nth;
            reads_.erase(nth);
            const auto holds = [&read](std::uint64_t offset) {
                return offset >= read.offset && offset < read.offset + read.into.size();
            };
            std::uint64_t count = read.into.size();
            if (holds(file_.short_at)) count = file_.short_at - read.offset;
            std::memcpy(read.into.data(), file_.bytes.data() + read.offset, count);
            into[0] = {read.tag, static_cast<std::int64_t>(count), 0};
            if (holds(file_.fails_at)) into[0].outcome = -EIO;
            return {1, 0};
        }

    private:
        MemoryFile& file_;
        std::vector<Read> reads_;
    };
};

bool is_content(std::span<const std::byte> bytes, std::uint64_t offset) {
    for (std::uint64_t at = 0; at + sizeof(at) <= bytes.size(); at += sizeof(at)) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + at, sizeof(word));
        if (word != offset + at) return false;
    }
    return true;
}

// Reads on as a scan does: a block, then a batch that begins with it, from `offset` to wherever it
// is refused.
std::uint64_t walk(ReadAhead& ahead, MemoryFile& file, std::uint64_t offset, bool& is_right) {
    while (is_right && offset < file.bytes.size()) {
        const auto block = ahead.at(offset, kBlockSizeBytes);
        if (block.empty()) return offset;
        const std::uint64_t blocks = 1 + file.random.below(256);
        const std::uint64_t want = std::min(blocks * kBlockSizeBytes, file.bytes.size() - offset);
        const auto batch = ahead.at(offset, want);
        if (batch.empty()) return offset;
        is_right = batch.size() >= want && is_content(batch, offset);
        offset += want;
    }
    return offset;
}

constexpr std::uint64_t kPiece = ReadAhead::kPieceBytes;

}  // namespace

TEST_CASE("read ahead: hands out every byte once, in order, whatever completes first",
          "[journal][read_ahead]") {
    MemoryFile file(40 * kPiece + 7 * kBlockSizeBytes);
    ReadAhead ahead(file);
    bool is_right = true;
    for (const std::uint64_t begin : {std::uint64_t{0}, 3 * kBlockSizeBytes, 39 * kPiece}) {
        REQUIRE(ahead.begin(0, begin, file.bytes.size()));
        CHECK(walk(ahead, file, begin, is_right) == file.bytes.size());
        CHECK(is_right);
        CHECK(ahead.at(file.bytes.size(), kBlockSizeBytes).empty());
    }
    CHECK(file.most_in_flight >= 8);
    ahead.stop();
    CHECK(file.opens == 3);
    CHECK(file.closes == 3);
}

TEST_CASE("read ahead: what fails or is cut short is left to who asks otherwise",
          "[journal][read_ahead]") {
    constexpr std::uint64_t kBad = 21 * kPiece + 5 * kBlockSizeBytes;
    MemoryFile file(40 * kPiece);
    SECTION("fails") {
        file.fails_at = kBad;
    }
    SECTION("cut short") {
        file.short_at = kBad;
    }
    ReadAhead ahead(file);
    REQUIRE(ahead.begin(0, 0, file.bytes.size()));
    bool is_right = true;
    const std::uint64_t reached = walk(ahead, file, 0, is_right);
    CHECK(is_right);
    CHECK(reached <= 21 * kPiece);
    CHECK(reached > 19 * kPiece);
    // Behind it, it may begin anew.
    REQUIRE(ahead.begin(0, 22 * kPiece, file.bytes.size()));
    CHECK(walk(ahead, file, 22 * kPiece, is_right) == file.bytes.size());
    CHECK(is_right);
}

TEST_CASE("read ahead: refuses what doesn't go on, and stands a queue that breaks",
          "[journal][read_ahead]") {
    MemoryFile file(40 * kPiece);
    ReadAhead ahead(file);
    file.refuses = true;
    CHECK_FALSE(ahead.begin(0, 0, file.bytes.size()));
    CHECK_FALSE(ahead.is_running());
    file.refuses = false;
    REQUIRE(ahead.begin(0, kPiece, file.bytes.size()));
    CHECK(ahead.at(0, kBlockSizeBytes).empty());
    CHECK(ahead.at(3 * kPiece, kBlockSizeBytes).empty());
    CHECK(is_content(ahead.at(kPiece, kBlockSizeBytes), kPiece));
    file.breaks = true;
    bool is_right = true;
    CHECK(walk(ahead, file, kPiece, is_right) < 12 * kPiece);
    CHECK(is_right);
    ahead.stop();
    file.breaks = false;
    REQUIRE(ahead.begin(0, 0, file.bytes.size()));
    CHECK(walk(ahead, file, 0, is_right) == file.bytes.size());
    CHECK(is_right);
}

namespace {

struct Walk {
    bool was_ahead = false;
    std::uint64_t batches = 0;
    std::uint64_t wrong = 0;
    LogPosition end;
};

// All batches of a segment; whether it was read past the cache at any time.
Walk walk_segment(BatchScan& scan, const std::string& path) {
    Walk walk;
    auto file = open_file(posix_files(), path, {});
    TAILRACE_CHECK(file.has_value());
    auto header = read_segment_header(posix_files(), *file, path, Access::reading);
    TAILRACE_CHECK(header.has_value());
    TAILRACE_CHECK(scan.attach(std::move(*file), *header));
    walk.end = first_position(*header);
    while (!walk.end.sealed) {
        const FoundBatch found = scan.batch_at(walk.end.offset);
        if (found.verdict != BatchVerdict::valid || !continues(walk.end, found.header)) {
            ++walk.wrong;
            break;
        }
        ++walk.batches;
        advance(walk.end, found.header);
        walk.was_ahead = walk.was_ahead || scan.is_reading_ahead();
    }
    return walk;
}

}  // namespace

TEST_CASE("read ahead: a file that isn't in the cache is read past it, one that is isn't",
          "[journal][read_ahead]") {
    constexpr Sequence kEvents = 800;  // of 60,000 bytes
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    options.segment_size_bytes = 64 * kMiB;
    EventShape shape;
    shape.payload_bytes = 60'000;
    std::vector<EventRun> runs;
    for (Sequence first = 0; first < kEvents; first += 40)
        runs.push_back(make_events(first, 40, shape));
    REQUIRE(write_journal(options, runs, Ending::closed));
    const std::string path = first_segment(temp.journal());

    auto file = open_file(posix_files(), path, {});
    REQUIRE(file);
    posix_files().forget_cache(file->id());
    const IoOutcome cached = posix_files().cached_bytes(file->id(), 0, 64 * kMiB);
    const IoOutcome direct = posix_files().open_past_cache(file->id());
    if (direct.ok()) posix_files().close(static_cast<FileId>(direct.value));
    if (!cached.ok() || cached.value > kMiB || !direct.ok() ||
        posix_files().make_read_queue(8) == nullptr) {
        WARN("SKIPPED: no cachestat, no O_DIRECT, no io_uring, or a cache that can't be dropped");
        return;
    }
    BatchScan scan(posix_files());
    const Walk cold = walk_segment(scan, path);
    REQUIRE(cold.wrong == 0);
    REQUIRE(cold.end.sequence == kEvents);
    REQUIRE(cold.was_ahead);

    std::vector<std::byte> whole(64 * kMiB);
    REQUIRE(posix_files().read(file->id(), 0, whole).value == whole.size());
    BatchScan again(posix_files());
    const Walk warm = walk_segment(again, path);
    REQUIRE(warm.wrong == 0);
    REQUIRE(warm.batches == cold.batches);
    // What is read past the cache doesn't come into it, so this tells whether it was there.
    const IoOutcome kept = posix_files().cached_bytes(file->id(), 0, 64 * kMiB);
    if (warm.was_ahead && (!kept.ok() || kept.value < 64 * kMiB)) {
        WARN("SKIPPED: the kernel has taken back some of what it had cached");
        return;
    }
    CHECK_FALSE(warm.was_ahead);
}

}  // namespace tailrace::journal::read_ahead_test
