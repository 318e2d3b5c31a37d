// StreamReader: reads a stream from any position, in its journal and in its ring, as one sequence.
//
//     auto reader = StreamReader::attach("trades", {.name = "risk", .from = Position::ago(kHour)});
//     for (;;) {
//         const auto result = reader->poll_until([](const Event& event) { use(event); }, 256,
//                                                bus::Deadline::in_ms(100));
//         if (result.state == bus::PollState::gap) report(reader->last_gap());
//     }
//
// A reader is a sequence number. Ring and journal both answer "the event with this number, or: not
// here", so it goes from one to the other without a gap, a duplicate or a pause: into the journal
// when publishers have left it behind, and back into the ring as soon as that holds its place.
// What neither has is told as an exact gap, once. Which policy slides how:
//
//     spill    never holds publishers up and never loses; the default. Needs a journal
//     gate     begins in the journal if need be; once in the ring, publishers wait for it
//     observe  as spill, read-only and unregistered; without a journal it loses as ever
//     skip, evict   as bus::Subscriber: what left the ring is lost to them
//
// A reader with a cursor (`.cursor = "risk"`) goes on where the last one of that name had come to,
// whatever ended it: its own crash, everybody's, a reboot. What it has handed over it notes there
// by itself, or when commit() is called. Where the power was cut it goes on no later than it had
// come to, and never behind an event that the log has lost.
//
// One thread at a time may use it. In the ring it costs what the Subscriber behind it costs.
// Law: docs/durability.md, "One log".
#pragma once

#include <tailrace/base/position.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/subscriber.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/stream/reader_cursor.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace tailrace::stream {

enum class ReadLimit : std::uint8_t {
    committed,  // everything that was published
    durable,    // nothing that a power cut could take back; what the journal lacks is a gap
};

enum class Source : std::uint8_t { ring, journal };

// What becomes of events that were journaled and can't be read any more.
enum class OnDamage : std::uint8_t {
    stop,  // `failed`, with the exact range, as often as it is asked
    skip,  // a gap, told once, counted as lost to damage. Where nobody knows its end: as `stop`
};

struct StreamReaderOptions {
    std::string name = "reader";  // for tools
    bus::SlowPolicy policy = bus::SlowPolicy::spill;
    Position from = Position::end();
    ReadLimit limit = ReadLimit::committed;
    OnDamage on_damage = OnDamage::stop;
    bus::EventFilter filter = {};  // empty: every event
    bus::WaitStrategy wait = bus::WaitStrategy::adaptive;
    std::uint64_t evict_after_ns = 1'000'000'000;  // for the policy evict
    // Goes on where the cursor of that name stands; `from` doesn't count. Not for the policies that
    // forget (skip, evict) and not for observe, which leaves no trace.
    std::string cursor = {};
    // Where a cursor begins that isn't there yet. Nothing: that is an error, not_found.
    std::optional<Position> new_cursor_at = {};
    CommitMode commit = CommitMode::per_poll;
    std::uint64_t commit_interval_ns = 100'000'000;  // for CommitMode::interval
    // Policy spill: attach although nobody records. What the ring overwrites then is lost, and
    // told.
    bool without_recorder = false;
    schema::StreamSchema types = {};     // as it reads them: checked against the stream's
    std::string bus_directory = {};      // empty: the default
    std::string journal_directory = {};  // empty: where the stream is recorded to
};

class StreamReader {
public:
    // Errors: those of Region::open, Subscriber::attach and bus::Cursor::take; those of
    // journal::Reader::open when the position lies in the journal; sequence_gone and sequence_ahead
    // for an exact sequence that is nowhere; invalid_argument for spill or `durable` without a
    // journal, and for a time in a stream without times; no_writer for spill when nobody records,
    // and publishers don't wait for somebody who does; no_permission and not_found when the journal
    // can't be read or isn't where it was, for a position that the ring doesn't have, and
    // no_permission for spill in any case.
    // Of a cursor: sequence_ahead when it stands beyond the stream's end, `stale` when the event
    // before it is of another history, `corrupt` when the ledger is damaged. What retention took
    // from before it is a gap.
    [[nodiscard]] static Result<StreamReader> attach(const std::string& stream,
                                                     const StreamReaderOptions& options = {});
    // Requires: the region is open for subscribe or publish, or the policy is observe.
    [[nodiscard]] static Result<StreamReader> attach(std::shared_ptr<bus::Region> region,
                                                     const StreamReaderOptions& options = {});
    // A journal without its ring: poll() says `closed` at the end of what is written by then, and
    // goes on when asked again and more has come. Of the options only `from`, `filter`,
    // `on_damage` and `types` count.
    [[nodiscard]] static Result<StreamReader> open_journal(const std::string& directory,
                                                           const StreamReaderOptions& options = {});

    StreamReader(StreamReader&&) noexcept = default;
    StreamReader& operator=(StreamReader&&) noexcept = default;
    StreamReader(const StreamReader&) = delete;
    StreamReader& operator=(const StreamReader&) = delete;
    ~StreamReader() = default;

    // Hands up to `limit` events to `handler(const Event&)`, in order. Never waits for events; in
    // the journal it reads from the disk. An Event is valid until the handler returns. If the
    // handler throws, the next call goes on with the event that threw, or, gating in the ring, with
    // the first of this call.
    template <typename Handler>
    bus::PollResult poll(Handler&& handler, std::uint64_t limit) {
        if (reads_ring_plainly_) [[likely]] {
            const bus::PollResult result = ring_->poll(handler, limit);
            if (result.state <= bus::PollState::idle) [[likely]]
                return result;
            if (!leave_ring(result.state)) return result;
        }
        return committing(handler, [&](auto& each) { return poll_anywhere(each, limit); });
    }

    // The same, waiting for the first event by the wait strategy.
    template <typename Handler>
    bus::PollResult poll_until(Handler&& handler, std::uint64_t limit, bus::Deadline deadline) {
        if (reads_ring_plainly_) [[likely]] {
            const bus::PollResult result = ring_->poll_until(handler, limit, deadline);
            if (result.state <= bus::PollState::idle) [[likely]]
                return result;
            if (!leave_ring(result.state)) return result;
        }
        return poll_anywhere_until(handler, limit, deadline);
    }

    // Everything that was handed over is done: one store. It survives the death of every process,
    // and power loss a fifth of a second later. Nothing without a cursor. Not inside a handler.
    void commit() noexcept {
        if (cursor_) note(next_sequence());
    }
    // Everything below `sequence` is done. Error sequence_ahead: it hasn't been handed over yet;
    // the cursor stays. Inside a handler: up to the event at hand, which isn't checked.
    [[nodiscard]] Result<void> commit(Sequence sequence);
    // commit(), and waits until that survives power loss: until the events are durable, and then
    // the cursor. Errors: those of wait_durable() and bus::wait_kept(); invalid_argument without a
    // journal.
    [[nodiscard]] Result<void> commit_durable(bus::Deadline deadline);
    // Where its cursor stands: what is below is done. Requires: it has one.
    [[nodiscard]] Sequence committed_sequence() const noexcept { return cursor_->sequence(); }

    // For event loops, as those of bus::Subscriber. While it reads in the journal, and with
    // ReadLimit::durable, arm() says "poll": then a timer of the caller's own paces it.
    [[nodiscard]] Result<int> poll_fd();
    [[nodiscard]] bool arm() noexcept;
    void disarm() noexcept;

    // Moved from, or its parent's in a forked child: it refuses everything.
    [[nodiscard]] bool is_dead() const noexcept {
        return ring_ ? ring_->is_dead() : log_ == nullptr || log_->is_dead();
    }
    [[nodiscard]] Source source() const noexcept { return source_; }
    // The sequence that is delivered next.
    [[nodiscard]] Sequence next_sequence() const noexcept;
    [[nodiscard]] bus::Gap last_gap() const noexcept { return last_gap_; }
    // They were journaled, and damage took them.
    [[nodiscard]] bool is_last_gap_damage() const noexcept { return is_last_gap_damage_; }
    [[nodiscard]] std::uint64_t lost_events() const noexcept { return lost_events_; }
    // Of these, lost to damage.
    [[nodiscard]] std::uint64_t damaged_events() const noexcept { return damaged_events_; }
    // For the states `stalled`, `failed` and `corrupt`. Asking again tries again.
    [[nodiscard]] const Error& error() const noexcept { return error_; }
    // How often it has left the ring for the journal.
    [[nodiscard]] std::uint64_t spill_count() const noexcept { return spill_count_; }
    [[nodiscard]] bool is_evicted() const noexcept { return ring_ && ring_->is_evicted(); }
    // Requires: it wasn't made by open_journal().
    [[nodiscard]] const bus::Region& region() const noexcept { return ring_->region(); }

private:
    StreamReader() = default;

    // Ends also when a handler throws.
    class HandlerScope {
    public:
        explicit HandlerScope(bool& flag) noexcept : flag_(flag) { flag_ = true; }
        HandlerScope(const HandlerScope&) = delete;
        HandlerScope& operator=(const HandlerScope&) = delete;
        ~HandlerScope() { flag_ = false; }

    private:
        bool& flag_;
    };

    // Notes in the cursor what `poll(handler)` hands over, when it is to be noted by itself.
    template <typename Handler, typename Poll>
    bus::PollResult committing(Handler& handler, Poll&& poll) {
        if (!commits_itself_) return poll(handler);
        if (commit_mode_ == CommitMode::per_event) {
            const auto each = [&](const Event& event) {
                handler(event);
                note(event.sequence() + 1);
            };
            return noted(poll(each));
        }
        return noted(poll(handler));
    }

    // What was passed over counts too, and a gap that was told. One that the ring tells may yet be
    // found in the journal.
    bus::PollResult noted(bus::PollResult result) noexcept {
        if (result.state <= bus::PollState::idle) note_poll();
        return result;
    }

    void note(Sequence sequence) noexcept {
        if (!cursor_->commit(sequence)) [[unlikely]]
            look_for_move();
    }

    // Out of the caller, who mostly is plainly in the ring.
    template <typename Handler>
    [[gnu::noinline]] bus::PollResult poll_anywhere_until(Handler& handler,
                                                          std::uint64_t limit,
                                                          bus::Deadline deadline) {
        for (;;) {
            const bool is_plain = source_ == Source::ring && limit_ == ReadLimit::committed;
            if (is_plain && !is_move_pending_ && !is_in_trouble_) {
                const bus::PollResult result = committing(
                    handler, [&](auto& each) { return ring_->poll_until(each, limit, deadline); });
                if (result.state <= bus::PollState::idle || !leave_ring(result.state))
                    return result;
            }
            const bus::PollResult result =
                committing(handler, [&](auto& each) { return poll_anywhere(each, limit); });
            if (result.events != 0) return result;
            if (result.state != bus::PollState::ok && result.state != bus::PollState::idle)
                return result;
            if (deadline.has_passed()) return {0, bus::PollState::idle};
            if (result.state == bus::PollState::idle || limit == 0) wait_for_more(deadline);
        }
    }

    template <typename Handler>
    bus::PollResult poll_anywhere(Handler& handler, std::uint64_t limit) {
        if (in_handler_) return {0, bus::PollState::in_handler};
        if (is_dead()) return {0, bus::PollState::dead_handle};
        if (is_move_pending_) return {0, go_where_moved()};
        if (is_in_trouble_) return {0, tell_cursor_trouble()};
        for (;;) {
            const Source source = source_;
            const bool is_plain = limit_ == ReadLimit::committed;
            const bus::PollResult result = source == Source::journal ? poll_journal(handler, limit)
                                           : is_plain                ? ring_->poll(handler, limit)
                                                                     : poll_durable(handler, limit);
            // What goes on elsewhere: on there.
            const bool says_nothing = result.events == 0 && result.state <= bus::PollState::idle;
            if (says_nothing && source_ != source) continue;
            const bool is_of_ring = source == Source::ring && (is_plain || room_ != 0);
            if (is_of_ring && result.state > bus::PollState::idle && leave_ring(result.state))
                continue;
            return result;
        }
    }

    template <typename Handler>
    bus::PollResult poll_journal(Handler& handler, std::uint64_t limit) {
        for (std::uint64_t passed = 0;;) {
            std::uint64_t delivered = 0;
            {
                const HandlerScope scope(in_handler_);
                while (rest_.event_count != 0 && rest_.first_sequence < bound_ &&
                       delivered < limit && passed < kPassedPerPoll) {
                    const Event event = *rest_.begin();
                    if (!event.is_tombstone() && filter_.accepts(event)) {
                        handler(event);
                        ++delivered;
                    } else {
                        ++unwanted_;
                        ++passed;
                    }
                    pass_front();
                }
            }
            show_place();
            if (delivered != 0 || limit == 0 || passed >= kPassedPerPoll)
                return {delivered, bus::PollState::ok};
            const bus::PollState state = advance();
            if (state != bus::PollState::ok || source_ != Source::journal) return {0, state};
        }
    }

    // In the ring, as far as it is durable and the journal has it.
    template <typename Handler>
    bus::PollResult poll_durable(Handler& handler, std::uint64_t limit) {
        room_ = durable_room();
        if (room_ == 0) return {0, room_state_};
        std::uint64_t delivered = 0;
        const bus::PollResult result = ring_->poll(
            [&](const Event& event) {
                if (!filter_.accepts(event)) return;
                handler(event);
                ++delivered;
            },
            limit < room_ ? limit : room_);
        return {delivered, result.state};
    }

    void note_poll() noexcept;
    void look_for_move() noexcept;
    [[nodiscard]] bus::PollState go_where_moved();
    [[nodiscard]] bus::PollState tell_cursor_trouble();
    void pass_front() noexcept;
    // Loads what comes next in the journal, or goes back to the ring. ok: look again.
    [[nodiscard]] bus::PollState advance();
    [[nodiscard]] bus::PollState take_batch(const journal::BatchView& batch);
    [[nodiscard]] bus::PollState take_error(const Error& error);
    [[nodiscard]] bus::PollState judge_end();
    [[nodiscard]] bus::PollState tell_gap(Sequence first, Sequence end) noexcept;
    [[nodiscard]] bus::PollState tell_missing(Sequence end);
    [[nodiscard]] bus::PollState tell_damage(Sequence end);
    // Whether the journal stands behind what can't be read by now.
    [[nodiscard]] bool passes_damage(const Error& error);
    [[nodiscard]] bus::PollState give_up_missing();
    [[nodiscard]] bus::PollState tell_never_durable();
    [[nodiscard]] bus::PollState fail(Error error);
    [[nodiscard]] bool leave_ring(bus::PollState state);
    [[nodiscard]] bool enter_journal(Sequence sequence, std::uint64_t position);
    [[nodiscard]] Result<void> seek_next();
    [[nodiscard]] Result<void> place_log();
    // Whether the stream is recorded elsewhere by now; then it looks there.
    bool follow_recorder();
    [[nodiscard]] bool finds_journal_at(Sequence sequence);
    [[nodiscard]] bool return_to_ring(const bus::Start& where);
    [[nodiscard]] std::uint64_t durable_room();
    [[nodiscard]] bus::PollState waiting_state();
    void stay(Source source) noexcept;
    void show_place() noexcept;
    void wait_for_more(bus::Deadline deadline);

    [[nodiscard]] static Result<StreamReader> attach_beside(std::shared_ptr<bus::Region> region,
                                                            const StreamReaderOptions& options,
                                                            std::string directory,
                                                            std::optional<Sequence> resume = {});
    [[nodiscard]] static Result<StreamReader> attach_by_cursor(std::shared_ptr<bus::Region> region,
                                                               const StreamReaderOptions& options,
                                                               const std::string& directory);
    [[nodiscard]] Result<void> take_journal_cursor(const StreamReaderOptions& options);
    [[nodiscard]] Result<void> resume_at(Sequence sequence);
    [[nodiscard]] Result<void> check_history(Sequence sequence,
                                             std::uint64_t record_salt,
                                             const std::string& cursor);
    void keep_cursor(ReaderCursor cursor, const StreamReaderOptions& options);
    [[nodiscard]] Result<void> open_log();
    [[nodiscard]] bool does_without_journal(const Error& error) const noexcept;
    [[nodiscard]] bool may_begin_without_journal(const Error& error) const noexcept;
    [[nodiscard]] Result<void> go_to(const Position& position);
    [[nodiscard]] Result<void> go_to_sequence(Sequence sequence);
    [[nodiscard]] Result<void> go_to_start();
    [[nodiscard]] Result<void> go_back_to(Sequence sequence);
    [[nodiscard]] Result<StreamReader> observer_at(const Position& position,
                                                   bool with_journal) const;
    [[nodiscard]] Result<Sequence> first_of_atomic(Sequence sequence);
    [[nodiscard]] Result<Sequence> end_sequence();
    [[nodiscard]] Result<Sequence> sequence_at(std::uint64_t time_ns);

    // Of the journal, passed over in one poll, so that a filter keeps nobody from the clock.
    static constexpr std::uint64_t kPassedPerPoll = 4096;

    std::optional<bus::Subscriber> ring_;  // none: a journal alone
    Source source_ = Source::ring;
    bool reads_ring_plainly_ = false;  // in the ring, with nothing to look at but the ring
    bool slides_ = false;
    bool in_handler_ = false;
    bool commits_itself_ = false;
    bus::DurableWait durable_wait_;
    bus::DurableWait kept_wait_;
    bool is_move_pending_ = false;
    bool is_in_trouble_ = false;  // its cursor couldn't be written
    CommitMode commit_mode_ = CommitMode::manual;
    std::optional<ReaderCursor> cursor_;
    std::uint64_t commit_interval_ns_ = 0;
    std::uint64_t next_commit_ns_ = 0;  // CommitMode::interval
    ReadLimit limit_ = ReadLimit::committed;
    OnDamage on_damage_ = OnDamage::stop;
    bus::EventFilter filter_;  // where the Subscriber doesn't filter
    std::string directory_;    // of the journal; empty: none
    bool is_directory_given_ = false;
    std::unique_ptr<journal::Reader> log_;
    journal::BatchView rest_{};         // of the batch at hand
    Sequence next_ = 0;                 // in the journal
    std::uint64_t position_ = 0;        // in the ring, of the next event; kNoPosition: not known
    std::uint64_t unlooked_bytes_ = 0;  // read since it last looked whether it can go back
    std::uint64_t unwanted_ = 0;        // of what it read, since tools were told
    Sequence bound_ = kNoSequence;      // what lies there isn't handed out yet
    std::uint64_t room_ = 0;  // events in the ring that may be read, with ReadLimit::durable
    bus::PollState room_state_ = bus::PollState::idle;
    bus::Gap last_gap_{kNoSequence, 0};
    bool is_last_gap_damage_ = false;
    std::uint64_t lost_events_ = 0;
    std::uint64_t damaged_events_ = 0;
    std::uint64_t spill_count_ = 0;
    std::uint64_t next_look_ns_ = 0;  // whether anybody makes things durable
    Error error_;
};

}  // namespace tailrace::stream
