// ReportPage: reports of benchmarks as one page of HTML that needs nothing else: the machine's
// facts, what speaks against the figures, percentile curves, and every row beside its limit.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tailrace::tool {

struct NamedReport {
    std::string name;  // of its files
    nlohmann::json report;
};

// What a report lacks, because another version wrote it, is left out.
[[nodiscard]] std::string report_page(const std::vector<NamedReport>& reports);

}  // namespace tailrace::tool
