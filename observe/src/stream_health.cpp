#include <tailrace/bus/cursor.hpp>
#include <tailrace/bus/group_files.hpp>
#include <tailrace/observe/clock_check.hpp>
#include <tailrace/observe/stream_health.hpp>

#include <algorithm>
#include <utility>

namespace tailrace::observe {

namespace {

std::string policy_name(bus::SlowPolicy policy) {
    switch (policy) {
        case bus::SlowPolicy::gate:
            return "gate";
        case bus::SlowPolicy::skip:
            return "skip";
        case bus::SlowPolicy::observe:
            return "observe";
        case bus::SlowPolicy::spill:
            return "spill";
        case bus::SlowPolicy::evict:
            return "evict";
    }
    return "unknown";
}

bool is_gate(const bus::SubscriberStatus& subscriber) noexcept {
    return subscriber.policy == bus::SlowPolicy::gate ||
           (subscriber.policy == bus::SlowPolicy::evict && !subscriber.is_evicted);
}

// Whether a publisher waits for this reader now.
bool is_blocking(const bus::StreamStatus& status, const bus::SubscriberStatus& subscriber) {
    const bus::Holder reader{bus::HolderKind::subscriber, subscriber.slot_index};
    return std::any_of(status.publishers.begin(),
                       status.publishers.end(),
                       [&](const bus::PublisherStatus& publisher) {
                           return publisher.is_alive && publisher.held_by == reader;
                       });
}

// The journal writer's own place in the ring.
bool is_of_writer(const bus::SubscriberStatus& subscriber, const bus::StreamStatus& status) {
    return status.journal && subscriber.pid == status.journal->pid && subscriber.name == "journal";
}

ReaderHealth health_of(const std::string& stream,
                       const bus::StreamStatus& status,
                       const bus::SubscriberStatus& subscriber) {
    ReaderHealth health;
    health.stream = stream;
    health.reader = subscriber.name;
    health.pid = subscriber.pid;
    health.policy = policy_name(subscriber.policy);
    health.end_sequence = status.end_sequence;
    health.latency = subscriber.latency;
    health.filter = subscriber.filter;
    health.is_evicted = subscriber.is_evicted;
    health.read_events = subscriber.counts.events;
    health.picture.is_alive = subscriber.is_alive;
    health.picture.sequence = subscriber.sequence;
    health.picture.lag = subscriber.lag;
    health.picture.lost_events = subscriber.lost_events;
    health.picture.room_ratio = subscriber.room_ratio;
    health.picture.source = subscriber.source;
    health.picture.is_gate = is_gate(subscriber);
    health.picture.is_blocking = is_blocking(status, subscriber);
    return health;
}

ReaderHealth journal_health(const std::string& stream,
                            const bus::StreamStatus& status,
                            const std::string& directory) {
    const bus::JournalStatus& journal = *status.journal;
    ReaderHealth health;
    health.stream = stream;
    health.reader = "journal";
    health.pid = journal.is_alive ? journal.pid : 0;
    health.policy = "durable";
    health.end_sequence = status.end_sequence;
    health.picture.is_alive = journal.is_alive;
    health.picture.sequence = journal.durable_sequence;
    health.picture.lag = journal.lag;
    health.picture.lost_events = journal.lost_events;
    health.picture.room_ratio = journal.room_ratio;
    health.picture.journal = journal.state;
    for (const bus::SubscriberStatus& subscriber : status.subscribers) {
        if (!is_of_writer(subscriber, status)) continue;
        health.picture.is_gate = is_gate(subscriber);
        health.picture.is_blocking = is_blocking(status, subscriber);
    }
    health.journal =
        JournalHealth{directory, journal.os_errno, journal.unrecorded_events, journal.holds};
    return health;
}

// Of a cursor that nobody reads by at the moment; the others are shown as their readers are.
ReaderHealth cursor_health(const std::string& stream,
                           const bus::CursorStatus& cursor,
                           Sequence end_sequence) {
    ReaderHealth health;
    health.stream = stream;
    health.reader = cursor.name;
    health.policy = "cursor";
    health.end_sequence = end_sequence;
    health.picture.is_away = true;
    health.picture.sequence = cursor.sequence;
    health.picture.lag.events = end_sequence - std::min(end_sequence, cursor.sequence);
    if (health.picture.lag.events != 0) health.picture.lag.age_ns.reset();
    return health;
}

std::optional<HolderHealth> holder_of(const std::string& stream,
                                      const bus::StreamStatus& status,
                                      std::uint64_t capacity_bytes) {
    if (!status.holder) return std::nullopt;
    // Publishers announce this share of the ring at a time; with less room left the next one
    // waits.
    constexpr std::uint64_t kCloseShare = bus::kCheckpointCount;
    return HolderHealth{
        stream, *status.holder, status.holder->room_bytes < capacity_bytes / kCloseShare};
}

}  // namespace

StreamHealth health_of(const std::shared_ptr<bus::Region>& region,
                       const bus::StreamStatus& status) {
    StreamHealth health;
    health.stream = region->name();
    for (const bus::SubscriberStatus& subscriber : status.subscribers) {
        // The journal's row says more.
        if (!is_of_writer(subscriber, status))
            health.readers.push_back(health_of(health.stream, status, subscriber));
    }
    if (status.journal) {
        health.readers.push_back(
            journal_health(health.stream, status, region->header().journal_directory.data()));
    }
    health.groups = read_group_healths(*region, status.end_sequence);
    for (const bus::CursorStatus& cursor : bus::read_cursors(*region)) {
        // A group's says more.
        if (cursor.name.starts_with(bus::kGroupFilePrefix)) continue;
        if (!cursor.is_owned)
            health.readers.push_back(cursor_health(health.stream, cursor, status.end_sequence));
    }
    for (ReaderHealth& reader : health.readers)
        reader.state = reader_state(reader.picture, std::nullopt);
    health.held_up = held_publishers(health.stream, status);
    health.holder = holder_of(health.stream, status, region->capacity_bytes());
    return health;
}

StreamHealth read_health(const std::shared_ptr<bus::Region>& region) {
    StreamHealth health = health_of(region, bus::read_status(region));
    health.clock = find_clock_trouble(region);
    return health;
}

Result<StreamHealth> read_health(const std::string& stream, const std::string& directory) {
    auto region = bus::Region::open(stream, bus::RegionAccess::observe, directory);
    if (!region) return region.error();
    return read_health(*region);
}

}  // namespace tailrace::observe
