// Subscriber: reads a stream's events in order, in place where it can.
//
//     auto subscriber = Subscriber::attach("trades", {.name = "risk"});
//     for (;;) {
//         const PollResult result = subscriber->poll_until([](const Event& event) { use(event); },
//                                                          256, Deadline::in_ms(100));
//         if (result.state == PollState::gap) report(subscriber->last_gap());
//     }
//
// One thread at a time may use a Subscriber. What happens when it is slow is its policy
// (layout.hpp, SlowPolicy): a gating subscriber reads in the ring and holds publishers back; skip
// and observe copy events out, check that no publisher had overwritten them, and only then hand
// them over. Needs write permission on `control` and read permission on `events`; an observer needs
// read permission alone and leaves no trace. A subscriber that was moved from, or is its parent's
// in a forked child, refuses everything with dead_handle and changes nothing.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/event_filter.hpp>
#include <tailrace/bus/latency_recorder.hpp>
#include <tailrace/bus/look_timer.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/ring_bytes.hpp>
#include <tailrace/bus/stream_pace.hpp>
#include <tailrace/bus/wait.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::bus {

class PollDescriptor;
class Subscriber;

namespace detail {

// It lies in a wiped cell (base/wiped_cell.hpp): in a forked child the salt is 0, so that no event
// is taken for one there, and its reader comes to where it is asked who it is.
struct SubscriberCell {
    Subscriber* owner;  // null: none in this process
    std::uint64_t salt;
};

}  // namespace detail

// Where to start.
struct Start {
    enum class Kind : std::uint8_t { oldest, newest, sequence } kind = Kind::newest;
    Sequence sequence = 0;

    // The oldest event that is still safely in the ring. An open claim that is older is waited for.
    [[nodiscard]] static Start oldest() noexcept { return {Kind::oldest, 0}; }
    // Whatever is committed next. While a claim is open no reader has seen its event, nor those
    // behind it; so it begins with that one.
    [[nodiscard]] static Start newest() noexcept { return {Kind::newest, 0}; }
    // Exactly there; attach fails with sequence_gone or sequence_ahead. The sequence that is
    // published next is there already. Behind an open claim attach waits, for ten seconds at most.
    [[nodiscard]] static Start at(Sequence sequence) noexcept { return {Kind::sequence, sequence}; }
};

struct SubscriberOptions {
    std::string name = "subscriber";  // for tools, and for publishers that it holds up
    SlowPolicy policy = SlowPolicy::gate;
    Start start = Start::newest();
    WaitStrategy wait = WaitStrategy::adaptive;
    std::string directory = {};  // empty: the default
    EventFilter filter = {};     // empty: every event
    // Policy evict: how long it may hold a publisher up without reading before its gate is dropped.
    std::uint64_t evict_after_ns = 1'000'000'000;
    schema::StreamSchema types = {};  // as it reads them: checked against those of the stream
};

enum class PollState : std::uint8_t {
    ok,       // `events` were delivered; there may be more
    idle,     // nothing there (poll_until: the deadline passed)
    gap,      // events were lost before the next one: last_gap() says which. Poll again to go on.
              // Or it was evicted just now (is_evicted()); the gap is empty if nothing is lost yet
    closed,   // the stream was removed and everything was read
    corrupt,  // the ring holds bytes that no publisher of ours writes; this subscriber stops here
    behind,   // policy spill: the next event has left the ring. It stands there; restart() goes on
    in_handler,   // refused: called from inside a handler of this subscriber's own poll
    dead_handle,  // this subscriber was moved from, or is its parent's in a forked child
    // Of stream::StreamReader alone:
    stalled,  // nothing more becomes durable: error() says why. Poll again to see whether it does
    failed,   // the journal can't be read here: error() says why, again and again
    moved,    // somebody has moved its cursor: next_sequence() says where to. Poll again to go on
};

[[nodiscard]] std::string_view poll_state_name(PollState state) noexcept;

struct [[nodiscard]] PollResult {
    std::uint64_t events;  // handed to the handler
    PollState state;
};

// Sequences that a reader will never see: [first, first + count).
struct Gap {
    Sequence first;
    std::uint64_t count;
};

// A contiguous run of committed events as they lie in the ring, for whoever copies them on (the
// journal).
struct Run {
    Sequence first_sequence = kNoSequence;
    std::uint64_t count = 0;           // events, tombstones included
    std::span<const std::byte> bytes;  // empty: the sequences belong to a dead publisher's claim
    bool is_sound = true;  // false: behind the run stand bytes that no publisher of ours writes;
                           // or the subscriber is dead (is_dead)
    std::uint64_t first_publish_time_ns = 0;  // 0: the events carry none
    std::uint64_t max_publish_time_ns = 0;
};

class Subscriber {
public:
    Subscriber(Subscriber&& other) noexcept;
    Subscriber& operator=(Subscriber&& other) noexcept;
    Subscriber(const Subscriber&) = delete;
    Subscriber& operator=(const Subscriber&) = delete;
    // Stops gating and gives its slot back.
    ~Subscriber();

    // Errors: those of Region::open, `busy` when all slots are taken by living processes,
    // sequence_gone, sequence_ahead; invalid_argument for a filter that nothing can pass, and for a
    // deadline of eviction below a millisecond; `incompatible` when its types contradict those that
    // the stream has: it says what differs.
    [[nodiscard]] static Result<Subscriber> attach(const std::string& stream,
                                                   const SubscriberOptions& options = {});
    // Requires: the region is open for subscribe or publish, or the policy is observe.
    [[nodiscard]] static Result<Subscriber> attach(std::shared_ptr<Region> region,
                                                   const SubscriberOptions& options = {});

    // Hands up to `limit` events to `handler(const Event&)`, in order, and then lets publishers
    // reuse their space. An Event is valid until the handler returns. Never waits, but for
    // some microseconds behind a publisher at full speed (stream_pace.hpp). If the handler
    // throws, nothing is lost: a gating reader's events of this call will be delivered again; where
    // events are copied out first (other policies), the next call goes on with the one that threw.
    // A reader that filters passes over up to some thousand events in a call, and may have handed
    // over none of them. Inside the handler polling and starting anew are refused.
    template <typename Handler>
    PollResult poll(Handler&& handler, std::uint64_t limit) {
        if (mode_ == Mode::plain) [[likely]]
            return poll_in_place<false>(handler, limit, Mode::plain);
        return poll_otherwise(handler, limit);
    }

    // The same, waiting for the first event by the wait strategy.
    template <typename Handler>
    PollResult poll_until(Handler&& handler, std::uint64_t limit, Deadline deadline) {
        waiter_.reset();
        for (;;) {
            const PollResult result = poll(handler, limit);
            if (result.events != 0) return result;
            // Only tombstones and what it doesn't want went by: on, unless time is up.
            if (result.state == PollState::ok && !deadline.has_passed()) continue;
            if (result.state != PollState::idle) return result;
            // Looking at the clock costs as much as twenty looks at the ring, so these come first.
            if (limit != 0 && spin_for_event()) continue;
            if (deadline.has_passed()) return result;
            wait_for_event(waiter_, deadline);
        }
    }

    // The next committed events in place, at most `max_bytes`, without letting go of them: the
    // space is reused after release(mark()). Empty count: nothing there. Requires: policy gate, no
    // filter. Inside a handler there is nothing.
    [[nodiscard]] Run next_run(std::uint64_t max_bytes) noexcept;
    [[nodiscard]] Place mark() const noexcept { return next_; }
    void release(Place mark) noexcept {
        if (!is_dead()) move_cursor(mark);
    }
    // Waits until next_run has something to give, or the deadline. May return early.
    void wait(Waiter& waiter, Deadline deadline) noexcept { wait_for_event(waiter, deadline); }
    // The same without a single spin, for threads whose spinning would keep everybody else from the
    // core.
    void park(Deadline deadline) noexcept { sleep_for_event(deadline); }

    // For event loops: a descriptor to wait on with epoll, poll, io_uring or whatever waits, beside
    // others. It belongs to this subscriber. Errors: no descriptors left, no write permission for
    // the stream's directory, and for an observer invalid_argument: nobody can tell it.
    [[nodiscard]] Result<int> poll_fd();
    // Asks to be told of what comes from now on. The loop:
    //
    //     if (!subscriber.arm()) epoll_wait(...);          // level- or edge-triggered
    //     subscriber.poll(handler, 256);
    //
    // True: don't wait, poll; an event is there, or the stream has ended. False: the descriptor
    // becomes readable once there is an event or the stream is removed, and after 250 ms in any
    // case (1 ms behind an open claim), since a publisher that dies tells nobody: no timeout of the
    // loop's own is needed. Being readable means no more than that polling, and then arming anew,
    // is worth while; it stays readable until the next arm() or disarm(). Requires: poll_fd() gave
    // a descriptor. Costs a membarrier and a read, and mostly no more.
    [[nodiscard]] bool arm() noexcept;
    // Takes it back: no publisher pays for this subscriber until it is armed again.
    void disarm() noexcept;

    // Whether the next event is there. One load.
    [[nodiscard]] bool has_event() const noexcept {
        return load_stamp(events_ + (next_.position & offset_mask_)) ==
                   stamp_of(next_.sequence, cell_->salt) ||
               has_copies();
    }
    // Starts anew somewhere else, in the same slot. Errors as attach; it then stands where it
    // stood, or, if that is gone by now, at the oldest event, with the loss in last_gap(). If a
    // handler has thrown and copies are still to be handed over, these come first, and the loss is
    // told behind them, by the poll. Refused inside a handler.
    [[nodiscard]] Result<void> restart(const Start& where);

    // For who reads elsewhere what has left the ring (stream::StreamReader), from `place` on: it
    // holds nobody up and reads nothing until restart(). If that fails, it stands aside as before.
    // The position may be kNoPosition. Refused inside a handler, and while copies wait to be handed
    // over (has_copies()): false.
    [[nodiscard]] bool step_aside(Place place) noexcept;
    // Where it stands meanwhile, and how many events it has passed there without handing them over:
    // for tools. Requires: it stands aside.
    void show_place(Place place, std::uint64_t unwanted_events) noexcept;
    // Events that it has lost elsewhere, for the figures of tools.
    void note_loss(std::uint64_t events) const noexcept {
        count(&SubscriberStatistics::gaps);
        count(&SubscriberStatistics::lost_events, events);
    }
    // Whether the ring holds `sequence`, and will for at least a quarter of its size. For one that
    // wants to come back; cheap beside restart().
    [[nodiscard]] bool can_return_to(Sequence sequence) const noexcept;
    // The oldest sequence from which on the ring holds everything for at least a quarter of its
    // size.
    [[nodiscard]] Sequence oldest_lasting_sequence() const noexcept;

    // The sequence that is delivered next; where events are copied out first, and a handler has
    // thrown, the next one to be copied.
    [[nodiscard]] Sequence next_sequence() const noexcept { return next_.sequence; }
    // Copied, and not handed over: a handler has thrown. They come first, whatever becomes of the
    // ring.
    [[nodiscard]] bool has_copies() const noexcept { return handed_bytes_ != copied_bytes_; }
    // Of the event that is handed over next, also while copies wait.
    [[nodiscard]] Sequence handed_next() const noexcept {
        if (!has_copies()) return next_.sequence;
        return load_stamp(copies_buffer_.data() + handed_bytes_) ^ cell_->salt;
    }
    // Handlers run at this moment.
    [[nodiscard]] bool is_in_handler() const noexcept { return mode_ == Mode::in_handler; }
    [[nodiscard]] Gap last_gap() const noexcept { return last_gap_; }
    [[nodiscard]] std::uint64_t lost_events() const noexcept { return lost_events_; }
    // Policy evict: publishers don't wait for it any more, and it goes on as one that skips.
    // restart() makes it gate again.
    [[nodiscard]] bool is_evicted() const noexcept { return is_evicted_; }
    // Moved from, or its parent's in a forked child: it refuses everything.
    [[nodiscard]] bool is_dead() const noexcept { return cell_->owner != this; }
    // Committed or claimed, and not read by this subscriber.
    [[nodiscard]] std::uint64_t lag_events() const noexcept {
        if (is_dead()) return 0;
        // A single-publisher stream's tail may be an instant behind what can be read.
        const Sequence end = region_->tail().sequence;
        return end > next_.sequence ? end - next_.sequence : 0;
    }
    // How poll_until waits, and what it has come to do lately if it is adaptive.
    [[nodiscard]] WaitStrategy wait_strategy() const noexcept { return waiter_.strategy(); }
    [[nodiscard]] WaitHabit wait_habit() const noexcept { return waiter_.habit(); }
    [[nodiscard]] SlowPolicy policy() const noexcept { return policy_; }
    // Requires: it wasn't moved from.
    [[nodiscard]] const Region& region() const noexcept { return *region_; }
    [[nodiscard]] const std::shared_ptr<Region>& shared_region() const noexcept { return region_; }

private:
    Subscriber(std::shared_ptr<Region> region,
               detail::SubscriberCell* cell,
               const SubscriberOptions& options);

    enum class Mode : std::uint8_t {
        plain,  // reads in place, everything, without publish times
        other,
        aside,       // reads elsewhere
        in_handler,  // handlers run: what they might call on this subscriber is refused
    };
    [[nodiscard]] Mode usual_mode() const noexcept {
        return copies_ || filters_ || latency_.is_on() ? Mode::other : Mode::plain;
    }
    // Ends also when a handler throws.
    class HandlerScope {
    public:
        HandlerScope(Mode& mode, Mode usual) noexcept : mode_(mode), usual_(usual) {
            mode_ = Mode::in_handler;
        }
        HandlerScope(const HandlerScope&) = delete;
        HandlerScope& operator=(const HandlerScope&) = delete;
        ~HandlerScope() { mode_ = usual_; }

    private:
        Mode& mode_;
        Mode usual_;
    };

    template <bool kFilters, typename Handler>
    PollResult poll_in_place(Handler& handler, std::uint64_t limit, Mode mode);
    template <typename Handler>
    PollResult poll_copies(Handler& handler, std::uint64_t limit);
    // In every mode but the plain one, whose path alone belongs into the caller.
    template <typename Handler>
    PollResult poll_otherwise(Handler& handler, std::uint64_t limit);

    // Of the first event that a call hands over: the one that waited longest.
    void sample(const Event& event) noexcept {
        if (latency_.is_on() && (event.flags() & kHasPublishTime) != 0)
            latency_.note(event.publish_time_ns());
    }
    // The same before a call of poll_in_place. Requires: has_event().
    void sample_next() noexcept {
        const std::byte* const record = events_ + (next_.position & offset_mask_);
        sample(Event(next_.sequence, load_header(record), record));
    }

    struct CopyResult {
        std::uint64_t size_bytes;
        PollState state;
    };

    // From one event to the next.
    [[nodiscard]] std::uint64_t record_bytes(const EventHeader& header) const noexcept {
        return (rounding_bytes_ + header.payload_size_bytes +
                header.extension_words * kExtensionWordBytes) &
               alignment_mask_;
    }

    void move_cursor(Place place) noexcept;
    // The same for who surely has a slot, and gates.
    void move_own_gate(Place place) noexcept;

    // A statistic; never on the way of an event that is handed over.
    void count(std::atomic<std::uint64_t> SubscriberStatistics::*word,
               std::uint64_t by = 1) const noexcept {
        if (slot_ != nullptr) count_up(slot_->statistics.*word, by);
    }
    // It has passed nothing since it stands at `place`.
    void begin_counting(Place place) noexcept;

    [[nodiscard]] Place oldest_lasting_place() const noexcept;
    void note_source(ReadSource source) const noexcept;
    [[nodiscard]] Result<void> start(const Start& where);
    [[nodiscard]] std::optional<Place> find_start(const Start& where) const noexcept;
    [[nodiscard]] bool hold(Place place) noexcept;
    [[nodiscard]] Result<void> walk_to(Sequence sequence);
    [[nodiscard]] Error sequence_gone(Sequence sequence) const;
    [[nodiscard]] Error corrupt_error() const;
    // Cold part of an empty poll: looks for a dead publisher's hole now and then, and for the
    // stream's end.
    [[nodiscard]] PollState idle_poll() noexcept;
    // What was found at the next place. ok: a hole, it is behind now; idle: wait; corrupt.
    [[nodiscard]] PollState step_over_hole() noexcept;
    void count_hole(std::uint64_t events) const noexcept {
        count(&SubscriberStatistics::holes);
        count(&SubscriberStatistics::tombstones, events);
    }
    template <bool kFilters>
    [[nodiscard]] CopyResult copy_batch(std::uint64_t limit);
    [[nodiscard]] bool wants(const EventHeader& header, const std::byte* record) const noexcept;
    // Policy evict (subscriber_gate.cpp). False: its gate had been dropped.
    [[nodiscard]] bool move_gate(Place place) noexcept;
    [[nodiscard]] bool still_holds_gate() const noexcept;
    void lose_gate() noexcept;
    void drop_gate() noexcept;
    // Whether bytes behind `position` may be of another lap, for a reader that copies.
    [[nodiscard]] bool was_overtaken(std::uint64_t position) const noexcept;
    [[nodiscard]] bool was_lapped(std::uint64_t position) const noexcept;
    [[nodiscard]] PollState jump_forward() noexcept;
    // Looks some hundred times, without a pause: a pause takes longer than the event that it waits
    // for.
    [[nodiscard]] bool spin_for_event() const noexcept {
        constexpr int kLooks = 256;
        const std::uint64_t stamp = stamp_of(next_.sequence, cell_->salt);
        for (int look = 0; look < kLooks; ++look) {
            if (load_stamp(events_ + (next_.position & offset_mask_)) == stamp) return true;
        }
        return has_copies();
    }
    void wait_for_event(Waiter& waiter, Deadline deadline) noexcept;
    void sleep_for_event(Deadline deadline) noexcept;
    // How long it may wait for a wake-up: a publisher that dies gives none.
    [[nodiscard]] std::uint64_t longest_sleep_ns() const noexcept;
    [[nodiscard]] std::uint32_t slot_index() const noexcept;
    void release_slot() noexcept;

    static detail::SubscriberCell no_cell;  // of those that were moved from

    // Events that one call passes over, so that a gate moves on although nothing is wanted. Of a
    // reader that copies, tombstones too.
    static constexpr std::uint64_t kPassedPerPoll = 4096;

    std::shared_ptr<Region> region_;
    FileLock slot_lock_;
    const std::byte* events_ = nullptr;
    StreamState* state_ = nullptr;
    SubscriberSlot* slot_ = nullptr;  // null: an observer
    std::uint64_t offset_mask_ = 0;
    std::uint64_t rounding_bytes_ = 0;  // a header, and what rounds up to the alignment
    std::uint64_t alignment_mask_ = 0;
    std::uint64_t max_event_bytes_ = 0;
    detail::SubscriberCell* cell_;
    SlowPolicy policy_ = SlowPolicy::gate;
    Waiter waiter_;
    bool copies_ = false;
    bool filters_ = false;
    Mode mode_ = Mode::other;
    bool fences_ = false;

    Place next_{0, 0};
    LookTimer look_timer_;
    StreamPace pace_;
    Gap last_gap_{kNoSequence, 0};
    std::uint64_t lost_events_ = 0;
    std::vector<std::byte> copies_buffer_;
    std::uint64_t copied_bytes_ = 0;
    std::uint64_t handed_bytes_ = 0;
    EventFilter filter_;
    LatencyRecorder latency_;
    std::uint64_t gate_ = kNoPosition;  // policy evict: where its gate stands
    bool holds_gate_ = false;           // policy evict: as far as it knows
    bool is_evicted_ = false;
    bool eviction_untold_ = false;
    bool loss_untold_ = false;  // by restart(), for copies that are handed over before
    std::unique_ptr<PollDescriptor> poll_descriptor_;
};

}  // namespace tailrace::bus

#include <tailrace/bus/subscriber_paths.hpp>
