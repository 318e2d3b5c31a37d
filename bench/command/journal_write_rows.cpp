#include "journal_rows.hpp"

#include <tailrace/base/clock.hpp>

#include <algorithm>

namespace tailrace::bench {

namespace {

constexpr std::uint64_t kKeptSegments = 4;

struct Bulk {
    std::uint32_t size_bytes;
    bool is_first_lap;
};

// Publishes `bytes` of payload and waits until the last event is durable: payload bytes a second.
Result<double> publish_durably(bus::Publisher& publisher,
                               std::uint64_t bytes,
                               std::uint32_t size_bytes,
                               std::uint64_t& next_number) {
    const std::uint64_t events = std::max<std::uint64_t>(1, bytes / size_bytes);
    const std::uint64_t begin_ns = monotonic_ns();
    if (auto published = publish_numbers(publisher, next_number, events, size_bytes); !published)
        return published.error();
    next_number += events;
    auto durable =
        publisher.wait_durable(publisher.next_own_sequence(), bus::Deadline::in_ms(kStallMs));
    if (!durable) return durable.error();
    return static_cast<double>(events * size_bytes) * 1e9 /
           static_cast<double>(monotonic_ns() - begin_ns);
}

Result<double> publish_first_lap(const JournalRowContext& context, std::uint32_t size_bytes) {
    auto recording = Recording::start(context.recording());
    if (!recording) return recording.error();
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    std::uint64_t number = 0;
    auto rate = publish_durably(*publisher, context.options.bytes, size_bytes, number);
    if (!rate) return rate.error();
    if (!recording->stop()) return bench_broken("the recorder failed");
    auto events = read_back(recording->journal_directory());
    if (!events) return events.error();
    if (*events != number) return bench_broken("the journal lacks events");
    return rate;
}

// A journal that retention holds at a few segments: after the first lap it writes to recycled ones.
class SteadyJournal {
public:
    static Result<SteadyJournal> start(const JournalRowContext& context, std::uint32_t size_bytes) {
        RecordingOptions options = context.recording();
        options.journal.retain_size_bytes = kKeptSegments * options.journal.segment_size_bytes;
        auto recording = Recording::start(options);
        if (!recording) return recording.error();
        auto publisher = recording->publisher();
        if (!publisher) return publisher.error();
        SteadyJournal steady(std::move(*recording), std::move(*publisher), size_bytes);
        const std::uint64_t warm_up = (kKeptSegments + 3) * options.journal.segment_size_bytes;
        if (auto rate = steady.publish(warm_up); !rate) return rate.error();
        return steady;
    }

    Result<double> publish(std::uint64_t bytes) {
        return publish_durably(publisher_, bytes, size_bytes_, number_);
    }
    // What retention left of it, every byte.
    Result<void> verify() {
        if (!recording_.stop()) return bench_broken("the recorder failed");
        auto events = read_back(recording_.journal_directory());
        if (!events) return events.error();
        if (*events == 0 || *events > number_) return bench_broken("the journal lacks events");
        return {};
    }

private:
    SteadyJournal(Recording recording, bus::Publisher publisher, std::uint32_t size_bytes)
        : recording_(std::move(recording)),
          publisher_(std::move(publisher)),
          size_bytes_(size_bytes) {}

    Recording recording_;
    bus::Publisher publisher_;
    std::uint32_t size_bytes_;
    std::uint64_t number_ = 0;
};

// Device and journal in turns, each first every other time: a disk that gives bursts favours
// whoever comes first.
Result<nlohmann::json> measure(const JournalRowContext& context, const Bulk& bulk) {
    std::optional<SteadyJournal> steady;
    if (!bulk.is_first_lap) {
        auto started = SteadyJournal::start(context, bulk.size_bytes);
        if (!started) return started.error();
        steady.emplace(std::move(*started));
    }
    const auto publish = [&] {
        return steady ? steady->publish(context.options.bytes)
                      : publish_first_lap(context, bulk.size_bytes);
    };
    std::vector<double> device_rates;
    std::vector<double> device_huge_rates;
    std::vector<double> rates;
    for (std::uint32_t run = 0; run < context.options.runs; ++run) {
        for (const bool is_device : {run % 2 == 0, run % 2 != 0}) {
            auto rate = is_device ? context.device.write_all() : publish();
            if (!rate) return rate.error();
            (is_device ? device_rates : rates).push_back(*rate);
        }
        auto rate = context.device.write_all(RawDevice::Pages::huge);
        if (!rate) return rate.error();
        device_huge_rates.push_back(*rate);
    }
    if (steady) {
        if (auto verified = steady->verify(); !verified) return verified.error();
    }
    std::vector<double> events;
    for (const double rate : rates)
        events.push_back(rate / bulk.size_bytes);
    return nlohmann::json{{"size_bytes", bulk.size_bytes},
                          {"bytes_per_run", context.options.bytes},
                          {"bytes_per_s", spread_json(rates)},
                          {"events_per_s", spread_json(events)},
                          {"device_bytes_per_s", spread_json(device_rates)},
                          {"device_huge_bytes_per_s", spread_json(device_huge_rates)},
                          {"ratio", ratio_json(rates, device_rates)},
                          {"ratio_huge", ratio_json(rates, device_huge_rates)}};
}

}  // namespace

Result<nlohmann::json> measure_bulk(const JournalRowContext& context) {
    return measure(context, {context.options.size_bytes, false});
}

Result<nlohmann::json> measure_first_lap(const JournalRowContext& context) {
    return measure(context, {context.options.size_bytes, true});
}

Result<nlohmann::json> measure_small(const JournalRowContext& context) {
    constexpr std::uint32_t kSmallBytes = 64;
    return measure(context, {kSmallBytes, false});
}

}  // namespace tailrace::bench
