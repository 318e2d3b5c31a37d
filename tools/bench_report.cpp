#include "bench_report.hpp"

#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <utility>

namespace tailrace::tool {

namespace {

std::string number(double value, const std::string& unit) {
    if (unit == "events/s") return fmt::format("{:.2f} M/s", value / 1e6);
    if (unit == "share") return fmt::format("{:.2f}", value);
    return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : 0, unit);
}

std::string verdict(const nlohmann::json& row) {
    if (row["met"].is_null()) return "";
    return fmt::format("{}, {}",
                       row["met"].get<bool>() ? "met" : "not met",
                       row["placement"].get_ref<const std::string&>());
}

void print_percentiles(const char* label, const nlohmann::json& values) {
    fmt::print("{:<22}", label);
    for (const auto& [rank, value] : values.items())
        fmt::print("  {} {:.0f}", rank, value.get<double>());
    fmt::print("\n");
}

// A number with the unit that its name ends in, for people.
std::string figure_text(const std::string& key, double value) {
    if (key.ends_with("bytes_per_s")) return fmt::format("{:.2f} GB/s", value / 1e9);
    if (key.find("_per_s") != std::string::npos) return fmt::format("{:.2f} M/s", value / 1e6);
    if (key.ends_with("_ms")) return fmt::format("{:.1f} ms", value);
    if (key.starts_with("ratio")) return fmt::format("{:.2f}", value);
    return fmt::format("{:.0f}", value);
}

void print_spread(const std::string& key, const std::string& label, const nlohmann::json& spread) {
    fmt::print("  {:<26} {} ({} to {})\n",
               label,
               figure_text(key, spread["median"].get<double>()),
               figure_text(key, spread["min"].get<double>()),
               figure_text(key, spread["max"].get<double>()));
}

}  // namespace

void print_pingpong(const nlohmann::json& report) {
    fmt::print(
        "pingpong   {} B, two processes, cores {} and {}, spinning, {} round trips, one in "
        "flight\n",
        report["size_bytes"].get<int>(),
        report["cores"][0].get<int>(),
        report["cores"][1].get<int>(),
        report["round_trips"].get<std::uint64_t>());
    fmt::print("machine    {}\n", report["machine"].get<std::string>());
    print_percentiles("round trip, ns", report["rtt_ns"]);
    print_percentiles("bare ring, ns", report["bare_rtt_ns"]);
    print_percentiles("floor, ns", report["floor_rtt_ns"]);
    for (const auto& [title, key] : {std::pair("ratio to floor", "ratio_"),
                                     std::pair("ratio to bare ring", "ratio_to_bare_")}) {
        fmt::print("{:<21} p50 {:.2f}  p99 {:.2f}  p99.9 {:.2f}\n",
                   title,
                   report[std::string(key) + "p50"].get<double>(),
                   report[std::string(key) + "p99"].get<double>(),
                   report[std::string(key) + "p99_9"].get<double>());
    }
    fmt::print(
        "floor: the same two processes bounce one cache line; bare ring: they send unchecked "
        "lines, each in a place of its own. In turns with the events. A closed loop says nothing "
        "about tails under load.\n");
}

void print_latency(const nlohmann::json& report) {
    fmt::print("latency    {} B, open loop at {:.0f}/s, {} events, cores {} and {}, {}\n",
               report["size_bytes"].get<int>(),
               report["rate_per_s"].get<double>(),
               report["events"].get<std::uint64_t>(),
               report["cores"][0].get<int>(),
               report["cores"][1].get<int>(),
               report["wait"].get<std::string>());
    fmt::print("machine    {}\n", report["machine"].get<std::string>());
    fmt::print("{:<18}", "ns");
    for (const char* const heading : {"p50", "p90", "p99", "p99.9", "p99.99", "max"})
        fmt::print("{:>12}", heading);
    fmt::print("\n");
    for (const auto& [title, key] : {std::pair("response", "response_ns"),
                                     std::pair("service", "service_ns"),
                                     std::pair("machine alone", "idle_late_ns"),
                                     std::pair("limit", "limit_ns")}) {
        fmt::print("{:<18}", title);
        for (const char* const rank : {"p50", "p90", "p99", "p99_9", "p99_99", "max"})
            fmt::print("{:>12.0f}", report[key][rank].get<double>());
        fmt::print("\n");
    }
    fmt::print("times the limit   {:>12.2f}{:>12}{:>12.2f}{:>12.2f}\n",
               report["ratio_p50"].get<double>(),
               "",
               report["ratio_p99"].get<double>(),
               report["ratio_p99_9"].get<double>());
    fmt::print("rate       {:.0f}/s reached, {:.2f} % sent more than a step late\n",
               report["achieved_per_s"].get<double>(),
               report["late_share"].get<double>() * 100);
    fmt::print(
        "response: from the time at which an event was to be sent; service: from its publish; "
        "machine alone: how late the same loop is that sends nothing; limit: that and half a "
        "bounce "
        "of a cache line.\n");
}

void print_throughput(const nlohmann::json& report) {
    fmt::print(
        "throughput {} B, {} publisher(s), {} subscriber(s), {} stream, batch {}, ring {} KiB, "
        "{}\n",
        report["size_bytes"].get<int>(),
        report["publishers"].get<int>(),
        report["subscribers"].get<int>(),
        report["publishing"].get<std::string>(),
        report["batch"].get<int>(),
        report["capacity_bytes"].get<std::uint64_t>() / 1024,
        report["wait"].get<std::string>());
    fmt::print("machine    {}\n", report["machine"].get<std::string>());
    if (!report["wait_habits"].is_null()) {
        fmt::print("habits     publishers {}  subscribers {}\n",
                   report["wait_habits"]["publishers"].dump(),
                   report["wait_habits"]["subscribers"].dump());
    }
    constexpr double kMillion = 1e6;
    fmt::print("events/s   {:.1f} M  ({:.1f} to {:.1f} M in {} runs)   {:.2f} GB/s\n",
               report["events_per_s"].get<double>() / kMillion,
               report["events_per_s_min"].get<double>() / kMillion,
               report["events_per_s_max"].get<double>() / kMillion,
               report["runs"].get<int>(),
               report["bytes_per_s"].get<double>() / 1e9);
    fmt::print("floor, ns  {:.0f} ({:.0f} to {:.0f})   every byte written, read and verified\n",
               report["floor_rtt_ns"]["median"].get<double>(),
               report["floor_rtt_ns"]["min"].get<double>(),
               report["floor_rtt_ns"]["max"].get<double>());
}

void print_journal(const nlohmann::json& report) {
    fmt::print("journal    {} runs, in turns with the raw device, everything read back\n",
               report["runs"].get<int>());
    fmt::print("machine    {}\n", report["machine"].get<std::string>());
    for (const auto& [name, row] : report["rows"].items()) {
        fmt::print("{}\n", name);
        for (const auto& [key, value] : row.items()) {
            if (value.is_object() && value.contains("median")) {
                print_spread(key, key, value);
            } else if (value.is_object()) {
                for (const auto& [rank, spread] : value.items())
                    print_spread(key, key + " " + rank, spread);
            } else {
                fmt::print("  {:<26} {}\n",
                           key,
                           value.is_string() ? value.get<std::string>() : value.dump());
            }
        }
    }
}

void print_suite(const nlohmann::json& report) {
    fmt::print("machine    {}\n", report["machine"].get<std::string>());
    fmt::print("rounds     {} of all rows in turns\n", report["rounds"].get<int>());
    fmt::print("cores      near: a floor below {} ns; of a rate the runs in one placement count\n",
               report["near_floor_ns"].get<double>());
    fmt::print("{:<28}{:>14}{:>14}{:>14}{:>9}{:>8}{:>14}  {}\n",
               "row",
               "min",
               "median",
               "max",
               "floor ns",
               "ratio",
               "target",
               "");
    for (const nlohmann::json& row : report["rows"]) {
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

void print_wait(const nlohmann::json& report) {
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
    for (const nlohmann::json& row : report["rows"]) {
        const nlohmann::json& wake = row["wake_ns"];
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

void print_compress(const nlohmann::json& report) {
    fmt::print("compress   level {}, {} segments, {:.2f} to 1, {:.2f} GB/s\n",
               report["level"].get<int>(),
               report["segments"].get<std::uint64_t>(),
               report["ratio"].get<double>(),
               report["compress_bytes_per_s"].get<double>() / 1e9);
    fmt::print("machine    {}\n", report["machine"].get<std::string>());
    fmt::print("read       {:.2f} GB/s as it was, {:.2f} GB/s compressed\n",
               report["read_bytes_per_s"].get<double>() / 1e9,
               report["read_compressed_bytes_per_s"].get<double>() / 1e9);
}

}  // namespace tailrace::tool
