// What the journal's tests share: a directory that goes away, events whose content tells what they
// are, and short ways to write, read and damage a journal.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/journal/format.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/journal/writer.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tailrace::journal {

inline constexpr std::uint64_t kTestSalt = 0x5EED'0000'0000'0001;
inline constexpr std::uint64_t kMiB = 1U << 20;
inline constexpr std::uint64_t kSecondNs = 1'000'000'000;

class TempDirectory {
public:
    // Below /var/tmp, which is a disk; tmpfs would refuse O_DIRECT on older kernels.
    TempDirectory();
    TempDirectory(const TempDirectory&) = delete;
    TempDirectory& operator=(const TempDirectory&) = delete;
    ~TempDirectory();

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string journal() const { return path_ + "/journal"; }

private:
    std::string path_;
};

// Events back to back, as a ring holds them. The payload of each is filled from its sequence and a
// tag.
struct EventRun {
    std::vector<std::byte> bytes;
    Sequence first_sequence = 0;
    std::uint64_t event_count = 0;
    std::uint64_t record_salt = kTestSalt;
    std::uint64_t first_time_ns = 0;
    std::uint64_t max_time_ns = 0;

    [[nodiscard]] Run run() const;
};

struct EventShape {
    std::uint32_t payload_bytes = 40;
    std::uint32_t alignment_bytes = 16;
    std::uint64_t record_salt = kTestSalt;
    std::uint64_t tag = 0;
    std::uint64_t first_time_ns = 0;  // 0: events carry no time
    std::uint64_t step_ns = 0;
    // Of an atomic batch that begins or goes on here: all but the last of them carry
    // kBatchContinues.
    std::uint64_t atomic_left = 0;
};

[[nodiscard]] EventRun make_events(Sequence first,
                                   std::uint64_t count,
                                   const EventShape& shape = {});
void add_event(EventRun& run, std::uint32_t payload_bytes, const EventShape& shape);
// The tag that an event was made with; fails loudly (returns ~0) when its payload isn't what was
// made.
[[nodiscard]] std::uint64_t tag_of(const Event& event);
inline constexpr std::uint64_t kWrongPayload = ~std::uint64_t{0};

[[nodiscard]] JournalOptions small_options(const std::string& directory);

// Appends all of it, driving as needed. False when the writer refused.
[[nodiscard]] bool append_all(Writer& writer, const EventRun& run);
// Makes a journal with these events in batches of their own, and closes it (or leaves it as a crash
// would).
enum class Ending { closed, abandoned };
[[nodiscard]] bool write_journal(const JournalOptions& options,
                                 const std::vector<EventRun>& batches,
                                 Ending ending);

struct ReadBack {
    std::vector<Sequence> sequences;
    std::vector<Gap> gaps;
    std::uint64_t wrong_payloads = 0;
    std::uint64_t tombstones = 0;
    bool failed = false;
    Error error;
};
[[nodiscard]] ReadBack read_all(Reader& reader);
[[nodiscard]] ReadBack read_all(const std::string& directory);
[[nodiscard]] bool is_dense(const ReadBack& read, Sequence first, Sequence end);

[[nodiscard]] std::string first_segment(const std::string& directory);
[[nodiscard]] std::string newest_segment(const std::string& directory);
[[nodiscard]] std::string segment_named(const std::string& directory, std::uint64_t number);
void overwrite(const std::string& path, std::uint64_t offset, const std::vector<std::byte>& bytes);
void flip_bit(const std::string& path, std::uint64_t offset);
[[nodiscard]] std::vector<std::byte> bytes_of(const std::string& path,
                                              std::uint64_t offset,
                                              std::uint64_t size);
// Where the batches of a segment begin, by their headers alone.
[[nodiscard]] std::vector<std::uint64_t> batch_offsets(const std::string& path);
[[nodiscard]] BatchHeader batch_header_at(const std::string& path, std::uint64_t offset);

}  // namespace tailrace::journal
