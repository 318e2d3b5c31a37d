#include "checkpoints.hpp"

#include <tailrace/bus/ring_bytes.hpp>

namespace tailrace::bus {

namespace {

// Calls `visit` with every checkpoint that can be trusted and isn't about to be overwritten.
template <typename Visit>
void for_each_checkpoint(const Region& region, std::uint64_t margin_bytes, Visit&& visit) noexcept {
    const Place reference = region.reference();
    const Place tail = region.tail();
    for (const auto& checkpoint : region.state().checkpoints) {
        // [sync:checkpoint_noted] Acquire: pairs with the publisher that noted it.
        const std::uint64_t word = checkpoint.load(std::memory_order_acquire);
        const Place place = unpack_tail(word, reference);
        if (place.position > tail.position || place.sequence > tail.sequence) continue;
        if (place.position + region.capacity_bytes() < reference.position + margin_bytes) continue;
        // A word from long ago decodes to nonsense; an event that begins there doesn't.
        const std::byte* const record = region.event_at(place.position);
        if (load_stamp(record) != stamp_of(place.sequence, region.header().salt)) continue;
        visit(place);
    }
    visit(end_place(region));
}

}  // namespace

Place oldest_checkpoint(const Region& region, std::uint64_t margin_bytes) noexcept {
    std::optional<Place> oldest;
    for_each_checkpoint(region, margin_bytes, [&](Place place) {
        if (!oldest || place.position < oldest->position) oldest = place;
    });
    return *oldest;
}

Place end_place(const Region& region) noexcept {
    const Place tail = region.tail();
    if (region.header().publishing == Publishing::multi) return tail;
    const std::uint64_t most_bytes = max_claim_bytes(region.capacity_bytes());
    Place end = tail;
    while (end.position - tail.position <= most_bytes) {
        const std::byte* const record = region.event_at(end.position);
        if (load_stamp(record) != stamp_of(end.sequence, region.header().salt)) return end;
        const EventHeader header = load_header(record);
        end.position += event_size_bytes(
            header.payload_size_bytes, header.extension_words, region.header().alignment_bytes);
        ++end.sequence;
    }
    // More than one claim: the publisher is alive and goes on, so the tail is a good answer.
    return tail;
}

std::optional<Place> checkpoint_at_or_before(const Region& region, Sequence sequence) noexcept {
    std::optional<Place> best;
    for_each_checkpoint(region, 0, [&](Place place) {
        if (place.sequence <= sequence && (!best || place.position > best->position)) best = place;
    });
    return best;
}

}  // namespace tailrace::bus
