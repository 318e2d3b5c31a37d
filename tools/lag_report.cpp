#include "lag_report.hpp"

#include "figure_table.hpp"
#include "observed_json.hpp"
#include "table.hpp"
#include "text_flow.hpp"

#include <tailrace/base/clock.hpp>

#include <unistd.h>

#include <array>
#include <cstddef>
#include <fmt/format.h>
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

}  // namespace

void print_lag_text(Healths streams, bool with_trend) {
    std::vector<FigureColumn> columns(kColumns.begin(), kColumns.end());
    if (!with_trend) columns.erase(columns.begin() + kTrendColumn);
    Table table(headings_of(columns));
    table.can_do_without({"MAX", "P50", "PID", "END", "POSITION", "P99", "POLICY", "ROOM"});
    table.may_shorten({"STREAM", "READER"});
    if (with_trend) table.can_do_without({"TREND"});
    table.can_do_without({"LAG-RING", "LOST", "LAG-TIME"});
    for (const observe::StreamHealth& stream : streams) {
        for (const observe::ReaderHealth& reader : stream.readers) {
            auto cells =
                cells_of<observe::ReaderHealth>(columns, observe::reader_figures(), reader);
            if (reader.is_evicted) cells[kPolicyColumn] = "evicted";
            table.add(std::move(cells));
            table.colour(columns.size() - 1, colour_of(reader.state));
        }
    }
    if (with_trend || table.has_rows()) out().write(table.text());
    for (const observe::StreamHealth& stream : streams) {
        for (const std::string& line :
             observe::holder_lines(stream.stream, stream.held_up, stream.holder))
            out().write(flowed(tame(line), 0, 2, STDOUT_FILENO));
    }
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
    }
}

}  // namespace tailrace::tool
