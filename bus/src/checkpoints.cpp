#include "checkpoints.hpp"

#include "hole.hpp"

#include <tailrace/base/step.hpp>
#include <tailrace/bus/ring_bytes.hpp>

namespace tailrace::bus {

namespace {

// Whether bytes behind `position` may be of another lap, or will be before `margin_bytes` more are
// claimed.
bool is_overwritten(const Region& region,
                    std::uint64_t position,
                    std::uint64_t margin_bytes = 0) noexcept {
    return position + region.capacity_bytes() < region.reference().position + margin_bytes;
}

// Whether the claim that begins at `place` is committed, or noted and so on its way there. A word
// from long ago decodes to nonsense; neither an event nor a note begins there. In this order: a
// note is cleared behind the commit, so a claim that is missed by the first two looks is found by
// the third.
bool is_known(const Region& region, Place place) noexcept {
    if (is_committed(region, place)) return true;
    TAILRACE_STEP("joining.not_committed");
    for (std::uint32_t index = 0; index < region.header().publisher_slots; ++index) {
        if (noted_place(region, index) == place) return true;
    }
    return is_committed(region, place);
}

// Calls `visit` with the place of every claim below `tail` that isn't committed. A note of a place
// that the tail has gone past is of a claim that was won there, if not by who noted it.
template <typename Visit>
void for_each_open_claim(const Region& region, Place tail, Visit&& visit) noexcept {
    const std::uint64_t alignment = region.header().alignment_bytes;
    for (std::uint32_t index = 0; index < region.header().publisher_slots; ++index) {
        const Place place = noted_place(region, index);
        if (place.sequence >= tail.sequence || place.position >= tail.position) continue;
        if (place.position % alignment != 0 || is_committed(region, place)) continue;
        TAILRACE_STEP("joining.claim_found");
        // The note of a publisher that slept may be older than a ring. If it isn't by now, nothing
        // of a later lap stood there at the look at the stamp.
        if (is_overwritten(region, place.position)) continue;
        visit(place);
    }
}

// Calls `visit` with every place that can be trusted and isn't about to be overwritten. The end is
// read before all others: a claim that was won before is noted until it is committed, so it is
// found; what is claimed later lies behind the end.
template <typename Visit>
void for_each_checkpoint(const Region& region, std::uint64_t margin_bytes, Visit&& visit) noexcept {
    const Place reference = region.reference();
    const Place end = end_place(region);
    TAILRACE_STEP("joining.end_read");
    visit(end);
    for (const auto& checkpoint : region.state().checkpoints) {
        // [sync:checkpoint_noted] Acquire: pairs with the publisher that noted it.
        const std::uint64_t word = checkpoint.load(std::memory_order_acquire);
        const Place place = unpack_tail(word, reference);
        if (place.position > end.position || place.sequence > end.sequence) continue;
        if (is_overwritten(region, place.position, margin_bytes)) continue;
        if (is_known(region, place)) visit(place);
    }
    for_each_open_claim(region, end, [&](Place place) {
        if (!is_overwritten(region, place.position, margin_bytes)) visit(place);
    });
}

// Whether whole events follow each other from `place` exactly to `known`.
bool leads_to(const Region& region, Place place, Place known) noexcept {
    while (place.position < known.position && is_committed(region, place)) {
        const EventHeader header = load_header(region.event_at(place.position));
        place.position += event_size_bytes(
            header.payload_size_bytes, header.extension_words, region.header().alignment_bytes);
        ++place.sequence;
    }
    return place == known;
}

}  // namespace

Place oldest_checkpoint(const Region& region, std::uint64_t margin_bytes) noexcept {
    std::optional<Place> oldest;
    for_each_checkpoint(region, margin_bytes, [&](Place place) {
        if (!oldest || place.position < oldest->position) oldest = place;
    });
    return *oldest;
}

std::optional<Place> checkpoint_at_or_before(const Region& region, Sequence sequence) noexcept {
    std::optional<Place> best;
    for_each_checkpoint(region, 0, [&](Place place) {
        if (place.sequence <= sequence && (!best || place.position > best->position)) best = place;
    });
    return best;
}

std::optional<Place> find_before_checkpoints(const Region& region, Sequence sequence) noexcept {
    const Place known = oldest_checkpoint(region);
    const std::uint64_t alignment = region.header().alignment_bytes;
    const std::uint64_t capacity = region.capacity_bytes();
    const std::uint64_t limit = region.reference().position;
    const std::uint64_t oldest_byte = align_up(limit > capacity ? limit - capacity : 0, alignment);
    if (sequence >= known.sequence || oldest_byte >= known.position) return std::nullopt;
    if (known.sequence - sequence > (known.position - oldest_byte) / alignment) return std::nullopt;
    // A payload may hold the bytes of a stamp; but nothing leads from there to the checkpoint. That
    // many such payloads are no chance.
    int tries_left = 64;
    for (Place place{sequence, oldest_byte}; place.position < known.position && tries_left > 0;
         place.position += alignment) {
        if (!is_committed(region, place)) continue;
        if (leads_to(region, place, known)) return place;
        --tries_left;
    }
    return std::nullopt;
}

Place end_place(const Region& region) noexcept {
    const Place tail = region.tail();
    if (region.header().publishing == Publishing::multi) return tail;
    const std::uint64_t most_bytes = max_claim_bytes(region.capacity_bytes());
    Place end = tail;
    while (end.position - tail.position <= most_bytes) {
        if (!is_committed(region, end)) return end;
        const EventHeader header = load_header(region.event_at(end.position));
        end.position += event_size_bytes(
            header.payload_size_bytes, header.extension_words, region.header().alignment_bytes);
        ++end.sequence;
    }
    // More than one claim: the publisher is alive and goes on, so the tail is a good answer.
    return tail;
}

Place next_place(const Region& region) noexcept {
    // In this order: a claim that was won before this look is noted until it is committed.
    Place next = end_place(region);
    if (region.header().publishing == Publishing::single) return next;
    TAILRACE_STEP("joining.end_read");
    for_each_open_claim(region, next, [&](Place place) {
        if (place.position < next.position) next = place;
    });
    return next;
}

}  // namespace tailrace::bus
