#include "hole.hpp"

#include <tailrace/base/step.hpp>
#include <tailrace/bus/ring_bytes.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace tailrace::bus {

namespace {

struct Intent {
    Place place{kNoSequence, 0};
    std::uint64_t size_bytes = 0;
    std::uint32_t count = 0;
    bool has_won = false;  // proven; a claim of one event is never marked
};

// A living owner may be changing its intent: it clears the sequence first and stores it last, so a
// position between two looks at one sequence belongs to that sequence. Anything else is read as no
// intent.
Intent load_intent(const PublisherSlot& slot) noexcept {
    Intent intent;
    // [sync:intent_noted] Acquire: the words that were stored before this one are seen with it.
    const Sequence sequence = slot.intent_sequence.load(std::memory_order_acquire);
    TAILRACE_STEP("hole.intent_sequence_read");
    // [sync:intent_noted] Acquire: a position of a later intent means that the second look sees the
    // change.
    intent.place.position = slot.intent_position.load(std::memory_order_acquire);
    TAILRACE_STEP("hole.intent_position_read");
    // Relaxed, both: relied on only once the owner is dead.
    const std::uint32_t marked_size_bytes = slot.intent_size_bytes.load(std::memory_order_relaxed);
    intent.size_bytes = marked_size_bytes & ~kIntentWon;
    intent.has_won = (marked_size_bytes & kIntentWon) != 0;
    intent.count = slot.intent_count.load(std::memory_order_relaxed);
    // [sync:intent_cleared] Acquire: an intent that is gone by now was committed, and the stamp is
    // seen.
    if (slot.intent_sequence.load(std::memory_order_acquire) == sequence)
        intent.place.sequence = sequence;
    return intent;
}

Place end_of(const Intent& intent) noexcept {
    return {intent.place.sequence + intent.count, intent.place.position + intent.size_bytes};
}

// Whether the stream's history passed through `end`: the claim that ended there is then the one
// that was won. Whoever claimed next noted `end` before its compare-and-swap, and committed there
// before it cleared the note; so one of the three is seen, read in this order.
bool is_next_place(const Region& region, Place end) noexcept {
    if (region.tail() == end) return true;
    TAILRACE_STEP("hole.tail_is_elsewhere");
    for (std::uint32_t index = 0; index < region.header().publisher_slots; ++index) {
        if (load_intent(region.publisher_slot(index)).place == end) return true;
    }
    return is_committed(region, end);
}

// Whether a note of `place` is older than a ring. A claim that was won keeps everybody within a
// ring of it until its note is cleared, so such a note never was one: its publisher read the tail,
// slept, and noted what it had read. Requires: is_committed(place) was false just before. Then, if
// this is false too, nothing was ever written there by a later lap.
bool was_overtaken(const Region& region, Place place) noexcept {
    return region.tail().position > place.position + region.capacity_bytes();
}

bool is_possible(const Region& region, const Intent& intent) noexcept {
    const std::uint64_t alignment = region.header().alignment_bytes;
    return intent.count != 0 && intent.size_bytes >= intent.count * alignment &&
           intent.size_bytes <= max_claim_bytes(region.capacity_bytes()) &&
           intent.size_bytes % alignment == 0 && intent.place.position % alignment == 0;
}

HoleVerdict dead_hole(const Intent& intent) noexcept {
    return {HoleVerdict::Kind::dead, intent.count, intent.size_bytes};
}

// A place that was noted, and what stands there is committed: by whoever noted it, or by whoever
// won against it. Either way each event that bears its identity was published, and the dead
// publisher's own are among them, so the highest number counts. Only a note that was won keeps the
// ring from going over the place meanwhile. Requires: the registry lock, the owner is dead.
void settle_identity(const Region& region, std::uint32_t index, const Intent& intent) noexcept {
    IdentitySlot* const identity = identity_of(region, index);
    if (identity == nullptr) return;
    const std::uint64_t salt = region.header().salt;
    // Relaxed: written before it was taken.
    const std::uint64_t id = identity->id.load(std::memory_order_relaxed);
    Place place = intent.place;
    const Place end = end_of(intent);
    OwnSequence own = 0;
    while (place.sequence != end.sequence) {
        const std::byte* const record = region.event_at(place.position);
        if (load_stamp(record) != stamp_of(place.sequence, salt)) break;
        const EventHeader header = load_header(record);
        const std::uint64_t size_bytes = event_size_bytes(
            header.payload_size_bytes, header.extension_words, region.header().alignment_bytes);
        if (size_bytes > end.position - place.position) break;
        own = std::max(own, own_sequence_of(record, header, id));
        place.position += size_bytes;
        ++place.sequence;
    }
    // [sync:write_limit_raised] Acquire: behind the words that were read.
    const std::uint64_t limit = region.state().write_limit.load(std::memory_order_acquire);
    if (limit > intent.place.position + region.capacity_bytes()) return;
    raise_last_own(*identity, own);
}

// What the dead noted for one place, and which of them had won it.
class Candidates {
public:
    void add(const Region& region, const Intent& intent) noexcept {
        if (!any_) {
            any_ = intent;
        } else if (any_->size_bytes != intent.size_bytes || any_->count != intent.count) {
            differ_ = true;
        }
        if (intent.has_won) winner_ = intent;
        // A loser's end may be a place of the stream's history too: that of a claim further on. The
        // winner's own end is the first place after this one, so the nearest end is the winner's.
        if ((!nearest_ || intent.size_bytes < nearest_->size_bytes) &&
            is_next_place(region, end_of(intent))) {
            nearest_ = intent;
        }
    }

    [[nodiscard]] HoleVerdict judge() const noexcept {
        // Before the look at what follows: stamps inside a batch that died in its commit are no
        // history.
        if (winner_) return dead_hole(*winner_);
        if (!differ_) return dead_hole(*any_);
        return nearest_ ? dead_hole(*nearest_) : HoleVerdict{HoleVerdict::Kind::open, 0, 0};
    }

    [[nodiscard]] bool empty() const noexcept { return !any_; }

private:
    std::optional<Intent> any_;
    std::optional<Intent> winner_;
    std::optional<Intent> nearest_;
    bool differ_ = false;
};

}  // namespace

bool is_committed(const Region& region, Place place) noexcept {
    return load_stamp(region.event_at(place.position)) ==
           stamp_of(place.sequence, region.header().salt);
}

OwnSequence own_sequence_of(const std::byte* record,
                            const EventHeader& header,
                            std::uint64_t id) noexcept {
    const unsigned before =
        extension_words_of(static_cast<std::uint8_t>(header.flags & (kHasPublisherId - 1U)));
    if ((header.flags & kHasPublisherId) == 0 || before + 2U > header.extension_words) return 0;
    std::array<std::byte, 2 * kExtensionWordBytes> bytes{};
    copy_racing_words(
        bytes.data(), record + sizeof(EventHeader) + before * kExtensionWordBytes, bytes.size());
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), bytes.data(), bytes.size());
    return words[0] == id ? words[1] : 0;
}

IdentitySlot* identity_of(const Region& region, std::uint32_t index) noexcept {
    // Relaxed: a dead owner's; or this process's own.
    const std::uint32_t number =
        region.publisher_slot(index).identity.load(std::memory_order_relaxed);
    if (number == 0 || number > kIdentitySlots) return nullptr;
    return &region.identity_slot(number - 1);
}

void raise_last_own(IdentitySlot& identity, OwnSequence own) noexcept {
    // Relaxed, both: the owner is dead, and whoever comes next takes the registry lock.
    if (own <= identity.last_own.load(std::memory_order_relaxed)) return;
    identity.last_own.store(own, std::memory_order_relaxed);
    TAILRACE_STEP("rescue.identity_settled");
}

Place noted_place(const Region& region, std::uint32_t index) noexcept {
    return load_intent(region.publisher_slot(index)).place;
}

HoleVerdict examine_hole(const Region& region, Place place) noexcept {
    const auto distance = static_cast<std::int64_t>(region.tail().sequence - place.sequence);
    if (distance <= 0) return {};  // not claimed: an intent alone proves nothing
    Candidates candidates;
    bool is_noted = false;
    for (std::uint32_t index = 0; index < region.header().publisher_slots; ++index) {
        const PublisherSlot& slot = region.publisher_slot(index);
        if (load_intent(slot).place != place) continue;
        is_noted = true;
        if (!is_active(slot.owner)) continue;
        TAILRACE_STEP("hole.claimant_found");
        if (!region.is_dead(slot.owner, kPublisherLocks + index)) {
            return {HoleVerdict::Kind::open, 0, 0};
        }
        TAILRACE_STEP("hole.claimant_dead");
        // Read again now that nobody writes it any more: what was seen before may have been half of
        // a change.
        const Intent intent = load_intent(slot);
        if (intent.place == place && is_possible(region, intent)) candidates.add(region, intent);
    }
    // The look at the stamp comes after the proof of death: the owner may have committed just
    // before it died.
    if (is_committed(region, place)) return {};
    TAILRACE_STEP("hole.not_committed");
    // Whoever claimed the place had noted it before the tail went beyond it, and clears the note
    // after its commit. So without a note this look at the stamp should have seen the commit.
    if (!is_noted) return {HoleVerdict::Kind::corrupt, 0, 0};
    if (candidates.empty()) return {};
    if (was_overtaken(region, place)) return {};
    return candidates.judge();
}

void write_tombstones(const Region& region,
                      Place place,
                      std::uint32_t count,
                      std::uint64_t size_bytes) noexcept {
    const std::uint64_t salt = region.header().salt;
    const std::uint64_t alignment = region.header().alignment_bytes;
    // From the last to the first, so that the first stamp makes all of them visible.
    for (std::uint32_t index = count; index-- > 0;) {
        const std::uint64_t offset = index * alignment;
        const std::uint64_t record_bytes = index + 1 == count ? size_bytes - offset : alignment;
        const EventHeader header{
            0, static_cast<std::uint32_t>(record_bytes - sizeof(EventHeader)), 0, kTombstone, 0};
        store_header(region.event_at(place.position + offset),
                     header,
                     stamp_of(place.sequence + index, salt));
        TAILRACE_STEP("tombstone.written");
    }
}

bool rescue_publisher(const Region& region, std::uint32_t index) noexcept {
    PublisherSlot& slot = region.publisher_slot(index);
    const Intent intent = load_intent(slot);
    const auto clear = [](PublisherSlot& cleared) {
        // [sync:intent_cleared] Release: the tombstones are seen by whoever sees the intent gone.
        cleared.intent_sequence.store(kNoSequence, std::memory_order_release);
    };
    if (intent.place.sequence == kNoSequence) return true;
    const auto distance = static_cast<std::int64_t>(region.tail().sequence - intent.place.sequence);
    if (distance <= 0 || is_committed(region, intent.place) ||
        was_overtaken(region, intent.place)) {
        // It never won the swap, or somebody's event stands there, or stood. The identity first:
        // while the note stands, whoever comes next finds the event as this one did.
        if (is_possible(region, intent)) settle_identity(region, index, intent);
        clear(slot);
        TAILRACE_STEP("rescue.note_of_committed_cleared");
        return true;
    }
    const HoleVerdict hole = examine_hole(region, intent.place);
    if (hole.kind != HoleVerdict::Kind::dead) return false;
    TAILRACE_STEP("rescue.judged_dead");
    write_tombstones(region, intent.place, hole.count, hole.size_bytes);
    TAILRACE_STEP("rescue.tombstones_written");
    count_up(region.state().registry.rescued_events, hole.count);  // under the registry lock
    clear(slot);
    TAILRACE_STEP("rescue.intent_cleared");
    return true;
}

}  // namespace tailrace::bus
