// The suite: every figure that the ring promises, each a row with its target, from runs in turns.
//
// A job is one measurement, which may fill several rows; the suite runs all jobs, one after the
// other, and then all of them again, so that a slow minute of the machine hits every row. Law:
// docs/benchmarking.md.
#pragma once

#include "bench_runs.hpp"

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tailrace::bench {

enum class Judged : std::uint8_t {
    ratio_at_most,   // value over floor
    value_at_least,  // of the runs in one placement of the cores, against the target for that
    share_at_least,  // a ratio of two values of one run; the floor doesn't matter
    median_at_most,
    worst_at_most,
    not_at_all,  // shown beside the others
};

struct RowSpec {
    std::string name;
    std::string unit;  // "ns", "events/s", "ms", "share"
    Judged judged;
    double target;          // meaningless for not_at_all
    double far_target = 0;  // of value_at_least: where the cores are far from each other
};

// What one run of a job found: a value for each of its rows.
struct Reading {
    std::vector<double> values;
    double floor_ns = 0;
};

struct SuiteJob {
    std::string name;
    std::vector<RowSpec> rows;
    nlohmann::json conditions;  // sizes, ring, processes, what was verified
    std::function<Result<Reading>()> run;
};

// Cores whose floor is below this are near each other, the others far: hosts move virtual cores.
inline constexpr double kNearFloorNs = 300;

// All jobs, in the order of the table.
[[nodiscard]] std::vector<SuiteJob> suite_jobs(const SuiteOptions& options);
// Of these: what it costs to read ring and journal as one log.
void add_stream_jobs(std::vector<SuiteJob>& jobs, const SuiteOptions& options);
// What it costs to share events among processes.
void add_group_jobs(std::vector<SuiteJob>& jobs, const SuiteOptions& options);
// The last of them: what a crowd costs.
void add_crowd_jobs(std::vector<SuiteJob>& jobs, const SuiteOptions& options);

}  // namespace tailrace::bench
