#include "lag_report.hpp"

#include "figure_table.hpp"
#include "observed_json.hpp"
#include "table.hpp"
#include "text_flow.hpp"

#include <tailrace/base/clock.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <fmt/format.h>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

constexpr auto kColumns = std::to_array<FigureColumn>({
    {"STREAM", "stream"},
    {"READER", "reader"},
    {">PID", "pid"},
    {"POLICY", "policy"},
    {">POSITION", "seq"},
    {">END", "end_seq"},
    {">LAG-EVENTS", "lag_events"},
    {">LAG-RING", "lag_bytes"},
    {">LAG-TIME", "lag_ns"},
    {">LOST", "lost_events"},
    {">ROOM", "room_ratio"},
    {">P50", "latency.p50_ns"},
    {">P99", "latency.p99_ns"},
    {">MAX", "latency.max_ns"},
    {">TREND", "trend_events_per_s"},
    {"STATE", "state"},
});
constexpr std::size_t kPolicyColumn = 3;
constexpr std::ptrdiff_t kTrendColumn = 14;

Colour colour_of(observe::ReaderState state) {
    switch (observe::urgency_of(state)) {
        case observe::Urgency::none:
            return Colour::green;
        case observe::Urgency::watch:
            return Colour::yellow;
        case observe::Urgency::act:
            return Colour::red;
    }
    return Colour::none;
}

using Rows = std::vector<const observe::ReaderHealth*>;

// So many of them, in their order: those whose state is worst, and the first of these.
Rows worst_of(const Rows& rows, std::size_t count) {
    if (count >= rows.size()) return rows;
    Rows by_urgency = rows;
    std::stable_sort(by_urgency.begin(), by_urgency.end(), [](const auto* a, const auto* b) {
        return observe::urgency_of(a->state) > observe::urgency_of(b->state);
    });
    by_urgency.resize(count);
    Rows chosen;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(chosen), [&](const auto* row) {
        return std::find(by_urgency.begin(), by_urgency.end(), row) != by_urgency.end();
    });
    return chosen;
}

std::string table_text(const Rows& rows, bool with_trend) {
    std::vector<FigureColumn> columns(kColumns.begin(), kColumns.end());
    if (!with_trend) columns.erase(columns.begin() + kTrendColumn);
    Table table(headings_of(columns));
    table.can_do_without({"MAX", "P50", "PID", "END", "POSITION", "P99", "POLICY", "ROOM"});
    table.may_shorten({"STREAM", "READER"});
    if (with_trend) table.can_do_without({"TREND"});
    table.can_do_without({"LAG-RING", "LOST", "LAG-TIME"});
    for (const observe::ReaderHealth* const reader : rows) {
        auto cells = cells_of<observe::ReaderHealth>(columns, observe::reader_figures(), *reader);
        if (reader->is_evicted) cells[kPolicyColumn] = "evicted";
        table.add(std::move(cells));
        table.colour(columns.size() - 1, colour_of(reader->state));
    }
    return table.text();
}

constexpr auto kGroupColumns = std::to_array<FigureColumn>({
    {"STREAM", "stream"},
    {"GROUP", "group"},
    {">MEMBERS", "living_members"},
    {">FLOOR", "floor_seq"},
    {">LAG-EVENTS", "lag_events"},
    {">IN-FLIGHT", "held_events"},
    {">AGAIN", "again_events"},
    {">RETRIES", "retries"},
    {">BURIED", "buried_events"},
    {">LOST", "lost_events"},
    {"STATE", "state"},
});

}  // namespace

std::string group_table_text(std::span<const observe::GroupHealth> groups) {
    Table table(headings_of(kGroupColumns));
    table.can_do_without({"RETRIES", "FLOOR", "AGAIN", "MEMBERS", "BURIED"});
    table.may_shorten({"STREAM", "GROUP"});
    for (const observe::GroupHealth& group : groups) {
        table.add(cells_of<observe::GroupHealth>(kGroupColumns, observe::group_figures(), group));
        const std::string state = group.state();
        table.colour(kGroupColumns.size() - 1,
                     state == "OK"     ? Colour::green
                     : state == "AWAY" ? Colour::yellow
                                       : Colour::red);
    }
    return table.text();
}

namespace {

std::string groups_text(Healths streams) {
    std::vector<observe::GroupHealth> groups;
    for (const observe::StreamHealth& stream : streams)
        groups.insert(groups.end(), stream.groups.begin(), stream.groups.end());
    return groups.empty() ? std::string() : "\n" + group_table_text(groups);
}

std::string holder_text(Healths streams) {
    std::string text;
    for (const observe::StreamHealth& stream : streams) {
        for (const std::string& line :
             observe::holder_lines(stream.stream, stream.held_up, stream.holder))
            text += flowed(tame(line), 0, 2, STDOUT_FILENO);
    }
    return text;
}

// What stands for the readers that there is no room for.
std::string rest_text(const Rows& rows, std::size_t count) {
    if (count >= rows.size()) return {};
    const Rows shown = worst_of(rows, count);
    const auto is_bad = [](const observe::ReaderHealth* row) {
        return observe::urgency_of(row->state) == observe::Urgency::act;
    };
    const auto bad = std::count_if(rows.begin(), rows.end(), is_bad) -
                     std::count_if(shown.begin(), shown.end(), is_bad);
    const std::string text =
        fmt::format("and {} more, {} in trouble: a larger window, or tailrace lag | less",
                    rows.size() - count,
                    bad == 0 ? "none" : std::to_string(bad));
    return flowed(text, 0, 2, STDOUT_FILENO);
}

}  // namespace

std::string lag_text(Healths streams, bool with_trend, std::optional<std::size_t> most_lines) {
    Rows rows;
    for (const observe::StreamHealth& stream : streams) {
        for (const observe::ReaderHealth& reader : stream.readers)
            rows.push_back(&reader);
    }
    const std::string holders = groups_text(streams) + holder_text(streams);
    const auto text_of = [&](std::size_t count) {
        std::string text;
        if (with_trend || !rows.empty()) text = table_text(worst_of(rows, count), with_trend);
        return text + rest_text(rows, count) + holders;
    };
    std::string text = text_of(rows.size());
    if (!most_lines) return text;
    const std::size_t width = terminal_width(STDOUT_FILENO);
    for (std::size_t count = rows.size(); count > 0; text = text_of(count)) {
        const std::size_t lines = lines_of(text, width);
        if (lines <= *most_lines) break;
        count -= std::min(count, lines - *most_lines);
    }
    return std::string(first_lines(text, *most_lines, width));
}

void print_lag_json(Healths streams) {
    Json document = empty_lag_json(wall_clock_ns());
    for (const observe::StreamHealth& stream : streams)
        add_health(document, stream);
    out().write_json(document);
}

void explain_lag(Healths streams) {
    for (const observe::StreamHealth& stream : streams) {
        if (!stream.clock) continue;
        warn(fmt::format("{}: {}; {}", stream.stream, stream.clock->what, stream.clock->hint));
    }
    for (const observe::StreamHealth& stream : streams) {
        for (const observe::ReaderHealth& reader : stream.readers) {
            if (const auto trouble = observe::trouble_of(reader)) {
                warn(tame(fmt::format(
                    "{}/{}: {}; {}", reader.stream, reader.reader, trouble->what, trouble->hint)));
            }
        }
        for (const observe::GroupHealth& group : stream.groups) {
            const auto trouble = observe::trouble_of(group);
            if (!trouble) continue;
            warn(tame(fmt::format("{}/group {}: {}; {}",
                                  group.stream,
                                  group.status.group,
                                  trouble->what,
                                  trouble->hint)));
        }
    }
}

}  // namespace tailrace::tool
