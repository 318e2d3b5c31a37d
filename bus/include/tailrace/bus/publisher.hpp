// Publisher: writes events into a stream, in place.
//
//     auto publisher = Publisher::attach("trades");
//     if (publisher->publish(Trade{...}, kTrade) != PublishStatus::ok) ...
//
//     Claim claim;                                             // or without a copy:
//     if (publisher->try_claim(claim, 64) == PublishStatus::ok) {
//         fill(claim.payload);                                  // straight into shared memory
//         publisher->commit(claim);                             // visible now, whole
//     }
//
// One thread at a time may use a Publisher; a process may have several. After attach no call
// allocates, and none but a wake-up, a wait for room or the rescue of a dead process makes a system
// call. Between claim and commit the stream's later events are held up: fill and commit at once. A
// process that dies there is bypassed (docs/ring_protocol.md, "Holes"), and a claim that goes out
// of scope is aborted. A publisher that was moved from, or is its parent's in a forked child,
// refuses everything with dead_handle and changes nothing.
#pragma once

#include <tailrace/base/check.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/base/event.hpp>
#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/claim.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/identity.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/ring_bytes.hpp>
#include <tailrace/bus/wait.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tailrace::bus {

enum class PublishStatus : std::uint8_t {
    ok,
    would_block,  // no room: a gating subscriber or another publisher's open claim is a ring behind
    timed_out,
    too_large,    // more than the stream allows, now and for ever
    closed,       // the stream was removed
    dead_handle,  // this publisher was moved from, or is its parent's in a forked child
    no_claim,     // commit, abort: the claim isn't open, or isn't this publisher's last one
    corrupt,      // somebody wrote over the batch while it was open: none of it is published
    duplicate,    // its own number isn't beyond the last one: dropped, and counted
    no_identity,  // a number of its own, and this publisher has no identity; or in a claim
};

[[nodiscard]] std::string_view publish_status_name(PublishStatus status) noexcept;

// The gate of a subscriber that this publisher waits for, and since when it has stood there.
struct Silence {
    std::uint32_t slot_index = 0;
    std::uint64_t gate_position = 0;
    std::uint64_t attached_ns = 0;  // the subscriber
    std::uint64_t since_ns = 0;     // CLOCK_MONOTONIC
};

struct PublisherOptions {
    std::string name = "publisher";              // for tools
    WaitStrategy wait = WaitStrategy::adaptive;  // for room
    std::string directory = {};                  // empty: the default
    schema::StreamSchema types = {};             // of its events: declared to the stream
    std::string identity = {};  // under which it numbers its events itself (identity.hpp)
};

class Publisher {
public:
    Publisher(Publisher&& other) noexcept;
    Publisher& operator=(Publisher&& other) noexcept;
    Publisher(const Publisher&) = delete;
    Publisher& operator=(const Publisher&) = delete;
    // Gives its slot back. An open claim is aborted.
    ~Publisher();

    // Takes a publisher slot, rescuing what a dead owner left in it. Errors: those of Region::open,
    // and `busy` when all slots are taken by living processes (a single-publisher stream has one);
    // `incompatible` when its types contradict those that the stream has: it says what differs.
    // With an identity those of Identity::take.
    [[nodiscard]] static Result<Publisher> attach(const std::string& stream,
                                                  const PublisherOptions& options = {});
    // Requires: region->access() == RegionAccess::publish.
    [[nodiscard]] static Result<Publisher> attach(std::shared_ptr<Region> region,
                                                  const PublisherOptions& options = {});

    // Claims room for one event. Wait-free on a single-publisher stream, lock-free otherwise. One
    // claim may be open at a time: a second one, or a publish, aborts the first, whose sequence
    // becomes a tombstone; its object is then refused.
    [[nodiscard]] PublishStatus try_claim(Claim& claim,
                                          std::uint32_t payload_size_bytes,
                                          EventType type = 0) noexcept {
        return try_claim_word(claim,
                              payload_size_bytes,
                              base_word_ | (std::uint64_t{type} << kHeaderTypeShift),
                              base_payload_offset_bytes_,
                              base_rounding_bytes_);
    }
    [[nodiscard]] PublishStatus try_claim(Claim& claim,
                                          std::uint32_t payload_size_bytes,
                                          const EventFields& fields) noexcept;
    // The same, waiting for room.
    [[nodiscard]] PublishStatus claim(Claim& claim,
                                      std::uint32_t payload_size_bytes,
                                      EventType type,
                                      Deadline deadline) noexcept {
        const PublishStatus status = try_claim(claim, payload_size_bytes, type);
        if (status != PublishStatus::would_block) [[likely]]
            return status;
        // A claim of its own: only it must lie in memory, so the caller's may live in registers.
        Claim later;
        const PublishStatus waited = claim_waiting(later, payload_size_bytes, type, deadline);
        claim = std::move(later);
        return waited;
    }

    // Makes the event visible; the claim has ended. Refuses, with no_claim or dead_handle, whatever
    // isn't the open claim of this publisher, and changes nothing then.
    PublishStatus commit(Claim& claim) noexcept;
    // Gives the claim up. On a multi-publisher stream its sequence becomes a tombstone that readers
    // skip; on a single-publisher stream nothing remains. Refuses as commit does.
    PublishStatus abort(Claim& claim) noexcept { return abort_claim(claim.hold_); }

    // Claims `sizes.size()` events that commit at once, all or nothing, also when this process
    // dies. None: ok, and nothing to commit.
    [[nodiscard]] PublishStatus try_claim_batch(BatchClaim& batch,
                                                std::span<const std::uint32_t> payload_sizes_bytes,
                                                EventType type = 0) noexcept;
    // `count` events of one size: the fastest way to publish many small ones.
    [[nodiscard]] PublishStatus try_claim_batch(BatchClaim& batch,
                                                std::uint32_t count,
                                                std::uint32_t payload_size_bytes,
                                                EventType type = 0) noexcept;
    // The same, waiting for room.
    [[nodiscard]] PublishStatus claim(BatchClaim& batch,
                                      std::uint32_t count,
                                      std::uint32_t payload_size_bytes,
                                      EventType type,
                                      Deadline deadline) noexcept;
    [[gnu::always_inline]] PublishStatus commit(BatchClaim& batch) noexcept {
        if (!batch.hold_.is_open_at(cell_)) [[unlikely]]
            return refusal(batch.hold_.count == 0 && batch.next_record_ != nullptr);
        if (batch.record_bytes_ != 0) {
            commit_even(batch);
            finish_batch(batch);
            return PublishStatus::ok;
        }
        const PublishStatus status = commit_mixed(
            {batch.first_sequence_, batch.hold_.position}, batch.hold_.size_bytes, batch.count());
        finish_batch(batch);
        return status;
    }
    PublishStatus abort(BatchClaim& batch) noexcept {
        const PublishStatus status = abort_claim(batch.hold_);
        if (status == PublishStatus::ok) batch.end_record_ = batch.next_record_;
        return status;
    }

    // Claim, copy, commit.
    [[nodiscard]] PublishStatus try_publish(std::span<const std::byte> payload,
                                            EventType type = 0) noexcept {
        if (payload.size() > max_payload_bytes_) [[unlikely]]
            return PublishStatus::too_large;
        const std::uint64_t word = base_word_ | (std::uint64_t{type} << kHeaderTypeShift);
        return publish_word(payload, word, base_payload_offset_bytes_, base_rounding_bytes_);
    }
    [[nodiscard]] PublishStatus publish(std::span<const std::byte> payload,
                                        EventType type = 0,
                                        Deadline deadline = Deadline::never()) noexcept;
    // With a number of its own: `duplicate` when that isn't beyond the last one. A number that
    // isn't told `ok` isn't used up.
    [[nodiscard]] PublishStatus publish(std::span<const std::byte> payload,
                                        const EventFields& fields,
                                        Deadline deadline = Deadline::never()) noexcept {
        const bool is_plainly_numbered =
            fields.own_sequence != 0 && fields.event_time_ns == 0 && !fields.has_key;
        if (is_plainly_numbered) [[likely]] {
            const PublishStatus status =
                try_publish_numbered(payload, fields.type, fields.own_sequence);
            if (status != PublishStatus::would_block) [[likely]]
                return status;
        }
        return publish_waiting(payload, fields, deadline);
    }

    // Typed forms: the object's bytes are the payload. A struct may name its own type
    // (kEventTypeOf).
    template <PlainEvent T>
    [[nodiscard]] PublishStatus try_publish(const T& event,
                                            EventType type = kEventTypeOf<T>) noexcept {
        return try_publish(std::as_bytes(std::span<const T, 1>(&event, 1)), type);
    }
    template <PlainEvent T>
    [[nodiscard]] PublishStatus publish(const T& event,
                                        EventType type = kEventTypeOf<T>,
                                        Deadline deadline = Deadline::never()) noexcept {
        // Here the size is known, and the copy is a store or two.
        const PublishStatus status = try_publish(event, type);
        if (status != PublishStatus::would_block) [[likely]]
            return status;
        return publish(std::as_bytes(std::span<const T, 1>(&event, 1)), type, deadline);
    }

    // All of them, visible at once. In a journal there is all of it or nothing too, up to 1 MiB
    // (docs/journal_format.md, "The body").
    [[nodiscard]] PublishStatus publish_batch(std::span<const std::span<const std::byte>> payloads,
                                              EventType type = 0,
                                              Deadline deadline = Deadline::never()) noexcept;
    // The same for events of different types, times and keys, or with numbers of their own. Those
    // at the front whose numbers were published already are dropped and counted, the rest is still
    // one batch; `duplicate` when nothing is left, or what is left doesn't ascend.
    [[nodiscard]] PublishStatus publish_mixed_batch(std::span<const BatchEvent> events,
                                                    Deadline deadline = Deadline::never()) noexcept;
    template <PlainEvent T>
    [[nodiscard]] PublishStatus publish_batch(std::span<const T> events,
                                              EventType type = kEventTypeOf<T>,
                                              Deadline deadline = Deadline::never()) noexcept {
        if (events.empty()) return PublishStatus::ok;
        if (events.size() > UINT32_MAX) return PublishStatus::too_large;
        BatchClaim batch;
        const PublishStatus status =
            claim(batch, static_cast<std::uint32_t>(events.size()), sizeof(T), type, deadline);
        if (status != PublishStatus::ok) [[unlikely]]
            return status;
        for (const T& event : events)
            std::memcpy(batch.next().data(), &event, sizeof(T));
        commit(batch);
        return PublishStatus::ok;
    }

    // The sequence after the last one that this publisher committed; kNoSequence before the first.
    [[nodiscard]] Sequence next_own_sequence() const noexcept {
        if (is_dead()) return kNoSequence;
        const Sequence next = shared_ ? cell_->own_end : cell_->ticket - 1;
        return next == first_own_sequence_ ? kNoSequence : next;
    }

    // The highest number of its own that was published under its identity, by whichever process.
    // 0: none yet, or it has no identity.
    [[nodiscard]] OwnSequence last_published() const noexcept {
        return identity_.is_taken() ? last_own_ : 0;
    }

    // Waits until everything below `sequence` is durable that was published since the last call, or
    // since attach: by this publisher, and by others meanwhile. Errors: timed_out, no_writer (with
    // the command that starts one), io_failure (the writer's errno), no_space, closed when the
    // stream is gone and its writer with it, and sequence_gone when some of it is in a gap of the
    // journal and will never be durable; each gap is told once, then the next call asks for what is
    // behind it.
    [[nodiscard]] Result<void> wait_durable(Sequence sequence, Deadline deadline);

    // Who holds this publisher up, after would_block: "subscriber 3 'risk' (pid 41)". Empty when
    // nobody does.
    [[nodiscard]] std::string holder() const;

    // Moved from, or its parent's in a forked child: it refuses everything.
    [[nodiscard]] bool is_dead() const noexcept { return cell_->owner != this; }

    // How it waits for room, and what it has come to do lately if it is adaptive.
    [[nodiscard]] WaitStrategy wait_strategy() const noexcept { return waiter_.strategy(); }
    [[nodiscard]] WaitHabit wait_habit() const noexcept { return waiter_.habit(); }

    // Requires: it wasn't moved from.
    [[nodiscard]] const Region& region() const noexcept { return *region_; }

private:
    friend void detail::give_up_claim(detail::PublisherCell* cell,
                                      Sequence ticket,
                                      std::uint64_t position,
                                      std::uint64_t size_bytes,
                                      std::uint32_t count) noexcept;
    friend detail::PublisherCell& cell_of(Publisher& publisher) noexcept;  // for models of it
    friend void forget_time(Publisher& publisher) noexcept;                // the same

    // What the header of an event in a batch says, but for the batch.
    struct EventShape {
        std::uint32_t payload_size_bytes;
        EventType type;
        std::uint8_t flags;
    };

    Publisher(std::shared_ptr<Region> region,
              FileLock slot_lock,
              std::uint32_t slot_index,
              detail::PublisherCell* cell,
              const PublisherOptions& options);

    // `word`: the header's second word, but for the payload's size. `payload_offset_bytes`: header
    // and extension words. `rounding_bytes`: the same, and the alignment - 1.
    [[nodiscard]] PublishStatus try_claim_word(Claim& claim,
                                               std::uint32_t payload_size_bytes,
                                               std::uint64_t word,
                                               std::uint64_t payload_offset_bytes,
                                               std::uint64_t rounding_bytes) noexcept;
    // Claims, copies and commits. Nothing of the caller's runs in between, so this claim needs no
    // owner. Requires: the payload isn't too large.
    [[nodiscard]] PublishStatus publish_word(std::span<const std::byte> payload,
                                             std::uint64_t word,
                                             std::uint64_t payload_offset_bytes,
                                             std::uint64_t rounding_bytes) noexcept;
    // The same under a number of its own.
    [[nodiscard]] PublishStatus try_publish_numbered(std::span<const std::byte> payload,
                                                     EventType type,
                                                     OwnSequence own) noexcept;
    [[nodiscard]] PublishStatus try_publish_fields(std::span<const std::byte> payload,
                                                   const EventFields& fields) noexcept;
    [[nodiscard]] PublishStatus publish_waiting(std::span<const std::byte> payload,
                                                const EventFields& fields,
                                                Deadline deadline) noexcept;
    [[nodiscard]] std::uint8_t flags_of(const EventFields& fields) const noexcept {
        return static_cast<std::uint8_t>(
            base_flags_ | (fields.event_time_ns != 0 ? kHasEventTime : 0U) |
            (fields.own_sequence != 0 ? kHasPublisherId : 0U) | (fields.has_key ? kHasKey : 0U));
    }
    // The words behind an event's header that `flags` name. Returns where the payload begins.
    std::byte* write_words(std::byte* word,
                           std::uint8_t flags,
                           const EventFields& fields) const noexcept;
    void note_own(OwnSequence own) noexcept;
    // Cold: why an event of that number isn't published.
    [[nodiscard]] PublishStatus refuse_own(std::uint64_t events = 1) noexcept;
    // How many of the events at the front were published already. Cold.
    [[nodiscard]] PublishStatus drop_published(std::span<const BatchEvent>& events) noexcept;
    // Makes it visible. Requires: the claim of one event that was made last. `kIsNumbered`:
    // last_own_ is its number.
    template <bool kIsNumbered = false>
    void commit_record(detail::PublisherCell* cell,
                       Sequence ticket,
                       std::uint64_t end_position,
                       std::byte* record,
                       std::uint64_t word) noexcept;

    // Fetches the lines that will be written soon, as many as an event of so many bytes took.
    void fetch_ahead(std::uint64_t end_position, std::uint64_t size_bytes) noexcept;

    // Cold: its end where membarrier is refused.
    void commit_fenced(detail::PublisherCell* cell,
                       Sequence ticket,
                       std::uint64_t end_position) noexcept;

    // Room for `count` events, as one claim. `kIsEntrusted`: an object of the caller's will own it,
    // so nothing is claimed behind it before a look at that (make_room_alone, claim_shared).
    template <bool kIsEntrusted>
    [[nodiscard]] PublishStatus claim_place(Place& place,
                                            std::uint64_t size_bytes,
                                            std::uint32_t count) noexcept;
    // Single-publisher streams, cold: what stands behind the end of the grant.
    [[nodiscard]] PublishStatus make_room_alone(std::uint64_t size_bytes) noexcept;
    // Multi-publisher streams: notes the intent, then claims by compare-and-swap.
    [[nodiscard]] PublishStatus claim_shared(Place& place,
                                             std::uint64_t size_bytes,
                                             std::uint32_t count) noexcept;
    // The same, when others have claimed meanwhile: the claim ends where the cell says. `noted`: a
    // note of this claim stands.
    [[nodiscard]] PublishStatus claim_shared_decoding(std::uint64_t size_bytes,
                                                      std::uint32_t count,
                                                      bool noted) noexcept;
    [[nodiscard]] bool swap_tail(std::uint64_t word,
                                 Place place,
                                 std::uint64_t size_bytes,
                                 std::uint32_t count) noexcept;
    // The place of a batch, which is noted.
    [[nodiscard]] PublishStatus claim_batch_place(Place& place,
                                                  std::uint64_t size_bytes,
                                                  std::uint32_t count) noexcept;
    void open_batch(BatchClaim& batch,
                    Place place,
                    std::uint64_t size_bytes,
                    std::uint32_t count) noexcept;
    template <typename ShapeAt>
    [[nodiscard]] PublishStatus claim_mixed(BatchClaim& batch,
                                            std::uint32_t count,
                                            ShapeAt&& shape_at) noexcept;
    // What stamps a batch. Of one with events of several sizes single values, so that a claim may
    // live in registers.
    void commit_even(const BatchClaim& batch) noexcept;
    PublishStatus commit_mixed(Place place, std::uint64_t size_bytes, std::uint32_t count) noexcept;
    void finish_batch(BatchClaim& batch) noexcept;

    [[nodiscard]] PublishStatus refusal(bool is_empty) const noexcept;
    PublishStatus abort_claim(detail::ClaimHold& hold) noexcept {
        if (!hold.is_open_at(cell_)) return refusal(false);
        hold.let_go();
        abort_open(hold.ticket, hold.position, hold.size_bytes, hold.count);
        return PublishStatus::ok;
    }
    // Requires: the open claim of this publisher.
    void abort_open(Sequence ticket,
                    std::uint64_t position,
                    std::uint64_t size_bytes,
                    std::uint32_t count) noexcept;
    [[nodiscard]] bool has_open_claim() const noexcept {
        return shared_ ? cell_->ticket > cell_->own_end : cell_->position == detail::kOpenPosition;
    }
    // Aborts a claim whose object has gone astray: it will be refused.
    void give_up_open_claim() noexcept;

    void note_intent(Place place, std::uint64_t size_bytes, std::uint32_t count) noexcept;
    void clear_intent() noexcept;
    // The words that the caller has at hand: behind a stamp they would be loaded anew.
    void publish_tail(StreamState* state,
                      detail::PublisherCell* cell,
                      Place end,
                      std::uint32_t count) noexcept;

    // Cold: asks how far it may write, by a look at the readers: whether [.., end_position) may be
    // written.
    [[nodiscard]] PublishStatus make_room(std::uint64_t end_position) noexcept;
    // Goes on within what is granted, up to where it is time to look at the stream's life again.
    void set_limit(std::uint64_t end_position) noexcept;
    void note_checkpoint(Place tail) noexcept;
    [[nodiscard]] std::uint64_t slowest_position(std::uint64_t at_most) noexcept;
    void check_holder() noexcept;
    // Whether it is this publisher that asks for all that wait whether their holder lives.
    [[nodiscard]] bool takes_watch(std::uint64_t now_ns) noexcept;
    void end_watch() noexcept;
    // Evicts the subscriber that holds this publisher up, once it has been silent for too long.
    void watch_silence(std::uint64_t now_ns) noexcept;
    [[nodiscard]] PublishStatus claim_waiting(Claim& claim,
                                              std::uint32_t payload_size_bytes,
                                              EventType type,
                                              Deadline deadline) noexcept;
    [[nodiscard]] PublishStatus claim_waiting(BatchClaim& batch,
                                              std::uint32_t count,
                                              std::uint32_t payload_size_bytes,
                                              EventType type,
                                              Deadline deadline) noexcept;
    void wait_for_room(Deadline deadline) noexcept;
    template <typename Attempt>
    [[nodiscard]] PublishStatus retry_until(Deadline deadline, Attempt&& attempt) noexcept;
    [[nodiscard]] std::uint64_t capacity_bytes() const noexcept { return offset_mask_ + 1; }
    void wake_subscribers(StreamState* state, bool fences) noexcept {
        if (has_sleepers(state->subscribers_wait, fences)) [[unlikely]]
            wake_all_subscribers();
    }
    void wake_all_subscribers() noexcept;  // cold
    // Statistics are written here and where there is no room, never on the way of an event.
    void note_progress() noexcept;
    void note_refusal(std::uint64_t now_ns) noexcept;
    void note_grant() noexcept;
    void release_slot() noexcept;
    [[nodiscard]] Result<void> take_identity(const std::string& name);

    // Set at attach.
    std::shared_ptr<Region> region_;
    FileLock slot_lock_;
    LockFile registry_;  // opened ahead: clearing up after the dead must not need a descriptor
    std::byte* events_ = nullptr;
    StreamState* state_ = nullptr;
    PublisherSlot* slot_ = nullptr;
    std::uint64_t offset_mask_ = 0;
    std::uint64_t alignment_bytes_ = 0;
    std::uint64_t salt_ = 0;
    std::uint32_t max_payload_bytes_ = 0;
    std::uint32_t slot_index_ = 0;
    std::uint8_t base_flags_ = 0;
    // Of the events that carry nothing but what the stream asks for: header_word without type and
    // size, how far the payload is from the event's begin, and the same with the alignment - 1.
    std::uint64_t base_word_ = 0;
    std::uint64_t base_payload_offset_bytes_ = 0;
    std::uint64_t base_rounding_bytes_ = 0;
    std::uint64_t alignment_mask_ = 0;
    bool shared_ = false;
    bool fences_ = false;
    bool is_lone_ = false;          // neither shared nor fencing
    bool is_among_others_ = false;  // shared, and not fencing
    bool fetches_ahead_ = false;    // the ring is one that caches hold
    Waiter waiter_;

    static detail::PublisherCell no_cell;  // of those that were moved from

    static constexpr OwnSequence kNotNumbered = ~OwnSequence{0};  // beyond every number

    // This thread's own progress.
    detail::PublisherCell* cell_;
    std::uint64_t claimed_events_ = 0;  // multi, for the statistics
    std::uint64_t claimed_bytes_ = 0;
    std::uint64_t granted_ = 0;     // may write below it; the cell's limit is no further
    std::uint64_t askings_ = 0;     // times that it asked for room
    std::uint64_t look_bytes_ = 0;  // that limit is at most so far ahead
    std::uint64_t last_look_ns_ = 0;
    std::uint64_t blocked_end_ = 0;  // what the last refused claim needed
    Sequence first_own_sequence_ = kNoSequence;
    DurableWait durable_wait_;
    PublishClock clock_;
    static constexpr std::uint64_t kFirstRoomTurnNs = 1'000'000;
    std::uint64_t last_liveness_check_ns_ = 0;
    std::uint64_t room_turn_ns_ = kFirstRoomTurnNs;  // of the sleeps of one wait: they grow longer
    std::uint64_t own_look_ns_ = 0;                  // what it wrote into holder_looked_ns
    std::uint32_t room_turns_ = 0;
    std::uint32_t looks_ = 0;
    bool watches_ = false;
    std::uint64_t held_since_ns_ = 0;  // 0: isn't held up
    Holder holder_;
    Silence silence_;
    Identity identity_;
    OwnSequence last_own_ = kNotNumbered;
};

}  // namespace tailrace::bus

#include <tailrace/bus/publisher_paths.hpp>
