#include "measured/report_page.hpp"

#include "measured/page_text.hpp"
#include "measured/percentile_picture.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::string_view kStyle = R"(
:root{--ink:#1d2733;--soft:#5d6b7a;--paper:#fff;--line:#dfe4ea;--ours:#0a7d8c;--limit:#9aa5b1;
--older:#b8860b;--bad:#b3261e;--good:#1b7f3b;--box:#fff6dd}
@media(prefers-color-scheme:dark){:root{--ink:#e2e8ee;--soft:#9aa7b4;--paper:#14191f;--line:#2b343e;
--ours:#38bdc9;--limit:#6d7a87;--older:#e0b341;--bad:#ff8a80;--good:#6fd08c;--box:#2e2810}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:58rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem}p,li{max-width:46rem}
table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .8rem .2rem 0;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left}th{font-weight:600;color:var(--soft)}
.caution{background:var(--box);padding:.4rem 1rem;border-radius:6px}
.worse,.missed{color:var(--bad)}.better,.met{color:var(--good)}.note{color:var(--soft)}
.scroll{overflow-x:auto}svg{width:100%;height:auto}
svg text{font:12px system-ui,sans-serif;fill:var(--soft)}.below{text-anchor:middle}
.beside{text-anchor:end}.grid{stroke:var(--line);fill:none}.curve{fill:none;stroke-width:2}
.curve.ours{stroke:var(--ours)}svg text.ours{fill:var(--ours)}.curve.limit{stroke:var(--limit)}
.curve.older{stroke:var(--older);stroke-dasharray:5 4}svg text.older{fill:var(--older)}
)";

constexpr auto kRanks = std::to_array<std::pair<const char*, const char*>>({{"p50", "50 %"},
                                                                            {"p90", "90 %"},
                                                                            {"p99", "99 %"},
                                                                            {"p99_9", "99.9 %"},
                                                                            {"p99_99", "99.99 %"},
                                                                            {"max", "largest"}});

std::string table_row(const std::vector<std::string>& cells, const char* cell = "td") {
    std::string html = "<tr>";
    for (const std::string& text : cells)
        html += fmt::format("<{0}>{1}</{0}>", cell, text);
    return html + "</tr>\n";
}

std::string table_of(const std::vector<std::string>& heading, const std::string& rows) {
    return "<div class=\"scroll\"><table>\n" + table_row(heading, "th") + rows + "</table></div>\n";
}

std::string plain_number(double value) {
    if (value >= 1e6) return fmt::format("{:.2f} million", value / 1e6);
    return fmt::format("{:.{}f}", value, value < 10 ? 2 : value < 1000 ? 1 : 0);
}

std::string in_unit(double value, std::string_view unit) {
    if (unit == "ns") return latency_text(value);
    if (unit == "ms") return latency_text(value * 1e6);
    if (unit == "events/s") return plain_number(value) + "/s";
    return fmt::format("{:.2f}", value);
}

// By the unit that its name ends in.
std::string named_value(std::string_view name, double value) {
    if (name.ends_with("_ns") || name.find("_ns ") != std::string_view::npos)
        return latency_text(value);
    if (name.ends_with("_ms")) return latency_text(value * 1e6);
    if (name.ends_with("bytes_per_s")) return fmt::format("{:.2f} GB/s", value / 1e9);
    if (name.find("_per_s") != std::string_view::npos) return plain_number(value) + "/s";
    if (name.starts_with("cpu_")) return fmt::format("{:.1f} %", value * 100);
    return plain_number(value);
}

// --- latencies: curves, and a table of percentiles beside the limit

struct Column {
    const char* key;  // of its percentiles
    const char* heading;
};

std::string percentile_table(const nlohmann::json& report,
                             const std::vector<Column>& columns,
                             const char* judged,
                             const char* limit) {
    std::vector<std::string> heading = {"of all events, at most"};
    for (const Column& column : columns)
        heading.emplace_back(column.heading);
    heading.emplace_back("times the limit");
    std::string rows;
    for (const auto& [rank, name] : kRanks) {
        if (!report[judged].contains(rank) || !report[limit].contains(rank)) continue;
        std::vector<std::string> cells = {name};
        for (const Column& column : columns)
            cells.push_back(latency_text(report[column.key].value(rank, 0.0)));
        const double least = report[limit][rank].get<double>();
        cells.push_back(
            least > 0 ? fmt::format("{:.2f}", report[judged][rank].get<double>() / least) : "");
        rows += table_row(cells);
    }
    return table_of(heading, rows);
}

PercentileCurve curve_of(const nlohmann::json& curves,
                         const std::string& key,
                         std::string name,
                         const char* kind) {
    PercentileCurve curve{std::move(name), kind, {}};
    if (!curves.contains(key)) return curve;
    for (const nlohmann::json& point : curves[key])
        curve.points.emplace_back(point[0].get<double>(), point[1].get<double>());
    return curve;
}

struct Drawn {
    const char* key;
    const char* name;
    const char* kind;
};

std::string picture_of(const nlohmann::json& report, const std::vector<Drawn>& drawn) {
    std::vector<PercentileCurve> curves;
    const nlohmann::json none = nlohmann::json::object();
    const nlohmann::json& own = report.contains("curves") ? report["curves"] : none;
    const nlohmann::json& older =
        report.contains("compared") ? report["compared"].value("curves", none) : none;
    for (const Drawn& one : drawn) {
        if (one.kind == std::string_view("ours") && older.contains(one.key)) {
            curves.push_back(
                curve_of(older, one.key, fmt::format("{}, before", one.name), "older"));
        }
        curves.push_back(curve_of(own, one.key, one.name, one.kind));
    }
    return percentile_svg(curves);
}

std::string latency_section(const nlohmann::json& report) {
    std::string html = fmt::format(
        "<p>An open loop: {} events of {} bytes at {}/s, whoever is late. <b>Response</b> counts "
        "from the time at which an event was to be sent, <b>service</b> from the call that "
        "published it. {:.2f} % were sent more than a step late; {}/s were reached. The reader "
        "waits by {}.</p>\n",
        report["events"].dump(),
        report["size_bytes"].dump(),
        plain_number(report["rate_per_s"].get<double>()),
        report["late_share"].get<double>() * 100,
        plain_number(report["achieved_per_s"].get<double>()),
        page_text(report["wait"].get<std::string>()));
    html += picture_of(report,
                       {{"response", "response", "ours"},
                        {"service", "service", "ours"},
                        {"idle_late", "machine alone", "limit"}});
    html += percentile_table(report,
                             {{"response_ns", "response"},
                              {"service_ns", "service"},
                              {"idle_late_ns", "machine alone"},
                              {"limit_ns", "limit"}},
                             "response_ns",
                             "limit_ns");
    return html + fmt::format(
                      "<p class=\"note\">Machine alone: how late a loop is that waits for "
                      "the same instants and sends nothing. Limit: that, and half a bounce "
                      "of a cache line ({}).</p>\n",
                      latency_text(report["floor_rtt_ns"]["median"].get<double>() / 2));
}

std::string pingpong_section(const nlohmann::json& report) {
    std::string html = fmt::format(
        "<p>Round trips of {} bytes between two processes, one in flight, {} of them. A closed "
        "loop waits for itself: its tail says nothing about load.</p>\n",
        report["size_bytes"].dump(),
        report["round_trips"].dump());
    html += picture_of(report,
                       {{"rtt", "round trip", "ours"},
                        {"bare_rtt", "bare ring", "limit"},
                        {"floor_rtt", "bare cache line", "limit"}});
    return html + percentile_table(report,
                                   {{"rtt_ns", "round trip"},
                                    {"bare_rtt_ns", "bare ring"},
                                    {"floor_rtt_ns", "limit: bare cache line"}},
                                   "rtt_ns",
                                   "floor_rtt_ns");
}

// --- rows

std::string suite_section(const nlohmann::json& report) {
    std::string rows;
    for (const nlohmann::json& row : report["rows"]) {
        const auto unit = row["unit"].get<std::string>();
        const bool is_judged = !row["met"].is_null();
        const bool by_ratio =
            row["target_is"].get<std::string>().find("ratio") != std::string::npos;
        const auto ratio =
            row["ratio_to_floor"].is_null()
                ? std::string()
                : fmt::format("{:.3g}", row["ratio_to_floor"]["median"].get<double>());
        std::string target;
        if (is_judged && by_ratio) {
            target = fmt::format("{:.2f} × floor", row["target"].get<double>());
        } else if (is_judged) {
            target = in_unit(row["target"].get<double>(), unit);
        }
        const char* const verdict = row["met"] == true ? "met" : "missed";
        rows += table_row(
            {page_text(row["row"].get<std::string>()),
             in_unit(row["value"]["min"].get<double>(), unit),
             in_unit(row["value"]["median"].get<double>(), unit),
             in_unit(row["value"]["max"].get<double>(), unit),
             latency_text(row["floor_rtt_ns"]["median"].get<double>()),
             ratio,
             target,
             is_judged ? fmt::format("<span class=\"{0}\">{0}</span>", verdict) : std::string()});
    }
    const bool is_quick = report.value("quick", false);
    return fmt::format("<p>{} rounds of all rows in turns.{}</p>\n",
                       report["rounds"].dump(),
                       is_quick ? " A smoke test: the figures mean nothing." : "") +
           table_of({"row", "least", "median", "most", "floor", "times floor", "target", ""}, rows);
}

// Objects become "outer inner"; what has a spread is one row.
void add_rows(const nlohmann::json& node, const std::string& path, std::string& rows) {
    if (node.is_object() && node.contains("median")) {
        rows += table_row({page_text(path),
                           named_value(path, node["median"].get<double>()),
                           named_value(path, node["min"].get<double>()),
                           named_value(path, node["max"].get<double>())});
    } else if (node.is_object()) {
        for (const auto& [name, value] : node.items())
            add_rows(value, path.empty() ? name : path + " " + name, rows);
    } else if (node.is_array() && !node.empty() && node[0].is_object()) {
        for (const nlohmann::json& row : node)
            add_rows(row, path + " " + row.value("row", row.value("wait", std::string())), rows);
    } else if (node.is_number()) {
        rows += table_row({page_text(path), named_value(path, node.get<double>()), "", ""});
    } else if (!node.is_null()) {
        rows += table_row({page_text(path),
                           page_text(node.is_string() ? node.get<std::string>() : node.dump()),
                           "",
                           ""});
    }
}

// The limit of each figure is a row beside it: device_…, floor_….
std::string any_section(const nlohmann::json& report) {
    nlohmann::json shown = report;
    for (const char* const key : {"bench", "machine", "facts", "cautions", "compared", "curves"})
        shown.erase(key);
    std::string rows;
    add_rows(shown, "", rows);
    return table_of({"figure", "median", "least", "most"}, rows);
}

std::string comparison_section(const nlohmann::json& comparison) {
    std::string rows;
    for (const nlohmann::json& row : comparison["rows"]) {
        const auto name = row["figure"].get<std::string>();
        const auto verdict = row["verdict"].get<std::string>();
        rows += table_row(
            {page_text(name),
             named_value(name, row["before"].get<double>()),
             named_value(name, row["now"].get<double>()),
             row["ratio"].is_null() ? "" : fmt::format("{:.2f}", row["ratio"].get<double>()),
             verdict == "shown"
                 ? ""
                 : fmt::format("<span class=\"{0}\">{0}</span>", page_text(verdict))});
    }
    return fmt::format("<h3>Compared with {}</h3>\n",
                       page_text(comparison["file"].get<std::string>())) +
           table_of({"figure", "before", "now", "now / before", ""}, rows);
}

std::string section_of(const NamedReport& named) {
    const auto bench = named.report["bench"].get<std::string>();
    std::string html;
    // One that another version wrote may lack anything: then it is left out, and the page says so.
    try {
        if (bench == "latency") {
            html = latency_section(named.report);
        } else if (bench == "pingpong") {
            html = pingpong_section(named.report);
        } else if (bench == "suite") {
            html = suite_section(named.report);
        } else {
            html = any_section(named.report);
        }
        if (named.report.contains("compared")) html += comparison_section(named.report["compared"]);
    } catch (const nlohmann::json::exception&) {
        html = "<p class=\"note\">Written by another version: it can't be shown here.</p>\n";
    }
    return fmt::format("<h2>{}</h2>\n", page_text(named.name)) + html;
}

// Those that aren't among the ones `told` already, which stand above.
std::string cautions_of(const NamedReport& named, const nlohmann::json& told) {
    std::string list;
    for (const nlohmann::json& caution : named.report.value("cautions", nlohmann::json::array())) {
        if (caution.is_string() && std::find(told.begin(), told.end(), caution) == told.end())
            list += fmt::format("<li>{}</li>\n", page_text(caution.get<std::string>()));
    }
    if (list.empty()) return {};
    return "<div class=\"caution\"><p><b>What speaks against these figures</b></p><ul>\n" + list +
           "</ul></div>\n";
}

std::string machine_of(const NamedReport& named) {
    const nlohmann::json& report = named.report;
    std::string html =
        fmt::format("<p><b>{}</b></p>\n", page_text(report.value("machine", "a machine unknown")));
    html += cautions_of(named, nlohmann::json::array());
    const nlohmann::json facts = report.value("facts", nlohmann::json::object());
    std::string rows;
    for (const auto& [name, value] : facts.items()) {
        if (!value.is_string()) continue;
        std::string words = name;
        std::replace(words.begin(), words.end(), '_', ' ');
        rows += table_row({page_text(words), page_text(value.get<std::string>())});
    }
    return html + (rows.empty() ? "" : table_of({"machine", named.name}, rows));
}

// Those with curves come first.
int rank_of(const NamedReport& named) {
    constexpr auto kOrder = std::to_array<std::string_view>(
        {"latency", "pingpong", "throughput", "journal", "wait", "compress", "suite"});
    const auto bench = named.report["bench"].get<std::string>();
    return static_cast<int>(std::find(kOrder.begin(), kOrder.end(), bench) - kOrder.begin());
}

}  // namespace

std::string report_page(const std::vector<NamedReport>& reports) {
    std::vector<NamedReport> sorted = reports;
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& left, const auto& right) {
        return rank_of(left) < rank_of(right);
    });
    std::string html = fmt::format(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
        "<title>Tailrace measured</title><style>{}</style></head><body>\n"
        "<h1>Tailrace measured</h1>\n"
        "<p>Each figure stands beside its limit, which was measured in the same run, in turns. "
        "Contents were verified.</p>\n",
        kStyle);
    if (!sorted.empty()) html += machine_of(sorted.front());
    for (const NamedReport& named : sorted) {
        html += section_of(named);
        const nlohmann::json& first = sorted.front().report;
        if (named.report.value("machine", "") != first.value("machine", "")) {
            html += machine_of(named);
        } else {
            // Measured on the same machine at another time: its load may have been another one.
            html += cautions_of(named, first.value("cautions", nlohmann::json::array()));
        }
    }
    return html + "</body></html>\n";
}

}  // namespace tailrace::tool
