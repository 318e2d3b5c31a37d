#include "measured/bench_comparison.hpp"

#include "table.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <optional>
#include <string_view>

namespace tailrace::tool {

namespace {

// With other values of these two reports say nothing about each other.
constexpr auto kConditions = std::to_array<std::string_view>({"size_bytes",
                                                              "alignment_bytes",
                                                              "publish_time",
                                                              "rate_per_s",
                                                              "wait",
                                                              "publishers",
                                                              "subscribers",
                                                              "publishing",
                                                              "batch",
                                                              "capacity_bytes",
                                                              "phase_ms",
                                                              "low_rate_per_s",
                                                              "high_rate_per_s",
                                                              "level",
                                                              "quick"});

// What isn't a figure of this run, though it looks like one.
constexpr auto kNoFigures = std::to_array<std::string_view>({"compared",
                                                             "conditions",
                                                             "curves",
                                                             "facts",
                                                             "high_rate_per_s",
                                                             "low_rate_per_s",
                                                             "near_floor_ns",
                                                             "phase_ms",
                                                             "rate_per_s",
                                                             "runs",
                                                             "target"});

template <std::size_t count>
bool is_one_of(const std::array<std::string_view, count>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

struct BenchFigure {
    double value = 0;
    // Of several runs; without a spread both are the value.
    double least = 0;
    double most = 0;
    bool has_spread = false;
    bool more_is_better = false;
    bool is_judged = true;
};

using BenchFigures = std::map<std::string, BenchFigure>;

bool is_of_the_machine(std::string_view path) {
    constexpr auto kParts = std::to_array<std::string_view>(
        {"floor", "bare_", "limit_ns", "idle_late", "device_", "_raw_ns"});
    return std::any_of(kParts.begin(), kParts.end(), [&](std::string_view part) {
        return path.find(part) != std::string_view::npos;
    });
}

bool is_single_extreme(std::string_view path) {
    const std::string_view last = path.substr(path.rfind(' ') + 1);
    return last == "max" || last == "p99_9" || last == "p99_99";
}

// Whether more is better; empty for what is no figure: by the unit that its name ends in.
std::optional<bool> direction_of(std::string_view name) {
    if (name.find("_per_s") != std::string_view::npos) return true;
    if (name.ends_with("_ns") || name.ends_with("_ms")) return false;
    if (name.starts_with("cpu_")) return false;
    return std::nullopt;
}

std::optional<BenchFigure> figure_of(const nlohmann::json& value,
                                     const std::string& path,
                                     bool more) {
    BenchFigure figure;
    figure.more_is_better = more;
    figure.is_judged = !is_of_the_machine(path) && !is_single_extreme(path);
    if (value.is_number()) {
        figure.value = figure.least = figure.most = value.get<double>();
        return figure;
    }
    if (!value.is_object() || !value.contains("median")) return std::nullopt;
    figure.value = value["median"].get<double>();
    figure.least = value["min"].get<double>();
    figure.most = value["max"].get<double>();
    figure.has_spread = figure.least < figure.most;
    return figure;
}

void collect(const nlohmann::json& node,
             const std::string& path,
             std::optional<bool> direction,
             BenchFigures& figures) {
    if (direction) {
        if (const auto figure = figure_of(node, path, *direction)) {
            figures[path] = *figure;
            return;
        }
    }
    if (node.is_object()) {
        for (const auto& [name, value] : node.items()) {
            if (is_one_of(kNoFigures, name)) continue;
            const auto own = direction_of(name);
            collect(value,
                    path.empty() ? name : fmt::format("{} {}", path, name),
                    own ? own : direction,
                    figures);
        }
    } else if (node.is_array()) {
        for (const nlohmann::json& row : node) {
            if (!row.is_object()) continue;
            const std::string name = row.value("row", row.value("wait", std::string()));
            if (row.contains("unit") && row.contains("value")) {
                const auto unit = row["unit"].get<std::string>();
                const bool more = unit == "share" || unit == "events/s";
                if (auto figure = figure_of(row["value"], name, more)) figures[name] = *figure;
            } else if (!name.empty()) {
                collect(row, name, std::nullopt, figures);
            }
        }
    }
}

const char* verdict_of(const BenchFigure& before, const BenchFigure& now) {
    constexpr double kTolerance = 0.1;
    if (!before.is_judged) return "shown";
    const bool have_spreads = before.has_spread && now.has_spread;
    const bool is_more =
        have_spreads ? now.least > before.most : now.value > before.value * (1 + kTolerance);
    const bool is_less =
        have_spreads ? now.most < before.least : now.value < before.value / (1 + kTolerance);
    if (!is_more && !is_less) return "alike";
    return is_more == before.more_is_better ? "better" : "worse";
}

Error not_a_report(const std::string& path, const std::string& bench) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("{} is no report of bench {}", path, bench),
                      fmt::format("tailrace bench {} --json > {}", bench, path));
}

}  // namespace

Result<nlohmann::json> read_bench_report(const std::string& path, const std::string& bench) {
    std::ifstream file(path);
    if (!file) return os_error(errno, "cannot read " + path, "ls -l " + path);
    nlohmann::json report = nlohmann::json::parse(file, nullptr, false);
    const bool is_one = report.is_object() && report.contains("bench") &&
                        report["bench"].is_string() && report["bench"] == bench;
    if (!is_one) return not_a_report(path, bench);
    return report;
}

Result<nlohmann::json> compare_benches(const nlohmann::json& older,
                                       const nlohmann::json& now,
                                       const std::string& path) {
    const auto bench = now["bench"].get<std::string>();
    for (const std::string_view name : kConditions) {
        const std::string key(name);
        if (!now.contains(key) || !older.contains(key) || now[key] == older[key]) continue;
        return make_error(
            ErrorCode::invalid_argument,
            fmt::format("{} was measured with {} {}, this one with {}: they can't be compared",
                        path,
                        key,
                        older[key].dump(),
                        now[key].dump()),
            fmt::format("tailrace bench {} --help", bench));
    }
    BenchFigures before;
    BenchFigures after;
    // A report may hold anything: it was edited, or written by another version.
    try {
        collect(older, "", std::nullopt, before);
        collect(now, "", std::nullopt, after);
    } catch (const nlohmann::json::exception&) {
        return not_a_report(path, bench);
    }
    nlohmann::json rows = nlohmann::json::array();
    std::size_t worse = 0;
    for (const auto& [name, figure] : after) {
        const auto found = before.find(name);
        if (found == before.end()) continue;
        const char* const verdict = verdict_of(found->second, figure);
        if (std::string_view(verdict) == "worse") ++worse;
        rows.push_back(
            {{"figure", name},
             {"before", found->second.value},
             {"now", figure.value},
             {"ratio",
              found->second.value > 0 ? nlohmann::json(figure.value / found->second.value)
                                      : nlohmann::json(nullptr)},
             {"verdict", verdict}});
    }
    if (rows.empty()) return not_a_report(path, bench);
    return nlohmann::json{{"file", path},
                          {"machine", older.value("machine", "unknown")},
                          {"same_machine", older.value("machine", "") == now.value("machine", "")},
                          {"rows", rows},
                          {"worse", worse},
                          {"curves", older.value("curves", nlohmann::json::object())}};
}

std::string comparison_text(const nlohmann::json& comparison) {
    const auto number = [](const nlohmann::json& value) {
        const double real = value.get<double>();
        return fmt::format("{:.{}f}", real, real < 10 ? 2 : 0);
    };
    std::string text =
        fmt::format("\ncompared with {}\n", comparison["file"].get_ref<const std::string&>());
    if (!comparison["same_machine"].get<bool>()) {
        text += fmt::format("another machine: {}\n",
                            comparison["machine"].get_ref<const std::string&>());
    }
    Table table({"FIGURE", ">BEFORE", ">NOW", ">NOW/BEFORE", "VERDICT"});
    for (const nlohmann::json& row : comparison["rows"]) {
        const auto verdict = row["verdict"].get<std::string>();
        table.add({row["figure"].get<std::string>(),
                   number(row["before"]),
                   number(row["now"]),
                   row["ratio"].is_null() ? "" : fmt::format("{:.2f}", row["ratio"].get<double>()),
                   verdict == "shown" ? "" : verdict});
        if (verdict == "worse") table.colour(4, Colour::red);
        if (verdict == "better") table.colour(4, Colour::green);
    }
    text += table.text();
    const auto worse = comparison["worse"].get<std::size_t>();
    return text + (worse == 0 ? "none is worse\n" : fmt::format("WORSE: {}\n", worse));
}

}  // namespace tailrace::tool
