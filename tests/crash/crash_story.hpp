// CrashStory: what publishers did and subscribers saw, in memory that outlives all of them, and the
// judgement of it.
//
// Every life of a publisher has a number of its own (an index into `lives`), and numbers its events
// from 0. It notes each event before it claims and after it has committed, so that the parent knows
// to within one operation what a killed one had done. The judgement rests on content alone: every
// reader must have seen every committed event once, whole, in one order, and nothing else.
#pragma once

#include "support/arrival_log.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tailrace::test {

inline constexpr std::size_t kMostLives = 1024;
inline constexpr std::size_t kMostArrivals = std::size_t{1} << 21U;
inline constexpr std::size_t kReaders = 3;

struct Life {
    std::atomic<std::uint64_t> attempted;  // events that it had begun to publish
    std::atomic<std::uint64_t> committed;  // events whose commit had returned
};

struct CrashStory {
    std::atomic<bool> stop_publishing;
    std::atomic<bool> stop_reading;
    Life lives[kMostLives];
    ArrivalLog<kMostArrivals> logs[kReaders];
};

// Claims, fills and commits the life's next event, waiting for room.
[[nodiscard]] bus::PublishStatus publish_next(
    bus::Publisher& publisher,
    Life& life,
    std::uint32_t life_number,
    bus::Deadline deadline = bus::Deadline::never()) noexcept;
// The life's next `count` events as one batch.
[[nodiscard]] bus::PublishStatus publish_next_batch(bus::Publisher& publisher,
                                                    Life& life,
                                                    std::uint32_t life_number,
                                                    std::uint32_t count) noexcept;

// A child's whole work: publishes events (batches of `batch_count`, if more than 1) until the story
// says stop, or `most` events are out. Returns the exit code.
[[nodiscard]] int run_publisher(const TestStream& stream,
                                CrashStory& story,
                                std::uint32_t life_number,
                                std::uint32_t batch_count = 1,
                                std::uint64_t most = UINT64_MAX);
// Reads everything into a log until the story says stop.
[[nodiscard]] int run_subscriber(const TestStream& stream,
                                 CrashStory& story,
                                 std::size_t reader,
                                 bus::Start start = bus::Start::oldest(),
                                 bus::SlowPolicy policy = bus::SlowPolicy::gate);

// What is wrong with the story, in words; empty when nothing is. `batch_counts[life]`: how many
// events of that life commit at once.
struct StoryFacts {
    std::vector<std::string> faults;
    std::vector<std::uint64_t> received;  // events of each life
    std::uint64_t arrivals = 0;           // of each reader
};
[[nodiscard]] StoryFacts judge_story(const CrashStory& story,
                                     std::size_t readers,
                                     const std::vector<std::uint32_t>& batch_counts);

}  // namespace tailrace::test
