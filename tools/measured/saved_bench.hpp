// SavedBench: the files that a benchmark leaves in a directory when it is asked to.
//
// NAME.json, the report; NAME.hlog and NAME.SERIES.hgrm, where it has latencies; and report.html,
// made anew from all reports in there. Each file is there whole or not at all.
#pragma once

#include "latency_series.hpp"

#include <tailrace/base/result.hpp>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tailrace::tool {

// "latency-64B-100000": what tells two reports of one benchmark apart.
[[nodiscard]] std::string bench_file_name(const nlohmann::json& report);

// So that a directory that can't be written is told before anything is measured.
[[nodiscard]] Result<void> prepare_bench_directory(const std::string& directory);

// The names of the files. What is there under these names is replaced.
[[nodiscard]] Result<std::vector<std::string>> save_bench(const std::string& directory,
                                                          const nlohmann::json& report,
                                                          const bench::LatencyRecord& record);

}  // namespace tailrace::tool
