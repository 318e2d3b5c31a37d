// Question: what does it cost to note how far one has read?
//
// Load: commits one after the other; durable ones beside durable acknowledges, in turns; a commit
// for each eighth event beside a recorder at full speed, which makes a thousand and more in a
// millisecond. Doesn't show: several cursors (the keeper writes all of them at once).

#include "cursor_cost.hpp"

#include "bench_runs.hpp"
#include "journal_recording.hpp"
#include "samples.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <unistd.h>

#include <atomic>
#include <utility>
#include <vector>

namespace tailrace::bench {

namespace {

constexpr std::uint32_t kEventBytes = 64;
constexpr std::uint64_t kLongestMs = 60'000;
constexpr std::size_t kEventsPerCommit = 8;

RecordingOptions recorded(const SlidingOptions& options) {
    RecordingOptions recording;
    recording.bus_directory = options.directory;
    recording.journal_directory = options.journal_directory;
    recording.publish_time = bus::PublishTime::off;
    return recording;
}

Result<stream::StreamReader> attach(const Recording& recording,
                                    const std::string& directory,
                                    bool with_cursor) {
    stream::StreamReaderOptions options;
    options.policy = bus::SlowPolicy::gate;
    options.from = Position::end();
    options.bus_directory = directory;
    if (with_cursor) {
        options.cursor = "bench";
        options.new_cursor_at = Position::end();
        options.commit = stream::CommitMode::per_poll;
    }
    return stream::StreamReader::attach(recording.stream(), options);
}

// From the start, committed by hand.
Result<stream::StreamReader> attach_by_cursor(const std::string& stream,
                                              const std::string& directory) {
    stream::StreamReaderOptions options;
    options.policy = bus::SlowPolicy::gate;
    options.cursor = "bench";
    options.new_cursor_at = Position::start();
    options.commit = stream::CommitMode::manual;
    options.bus_directory = directory;
    return stream::StreamReader::attach(stream, options);
}

struct ReaderStage {
    std::atomic<bool> is_there;
    std::atomic<bool> is_whole;
};

// Reads and compares all of them.
int read_all(ReaderStage& stage,
             const Recording& recording,
             const SlidingOptions& options,
             bool with_cursor) {
    auto reader = attach(recording, options.directory, with_cursor);
    if (!reader) return 1;
    // [sync:bench_ready] Release: attached.
    stage.is_there.store(true, std::memory_order_release);
    std::uint64_t number = 0;
    std::uint64_t mismatches = 0;
    while (number < options.events) {
        const auto result = reader->poll_until(
            [&](const Event& event) {
                if (!words_match(event.payload(), number)) ++mismatches;
                ++number;
            },
            kEventsPerCommit,
            bus::Deadline::in_ms(kLongestMs));
        if (result.state != bus::PollState::ok || mismatches != 0) return 1;
    }
    return !with_cursor || reader->committed_sequence() == options.events ? 0 : 1;
}

Result<double> durable_rate(const SlidingOptions& options, bool with_cursor) {
    auto recording = Recording::start(recorded(options));
    if (!recording) return recording.error();
    SharedPage<ReaderStage> stage;
    BenchChild reader([&] { return read_all(*stage, *recording, options, with_cursor); });
    // [sync:bench_ready] Acquire: the reader has its place.
    while (!stage->is_there.load(std::memory_order_acquire)) {
        if (reader.has_ended()) return bench_broken("the reader did not start");
        ::usleep(1000);
    }
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    const std::uint64_t begin_ns = monotonic_ns();
    auto published = publish_numbers(*publisher, 0, options.events, kEventBytes);
    if (!published) return published.error();
    auto durable =
        publisher->wait_durable(publisher->next_own_sequence(), bus::Deadline::in_ms(kLongestMs));
    if (!durable) return durable.error();
    const std::uint64_t took_ns = monotonic_ns() - begin_ns;
    if (!reader.join()) return bench_broken("the reader lost or changed an event");
    return static_cast<double>(options.events) * 1e9 / static_cast<double>(took_ns);
}

}  // namespace

Result<double> run_cursor_commit(const SlidingOptions& options) {
    auto streams = BenchStreams::create(1, {}, options.directory);
    if (!streams) return streams.error();
    auto reader = attach_by_cursor(streams->name(0), options.directory);
    if (!reader) return reader.error();
    const std::uint64_t begin_ns = monotonic_ns();
    for (std::uint64_t commit = 0; commit < options.events; ++commit)
        reader->commit();
    const std::uint64_t took_ns = monotonic_ns() - begin_ns;
    if (reader->committed_sequence() != 0) return bench_broken("a commit went elsewhere");
    return static_cast<double>(took_ns) / static_cast<double>(options.events);
}

Result<DurableCommit> run_durable_commit(const SlidingOptions& options) {
    auto recording = Recording::start(recorded(options));
    if (!recording) return recording.error();
    auto publisher = recording->publisher();
    if (!publisher) return publisher.error();
    auto reader = attach_by_cursor(recording->stream(), options.directory);
    if (!reader) return reader.error();
    Samples acknowledges;
    Samples commits;
    for (std::uint64_t number = 0; number < options.events; ++number) {
        const bus::Deadline deadline = bus::Deadline::in_ms(kLongestMs);
        const std::uint64_t begin_ns = monotonic_ns();
        if (auto sent = publish_numbers(*publisher, number, 1, kEventBytes); !sent)
            return sent.error();
        auto durable = publisher->wait_durable(publisher->next_own_sequence(), deadline);
        if (!durable) return durable.error();
        const std::uint64_t acknowledged_ns = monotonic_ns();
        acknowledges.add(acknowledged_ns - begin_ns);
        std::uint64_t mismatches = 0;
        const auto read = reader->poll_until(
            [&](const Event& event) {
                if (!words_match(event.payload(), number)) ++mismatches;
            },
            1,
            deadline);
        if (read.events != 1 || mismatches != 0)
            return bench_broken("an event is missing or changed");
        const std::uint64_t read_ns = monotonic_ns();
        if (auto kept = reader->commit_durable(deadline); !kept) return kept.error();
        commits.add(monotonic_ns() - read_ns);
    }
    acknowledges.sort();
    commits.sort();
    return DurableCommit{acknowledges.percentile_ns(0.5, 1), commits.percentile_ns(0.5, 1)};
}

Result<LivePair> run_commits_beside_journal(const SlidingOptions& options) {
    std::vector<double> plain;
    std::vector<double> committing;
    for (std::uint32_t round = 0; round < options.rounds; ++round) {
        for (const bool with_cursor : {false, true}) {
            auto rate = durable_rate(options, with_cursor);
            if (!rate) return rate.error();
            (with_cursor ? committing : plain).push_back(*rate);
        }
    }
    return LivePair{spread_of(std::move(plain)).median, spread_of(std::move(committing)).median};
}

}  // namespace tailrace::bench
