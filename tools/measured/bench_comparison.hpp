// BenchComparison: a benchmark's report beside an older one of the same benchmark.
//
// Judged is what Tailrace did: where both reports have a spread, better or worse is what lies
// outside of it; else what differs by more than a tenth. Single extremes (p99.9 and beyond, max)
// and the machine's own figures (floor, device, limit) are shown and not judged.
#pragma once

#include <tailrace/base/result.hpp>

#include <nlohmann/json.hpp>
#include <string>

namespace tailrace::tool {

// Reads a report that `tailrace bench … --save` or `--json` has written. Error: no such file, or it
// isn't a report of this benchmark.
[[nodiscard]] Result<nlohmann::json> read_bench_report(const std::string& path,
                                                       const std::string& bench);

// {"file", "machine", "same_machine", "rows": [{"figure", "before", "now", "ratio", "verdict"}],
//  "worse": N, "curves": those of the older one}. Verdicts: "better", "worse", "alike", "shown".
// Error: they were measured with different options.
[[nodiscard]] Result<nlohmann::json> compare_benches(const nlohmann::json& older,
                                                     const nlohmann::json& now,
                                                     const std::string& path);

// As lines and a table.
[[nodiscard]] std::string comparison_text(const nlohmann::json& comparison);

}  // namespace tailrace::tool
