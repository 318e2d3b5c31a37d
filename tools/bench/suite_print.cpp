// What people see of the suite and of the waiting bench.

#include "suite_print.hpp"

#include <fmt/format.h>
#include <string>

namespace tailrace::tool {

namespace {

using nlohmann::json;

std::string number(double value, const std::string& unit) {
    if (unit == "events/s") return fmt::format("{:.2f} M/s", value / 1e6);
    if (unit == "share") return fmt::format("{:.2f}", value);
    return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : 0, unit);
}

std::string verdict(const json& row) {
    if (row["met"].is_null()) return row["target"].is_null() ? "" : "the floor held in no run";
    std::string text = row["met"].get<bool>() ? "met" : "not met";
    if (row["floor_ok"].is_boolean() && !row["floor_ok"].get<bool>())
        text += ", floor not held in five runs";
    return text;
}

}  // namespace

void print_suite(const json& report) {
    fmt::print("machine    {}\n", report["machine"].get<std::string>());
    fmt::print(
        "rounds     {} of all rows in turns, {} more for rates whose floor was not below {} ns\n",
        report["rounds"].get<int>(),
        report["extra_rounds"].get<int>(),
        report["rate_floor_ns"].get<double>());
    fmt::print("{:<28}{:>14}{:>14}{:>14}{:>9}{:>8}{:>14}  {}\n",
               "row",
               "min",
               "median",
               "max",
               "floor ns",
               "ratio",
               "target",
               "");
    for (const json& row : report["rows"]) {
        const auto unit = row["unit"].get<std::string>();
        const bool has_ratio = !row["ratio_to_floor"].is_null();
        const bool by_ratio =
            row["target_is"].get<std::string>().find("ratio") != std::string::npos;
        std::string target;
        if (!row["target"].is_null()) {
            const double value = row["target"].get<double>();
            target = by_ratio ? fmt::format("{:.2f} x floor", value) : number(value, unit);
        }
        fmt::print("{:<28}{:>14}{:>14}{:>14}{:>9.0f}{:>8}{:>14}  {}\n",
                   row["row"].get<std::string>(),
                   number(row["value"]["min"].get<double>(), unit),
                   number(row["value"]["median"].get<double>(), unit),
                   number(row["value"]["max"].get<double>(), unit),
                   row["floor_rtt_ns"]["median"].get<double>(),
                   has_ratio ? fmt::format("{:.3g}", row["ratio_to_floor"]["median"].get<double>())
                             : std::string(),
                   target,
                   verdict(row));
    }
}

void print_wait(const json& report) {
    fmt::print("machine    {}\n", report["machine"].get<std::string>());
    fmt::print(
        "waiting    one subscriber on a core of its own; low rate {:.0f}/s, high rate {:.0f}/s\n",
        report["low_rate_per_s"].get<double>(),
        report["high_rate_per_s"].get<double>());
    fmt::print("{:<10}{:>12}{:>12}{:>12}{:>11}{:>11}{:>11}  {}\n",
               "wait",
               "wake p50",
               "wake p99",
               "max",
               "cpu idle",
               "cpu low",
               "cpu high",
               "habit");
    for (const json& row : report["rows"]) {
        const json& wake = row["wake_ns"];
        fmt::print("{:<10}{:>9.1f} us{:>9.1f} us{:>9.1f} us{:>10.1f}%{:>10.1f}%{:>10.1f}%  {}\n",
                   row["wait"].get<std::string>(),
                   wake["p50"].get<double>() / 1e3,
                   wake["p99"].get<double>() / 1e3,
                   wake["max"].get<double>() / 1e3,
                   row["cpu_idle"].get<double>() * 100,
                   row["cpu_low_rate"].get<double>() * 100,
                   row["cpu_high_rate"].get<double>() * 100,
                   row["wait_habit"].is_null() ? "" : row["wait_habit"].get<std::string>());
    }
}

}  // namespace tailrace::tool
