// Question: how near to its device is a journal?
//
//     publisher (core 0) --> ring --> recorder (core 1) --> journal on the device
//
// Each row is one kind of work, in turns with the raw device doing the same in the same run;
// content is always read back. Doesn't show: several publishers, several journals.

#include "journal_rows.hpp"
#include "machine.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

namespace tailrace::bench {

namespace {

struct NamedRow {
    std::string_view name;
    JournalRow measure;
};

constexpr std::array<NamedRow, 11> kRows = {{{"bulk", measure_bulk},
                                             {"first_lap", measure_first_lap},
                                             {"small", measure_small},
                                             {"ack", measure_acknowledge},
                                             {"group", measure_group},
                                             {"latency", measure_latency},
                                             {"latency_beside", measure_latency_beside},
                                             {"recovery", measure_recovery},
                                             {"replay", measure_replay},
                                             {"seek", measure_seek},
                                             {"many", measure_many}}};

}  // namespace

RecordingOptions JournalRowContext::recording() const {
    RecordingOptions recording;
    recording.bus_directory = options.directory;
    recording.journal_directory = options.journal_directory;
    recording.journal.segment_size_bytes = options.segment_size_bytes;
    return recording;
}

nlohmann::json spread_json(const std::vector<double>& values) {
    const Spread spread = spread_of(values);
    return {{"median", spread.median}, {"min", spread.min}, {"max", spread.max}};
}

void PercentileRuns::add_scaled(Samples& samples, double ns_per_sample) {
    samples.sort();
    p50_ns_.push_back(samples.percentile_ns(0.5, ns_per_sample));
    p99_ns_.push_back(samples.percentile_ns(0.99, ns_per_sample));
}

nlohmann::json PercentileRuns::json() const {
    return {{"p50", spread_json(p50_ns_)}, {"p99", spread_json(p99_ns_)}};
}

nlohmann::json ratio_json(const std::vector<double>& above, const std::vector<double>& below) {
    std::vector<double> ratios;
    for (std::size_t run = 0; run < above.size(); ++run)
        ratios.push_back(above[run] / below[run]);
    return spread_json(ratios);
}

std::vector<std::string> journal_row_names() {
    std::vector<std::string> names;
    for (const NamedRow& row : kRows)
        names.emplace_back(row.name);
    return names;
}

Result<nlohmann::json> run_journal(const JournalBenchOptions& options) {
    if (options.size_bytes < sizeof(std::uint64_t)) {
        return make_error(
            ErrorCode::invalid_argument, "payloads of under 8 bytes can't be verified", "--size 8");
    }
    std::error_code failed;
    std::filesystem::create_directories(options.journal_directory, failed);
    pin_to_core(0);
    static_cast<void>(ns_per_tick());
    auto device = RawDevice::prepare(options.journal_directory, options.bytes);
    if (!device) return device.error();
    nlohmann::json report = {{"bench", "journal"},
                             {"machine", machine_description()},
                             {"runs", options.runs},
                             {"segment_size_bytes", options.segment_size_bytes},
                             {"verified", true}};
    const JournalRowContext context{options, *device};
    for (const NamedRow& row : kRows) {
        const bool is_wanted =
            options.rows.empty() ||
            std::find(options.rows.begin(), options.rows.end(), row.name) != options.rows.end();
        if (!is_wanted) continue;
        auto measured = row.measure(context);
        if (!measured) return measured.error();
        report["rows"][std::string(row.name)] = std::move(*measured);
    }
    return report;
}

}  // namespace tailrace::bench
