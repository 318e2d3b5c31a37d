// Writer: appends runs of events to a journal and says how far they are durable.
//
// One thread at a time, the journal thread, makes all calls but open(), which may run elsewhere
// before. The writer knows nothing of the ring: whoever drives it hands over runs of bytes as they
// stand there. Nothing here waits for the disk but drive(), open() and close(). Law:
// docs/durability.md (what is promised), docs/journal_format.md (bytes).
//
//     auto writer = Writer::open({.directory = "/var/lib/orders", .stream_name = "orders"});
//     const AppendResult taken = writer->append(run);  // took less: the rest comes again
//     writer->drive(0);                                // every round, also with nothing to append
//     publish(writer->durable_sequence());
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/home_process.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/journal/durable_write.hpp>
#include <tailrace/journal/format.hpp>
#include <tailrace/journal/recovery.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::journal {

enum class IoBackend : std::uint8_t {
    automatic,  // io_uring, or pwrite where the kernel refuses it
    uring,      // io_uring or an error
    pwrite,     // pwritev2 and fdatasync
};

enum class DirectIo : std::uint8_t {
    automatic,  // O_DIRECT, or buffered where the file system refuses it
    off,
};

// When what was written is flushed. A later event is never durable before an earlier one, whatever
// the policy.
enum class SyncPolicy : std::uint8_t {
    group,     // always: one flush after the other, each for everything written meanwhile
    interval,  // at most once in sync_interval_ns: a power cut loses at most that much
    none,      // only when a segment is full, at close(), and on request_flush()
};

enum class SegmentFill : std::uint8_t {
    zeroed,     // the next segment is filled with zeroes in the background: the fastest acknowledge
    allocated,  // only allocated: each first write of a block costs the file system a metadata
                // update
};

// Who may use a journal's files; of a new journal its directory too. What isn't said is as the
// directory is.
struct JournalAccess {
    static constexpr std::uint32_t kUnsaid = ~std::uint32_t{0};
    std::uint32_t mode = kUnsaid;      // permissions of files; a directory gets x where there is r
    std::uint32_t user_id = kUnsaid;   // only root can give files away
    std::uint32_t group_id = kUnsaid;  // where it can't be had, the group gets no permission
};

struct JournalOptions {
    std::string directory = {};    // made when it isn't there
    std::string stream_name = {};  // stored; a journal of another name is refused. Empty: any
    // Multiple of 4096, at least 64 KiB. 0: kDefaultSegmentSizeBytes; a recorder's: as fits the
    // ring.
    std::uint64_t segment_size_bytes = 0;
    std::uint32_t event_alignment_bytes = 16;  // 16 or 64, that of the ring
    Sequence start_sequence = 0;  // of a new journal; an existing one goes on where it ended

    SyncPolicy sync_policy = SyncPolicy::group;
    std::uint64_t sync_interval_ns = 10'000'000;  // for SyncPolicy::interval

    // Retention: the oldest segments go, whole, when all of them together take more than this
    // (without the spare; compressed ones count as what they take), or when nothing in them was
    // appended later than this long ago: of those at most a quarter at once, by a clock that a
    // wrong wall clock can't poison (docs/journal_format.md). The two newest always stay. 0: no
    // limit. Looked at when a segment begins; the age while idle too.
    std::uint64_t retain_size_bytes = 0;
    std::uint64_t retain_age_ns = 0;

    JournalAccess access = {};
    IoBackend io_backend = IoBackend::automatic;
    DirectIo direct_io = DirectIo::automatic;
    DurableWrite durable_write = DurableWrite::automatic;  // for SyncPolicy::group
    SegmentFill segment_fill = SegmentFill::zeroed;
    std::uint32_t queue_depth = 8;  // batches of 1 MiB in flight
    std::uint64_t flush_size_bytes =
        8U << 20;  // while writes keep coming, a flush covers about this much
    std::uint64_t marker_idle_ns = 5'000'000;  // idle for so long: write the promise down; 0: never
};

// Events as they stand in the ring, back to back, each at a multiple of the alignment from the
// first.
struct Run {
    Sequence first_sequence = 0;
    std::uint64_t event_count = 0;
    std::span<const std::byte> bytes;
    std::uint64_t record_salt = 0;  // event i has the stamp (first_sequence + i) xor record_salt
    std::uint64_t first_publish_time_ns = 0;  // 0: unknown, the writer takes the wall clock
    std::uint64_t max_publish_time_ns = 0;
};

enum class AppendStatus : std::uint8_t {
    taken,         // all of it
    full,          // back-pressure: drive() and offer the rest
    out_of_order,  // first_sequence isn't next_sequence(): note_gap() first
    malformed,     // an event's stamp or size is wrong; what stands before it was taken
    too_large,     // an event exceeds max_event_size_bytes(); what stands before it was taken
    failed,        // failure() says why; only opening the journal anew helps
};

struct AppendResult {
    std::uint64_t event_count;  // taken, from the front of the run
    std::uint64_t size_bytes;
    AppendStatus status;
};

enum class WriterState : std::uint8_t {
    running,
    low_space,  // no room for the segment behind this one: what fits into this one becomes durable;
                // retries
    no_space,   // no room for the next segment: nothing is taken, all that was taken is or becomes
                // durable; retries
    failed,     // a write or flush failed: durable_sequence() is frozen for ever
    closed,
};

struct WriterStatistics {
    std::uint64_t events;  // appended since open
    std::uint64_t event_bytes;
    std::uint64_t batches;
    std::uint64_t written_bytes;  // with headers and padding
    std::uint64_t flushes;
    std::uint64_t segments;           // begun since open
    std::uint64_t room_bytes;         // left in the active segment
    std::uint64_t resubmissions;      // short or interrupted writes that were tried again
    std::uint64_t recycled_segments;  // given up by retention, and a spare again
    std::uint64_t unlinked_segments;  // given up by retention, their room given back
    std::uint64_t leased_segments;    // given up, but held by readers: they go when those let go
    std::uint64_t leased_bytes;
};

// What retention spares for a reader that is away: no more than so many bytes.
struct HeldBack {
    Sequence sequence = 0;
    std::uint64_t size_bytes = 0;

    friend bool operator==(const HeldBack&, const HeldBack&) = default;
};

class WriterCore;

class Writer {
public:
    // Recovers the journal in `options.directory`, or makes a new one, and begins a new segment.
    // Holds the journal's LOCK until it is destroyed. Errors: `busy` (another writer), `corrupt`
    // (acknowledged data is damaged: nothing is touched), `incompatible`, `no_space`,
    // `no_permission`, `invalid_argument`.
    [[nodiscard]] static Result<Writer> open(const JournalOptions& options) noexcept;

    Writer(Writer&& other) noexcept;
    Writer& operator=(Writer&& other) noexcept;
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    // Doesn't flush: what isn't durable by now may be lost, as in a crash. Waits for the writes in
    // flight. In a forked child it leaves all as it is, and what it held to the process's end.
    ~Writer();

    // Moved from, or its parent's in a forked child: it takes nothing, drives nothing, and
    // failure() says so. Then the figures below may be asked only of one that wasn't moved from.
    [[nodiscard]] bool is_dead() const noexcept { return core_ == nullptr || !home_.is_here(); }

    // Copies as many whole events as fit into the batches being filled. No system call, no
    // allocation. The events of an atomic batch (kBatchContinues) are kept back until its last one
    // is appended, by this or a later call: on disk there is all of it or nothing. Except where it
    // takes more than max_event_size_bytes(): it is then atomic in the ring only.
    [[nodiscard]] AppendResult append(const Run& run) noexcept;
    // Takes what was appended of an atomic batch, if one is unfinished, for all of it: for who
    // knows that its last event will never come.
    void end_unfinished() noexcept;
    // Takes back what was appended of an atomic batch whose last event wasn't; next_sequence() is
    // that of its first again. For who gives up the rest of it.
    void take_back_unfinished() noexcept;

    // Takes `sequence`, which must be next_sequence(), with an event that carries nothing.
    [[nodiscard]] AppendStatus append_tombstone(Sequence sequence,
                                                std::uint64_t record_salt) noexcept;

    // [first, first + count) will never be in this journal; readers are told. Requires: first ==
    // next_sequence(), and that no atomic batch is unfinished there.
    [[nodiscard]] AppendStatus note_gap(Sequence first, std::uint64_t count) noexcept;

    // One round: submits, reaps, flushes, rolls. When nothing is under way, what was appended is
    // written and flushed in one operation, which may take the calling thread. With a timeout,
    // waits that long for the disk if nothing else can be done. True when something moved. Call it
    // every few milliseconds while idle too (markers, retries).
    bool drive(std::uint64_t timeout_ns) noexcept;
    // Whether a batch is full and not submitted yet. Who appends much calls drive(0) as soon as one
    // is, so that the device is given work while the next one fills.
    [[nodiscard]] bool has_full_batch() const noexcept;

    // The next round flushes what is written, whatever the policy.
    void request_flush() noexcept;

    // A sealed segment was compressed to so many bytes: retention by size counts those from here
    // on. Compressed segments that are there when the journal is opened are known.
    void note_stored_size(std::uint64_t segment_number, std::uint64_t stored_bytes) noexcept;

    // Retention spares what lies at each of those sequences and behind it, as far as its bytes
    // reach. Takes the place of what was said before; the cursors in LEDGER are known when the
    // journal is opened.
    void hold_back(std::vector<HeldBack> held) noexcept;

    // Drives until everything appended is durable, but for an atomic batch that is unfinished.
    // Error: failure(), or `timed_out`.
    [[nodiscard]] Result<void> sync(std::uint64_t timeout_ns) noexcept;

    // Everything durable, the last segment sealed, the journal marked as cleanly closed, the lock
    // released. What is unfinished of an atomic batch isn't kept. Waits at most `timeout_ns` for
    // the disk, and half a second for room on it. The writer can do nothing afterwards.
    [[nodiscard]] Result<void> close(std::uint64_t timeout_ns = 30'000'000'000) noexcept;

    [[nodiscard]] Sequence next_sequence() const noexcept;  // that append() expects
    [[nodiscard]] Sequence written_sequence()
        const noexcept;  // all below: given to the kernel, survives kill -9
    [[nodiscard]] Sequence durable_sequence() const noexcept;  // all below: survives power loss

    // How long drive() has nothing to do when it has just moved nothing and nothing is appended: 0
    // when there is something under way for which drive() itself waits; UINT64_MAX until then.
    // What is unflushed by the policy's leave is not under way: whoever waited for that by driving
    // would spin.
    [[nodiscard]] std::uint64_t idle_ns() const noexcept;

    [[nodiscard]] WriterState state() const noexcept;
    [[nodiscard]] int failure_errno() const noexcept;  // 0 while running
    // With text, for low_space and no_space too; meaningless while running.
    [[nodiscard]] Error failure() const;

    [[nodiscard]] const RecoveryReport& recovery() const noexcept;
    [[nodiscard]] std::uint64_t max_event_size_bytes()
        const noexcept;  // header and extension included
    // Which journal it is: made at random when it was begun.
    [[nodiscard]] std::array<std::uint64_t, 2> journal_id() const noexcept;
    [[nodiscard]] const std::string& stream_name() const noexcept;
    [[nodiscard]] std::uint32_t event_alignment_bytes() const noexcept;
    [[nodiscard]] std::string_view io_backend_name() const noexcept;  // "io_uring", "pwrite"
    [[nodiscard]] std::string_view io_backend_reason()
        const noexcept;  // one line: why this one, direct or buffered
    // How a lonely batch becomes durable at present, and what each way took when the journal was
    // opened.
    [[nodiscard]] DurableWrite durable_write() const noexcept;
    [[nodiscard]] std::string_view durable_write_reason() const noexcept;
    [[nodiscard]] WriterStatistics statistics() const noexcept;

private:
    explicit Writer(std::unique_ptr<WriterCore> core) noexcept;

    void let_go() noexcept;

    std::unique_ptr<WriterCore> core_;
    HomeProcess home_;
};

}  // namespace tailrace::journal
