// What reading a stream as one log costs: beside a plain reader in the ring, beside a plain reader
// of the journal, and what a reader that spills costs its publisher.
#pragma once

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace tailrace::bench {

// The same, through a plain reader and through StreamReader, in turns.
struct LivePair {
    double plain;
    double sliding;
};

struct SlidingOptions {
    std::string directory;
    std::string journal_directory;  // on the device to measure
    std::uint64_t events = 2'000'000;
    std::uint32_t rounds = 5;
};

// Events a second of 32 bytes, one publisher process to one reader; medians of rounds.
[[nodiscard]] Result<LivePair> run_live_rate(const SlidingOptions& options);
// Nanoseconds there and back, p50; the other side echoes through a plain reader.
[[nodiscard]] Result<LivePair> run_live_round_trip(const SlidingOptions& options);
// Events a second of 64 bytes, from a journal that lies in memory.
[[nodiscard]] Result<LivePair> run_journal_read(const SlidingOptions& options);
// Events a second that a publisher manages through a ring of 1 MiB, recorded: alone, and beside a
// reader that spills and reads one of a hundred events until the publisher is done, then the rest.
struct SpillCost {
    double alone_per_s;
    double beside_per_s;
};
[[nodiscard]] Result<SpillCost> run_spill_cost(const SlidingOptions& options);
// Milliseconds of each call that took a reader from the journal back into a ring of 64 MiB.
[[nodiscard]] Result<std::vector<double>> run_returns(const SlidingOptions& options);

}  // namespace tailrace::bench
