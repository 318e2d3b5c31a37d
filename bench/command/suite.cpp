#include "suite.hpp"

#include "machine.hpp"
#include "samples.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace tailrace::bench {

namespace {

using nlohmann::json;

bool is_near(const Reading& reading) {
    return reading.floor_ns > 0 && reading.floor_ns < kNearFloorNs;
}

// Where most runs found the cores.
bool is_mostly_near(const std::vector<Reading>& readings) {
    const auto near = std::count_if(readings.begin(), readings.end(), is_near);
    return 2 * static_cast<std::size_t>(near) > readings.size();
}

json spread_json(const Spread& spread) {
    return {{"min", spread.min}, {"median", spread.median}, {"max", spread.max}};
}

// The runs that count: of a rate those in the placement of most of them.
std::vector<const Reading*> that_count(const RowSpec& row, const std::vector<Reading>& readings) {
    const bool selects = row.judged == Judged::value_at_least;
    const bool near = is_mostly_near(readings);
    std::vector<const Reading*> result;
    for (const Reading& reading : readings) {
        if (!selects || is_near(reading) == near) result.push_back(&reading);
    }
    return result;
}

double target_of(const RowSpec& row, bool near) {
    return row.judged == Judged::value_at_least && !near ? row.far_target : row.target;
}

const char* judged_name(Judged judged) {
    switch (judged) {
        case Judged::ratio_at_most:
            return "median ratio to the floor at most";
        case Judged::value_at_least:
        case Judged::share_at_least:
            return "median at least";
        case Judged::median_at_most:
            return "median at most";
        case Judged::worst_at_most:
            return "worst at most";
        case Judged::not_at_all:
            break;
    }
    return "shown beside the others";
}

bool is_met(Judged judged, double target, const Spread& value, const Spread& ratio) {
    switch (judged) {
        case Judged::ratio_at_most:
            return ratio.median <= target;
        case Judged::value_at_least:
        case Judged::share_at_least:
            return value.median >= target;
        case Judged::median_at_most:
            return value.median <= target;
        case Judged::worst_at_most:
            return value.max <= target;
        case Judged::not_at_all:
            break;
    }
    return true;
}

// The time that a figure stands for: of a rate, that of one event.
std::optional<double> time_ns(const RowSpec& row, double value) {
    if (row.unit == "ns") return value;
    if (row.unit == "ms") return value * 1e6;
    if (row.unit == "events/s" && value > 0) return 1e9 / value;
    return std::nullopt;  // a share
}

json row_json(const SuiteJob& job, std::size_t index, const std::vector<Reading>& readings) {
    const RowSpec& row = job.rows[index];
    std::vector<double> values;
    std::vector<double> ratios;
    std::vector<double> floors;
    for (const Reading* const reading : that_count(row, readings)) {
        values.push_back(reading->values[index]);
        floors.push_back(reading->floor_ns);
        const auto figure_ns = time_ns(row, reading->values[index]);
        if (figure_ns && reading->floor_ns > 0) ratios.push_back(*figure_ns / reading->floor_ns);
    }
    json runs = json::array();
    for (const Reading& reading : readings) {
        runs.push_back({{"value", reading.values[index]},
                        {"floor_rtt_ns", reading.floor_ns},
                        {"placement", is_near(reading) ? "near" : "far"}});
    }
    const Spread value = spread_of(values);
    const Spread ratio = spread_of(ratios);
    json result = {{"row", row.name},
                   {"job", job.name},
                   {"unit", row.unit},
                   {"value", spread_json(value)},
                   {"floor_rtt_ns", spread_json(spread_of(floors))},
                   {"ratio_to_floor", ratios.empty() ? json(nullptr) : spread_json(ratio)},
                   {"target_is", judged_name(row.judged)},
                   {"conditions", job.conditions},
                   {"counted_runs", values.size()},
                   {"runs", runs}};
    const bool near = is_mostly_near(readings);
    const double target = target_of(row, near);
    const bool is_judged = row.judged != Judged::not_at_all;
    result["placement"] = near ? "near" : "far";
    result["target"] = is_judged ? json(target) : json(nullptr);
    result["met"] = is_judged ? json(is_met(row.judged, target, value, ratio)) : json(nullptr);
    return result;
}

bool is_chosen(const SuiteJob& job, const std::vector<std::string>& wanted) {
    if (wanted.empty()) return true;
    return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& part) {
        if (job.name.find(part) != std::string::npos) return true;
        return std::any_of(job.rows.begin(), job.rows.end(), [&](const RowSpec& row) {
            return row.name.find(part) != std::string::npos;
        });
    });
}

}  // namespace

Result<json> run_suite(const SuiteOptions& options) {
    std::vector<SuiteJob> jobs = suite_jobs(options);
    std::erase_if(jobs, [&](const SuiteJob& job) { return !is_chosen(job, options.rows); });
    if (jobs.empty()) {
        return make_error(ErrorCode::invalid_argument,
                          "no row of the suite has such a name",
                          "tailrace bench suite --list");
    }
    std::vector<std::vector<Reading>> readings(jobs.size());
    const auto run_one = [&](std::size_t index) -> Result<void> {
        auto reading = jobs[index].run();
        if (!reading) return reading.error();
        readings[index].push_back(std::move(*reading));
        return {};
    };
    for (std::uint32_t round = 0; round < options.runs; ++round) {
        for (std::size_t index = 0; index < jobs.size(); ++index) {
            if (auto ran = run_one(index); !ran) return ran.error();
        }
    }
    json rows = json::array();
    for (std::size_t index = 0; index < jobs.size(); ++index) {
        for (std::size_t row = 0; row < jobs[index].rows.size(); ++row)
            rows.push_back(row_json(jobs[index], row, readings[index]));
    }
    return json{{"bench", "suite"},
                {"machine", machine_description()},
                {"quick", options.quick},
                {"rounds", options.runs},
                {"near_floor_ns", kNearFloorNs},
                {"rows", rows}};
}

json list_suite(const SuiteOptions& options) {
    json rows = json::array();
    for (const SuiteJob& job : suite_jobs(options)) {
        for (const RowSpec& row : job.rows)
            rows.push_back({{"row", row.name}, {"job", job.name}, {"conditions", job.conditions}});
    }
    return rows;
}

}  // namespace tailrace::bench
