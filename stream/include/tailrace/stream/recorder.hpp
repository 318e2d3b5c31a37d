// Recorder: the journal writer of a stream. Reads the ring as a subscriber and appends to the
// journal.
//
//     auto recorder = Recorder::attach("trades", {});
//     std::thread journal([&] { outcome = recorder->run(stop); });
//
// One thread makes all calls after attach(); it may live in any process, or in `tailrace record`.
// One recorder per stream at a time, proven by a lock that dies with it. It holds its place in the
// ring until what it read has been written, so a recorder that is killed loses nothing that is
// still in the ring: its successor goes on where the journal ends. Law: docs/durability.md.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/stream/priority.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/subscriber.hpp>
#include <tailrace/journal/background_compressor.hpp>
#include <tailrace/journal/writer.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace tailrace::stream {

// The largest payload that a journal batch can hold, with every extension word.
inline constexpr std::uint32_t kMaxJournaledPayloadBytes =
    static_cast<std::uint32_t>(journal::kMaxBodySizeBytes) - 128;

class CursorKeeper;
class IdentityTracker;
class TypeKeeper;

// What happens to publishers when the disk can't keep up.
enum class JournalLag : std::uint8_t {
    gate,  // they wait: nothing is lost, a slow disk becomes back-pressure
    drop,  // they go on: what the journal missed becomes an exact, reported gap in it
};

struct RecorderOptions {
    // `directory` empty: the one that the stream names, else default_journal_directory(stream).
    // Alignment, stream name and start sequence are filled in from the stream; so are the size of
    // a segment (four times the ring, 4 to 256 MiB) and who may use it, unless they are said.
    journal::JournalOptions journal = {};
    JournalLag lag = JournalLag::gate;
    // How it waits for events. A thread that is scheduled in real time, by `priority` or otherwise,
    // parks at once, whatever is said here: what it spins away nobody else can have.
    bus::WaitStrategy wait = bus::WaitStrategy::adaptive;
    // Taken by the thread that calls attach(), so that threads of io_uring begin with it; that
    // thread should make the other calls too. When it isn't permitted the recorder goes on without;
    // priority_refusal() says why.
    Priority priority = {};
    // Sealed segments are compressed beside it, by a thread of its own: of zstd, 1 to 19. 0: no.
    int compress_level = 0;
    // The ring remembers its journal. Where that one isn't, attach() refuses; with this it begins a
    // new one there, or takes the one that it finds.
    bool new_journal = false;
    // Where the journal has lost what was durable in it, or would lack what has left the ring and
    // the stream allows no gap, attach() refuses; with this it goes on behind the gap.
    bool accept_loss = false;
    std::string bus_directory = {};  // empty: the default
};

struct RecorderStatus {
    std::string journal_directory;
    Sequence first_sequence = 0;  // where this recorder began
    Sequence next_sequence = 0;   // read from the ring
    Sequence written_sequence = 0;
    Sequence durable_sequence = 0;
    std::uint64_t lost_events = 0;  // gaps noted by this recorder
    journal::WriterStatistics writer{};
    journal::CompressionFigures compression{};  // zeroes without RecorderOptions::compress_level
};

class Recorder {
public:
    // Recovers the journal, or makes one, and takes its place in the ring: where the journal ends,
    // or at the oldest event for a new journal. Events that left the ring before that become a gap.
    // Errors: those of Region::open and Writer::open; `busy` when a recorder runs; `corrupt` when
    // the ring isn't the continuation of this journal (it was created anew without regard to it),
    // or the journal has lost what was durable in it; `incompatible` when the types of their events
    // contradict each other; `not_found` when it should be there and
    // isn't; `invalid_argument` for JournalLag::drop on a stream that holds for its journal. On
    // such a stream it makes no gap: it begins where the last one ended, or is refused.
    [[nodiscard]] static Result<Recorder> attach(const std::string& stream,
                                                 const RecorderOptions& options);

    Recorder(Recorder&& other) noexcept;
    Recorder& operator=(Recorder&& other) noexcept;
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;
    ~Recorder();

    // Moved from, or its parent's in a forked child: step(), run() and close() fail and say so.
    [[nodiscard]] bool is_dead() const noexcept { return subscriber_.is_dead(); }

    // One round: takes what is there, drives the disk, tells the board. Waits at most `timeout_ns`
    // when there is nothing to do. Error: the journal failed (sticky), or the ring is corrupt.
    [[nodiscard]] Result<void> step(std::uint64_t timeout_ns);

    // step() until `stop` is set or the stream is removed; then close().
    [[nodiscard]] Result<void> run(const std::atomic<bool>& stop);

    // Takes what is in the ring at this moment, makes it durable and seals the journal.
    [[nodiscard]] Result<void> close();

    [[nodiscard]] RecorderStatus status() const;
    [[nodiscard]] const journal::Writer& writer() const noexcept { return writer_; }
    // Why RecorderOptions::priority isn't in use, when it isn't.
    [[nodiscard]] const std::optional<Error>& priority_refusal() const noexcept {
        return priority_refusal_;
    }
    // What keeps sealed segments from being compressed, or cursors or types of events from being
    // written beside the journal, once each time it comes up: recording goes on.
    [[nodiscard]] std::optional<Error> take_trouble() noexcept;
    [[nodiscard]] bool stream_was_removed() const noexcept;
    // How; empty while it goes on.
    [[nodiscard]] std::string stream_ending() const { return subscriber_.region().ending(); }

private:
    Recorder(bus::Subscriber subscriber,
             journal::Writer writer,
             bus::JournalBoardWriter board,
             const RecorderOptions& options,
             std::string journal_directory);

    static constexpr std::size_t kMarksPerRound = 16;

    // Each returns whether something moved (take_events) or all of it was taken (append_pending).
    [[nodiscard]] Result<bool> take_events();
    [[nodiscard]] Result<bool> append_pending();
    [[nodiscard]] Result<void> note_missed();
    [[nodiscard]] Result<void> drop_forward();
    [[nodiscard]] std::uint64_t idle_turn_ns() noexcept;
    void wait_for_events(std::uint64_t timeout_ns) noexcept;
    void release(bus::Place place) noexcept;
    void report_progress();
    void attend_compressor(std::uint64_t segment_count);
    void attend_keeper();
    [[nodiscard]] bool may_append();
    void track_identities(Sequence durable_sequence, bool is_wanted);
    void fail_board(const Error& error) noexcept;
    [[nodiscard]] Error journal_error() const;

    bus::Subscriber subscriber_;
    journal::Writer writer_;
    bus::JournalBoardWriter board_;
    bus::Waiter waiter_;
    bool parks_;                       // in real time: waits without spinning first
    std::uint64_t idle_since_ns_ = 0;  // 0: it isn't
    std::optional<Error> priority_refusal_;
    JournalLag lag_;
    std::string journal_directory_;
    Sequence first_sequence_ = 0;
    std::uint64_t lost_events_ = 0;
    std::unique_ptr<journal::BackgroundCompressor> compressor_;  // none: nothing is compressed
    std::optional<Error> compression_trouble_;
    std::unique_ptr<CursorKeeper> keeper_;  // none: the stream has no cursor yet
    std::optional<Error> cursor_trouble_;
    std::unique_ptr<TypeKeeper> types_;
    std::unique_ptr<IdentityTracker> identities_;
    std::uint64_t seen_segments_ = 0;  // begun, when the compressor was woken last
    bus::Run pending_;                 // read from the ring, not yet appended whole
    std::deque<bus::Place>
        marks_;  // appended, not yet written: the ring is held from the first of them
    bus::Place released_{0, 0};
};

// Where the journal of `stream` lies when nobody says otherwise: $TAILRACE_JOURNAL_DIR/STREAM, else
// $XDG_STATE_HOME/tailrace/STREAM, else /var/lib/tailrace/STREAM (root) or
// ~/.local/state/tailrace/STREAM.
[[nodiscard]] std::string default_journal_directory(const std::string& stream);

// Who may use a stream's journal: whoever may use the stream. Not said where its files are gone.
[[nodiscard]] journal::JournalAccess journal_access(const bus::Region& region);

// Where the journal in a directory ends, and which one it is; zeroes when there is none. One that
// was only begun ends at 0.
struct JournalEnd {
    Sequence sequence = 0;
    std::array<std::uint64_t, 2> id = {0, 0};
};
// A ring that continues the journal in `directory` begins there. Error `corrupt` when recovery
// would refuse it.
[[nodiscard]] Result<JournalEnd> find_journal_end(const std::string& directory);

// Whether a new ring of `stream` may go on from the journal in `directory`, if there is one.
// Errors: `busy` while somebody writes it, invalid_argument when it is another stream's.
[[nodiscard]] Result<void> check_journal_is_free(const std::string& directory,
                                                 const std::string& stream);

}  // namespace tailrace::stream
