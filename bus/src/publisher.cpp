// The cold half of Publisher: attaching, waiting for room, batches. The fast path is in the header.
//
// Why a publisher may write below its limit without looking:
//   I1  Before it looks at the readers it says how far it asks to go (room_asked), and takes that
//       back when write_limit shows what it was granted. A reader that registers after that look
//       sees it ask, waits for the answer, and starts no further back than a ring behind
//       write_limit (Subscriber::hold).
//   I2  What is granted, and so the limit, is at most a ring ahead of the slowest gate and of every
//       open claim that the look found. Claims that the look missed begin at or after the tail that
//       was read before it.
//   I3  Where the stream holds for its journal, it is at most a ring ahead of what a journal has,
//       too (journal_hold), as if a gate stood there that never leaves.

#include "dead_handle.hpp"
#include "poll_descriptor.hpp"
#include "registry.hpp"

#include <tailrace/base/check.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/base/wiped_cell.hpp>
#include <tailrace/bus/declared_types.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/publisher.hpp>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace tailrace::bus {

namespace {

// What a reader's caches may hold of a ring after a lap: the shared cache of some cores.
constexpr std::uint64_t kMostCachedBytes = std::uint64_t{32} << 20U;

// How a publisher paces its looks at the stream's life.
constexpr std::uint64_t kLongLookNs = 250 * kNsPerMs;
constexpr std::uint64_t kShortLookNs = 50 * kNsPerMs;
constexpr std::uint64_t kLeastLookBytes = 1024;
constexpr std::uint64_t kMostLookBytes = std::uint64_t{256} << 10U;

// A few hundred ns: a run of claims of the other publisher, little beside a turn of the line.
constexpr int kPausesAfterLostSwap = 16;

// The word only grows: a late writer must not take back what a faster one raised it to.
template <typename T>
void raise_to(std::atomic<T>& word, T value) noexcept {
    // [sync:write_limit_raised] Acquire, also when the exchange fails: another publisher has raised
    // it as far, and this one's bytes come behind that.
    T current = word.load(std::memory_order_acquire);
    while (current < value) {
        // [sync:write_limit_raised] Release: a reader that finds bytes of the new lap finds this
        // limit too.
        if (word.compare_exchange_weak(
                current, value, std::memory_order_acq_rel, std::memory_order_acquire)) {
            return;
        }
    }
}

}  // namespace

std::string_view publish_status_name(PublishStatus status) noexcept {
    switch (status) {
        case PublishStatus::ok:
            return "ok";
        case PublishStatus::would_block:
            return "would_block";
        case PublishStatus::timed_out:
            return "timed_out";
        case PublishStatus::too_large:
            return "too_large";
        case PublishStatus::closed:
            return "closed";
        case PublishStatus::dead_handle:
            return "dead_handle";
        case PublishStatus::no_claim:
            return "no_claim";
        case PublishStatus::corrupt:
            return "corrupt";
        case PublishStatus::duplicate:
            return "duplicate";
        case PublishStatus::no_identity:
            return "no_identity";
    }
    return "unknown";
}

constinit detail::PublisherCell Publisher::no_cell{};

Publisher::Publisher(std::shared_ptr<Region> region,
                     FileLock slot_lock,
                     std::uint32_t slot_index,
                     detail::PublisherCell* cell,
                     const PublisherOptions& options)
    : region_(std::move(region)),
      slot_lock_(std::move(slot_lock)),
      events_(region_->event_at(0)),
      state_(&region_->state()),
      slot_(&region_->publisher_slot(slot_index)),
      offset_mask_(region_->capacity_bytes() - 1),
      alignment_bytes_(region_->header().alignment_bytes),
      salt_(region_->header().salt),
      max_payload_bytes_(region_->header().max_payload_bytes),
      slot_index_(slot_index),
      base_flags_(region_->header().publish_time == PublishTime::off ? std::uint8_t{0}
                                                                     : kHasPublishTime),
      base_word_(header_word(0, 0, base_flags_, extension_words_of(base_flags_))),
      base_payload_offset_bytes_(sizeof(EventHeader) +
                                 extension_words_of(base_flags_) * kExtensionWordBytes),
      base_rounding_bytes_(base_payload_offset_bytes_ + alignment_bytes_ - 1),
      alignment_mask_(~(alignment_bytes_ - 1)),
      shared_(region_->header().publishing == Publishing::multi),
      fences_(!register_for_membarrier()),
      is_lone_(!shared_ && !fences_),
      is_among_others_(shared_ && !fences_),
      fetches_ahead_(region_->capacity_bytes() <= kMostCachedBytes),
      waiter_(options.wait, is_crowded(*region_)),
      cell_(cell) {
    const Place tail = region_->tail();
    first_own_sequence_ = tail.sequence;
    durable_wait_.told = tail.sequence;
    const Sequence ticket = shared_ ? tail.sequence : tail.sequence + 1;
    *cell_ = {this, 0, tail.position, ticket, tail.sequence, false};
    // Relaxed, both: statistics of an own slot.
    slot_->statistics.attached_sequence.store(tail.sequence, std::memory_order_relaxed);
    slot_->statistics.attached_position.store(tail.position, std::memory_order_relaxed);
    // [sync:write_limit_raised] Release: the slot's last owner may have died asking for room, and
    // what it was granted is known.
    slot_->room_asked.store(0, std::memory_order_release);
}

Publisher::Publisher(Publisher&& other) noexcept
    : region_(std::move(other.region_)),
      slot_lock_(std::move(other.slot_lock_)),
      registry_(std::move(other.registry_)),
      events_(other.events_),
      state_(other.state_),
      slot_(other.slot_),
      offset_mask_(other.offset_mask_),
      alignment_bytes_(other.alignment_bytes_),
      salt_(other.salt_),
      max_payload_bytes_(other.max_payload_bytes_),
      slot_index_(other.slot_index_),
      base_flags_(other.base_flags_),
      base_word_(other.base_word_),
      base_payload_offset_bytes_(other.base_payload_offset_bytes_),
      base_rounding_bytes_(other.base_rounding_bytes_),
      alignment_mask_(other.alignment_mask_),
      shared_(other.shared_),
      fences_(other.fences_),
      is_lone_(other.is_lone_),
      is_among_others_(other.is_among_others_),
      fetches_ahead_(other.fetches_ahead_),
      waiter_(other.waiter_),
      cell_(std::exchange(other.cell_, &no_cell)),
      claimed_events_(other.claimed_events_),
      claimed_bytes_(other.claimed_bytes_),
      granted_(other.granted_),
      askings_(other.askings_),
      look_bytes_(other.look_bytes_),
      last_look_ns_(other.last_look_ns_),
      blocked_end_(other.blocked_end_),
      first_own_sequence_(other.first_own_sequence_),
      durable_wait_(other.durable_wait_),
      clock_(other.clock_),
      last_liveness_check_ns_(other.last_liveness_check_ns_),
      held_since_ns_(other.held_since_ns_),
      holder_(other.holder_),
      silence_(other.silence_),
      identity_(std::move(other.identity_)),
      last_own_(std::exchange(other.last_own_, kNotNumbered)) {
    // A claim that is open moves along. In a forked child nobody is the owner.
    if (cell_->owner == &other) cell_->owner = this;
    // The way of a single publisher comes by the limit before it comes by any memory of the
    // stream's, which this object has let go of.
    other.shared_ = false;
    other.holder_ = {};
}

Publisher& Publisher::operator=(Publisher&& other) noexcept {
    if (this != &other) {
        // Field by field is what the constructor does; only the slot has to be given back first.
        std::destroy_at(this);
        std::construct_at(this, std::move(other));
    }
    return *this;
}

Publisher::~Publisher() {
    release_slot();
}

void Publisher::release_slot() noexcept {
    // After a move there is nothing to give back; in a forked child the slot is the parent's.
    if (is_dead()) return;
    if (has_open_claim()) {
        if (shared_) {
            give_up_open_claim();
        } else {
            cell_->position = region_->tail().position;
            clear_intent();  // nothing else tells of a claim
        }
        cell_->has_stray_claims = true;
    }
    note_progress();
    // Relaxed, both: who has left isn't held up.
    slot_->statistics.held_since_ns.store(0, std::memory_order_relaxed);
    slot_->statistics.held_by.store(0, std::memory_order_relaxed);
    free_publisher_slot(*region_, slot_index_);
    TAILRACE_STEP("publisher.slot_freed");
    slot_lock_.unlock();
    region_.reset();
    // A claim that went astray may still be there, and must not meet another publisher's words: so
    // its cell is given to nobody.
    const bool is_known_elsewhere = cell_->has_stray_claims;
    *cell_ = {};
    if (!is_known_elsewhere) give_back_wiped_cell(cell_);
    cell_ = &no_cell;
    // Last: what its next owner finds is what this one has published.
    identity_ = {};
    last_own_ = kNotNumbered;
}

Result<Publisher> Publisher::attach(const std::string& stream, const PublisherOptions& options) {
    auto region = Region::open(stream, RegionAccess::publish, options.directory);
    if (!region) return region.error();
    return attach(std::move(*region), options);
}

Result<Publisher> Publisher::attach(std::shared_ptr<Region> region,
                                    const PublisherOptions& options) {
    TAILRACE_CHECK(region != nullptr && region->access() == RegionAccess::publish);
    if (auto declared = declare_types(*region, options.types); !declared) return declared.error();
    auto lease = take_publisher_slot(*region, options.name);
    if (!lease) return lease.error();
    auto registry = LockFile::open(region->lock_path());
    void* const cell = take_wiped_cell();
    if (cell == nullptr) {
        free_publisher_slot(*region, lease->index);
        return os_error(ENOMEM, "cannot attach to stream '" + region->name() + "'");
    }
    Publisher publisher(std::move(region),
                        std::move(lease->lock),
                        lease->index,
                        new (cell) detail::PublisherCell,
                        options);
    // Without a descriptor left, the publisher gives its slot back on the way out.
    if (!registry) return registry.error();
    publisher.registry_ = std::move(*registry);
    if (auto taken = publisher.take_identity(options.identity); !taken) return taken.error();
    return publisher;
}

PublishStatus Publisher::try_claim(Claim& claim,
                                   std::uint32_t payload_size_bytes,
                                   const EventFields& fields) noexcept {
    if (fields.own_sequence != 0) return PublishStatus::no_identity;
    const std::uint8_t flags = flags_of(fields);
    const std::uint8_t words = extension_words_of(flags);
    const std::uint64_t offset_bytes = sizeof(EventHeader) + words * kExtensionWordBytes;
    const PublishStatus status = try_claim_word(claim,
                                                payload_size_bytes,
                                                header_word(0, fields.type, flags, words),
                                                offset_bytes,
                                                offset_bytes + alignment_bytes_ - 1);
    if (status != PublishStatus::ok) return status;
    write_words(claim.record_ + sizeof(EventHeader), flags, fields);
    return PublishStatus::ok;
}

PublishStatus Publisher::claim_shared_decoding(std::uint64_t size_bytes,
                                               std::uint32_t count,
                                               bool noted) noexcept {
    if (is_dead()) return PublishStatus::dead_handle;
    if (has_open_claim()) give_up_open_claim();
    for (;;) {
        // Acquire, by Region::tail: part of the total order of claims.
        const Place place = region_->tail();
        TAILRACE_STEP("publisher.tail_read");
        if (noted) {
            // The swap was lost. The note must go before this publisher may wait for room (readers
            // would wait for it while it waits for them), and before the next one is written
            // (load_intent).
            clear_intent();
            noted = false;
            // Whoever won goes on for a while with the line in its own cache; asking for it at once
            // would only slow both down.
            for (int pause = 0; pause < kPausesAfterLostSwap; ++pause)
                cpu_relax();
            continue;  // the place is old by now
        }
        if (place.position + size_bytes > cell_->limit) [[unlikely]] {
            const PublishStatus status = make_room(place.position + size_bytes);
            if (status != PublishStatus::ok) return status;
            continue;  // others went on meanwhile
        }
        note_intent(place, size_bytes, count);
        noted = true;
        if (swap_tail(pack_tail(place), place, size_bytes, count)) return PublishStatus::ok;
    }
}

PublishStatus Publisher::make_room_alone(std::uint64_t size_bytes) noexcept {
    if (is_dead()) return PublishStatus::dead_handle;
    if (has_open_claim()) give_up_open_claim();
    if (cell_->position + size_bytes <= cell_->limit) return PublishStatus::ok;
    return make_room(cell_->position + size_bytes);
}

PublishStatus Publisher::make_room(std::uint64_t end_position) noexcept {
    if (region_->has_ended()) return PublishStatus::closed;
    if (end_position <= granted_) {
        set_limit(end_position);
        return PublishStatus::ok;
    }
    const std::uint64_t capacity = offset_mask_ + 1;
    const Place tail = shared_ ? region_->tail() : Place{cell_->ticket - 1, cell_->position};
    const std::uint64_t asked = std::max(tail.position + grant_step_bytes(capacity), end_position);
    TAILRACE_STEP("publisher.room_wanted");
    // [sync:gate_registered] In one total order with the look at the gates that follows, and with a
    // reader's own store and look: either this look sees the reader's gate, or the reader sees this
    // publisher ask, and waits for what becomes of it.
    slot_->room_asked.store(asked | (++askings_ & kAskingMask), std::memory_order_seq_cst);
    TAILRACE_STEP("publisher.room_asked");
    const std::uint64_t granted = std::min(asked, slowest_position(tail.position) + capacity);
    TAILRACE_STEP("publisher.readers_looked_at");
    if (end_position <= granted) {
        raise_to(state_->reference_sequence, tail.sequence);
        raise_to(state_->write_limit, granted);
        TAILRACE_STEP("publisher.write_limit_raised");
        note_checkpoint(tail);
        TAILRACE_STEP("publisher.checkpoint_noted");
        granted_ = granted;
    }
    // [sync:write_limit_raised] Release: who sees that this one asks no more sees what it got.
    slot_->room_asked.store(0, std::memory_order_release);
    TAILRACE_STEP("publisher.room_answered");
    count_up(slot_->statistics.room_looks);
    note_progress();
    if (end_position <= granted_) {
        note_grant();
        set_limit(end_position);
        return PublishStatus::ok;
    }
    cell_->limit = granted_;
    blocked_end_ = end_position;
    check_holder();
    return PublishStatus::would_block;
}

// Nobody may be there to tell a publisher that its stream is gone. A slow one looks before each
// event, a fast one every so many bytes: what a second brings, and no more than costs it nothing.
void Publisher::set_limit(std::uint64_t end_position) noexcept {
    const std::uint64_t now_ns = monotonic_ns();
    if (now_ns > last_look_ns_ + kLongLookNs) {
        look_bytes_ /= 16;
    } else if (now_ns < last_look_ns_ + kShortLookNs) {
        look_bytes_ = std::min(2 * std::max(look_bytes_, kLeastLookBytes), kMostLookBytes);
    }
    // A model puts its last look at the end of time, so that the pace is the same in all its runs.
    last_look_ns_ = std::max(last_look_ns_, now_ns);
    cell_->limit = std::min(granted_, end_position + look_bytes_);
}

void Publisher::note_checkpoint(Place tail) noexcept {
    const std::uint64_t step = grant_step_bytes(offset_mask_ + 1);
    // [sync:checkpoint_noted] Release: a place in the order of claims; what lies there is judged by
    // its stamp.
    state_->checkpoints[(tail.position / step) % kCheckpointCount].store(pack_tail(tail),
                                                                         std::memory_order_release);
}

std::uint64_t Publisher::slowest_position(std::uint64_t at_most) noexcept {
    std::uint64_t slowest = at_most;
    for (std::uint32_t index = 0; index < region_->header().subscriber_slots; ++index) {
        // [sync:gate_registered] One total order with the announcement before and with a reader
        // that registers. [sync:gate_released] Acquire: the reader was done with what lies below.
        const std::uint64_t gate =
            region_->subscriber_slot(index).gate_position.load(std::memory_order_seq_cst);
        if (gate < slowest) {
            slowest = gate;
            holder_ = {HolderKind::subscriber, index};
        }
    }
    if (holds_for_journal(region_->header())) {
        TAILRACE_STEP("publisher.hold_wanted");
        // [sync:hold_moved] Acquire: what lies below was written before. Behind the gates: whoever
        // finds a recorder's gate gone finds the hold that it left.
        const std::uint64_t hold = state_->journal_hold.position.load(std::memory_order_acquire);
        if (hold < slowest) {
            slowest = hold;
            holder_ = {HolderKind::journal, 0};
        }
    }
    if (!shared_) return slowest;
    TAILRACE_STEP("publisher.gates_looked_at");
    for (std::uint32_t index = 0; index < region_->header().publisher_slots; ++index) {
        const PublisherSlot& slot = region_->publisher_slot(index);
        // [sync:intent_cleared] Acquire: a claim that isn't open any more is committed.
        if (slot.intent_sequence.load(std::memory_order_acquire) == kNoSequence) continue;
        // [sync:intent_noted] Acquire: at least as new as the sequence; a newer one lies further
        // on.
        const std::uint64_t open_claim = slot.intent_position.load(std::memory_order_acquire);
        // A reader that stands at an open claim waits for it as everybody does: the claim is named.
        if (open_claim <= slowest) {
            slowest = open_claim;
            holder_ = {HolderKind::publisher, index};
        }
    }
    return slowest;
}

void Publisher::wake_all_subscribers() noexcept {
    bus::wake_subscribers(*region_);
    count_up(slot_->statistics.wakes);
    note_progress();
    if (!region_->has_ended()) return;
    // The next claim asks for room, and is refused. The flag stays up for the other publishers.
    cell_->limit = 0;
    // Relaxed: a hint; who misses it learns it when it asks for room.
    state_->subscribers_wait.sleeping.fetch_or(kSomebodySleeps, std::memory_order_relaxed);
}

PublishStatus Publisher::claim_waiting(Claim& claim,
                                       std::uint32_t payload_size_bytes,
                                       EventType type,
                                       Deadline deadline) noexcept {
    return retry_until(deadline, [&] { return try_claim(claim, payload_size_bytes, type); });
}

PublishStatus Publisher::publish(std::span<const std::byte> payload,
                                 EventType type,
                                 Deadline deadline) noexcept {
    const PublishStatus status = try_publish(payload, type);
    if (status != PublishStatus::would_block) [[likely]]
        return status;
    return retry_until(deadline, [&] { return try_publish(payload, type); });
}

std::byte* Publisher::write_words(std::byte* word,
                                  std::uint8_t flags,
                                  const EventFields& fields) const noexcept {
    const auto put = [&word](std::uint64_t value) {
        std::memcpy(word, &value, kExtensionWordBytes);
        word += kExtensionWordBytes;
    };
    // The publish time is written at commit.
    if ((flags & kHasPublishTime) != 0) word += kExtensionWordBytes;
    if ((flags & kHasEventTime) != 0) put(fields.event_time_ns);
    if ((flags & kHasPublisherId) != 0) {
        put(identity_.id());
        put(fields.own_sequence);
    }
    if ((flags & kHasKey) != 0) put(fields.key);
    return word;
}

PublishStatus Publisher::publish_waiting(std::span<const std::byte> payload,
                                         const EventFields& fields,
                                         Deadline deadline) noexcept {
    if (payload.size() > max_payload_bytes_) return PublishStatus::too_large;
    return retry_until(deadline, [&] { return try_publish_fields(payload, fields); });
}

PublishStatus Publisher::try_publish_fields(std::span<const std::byte> payload,
                                            const EventFields& fields) noexcept {
    const OwnSequence own = fields.own_sequence;
    if (own != 0 && own <= last_own_) return refuse_own();
    const std::uint8_t flags = flags_of(fields);
    const std::uint8_t words = extension_words_of(flags);
    const std::uint64_t size_bytes =
        event_size_bytes(payload.size(), extension_words_of(flags), alignment_bytes_);
    Place place;
    const PublishStatus status = claim_place<false>(place, size_bytes, 1);
    if (status != PublishStatus::ok) return status;
    std::byte* const record = events_ + (place.position & offset_mask_);
    std::byte* const to = write_words(record + sizeof(EventHeader), flags, fields);
    if (!payload.empty()) std::memcpy(to, payload.data(), payload.size());
    const std::uint64_t word =
        header_word(static_cast<std::uint32_t>(payload.size()), fields.type, flags, words);
    const Sequence ticket = place.sequence + 1;
    if (own == 0) {
        commit_record(cell_, ticket, place.position + size_bytes, record, word);
    } else {
        last_own_ = own;
        commit_record<true>(cell_, ticket, place.position + size_bytes, record, word);
    }
    return PublishStatus::ok;
}

Result<void> Publisher::wait_durable(Sequence sequence, Deadline deadline) {
    if (is_dead()) return dead_handle_error("publisher");
    return wait_durable_behind(*region_, durable_wait_, sequence, deadline);
}

}  // namespace tailrace::bus
