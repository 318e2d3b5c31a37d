// Question: what does it cost to read ring and journal as one?
//
// Load: as fast as it goes; live rates and round trips with a plain Subscriber and a StreamReader
// in turns, on the same streams. Doesn't show: disks that are slower than the publisher (then it is
// held up by the recorder, with or without a reader).

#include "sliding.hpp"

#include "bench_runs.hpp"
#include "journal_recording.hpp"
#include "machine.hpp"
#include "samples.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>

namespace tailrace::bench {

namespace {

constexpr std::uint32_t kLiveBytes = 32;
constexpr std::uint32_t kRecordedBytes = 64;
constexpr std::uint64_t kPollLimit = 256;

double median_of(std::vector<double> values) {
    return spread_of(std::move(values)).median;
}

// What two processes share: how far each may go, and has come.
struct Track {
    std::atomic<std::uint64_t> go;    // rounds that may begin
    std::atomic<std::uint64_t> done;  // rounds that the other side has ended
    std::atomic<bool> is_over;
};

void await(const std::atomic<std::uint64_t>& word, std::uint64_t value) {
    // [sync:bench_go] Acquire: nothing hangs on it but the start.
    while (word.load(std::memory_order_acquire) < value)
        bus::cpu_relax();
}

bus::StreamOptions live_stream() {
    bus::StreamOptions stream;
    stream.capacity_bytes = std::uint64_t{4} << 20U;
    stream.publishing = bus::Publishing::single;
    stream.publish_time = bus::PublishTime::off;
    return stream;
}

Result<bus::Subscriber> attach_plain(const std::string& stream, const std::string& directory) {
    bus::SubscriberOptions options;
    options.wait = bus::WaitStrategy::busy_spin;
    options.directory = directory;
    return bus::Subscriber::attach(stream, options);
}

Result<stream::StreamReader> attach_sliding(const std::string& stream,
                                            const std::string& directory) {
    stream::StreamReaderOptions options;
    options.policy = bus::SlowPolicy::gate;
    options.wait = bus::WaitStrategy::busy_spin;
    options.bus_directory = directory;
    return stream::StreamReader::attach(stream, options);
}

// Reads `count` events whose numbers begin with `first`. False: one is missing or changed.
template <typename Reader>
bool read_numbers(Reader& reader, std::uint64_t first, std::uint64_t count) {
    std::uint64_t number = first;
    std::uint64_t mismatches = 0;
    while (number < first + count) {
        const auto result = reader.poll_until(
            [&](const Event& event) {
                if (!words_match(event.payload(), number)) ++mismatches;
                ++number;
            },
            kPollLimit,
            bus::Deadline::in_ms(kStallMs));
        if (result.events == 0) return false;
    }
    return mismatches == 0;
}

// One round of reading at full speed: events a second.
template <typename Reader>
Result<double> rate_of(Result<Reader> reader,
                       Track& track,
                       std::uint64_t round,
                       std::uint64_t events) {
    if (!reader) return reader.error();
    const std::uint64_t begin_ns = monotonic_ns();
    // [sync:bench_go] Release: attached.
    track.go.store(round + 1, std::memory_order_release);
    if (!read_numbers(*reader, round * events, events))
        return bench_broken("an event is missing or changed");
    return static_cast<double>(events) * 1e9 / static_cast<double>(monotonic_ns() - begin_ns);
}

// One round of single events there and back: nanoseconds, p50.
template <typename Reader>
Result<double> round_trip_of(Result<Reader> reader,
                             bus::Publisher& to,
                             Track& track,
                             std::uint64_t round,
                             std::uint64_t trips) {
    if (!reader) return reader.error();
    Samples samples;
    samples.reserve(trips);
    // [sync:bench_go] Release: attached.
    track.go.store(round + 1, std::memory_order_release);
    std::uint64_t before = read_ticks();
    for (std::uint64_t number = round * trips; number < (round + 1) * trips; ++number) {
        bus::Claim claim;
        if (to.try_claim(claim, kLiveBytes) != bus::PublishStatus::ok)
            return bench_broken("the echo stopped");
        fill_words(claim.payload, number);
        to.commit(claim);
        if (!read_numbers(*reader, number, 1)) return bench_broken("the echo stopped");
        const std::uint64_t now = read_ticks();
        samples.add(now - before);
        before = now;
    }
    samples.sort();
    return samples.percentile_ns(0.5, ns_per_tick());
}

// Plain and sliding in turns.
template <typename Measure>
Result<LivePair> in_turns(std::uint32_t rounds, Measure&& measure) {
    std::vector<double> plain;
    std::vector<double> sliding;
    for (std::uint64_t round = 0; round < 2 * std::uint64_t{rounds}; ++round) {
        Result<double> value = measure(round);
        if (!value) return value.error();
        (round % 2 == 0 ? plain : sliding).push_back(*value);
    }
    return LivePair{median_of(std::move(plain)), median_of(std::move(sliding))};
}

int publish_rounds(Track& track, const BenchStreams& streams, const SlidingOptions& options) {
    pin_to_core(1);
    auto publisher = bus::Publisher::attach(streams.name(0), {.directory = streams.directory()});
    if (!publisher) return 1;
    for (std::uint64_t round = 0; round < 2 * std::uint64_t{options.rounds}; ++round) {
        await(track.go, round + 1);
        if (!publish_numbers(*publisher, round * options.events, options.events, kLiveBytes))
            return 1;
    }
    return 0;
}

int echo_rounds(Track& track, const BenchStreams& streams, const SlidingOptions& options) {
    pin_to_core(1);
    auto from = attach_plain(streams.name(0), streams.directory());
    auto to = bus::Publisher::attach(streams.name(1), {.directory = streams.directory()});
    if (!from || !to) return 1;
    // [sync:bench_ready] Release: attached.
    track.done.store(1, std::memory_order_release);
    const std::uint64_t trips = 2 * std::uint64_t{options.rounds} * options.events;
    for (std::uint64_t trip = 0; trip < trips; ++trip) {
        bool sound = true;
        const auto result = from->poll_until(
            [&](const Event& event) {
                sound = to->try_publish(event.payload()) == bus::PublishStatus::ok;
            },
            1,
            bus::Deadline::in_ms(kStallMs));
        if (result.events != 1 || !sound) return 1;
    }
    return 0;
}

RecordingOptions recording_of(const SlidingOptions& options, std::uint64_t ring_bytes) {
    RecordingOptions recording;
    recording.bus_directory = options.directory;
    recording.journal_directory = options.journal_directory;
    recording.ring_bytes = ring_bytes;
    recording.publish_time = bus::PublishTime::off;
    return recording;
}

// Reads one of a hundred of what is there, until the publisher is done; then the rest.
int read_slowly(Track& track, const Recording& recording, const SlidingOptions& options) {
    constexpr std::uint64_t kSlowness = 100;
    constexpr ::useconds_t kNapUs = 500;
    stream::StreamReaderOptions reading;
    reading.from = Position::start();
    reading.bus_directory = options.directory;
    auto reader = stream::StreamReader::attach(recording.stream(), reading);
    if (!reader) return 1;
    // [sync:bench_ready] Release: attached.
    track.done.store(1, std::memory_order_release);
    std::uint64_t number = 0;
    // [sync:bench_go] Acquire: nothing hangs on it but the end.
    while (!track.is_over.load(std::memory_order_acquire)) {
        const std::uint64_t due = reader->region().tail().sequence / kSlowness;
        if (due > number) {
            if (!read_numbers(*reader, number, due - number)) return 1;
            // A poll may have given more than was due.
            number = reader->next_sequence();
        } else {
            ::usleep(kNapUs);
        }
    }
    if (number < options.events && !read_numbers(*reader, number, options.events - number))
        return 1;
    return reader->lost_events() == 0 && reader->spill_count() > 0 ? 0 : 1;
}

Result<double> publish_recorded(const SlidingOptions& options, bool beside_reader) {
    auto recording = Recording::start(recording_of(options, std::uint64_t{1} << 20U));
    if (!recording) return recording.error();
    SharedPage<Track> track;
    BenchChild reader;
    if (beside_reader) {
        reader = BenchChild([&] { return read_slowly(*track, *recording, options); });
        // [sync:bench_ready] Acquire: the reader has its place.
        while (track->done.load(std::memory_order_acquire) == 0) {
            if (reader.has_ended()) return bench_broken("the reader did not start");
            ::usleep(1000);
        }
    }
    pin_to_core(0);
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    const std::uint64_t begin_ns = monotonic_ns();
    auto published = publish_numbers(*publisher, 0, options.events, kRecordedBytes);
    if (!published) return published.error();
    const std::uint64_t took_ns = monotonic_ns() - begin_ns;
    // [sync:bench_go] Release: nothing hangs on it but the end.
    track->is_over.store(true, std::memory_order_release);
    if (beside_reader && !reader.join())
        return bench_broken("the reader lost or changed an event, or never left the ring");
    if (auto checked = check_content(*recording, options.events); !checked) return checked.error();
    return static_cast<double>(options.events) * 1e9 / static_cast<double>(took_ns);
}

Result<double> read_plainly(const std::string& directory, std::uint64_t events) {
    const std::uint64_t begin_ns = monotonic_ns();
    auto found = read_back(directory);
    if (!found) return found.error();
    if (*found != events) return bench_broken("the journal lacks events");
    return static_cast<double>(events) * 1e9 / static_cast<double>(monotonic_ns() - begin_ns);
}

Result<double> read_sliding(const std::string& directory, std::uint64_t events) {
    const std::uint64_t begin_ns = monotonic_ns();
    stream::StreamReaderOptions options;
    options.from = Position::start();
    auto reader = stream::StreamReader::open_journal(directory, options);
    if (!reader) return reader.error();
    if (!read_numbers(*reader, 0, events)) return bench_broken("an event is missing or changed");
    return static_cast<double>(events) * 1e9 / static_cast<double>(monotonic_ns() - begin_ns);
}

}  // namespace

Result<LivePair> run_live_rate(const SlidingOptions& options) {
    auto streams = BenchStreams::create(1, live_stream(), options.directory);
    if (!streams) return streams.error();
    SharedPage<Track> track;
    BenchChild child([&] { return publish_rounds(*track, *streams, options); });
    pin_to_core(0);
    const std::string& name = streams->name(0);
    auto pair = in_turns(options.rounds, [&](std::uint64_t round) {
        return round % 2 == 0
                   ? rate_of(attach_plain(name, options.directory), *track, round, options.events)
                   : rate_of(
                         attach_sliding(name, options.directory), *track, round, options.events);
    });
    if (pair && !child.join()) return bench_broken("the publisher stopped");
    return pair;
}

Result<LivePair> run_live_round_trip(const SlidingOptions& options) {
    auto streams = BenchStreams::create(2, live_stream(), options.directory);
    if (!streams) return streams.error();
    SharedPage<Track> track;
    BenchChild child([&] { return echo_rounds(*track, *streams, options); });
    pin_to_core(0);
    auto to = bus::Publisher::attach(streams->name(0), {.directory = options.directory});
    if (!to) return to.error();
    await(track->done, 1);
    const std::string& name = streams->name(1);
    auto pair = in_turns(options.rounds, [&](std::uint64_t round) {
        return round % 2 == 0
                   ? round_trip_of(
                         attach_plain(name, options.directory), *to, *track, round, options.events)
                   : round_trip_of(attach_sliding(name, options.directory),
                                   *to,
                                   *track,
                                   round,
                                   options.events);
    });
    if (pair && !child.join()) return bench_broken("the echo stopped");
    return pair;
}

Result<LivePair> run_journal_read(const SlidingOptions& options) {
    auto recording = Recording::start(recording_of(options, std::uint64_t{16} << 20U));
    if (!recording) return recording.error();
    {
        auto publisher = recording->publisher();
        if (!publisher) return publisher.error();
        auto published = publish_numbers(*publisher, 0, options.events, kRecordedBytes);
        if (!published) return published.error();
    }
    if (!recording->stop()) return bench_broken("the recorder failed");
    const std::string& directory = recording->journal_directory();
    // The first pass brings it into memory.
    if (auto read = read_plainly(directory, options.events); !read) return read.error();
    return in_turns(options.rounds, [&](std::uint64_t round) {
        return round % 2 == 0 ? read_plainly(directory, options.events)
                              : read_sliding(directory, options.events);
    });
}

Result<SpillCost> run_spill_cost(const SlidingOptions& options) {
    auto alone = publish_recorded(options, false);
    if (!alone) return alone.error();
    auto beside = publish_recorded(options, true);
    if (!beside) return beside.error();
    return SpillCost{*alone, *beside};
}

Result<std::vector<double>> run_returns(const SlidingOptions& options) {
    constexpr std::uint64_t kRingBytes = std::uint64_t{64} << 20U;
    // More than a ring, so that the reader is left behind.
    constexpr std::uint64_t kBurst = kRingBytes / (sizeof(EventHeader) + kRecordedBytes) * 5 / 4;
    auto recording = Recording::start(recording_of(options, kRingBytes));
    if (!recording) return recording.error();
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    stream::StreamReaderOptions reading;
    reading.bus_directory = options.directory;
    auto reader = stream::StreamReader::attach(recording->stream(), reading);
    if (!reader) return reader.error();
    std::vector<double> times_ms;
    std::uint64_t number = 0;
    for (std::uint32_t round = 0; round < options.rounds; ++round) {
        auto published = publish_numbers(*publisher, number, kBurst, kRecordedBytes);
        if (!published) return published.error();
        const std::uint64_t end = number + kBurst;
        std::uint64_t mismatches = 0;
        while (number < end) {
            const stream::Source before = reader->source();
            const std::uint64_t begin_ns = monotonic_ns();
            const auto result = reader->poll(
                [&](const Event& event) {
                    if (!words_match(event.payload(), number)) ++mismatches;
                    ++number;
                },
                kPollLimit);
            const bool returned =
                before == stream::Source::journal && reader->source() == stream::Source::ring;
            if (returned) times_ms.push_back(static_cast<double>(monotonic_ns() - begin_ns) / 1e6);
            if (result.state > bus::PollState::idle || mismatches != 0)
                return bench_broken("an event is missing or changed");
        }
    }
    if (times_ms.empty()) return bench_broken("the reader never left the ring");
    return times_ms;
}

}  // namespace tailrace::bench
