// What can be told of a stream's publishers and readers, and what each of them counts.

#include <tailrace/observe/stream_picture.hpp>

#include <array>

namespace tailrace::observe {

namespace {

// A count, by the member that holds it.
template <auto kMember, typename Counts>
Value counted_in(const Counts& counts) {
    return counts.*kMember;
}

template <auto kMember>
constexpr auto kOfPublisher = &counted_in<kMember, bus::PublisherCounts>;
template <auto kMember>
constexpr auto kOfSubscriber = &counted_in<kMember, bus::SubscriberCounts>;

using Published = bus::PublisherCounts;
constexpr auto kPublisherCountFigures = std::to_array<Figure<Published>>({
    {"events",
     Unit::count,
     "events claimed, aborted ones included",
     kOfPublisher<&Published::events>,
     Kind::counter},
    {"bytes",
     Unit::bytes,
     "of the ring, that these took",
     kOfPublisher<&Published::bytes>,
     Kind::counter},
    {"aborted_events",
     Unit::count,
     "claims that were given up",
     kOfPublisher<&Published::aborted_events>,
     Kind::counter},
    {"room_looks",
     Unit::count,
     "looks at the slowest reader, for room",
     kOfPublisher<&Published::room_looks>,
     Kind::counter},
    {"refused_claims",
     Unit::count,
     "claims that found no room",
     kOfPublisher<&Published::refused_claims>,
     Kind::counter},
    {"waits",
     Unit::count,
     "times that it was held up",
     kOfPublisher<&Published::waits>,
     Kind::counter},
    {"wait_ns",
     Unit::nanoseconds,
     "all that waiting",
     kOfPublisher<&Published::wait_ns>,
     Kind::counter},
    {"longest_wait_ns",
     Unit::nanoseconds,
     "the longest of it",
     kOfPublisher<&Published::longest_wait_ns>},
    {"sleeps",
     Unit::count,
     "sleeps while it was held up",
     kOfPublisher<&Published::sleeps>,
     Kind::counter},
    {"wakes",
     Unit::count,
     "wake-ups that it gave to readers",
     kOfPublisher<&Published::wakes>,
     Kind::counter},
    {"rescued_events",
     Unit::count,
     "tombstones that it wrote for claims of the dead",
     kOfPublisher<&Published::rescued_events>,
     Kind::counter},
    {"evicted_readers",
     Unit::count,
     "silent readers that it gave up",
     kOfPublisher<&Published::evicted_subscribers>,
     Kind::counter},
});

using Read = bus::SubscriberCounts;
constexpr auto kSubscriberCountFigures = std::to_array<Figure<Read>>({
    {"events", Unit::count, "events handed over", kOfSubscriber<&Read::events>, Kind::counter},
    {"bytes",
     Unit::bytes,
     "of the ring, that it has passed",
     kOfSubscriber<&Read::bytes>,
     Kind::counter},
    {"lost_events",
     Unit::count,
     "events overwritten before it read them",
     kOfSubscriber<&Read::lost_events>,
     Kind::counter},
    {"gaps",
     Unit::count,
     "times that it was told of a loss",
     kOfSubscriber<&Read::gaps>,
     Kind::counter},
    {"tombstones",
     Unit::count,
     "places of dead publishers that it passed",
     kOfSubscriber<&Read::tombstones>,
     Kind::counter},
    {"filtered_events",
     Unit::count,
     "events that its filter left out",
     kOfSubscriber<&Read::filtered_events>,
     Kind::counter},
    {"idle_looks",
     Unit::count,
     "looks that found nothing",
     kOfSubscriber<&Read::idle_looks>,
     Kind::counter},
    {"sleeps",
     Unit::count,
     "times that it slept for events",
     kOfSubscriber<&Read::sleeps>,
     Kind::counter},
    {"sleep_ns",
     Unit::nanoseconds,
     "all that sleep",
     kOfSubscriber<&Read::sleep_ns>,
     Kind::counter},
    {"holes",
     Unit::count,
     "claims of dead publishers that it stepped over",
     kOfSubscriber<&Read::holes>,
     Kind::counter},
    {"wakes",
     Unit::count,
     "wake-ups that it gave to publishers",
     kOfSubscriber<&Read::wakes>,
     Kind::counter},
    {"evictions",
     Unit::count,
     "times that publishers gave it up",
     kOfSubscriber<&Read::evictions>,
     Kind::counter},
});

constexpr auto kPublisherFigures = std::to_array<Figure<bus::PublisherStatus>>({
    {"name",
     Unit::text,
     "that it gave itself",
     [](const bus::PublisherStatus& row) -> Value {
         return row.name;
     }},
    {"pid",
     Unit::number,
     "its process",
     [](const bus::PublisherStatus& row) -> Value {
         return std::uint64_t{row.pid};
     }},
    {"alive",
     Unit::flag,
     "whether the kernel says that it is there",
     [](const bus::PublisherStatus& row) -> Value {
         return row.is_alive;
     }},
    {"attached_ns",
     Unit::time_ns,
     "when it attached",
     [](const bus::PublisherStatus& row) -> Value {
         return row.attached_ns;
     }},
    {"in_claim",
     Unit::flag,
     "it has claimed room and not yet committed",
     [](const bus::PublisherStatus& row) -> Value {
         return row.in_claim;
     }},
});

constexpr auto kSubscriberFigures = std::to_array<Figure<bus::SubscriberStatus>>({
    {"name",
     Unit::text,
     "that it gave itself; the recorder's is \"journal\"",
     [](const bus::SubscriberStatus& row) -> Value {
         return row.name;
     }},
    {"pid",
     Unit::number,
     "its process",
     [](const bus::SubscriberStatus& row) -> Value {
         return std::uint64_t{row.pid};
     }},
    {"alive",
     Unit::flag,
     "whether the kernel says that it is there",
     [](const bus::SubscriberStatus& row) -> Value {
         return row.is_alive;
     }},
    {"attached_ns",
     Unit::time_ns,
     "when it attached",
     [](const bus::SubscriberStatus& row) -> Value {
         return row.attached_ns;
     }},
    {"seq",
     Unit::sequence,
     "of the event that it reads next",
     [](const bus::SubscriberStatus& row) -> Value {
         return row.sequence;
     }},
    {"lost_events",
     Unit::count,
     "events overwritten before it read them",
     [](const bus::SubscriberStatus& row) -> Value { return row.lost_events; },
     Kind::counter},
});

}  // namespace

std::span<const Figure<bus::PublisherCounts>> publisher_count_figures() noexcept {
    return kPublisherCountFigures;
}

std::span<const Figure<bus::SubscriberCounts>> subscriber_count_figures() noexcept {
    return kSubscriberCountFigures;
}

std::span<const Figure<bus::PublisherStatus>> publisher_figures() noexcept {
    return kPublisherFigures;
}

std::span<const Figure<bus::SubscriberStatus>> subscriber_figures() noexcept {
    return kSubscriberFigures;
}

}  // namespace tailrace::observe
