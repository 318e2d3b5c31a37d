// The rows of `tailrace bench journal`: each measures one kind of work in turns with the raw device
// doing the same. One thread, pinned to core 0 by the caller. Keys: docs/benchmarking.md.
#pragma once

#include "bench_runs.hpp"
#include "device.hpp"
#include "journal_recording.hpp"

#include <nlohmann/json.hpp>
#include <vector>

namespace tailrace::bench {

struct JournalRowContext {
    const JournalBenchOptions& options;
    RawDevice& device;

    [[nodiscard]] RecordingOptions recording() const;
};

using JournalRow = Result<nlohmann::json> (*)(const JournalRowContext& context);

// journal_write_rows.cpp
[[nodiscard]] Result<nlohmann::json> measure_bulk(const JournalRowContext& context);
[[nodiscard]] Result<nlohmann::json> measure_first_lap(const JournalRowContext& context);
[[nodiscard]] Result<nlohmann::json> measure_small(const JournalRowContext& context);
// journal_ack_rows.cpp
[[nodiscard]] Result<nlohmann::json> measure_acknowledge(const JournalRowContext& context);
[[nodiscard]] Result<nlohmann::json> measure_group(const JournalRowContext& context);
// journal_latency_rows.cpp
[[nodiscard]] Result<nlohmann::json> measure_latency(const JournalRowContext& context);
[[nodiscard]] Result<nlohmann::json> measure_latency_beside(const JournalRowContext& context);
// journal_read_rows.cpp
[[nodiscard]] Result<nlohmann::json> measure_recovery(const JournalRowContext& context);
[[nodiscard]] Result<nlohmann::json> measure_replay(const JournalRowContext& context);

// journal_seek_rows.cpp
[[nodiscard]] Result<nlohmann::json> measure_seek(const JournalRowContext& context);
// journal_many_rows.cpp
[[nodiscard]] Result<nlohmann::json> measure_many(const JournalRowContext& context);

[[nodiscard]] nlohmann::json spread_json(const std::vector<double>& values);

// Durations of several runs: percentiles of each run, and their spread over the runs.
class PercentileRuns {
public:
    // Both sort. Ticks, or samples that are nanoseconds already.
    void add(Samples& samples) { add_scaled(samples, ns_per_tick()); }
    void add_ns(Samples& samples) { add_scaled(samples, 1); }
    [[nodiscard]] nlohmann::json json() const;
    [[nodiscard]] const std::vector<double>& p50_ns() const noexcept { return p50_ns_; }
    [[nodiscard]] const std::vector<double>& p99_ns() const noexcept { return p99_ns_; }

private:
    void add_scaled(Samples& samples, double ns_per_sample);

    std::vector<double> p50_ns_;
    std::vector<double> p99_ns_;
};

// Each value over the one of the same run below it.
[[nodiscard]] nlohmann::json ratio_json(const std::vector<double>& above,
                                        const std::vector<double>& below);

}  // namespace tailrace::bench
