// A recorder in a process of its own, on a stream of its own, with its journal on the device that
// is measured; and reading such a journal back. Everything is removed when it goes.
#pragma once

#include "bench_runs.hpp"
#include "machine.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/stream_options.hpp>
#include <tailrace/stream/recorder.hpp>

#include <atomic>
#include <memory>
#include <string>

namespace tailrace::bench {

// What the recorder's process tells.
struct RecordingStage {
    std::atomic<bool> recording;
    std::atomic<bool> stop;
    std::atomic<std::uint64_t> voluntary_switches;  // of the recorder's threads, when it has ended
    std::atomic<std::uint64_t> involuntary_switches;
    char durable_write[160];
};

// How the recorder's process asks the scheduler for its core.
enum class RecorderPriority : std::uint8_t { normal, nice, idle };

struct RecordingOptions {
    std::string bus_directory;
    std::string journal_directory;  // of all journals; this one's is below
    journal::JournalOptions journal = {};
    std::uint64_t ring_bytes = std::uint64_t{16} << 20U;  // with the writer's buffers, in the cache
    bus::PublishTime publish_time = bus::PublishTime::per_event;
    bool is_recorded = true;  // false: the stream alone, for comparison
    int core = 1;
    RecorderPriority priority = RecorderPriority::normal;
};

class Recording {
public:
    // Returns when the recorder has its place in the ring.
    [[nodiscard]] static Result<Recording> start(const RecordingOptions& options);
    Recording(Recording&&) noexcept = default;
    Recording& operator=(Recording&&) noexcept = default;
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;
    ~Recording();

    [[nodiscard]] Result<bus::Publisher> publisher() const;
    [[nodiscard]] const std::string& stream() const noexcept { return streams_.name(0); }
    [[nodiscard]] const std::string& journal_directory() const noexcept {
        return journal_directory_;
    }
    // Ends the recorder cleanly; what it told stays. False: it failed.
    [[nodiscard]] bool stop() noexcept;
    [[nodiscard]] const RecordingStage& stage() const noexcept { return **stage_; }

private:
    Recording(BenchStreams streams, const RecordingOptions& options);
    [[nodiscard]] bool is_recording() const noexcept;

    BenchStreams streams_;
    std::string journal_directory_;
    std::unique_ptr<SharedPage<RecordingStage>> stage_;
    BenchChild child_;
};

// Publishes events [first, first + count), each filled from its number.
[[nodiscard]] Result<void> publish_numbers(bus::Publisher& publisher,
                                           std::uint64_t first,
                                           std::uint64_t count,
                                           std::uint32_t size_bytes);

// Ends the recorder, and reads its journal back: so many events.
[[nodiscard]] Result<void> check_content(Recording& recording, std::uint64_t events);

// Reads a journal from its first event to its end and compares every byte: each event was filled
// from its sequence. Returns how many there were.
[[nodiscard]] Result<std::uint64_t> read_back(const std::string& directory);

}  // namespace tailrace::bench
