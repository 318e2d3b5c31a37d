// What a slot's owner counted, and what becomes of it when the slot goes to the next one.
//
// Law: docs/ring_protocol.md, "Statistics". Cold paths only.
#pragma once

#include <tailrace/bus/region.hpp>
#include <tailrace/bus/stream_status.hpp>

#include <cstdint>

namespace tailrace::bus {

// What went by a subscriber since it attached, in whatever way.
struct Passed {
    std::uint64_t events;
    std::uint64_t bytes;
};
[[nodiscard]] Passed passed_by(const SubscriberSlot& slot) noexcept;

// The counts of a slot, or (without a place) of the sums.
[[nodiscard]] PublisherCounts counts_of(const PublisherStatistics& statistics) noexcept;
[[nodiscard]] SubscriberCounts counts_of(const SubscriberStatistics& statistics,
                                         Passed passed) noexcept;
void add_counts(PublisherCounts& sum, const PublisherCounts& counts) noexcept;
void add_counts(SubscriberCounts& sum, const SubscriberCounts& counts) noexcept;

// Adds what the last owner of a slot counted to the stream's sums, and begins at zero. Requires:
// the registry lock, a free slot.
void renew_statistics(const Region& region, PublisherSlot& slot) noexcept;
void renew_statistics(const Region& region,
                      SubscriberSlot& slot,
                      LatencyHistogram& latencies) noexcept;

}  // namespace tailrace::bus
