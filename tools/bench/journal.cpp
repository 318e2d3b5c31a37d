// Question: how fast does a stream become durable, beside the raw device?
//
//     publisher (core 0) --> ring --> recorder (core 1) --> journal on the device
//
// Bulk: as fast as the gating recorder allows, until the last event is durable; in turns with 1 MiB
// direct writes, eight in flight, to a file of its own. Acknowledge: one event at a time, published
// and waited for; in turns with one plain 4 KiB write and flush. Doesn't show: several publishers,
// replay.

#include "bench_runs.hpp"
#include "device.hpp"
#include "machine.hpp"

#include <tailrace/bridge/recorder.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/journal/reader.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kRingBytes = std::uint64_t{64} << 20U;

struct Stage {
    std::atomic<bool> recording;
    std::atomic<bool> stop;
};

int record_until_stopped(Stage& stage,
                         const BenchStreams& streams,
                         const JournalBenchOptions& options,
                         const std::string& journal_directory) {
    pin_to_core(1);
    bridge::RecorderOptions recording;
    recording.journal.directory = journal_directory;
    recording.journal.segment_size_bytes = options.segment_size_bytes;
    recording.bus_directory = streams.directory();
    auto recorder = bridge::Recorder::attach(streams.name(0), recording);
    if (!recorder) {
        std::fprintf(stderr, "tailrace: %s\n", recorder.error().message.c_str());
        return 1;
    }
    // [sync:bench_ready] Release: attached.
    stage.recording.store(true, std::memory_order_release);
    auto outcome = recorder->run(stage.stop);
    if (!outcome) std::fprintf(stderr, "tailrace: %s\n", outcome.error().message.c_str());
    return outcome ? 0 : 1;
}

// A recorder in a process of its own, on a stream of its own.
class Recording {
public:
    static Result<Recording> start(const JournalBenchOptions& options) {
        bus::StreamOptions stream;
        stream.capacity_bytes = kRingBytes;
        stream.publishing = bus::Publishing::single;
        auto streams = BenchStreams::create(1, stream, options.directory);
        if (!streams) return streams.error();
        Recording recording(std::move(*streams), options);
        while (!recording.is_recording()) {
            if (recording.child_.has_ended()) return bench_broken("the recorder did not start");
            ::usleep(1000);
        }
        return recording;
    }
    Recording(Recording&&) noexcept = default;
    Recording& operator=(Recording&&) noexcept = default;
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;
    ~Recording() {
        child_ = BenchChild();
        std::error_code ignored;
        if (!journal_directory_.empty()) std::filesystem::remove_all(journal_directory_, ignored);
    }

    Result<bus::Publisher> publisher() const {
        bus::PublisherOptions attaching;
        attaching.directory = streams_.directory();
        return bus::Publisher::attach(streams_.name(0), attaching);
    }

    bool stop() noexcept {
        // Relaxed: a flag that carries nothing.
        (*stage_)->stop.store(true, std::memory_order_relaxed);
        return child_.join();
    }

    [[nodiscard]] const std::string& journal_directory() const noexcept {
        return journal_directory_;
    }

private:
    Recording(BenchStreams streams, const JournalBenchOptions& options)
        : streams_(std::move(streams)),
          journal_directory_(options.journal_directory + "/" + streams_.name(0)),
          stage_(std::make_unique<SharedPage<Stage>>()),
          child_([&] {
              return record_until_stopped(**stage_, streams_, options, journal_directory_);
          }) {}

    // [sync:bench_ready] Acquire: the recorder has its place in the ring.
    [[nodiscard]] bool is_recording() const noexcept {
        return (*stage_)->recording.load(std::memory_order_acquire);
    }

    BenchStreams streams_;
    std::string journal_directory_;
    std::unique_ptr<SharedPage<Stage>> stage_;
    BenchChild child_;
};

// Reads the journal back and compares every byte.
Result<void> verify_journal(const std::string& directory, std::uint64_t events) {
    auto reader = journal::Reader::open(directory);
    if (!reader) return reader.error();
    std::uint64_t expected = 0;
    for (;;) {
        auto step = reader->next_batch();
        if (!step) return step.error();
        if (step->kind == journal::ReadKind::gap) return bench_broken("the journal has a gap");
        if (step->kind == journal::ReadKind::end) break;
        for (const Event& event : step->batch) {
            if (!words_match(event.payload(), expected))
                return bench_broken("the journal holds other bytes");
            ++expected;
        }
    }
    if (expected != events)
        return bench_broken("the journal holds " + std::to_string(expected) + " events");
    return {};
}

// Payload bytes a second, until the last one is durable.
Result<double> measure_bulk(const JournalBenchOptions& options) {
    auto recording = Recording::start(options);
    if (!recording) return recording.error();
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    const std::uint64_t events = std::max<std::uint64_t>(1, options.bytes / options.size_bytes);
    const std::uint64_t begin_ns = monotonic_ns();
    for (std::uint64_t event = 0; event < events; ++event) {
        bus::Claim claim;
        const auto status =
            publisher->claim(claim, options.size_bytes, 0, bus::Deadline::in_ms(kStallMs));
        if (status != bus::PublishStatus::ok)
            return bench_broken("the recorder stopped taking events");
        fill_words(claim.payload, event);
        publisher->commit(claim);
    }
    auto durable =
        publisher->wait_durable(publisher->next_own_sequence(), bus::Deadline::in_ms(kStallMs));
    if (!durable) return durable.error();
    const std::uint64_t elapsed_ns = monotonic_ns() - begin_ns;
    if (!recording->stop()) return bench_broken("the recorder failed");
    if (auto verified = verify_journal(recording->journal_directory(), events); !verified)
        return verified.error();
    return static_cast<double>(events * options.size_bytes) * 1e9 / static_cast<double>(elapsed_ns);
}

Result<void> measure_acknowledge(const JournalBenchOptions& options,
                                 RawDevice& device,
                                 Samples& acknowledges,
                                 Samples& flushes) {
    auto recording = Recording::start(options);
    if (!recording) return recording.error();
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    constexpr std::uint64_t kTurn = 100;
    std::vector<std::byte> payload(options.size_bytes);
    for (std::uint64_t event = 0; event < options.acknowledgements; ++event) {
        if (event % kTurn == 0) {
            if (auto flushed = device.flush_blocks(kTurn, flushes); !flushed)
                return flushed.error();
        }
        fill_words(payload, event);
        const std::uint64_t begin = read_ticks();
        const auto status = publisher->publish(std::span<const std::byte>(payload));
        if (status != bus::PublishStatus::ok)
            return bench_broken("the recorder stopped taking events");
        auto durable =
            publisher->wait_durable(publisher->next_own_sequence(), bus::Deadline::in_ms(kStallMs));
        if (!durable) return durable.error();
        acknowledges.add(read_ticks() - begin);
    }
    if (!recording->stop()) return bench_broken("the recorder failed");
    return verify_journal(recording->journal_directory(), options.acknowledgements);
}

nlohmann::json two_percentiles(Samples& samples) {
    samples.sort();
    return {{"p50", samples.percentile_ns(0.5, ns_per_tick())},
            {"p99", samples.percentile_ns(0.99, ns_per_tick())}};
}

}  // namespace

Result<nlohmann::json> run_journal(const JournalBenchOptions& options) {
    if (options.size_bytes < sizeof(std::uint64_t)) {
        return make_error(
            ErrorCode::invalid_argument, "payloads of under 8 bytes can't be verified", "--size 8");
    }
    std::error_code failed;
    std::filesystem::create_directories(options.journal_directory, failed);
    pin_to_core(0);
    static_cast<void>(ns_per_tick());
    auto device = RawDevice::prepare(options.journal_directory, options.bytes);
    if (!device) return device.error();
    std::vector<double> device_rates;
    std::vector<double> rates;
    std::vector<double> ratios;
    for (std::uint32_t run = 0; run < options.runs; ++run) {
        auto device_rate = device->write_all();
        if (!device_rate) return device_rate.error();
        auto rate = measure_bulk(options);
        if (!rate) return rate.error();
        device_rates.push_back(*device_rate);
        rates.push_back(*rate);
        ratios.push_back(*rate / *device_rate);
    }
    Samples acknowledges;
    Samples flushes;
    if (auto measured = measure_acknowledge(options, *device, acknowledges, flushes); !measured) {
        return measured.error();
    }
    const Spread rate = spread_of(rates);
    const Spread ratio = spread_of(ratios);
    nlohmann::json report = {{"bench", "journal"},
                             {"machine", machine_description()},
                             {"size_bytes", options.size_bytes},
                             {"bytes_per_run", options.bytes},
                             {"runs", options.runs},
                             {"segment_size_bytes", options.segment_size_bytes},
                             {"bytes_per_s", rate.median},
                             {"bytes_per_s_min", rate.min},
                             {"bytes_per_s_max", rate.max},
                             {"events_per_s", rate.median / options.size_bytes},
                             {"device_bytes_per_s", spread_of(device_rates).median},
                             {"ratio", ratio.median},
                             {"ratio_min", ratio.min},
                             {"ratio_max", ratio.max},
                             {"acknowledgements", acknowledges.count()},
                             {"verified", true}};
    report["durable_ack_ns"] = two_percentiles(acknowledges);
    report["device_flush_ns"] = two_percentiles(flushes);
    return report;
}

}  // namespace tailrace::tool
