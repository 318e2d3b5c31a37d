// LatencySeries: the latencies of one kind that a benchmark has seen, interval by interval. Its
// files, what the report says of it and its curve come from here.
#pragma once

#include "latency_histogram.hpp"

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tailrace::bench {

struct LatencySeries {
    struct Interval {
        std::uint64_t begin_ns = 0;  // from the benchmark's begin
        std::uint64_t length_ns = 0;
        std::unique_ptr<LatencyHistogram> histogram;
    };

    std::string name;  // "response"
    std::vector<Interval> intervals;

    // All intervals together.
    [[nodiscard]] std::unique_ptr<LatencyHistogram> whole() const;
};

// What a benchmark hands over beside its report, for files.
struct LatencyRecord {
    std::uint64_t begin_ns = 0;  // wall clock
    std::vector<LatencySeries> series;

    // The log of all series, in the order of time.
    [[nodiscard]] std::string hlog_text() const;
};

// {"p50": …, "p90", "p99", "p99_9", "p99_99", "max", "mean"}
[[nodiscard]] nlohmann::json percentiles_json(const LatencyHistogram& histogram);
// [[share, ns], …]
[[nodiscard]] nlohmann::json curve_json(const LatencyHistogram& histogram);

}  // namespace tailrace::bench
