#include "journal_rows.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/journal_board.hpp>

#include <algorithm>

namespace tailrace::bench {

namespace {

constexpr std::uint32_t kAcknowledgedBytes = 64;
constexpr std::uint64_t kTurn = 100;

Result<void> acknowledge_one_by_one(bus::Publisher& publisher,
                                    std::uint64_t first,
                                    std::uint64_t count,
                                    Samples& samples) {
    for (std::uint64_t number = first; number < first + count; ++number) {
        const std::uint64_t begin = read_ticks();
        if (auto published = publish_numbers(publisher, number, 1, kAcknowledgedBytes); !published)
            return published.error();
        auto durable =
            publisher.wait_durable(publisher.next_own_sequence(), bus::Deadline::in_ms(kStallMs));
        if (!durable) return durable.error();
        samples.add(read_ticks() - begin);
    }
    return {};
}

// Looks for a while before it sleeps, as a publisher does that has more to do.
Result<void> await_more(bus::Publisher& publisher, Sequence acknowledged) {
    constexpr int kLooks = 2000;
    for (int look = 0; look < kLooks; ++look) {
        if (bus::durable_sequence(publisher.region()) > acknowledged) return {};
    }
    return publisher.wait_durable(acknowledged + 1, bus::Deadline::in_ms(kStallMs));
}

// Publishes with `window` events in flight: acknowledged events a second.
Result<double> acknowledge_in_groups(const JournalRowContext& context, std::uint32_t size_bytes) {
    constexpr std::uint64_t kWindow = 1024;
    auto recording = Recording::start(context.recording());
    if (!recording) return recording.error();
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    const std::uint64_t events = context.options.group_events;
    std::uint64_t published = 0;
    std::uint64_t acknowledged = 0;
    const std::uint64_t begin_ns = monotonic_ns();
    while (acknowledged < events) {
        const std::uint64_t room =
            std::min(kWindow - (published - acknowledged), events - published);
        if (auto done = publish_numbers(*publisher, published, room, size_bytes); !done)
            return done.error();
        published += room;
        if (auto durable = await_more(*publisher, acknowledged); !durable) return durable.error();
        acknowledged = bus::durable_sequence(publisher->region());
    }
    const double elapsed_ns = static_cast<double>(monotonic_ns() - begin_ns);
    if (auto checked = check_content(*recording, events); !checked) return checked.error();
    return static_cast<double>(events) * 1e9 / elapsed_ns;
}

}  // namespace

Result<nlohmann::json> measure_acknowledge(const JournalRowContext& context) {
    auto recording = Recording::start(context.recording());
    if (!recording) return recording.error();
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    PercentileRuns acknowledged;
    PercentileRuns flushed;
    std::uint64_t number = 0;
    for (std::uint32_t run = 0; run < context.options.runs; ++run) {
        Samples acknowledges;
        Samples flushes;
        for (std::uint64_t done = 0; done < context.options.acknowledgements; done += kTurn) {
            if (auto turn = context.device.flush_blocks(kTurn, flushes); !turn) return turn.error();
            if (auto turn = acknowledge_one_by_one(*publisher, number, kTurn, acknowledges); !turn)
                return turn.error();
            number += kTurn;
        }
        acknowledged.add(acknowledges);
        flushed.add(flushes);
    }
    if (auto checked = check_content(*recording, number); !checked) return checked.error();
    return nlohmann::json{{"size_bytes", kAcknowledgedBytes},
                          {"acknowledgements_per_run", context.options.acknowledgements},
                          {"durable_write", &recording->stage().durable_write[0]},
                          {"durable_ack_ns", acknowledged.json()},
                          {"device_flush_ns", flushed.json()},
                          {"ratio_p50", ratio_json(acknowledged.p50_ns(), flushed.p50_ns())},
                          {"ratio_p99", ratio_json(acknowledged.p99_ns(), flushed.p99_ns())}};
}

Result<nlohmann::json> measure_group(const JournalRowContext& context) {
    constexpr std::uint32_t kSmallBytes = 64;
    constexpr std::uint32_t kLargeBytes = 256;
    nlohmann::json report = {{"in_flight", 1024}, {"events_per_run", context.options.group_events}};
    std::vector<double> small;
    std::vector<double> large;
    PercentileRuns flushed;
    for (std::uint32_t run = 0; run < context.options.runs; ++run) {
        Samples flushes;
        if (auto turn = context.device.flush_blocks(kTurn, flushes); !turn) return turn.error();
        flushed.add(flushes);
        for (const std::uint32_t size_bytes : {kSmallBytes, kLargeBytes}) {
            auto rate = acknowledge_in_groups(context, size_bytes);
            if (!rate) return rate.error();
            (size_bytes == kSmallBytes ? small : large).push_back(*rate);
        }
    }
    report["acknowledged_per_s_64"] = spread_json(small);
    report["acknowledged_per_s_256"] = spread_json(large);
    report["device_flush_ns"] = flushed.json();
    return report;
}

}  // namespace tailrace::bench
