#include "top/top_page.hpp"

#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/observe/reader_health.hpp>
#include <tailrace/observe/stream_picture.hpp>

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

using observe::ReaderHealth;

constexpr std::size_t kShortestName = 8;
constexpr std::size_t kComfortableName = 20;
constexpr std::size_t kLongestName = 40;
constexpr std::size_t kShortestSpark = 8;

struct Cell {
    std::string text;
    Colour colour = Colour::none;
};

Colour colour_of_state(const TopRow& row) {
    if (!row.problem.empty()) return Colour::red;
    const ReaderHealth* const worst = TopPicture::worst_of(row);
    if (worst == nullptr) return Colour::none;
    const observe::Urgency urgency = observe::urgency_of(worst->state);
    return urgency == observe::Urgency::act     ? Colour::red
           : urgency == observe::Urgency::watch ? Colour::yellow
                                                : Colour::green;
}

std::string figure_of(const TopRow& row, std::string_view name) {
    const ReaderHealth* const worst = TopPicture::worst_of(row);
    if (worst == nullptr) return "-";
    return observe::text_of(observe::figure_named(observe::reader_figures(), name), *worst);
}

Cell state_cell(const TopRow& row) {
    if (!row.problem.empty()) return {"UNREADABLE", Colour::red};
    return {figure_of(row, "state"), colour_of_state(row)};
}
Cell rate_cell(const TopRow& row) {
    return {row.problem.empty() ? rate_text(row.rate()) : "-"};
}
Cell lag_cell(const TopRow& row) {
    return {figure_of(row, "lag_events")};
}
Cell age_cell(const TopRow& row) {
    return {figure_of(row, "lag_ns")};
}
Cell room_cell(const TopRow& row) {
    return {figure_of(row, "room_ratio")};
}
Cell lost_cell(const TopRow& row) {
    return {figure_of(row, "lost_events")};
}
// Percentiles are a reader's own.
Cell p50_cell(const TopRow& row) {
    return {row.is_stream() ? "" : figure_of(row, "latency.p50_ns")};
}
Cell p99_cell(const TopRow& row) {
    return {row.is_stream() ? "" : figure_of(row, "latency.p99_ns")};
}
Cell max_cell(const TopRow& row) {
    return {row.is_stream() ? "" : figure_of(row, "latency.max_ns")};
}
Cell bytes_cell(const TopRow& row) {
    if (!row.is_stream() || !row.problem.empty()) return {};
    return {size_text(static_cast<std::uint64_t>(row.bytes_per_s)) + "/s"};
}

struct Column {
    std::string_view heading;
    std::size_t width;
    int worth;  // the least goes first where there is no room
    Cell (*cell)(const TopRow& row);
};

// In their order on the screen. The name stands before them, and the history behind the rate.
constexpr std::array<Column, 10> kColumns = {{{"STATE", 11, 10, state_cell},
                                              {"RATE", 10, 9, rate_cell},
                                              {"LAG", 12, 8, lag_cell},
                                              {"LAG-TIME", 9, 7, age_cell},
                                              {"ROOM", 6, 4, room_cell},
                                              {"LOST", 10, 3, lost_cell},
                                              {"P50", 9, 2, p50_cell},
                                              {"P99", 9, 5, p99_cell},
                                              {"MAX", 9, 1, max_cell},
                                              {"BYTES", 12, 0, bytes_cell}}};
constexpr std::size_t kRateColumn = 1;
constexpr int kSparkWorth = 6;
constexpr int kDear = 6;

// Which columns there is room for, and how wide the name and the history are.
struct ListLayout {
    std::vector<const Column*> columns;
    std::size_t name_width = kShortestName;
    std::size_t spark_width = 0;  // 0: none
};

ListLayout layout_for(std::size_t screen_width, std::size_t longest_name) {
    ListLayout layout;
    std::size_t used = kShortestName;
    std::vector<int> worths;
    bool is_full = false;
    // The dearest first, as long as each has its room: what is left out are the others.
    for (int worth = 10; worth >= 0 && !is_full; --worth) {
        const auto* const column =
            std::find_if(kColumns.begin(), kColumns.end(), [&](const Column& one) {
                return one.worth == worth;
            });
        const std::size_t width = column == kColumns.end() ? kShortestSpark : column->width;
        // What is dear goes before a long name, and that before the rest.
        const std::size_t name = worth < kDear ? std::min(longest_name, kComfortableName) : 0;
        if (used + 1 + width + name - std::min(name, kShortestName) > screen_width) {
            is_full = true;
            continue;
        }
        used += 1 + width;
        worths.push_back(worth);
    }
    const auto has = [&](int worth) {
        return std::find(worths.begin(), worths.end(), worth) != worths.end();
    };
    for (const Column& column : kColumns) {
        if (has(column.worth)) layout.columns.push_back(&column);
    }
    std::size_t spare = screen_width - std::min(screen_width, used);
    const std::size_t wanted = std::min(std::max(longest_name, kShortestName), kLongestName);
    const std::size_t taken = std::min(spare, wanted - kShortestName);
    layout.name_width += taken;
    spare -= taken;
    if (has(kSparkWorth)) layout.spark_width = kShortestSpark + std::min<std::size_t>(spare, 40);
    layout.name_width = std::min(layout.name_width, screen_width);
    return layout;
}

std::string padded(std::string text, std::size_t width, bool is_right) {
    const std::size_t shown = width_of(text);
    if (shown > width) return shortened(text, width);
    const std::string blanks(width - shown, ' ');
    return is_right ? blanks + text : text + blanks;
}

std::string name_in(const TopRow& row) {
    return tame(row.is_stream() ? row.stream : "  " + row.reader);
}

TopLine row_line(const TopRow& row, const ListLayout& layout, const TopScreen& screen) {
    TopLine line;
    line.spans.push_back({padded(name_in(row), layout.name_width, false)});
    for (const Column* const column : layout.columns) {
        Cell cell = column->cell(row);
        const bool is_right = column->heading != "STATE";
        line.spans.push_back({" "});
        line.spans.push_back({padded(std::move(cell.text), column->width, is_right), cell.colour});
        if (column == &kColumns[kRateColumn] && layout.spark_width != 0) {
            line.spans.push_back(
                {" " + sparkline(row.rates, layout.spark_width, screen.has_blocks)});
        }
    }
    return line;
}

TopLine heading_line(const ListLayout& layout) {
    std::string text = padded("STREAM", layout.name_width, false);
    for (const Column* const column : layout.columns) {
        text +=
            ' ' + padded(std::string(column->heading), column->width, column->heading != "STATE");
        if (column == &kColumns[kRateColumn] && layout.spark_width != 0)
            text += ' ' + padded("", layout.spark_width, false);
    }
    return {{{std::move(text)}}, true};
}

TopLine title_line(const TopPicture& picture, const TopChoice& choice) {
    const std::size_t streams = picture.look.streams.size() + picture.look.problems.size();
    std::string text =
        fmt::format("tailrace top  {}", clock_text(picture.look.time_ns, picture.look.time_ns));
    if (choice.is_paused) text += "  PAUSED";
    text += fmt::format("  {}  {}  {}  by {}",
                        counted(streams, "stream"),
                        counted(picture.readers(), "reader"),
                        rate_text(picture.events_per_s()),
                        sort_name(choice.sort));
    return {{{std::move(text)}}};
}

TopLine keys_line(const TopChoice& choice) {
    if (choice.view == TopView::list)
        return {{{"q quit  s sort  p pause  Enter look into it  ? help"}}};
    return {{{"Esc back  p pause  q quit  ? help"}}};
}

TopLine plain(std::string text, Colour colour = Colour::none) {
    return {{{std::move(text), colour}}};
}

void add_wrapped(std::vector<TopLine>& lines,
                 const std::string& text,
                 std::size_t width,
                 Colour colour = Colour::none) {
    std::string rest = wrapped(tame(text), 0, 2, std::max<std::size_t>(width, 10));
    for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
        lines.push_back(plain(rest.substr(0, end), colour));
        rest.erase(0, end + 1);
    }
}

// "p50_ns  3.1 us", in as many columns of the screen as fit.
template <typename Row>
void add_figures(std::vector<TopLine>& lines,
                 std::span<const observe::Figure<Row>> figures,
                 const Row& row,
                 std::size_t width) {
    constexpr std::size_t kNameWidth = 22;
    constexpr std::size_t kEntryWidth = 48;
    std::string text;
    const std::size_t across = std::max<std::size_t>(1, width / kEntryWidth);
    std::size_t at = 0;
    for (const observe::Figure<Row>& figure : figures) {
        const observe::Value value = figure.get(row);
        if (std::holds_alternative<observe::Absent>(value)) continue;
        const std::string entry = fmt::format("{:<{}} {}",
                                              figure.name,
                                              std::min(kNameWidth, width / 2),
                                              tame(observe::value_text(value, figure.unit)));
        if (across == 1) {
            lines.push_back(plain(entry));
            continue;
        }
        text += padded(entry, kEntryWidth - 1, false) + ' ';
        if (++at % across == 0) lines.push_back(plain(std::exchange(text, {})));
    }
    if (!text.empty()) lines.push_back(plain(std::move(text)));
}

void add_reader(std::vector<TopLine>& lines, const TopRow& row, std::size_t width) {
    const auto trouble = observe::trouble_of(*row.health);
    if (trouble) {
        add_wrapped(lines, trouble->what, width, colour_of_state(row));
        add_wrapped(lines, "try: " + trouble->hint, width);
        lines.push_back(plain(""));
    }
    add_figures(lines, observe::reader_figures(), *row.health, width);
}

void add_stream(std::vector<TopLine>& lines, const TopRow& row, std::size_t width) {
    const observe::StreamLook& look = *row.look;
    if (look.health.clock) add_wrapped(lines, look.health.clock->what, width, Colour::yellow);
    for (const std::string& line :
         observe::holder_lines(row.stream, look.health.held_up, look.health.holder))
        add_wrapped(lines, line, width, Colour::yellow);
    add_figures(lines, observe::stream_figures(), look.picture, width);
    if (look.picture.status.journal) {
        lines.push_back(plain(""));
        lines.push_back(plain("journal"));
        add_figures(lines, observe::ring_journal_figures(), look.picture, width);
    }
    for (const bus::PublisherStatus& publisher : look.picture.status.publishers) {
        lines.push_back(plain(""));
        add_wrapped(lines, fmt::format("publisher {}", publisher.name), width);
        add_figures(lines, observe::publisher_figures(), publisher, width);
    }
}

std::vector<TopLine> detail_lines(const TopPicture& picture,
                                  const TopChoice& choice,
                                  const TopScreen& screen) {
    std::vector<TopLine> lines;
    const auto chosen = chosen_row(picture, choice);
    const TopRow* const row = chosen ? &picture.rows[*chosen] : nullptr;
    if (row == nullptr || row->stream != choice.stream || row->reader != choice.reader) {
        lines.push_back(
            plain(choice.reader.empty() ? "this stream has gone" : "this reader has gone",
                  Colour::yellow));
        return lines;
    }
    if (!row->problem.empty()) {
        add_wrapped(lines, row->problem, screen.columns, Colour::red);
        return lines;
    }
    const std::size_t width = std::min(screen.columns, TopModel::kHistory);
    lines.push_back(plain(sparkline(row->rates, width, screen.has_blocks)));
    const double most =
        row->rates.empty() ? 0 : *std::max_element(row->rates.begin(), row->rates.end());
    add_wrapped(lines,
                fmt::format("{} {}, at most {} in what is drawn",
                            row->is_stream() ? "publishes" : "reads",
                            rate_text(row->rate()),
                            rate_text(most)),
                screen.columns);
    lines.push_back(plain(""));
    if (row->is_stream()) {
        add_stream(lines, *row, screen.columns);
    } else {
        add_reader(lines, *row, screen.columns);
    }
    return lines;
}

std::vector<TopLine> help_lines(std::size_t width) {
    constexpr std::array<std::string_view, 15> kHelp = {
        "up down k j       another row; PgUp PgDn Home End as well",
        "Enter             look into a stream or a reader; Esc or Enter: back",
        "s                 sort by trouble, rate, lag, name",
        "p, space          pause, and go on",
        "?  h              this help",
        "q                 quit",
        "",
        "A stream's STATE, LAG, LAG-TIME, ROOM and LOST are those of the reader that is worst off;",
        "its RATE is at which it is published, a reader's at which it reads.",
        "ROOM is the share of the ring that is left before events are overwritten or publishers "
        "wait.",
        "P50 and P99 are from publish to read, since the reader attached.",
        "",
        "red: something is to be done; yellow: to be watched.",
        "It only looks: nobody notices, and it is no reader.",
        "tailrace help figures explains each figure."};
    std::vector<TopLine> lines;
    for (const std::string_view text : kHelp)
        add_wrapped(lines, std::string(text), width);
    return lines;
}

// No line is wider than the screen, and none is more than there are.
void fit(std::vector<TopLine>& lines, const TopScreen& screen) {
    if (lines.size() > screen.rows) lines.resize(screen.rows);
    for (TopLine& line : lines) {
        std::size_t room = screen.columns;
        for (TopSpan& span : line.spans) {
            span.text.resize(cut_to(span.text, room).size());
            room -= width_of(span.text);
        }
    }
}

// What of `all` is on the screen below the title and above the keys.
void add_scrolled(std::vector<TopLine>& lines,
                  std::vector<TopLine> all,
                  TopChoice& choice,
                  std::size_t room) {
    const std::size_t most = all.size() > room ? all.size() - room : 0;
    choice.first = std::min(choice.first, most);
    for (std::size_t at = choice.first; at < all.size() && at < choice.first + room; ++at)
        lines.push_back(std::move(all[at]));
}

}  // namespace

std::string sparkline(const RateHistory& rates, std::size_t width, bool has_blocks) {
    constexpr std::array<std::string_view, 9> kBlocks = {
        " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    constexpr std::array<std::string_view, 9> kSigns = {
        " ", ".", ":", "-", "=", "+", "*", "#", "@"};
    const std::size_t shown = std::min(width, rates.size());
    const auto begin = rates.end() - static_cast<std::ptrdiff_t>(shown);
    const double most = shown == 0 ? 0 : *std::max_element(begin, rates.end());
    std::string text(width - shown, ' ');
    std::for_each(begin, rates.end(), [&](double rate) {
        // Whatever moves at all is seen.
        const auto level =
            rate <= 0 || most <= 0
                ? std::size_t{0}
                : std::min<std::size_t>(8, 1 + static_cast<std::size_t>(rate / most * 7.5));
        text += has_blocks ? kBlocks.at(level) : kSigns.at(level);
    });
    return text;
}

std::optional<std::size_t> chosen_row(const TopPicture& picture, const TopChoice& choice) {
    if (picture.rows.empty()) return std::nullopt;
    const auto is_it = [&](const TopRow& row) {
        return row.stream == choice.stream && row.reader == choice.reader;
    };
    auto found = std::find_if(picture.rows.begin(), picture.rows.end(), is_it);
    // A reader that has gone leaves the mark on its stream.
    if (found == picture.rows.end()) {
        found = std::find_if(picture.rows.begin(), picture.rows.end(), [&](const TopRow& row) {
            return row.stream == choice.stream;
        });
    }
    if (found == picture.rows.end()) return 0;
    return static_cast<std::size_t>(found - picture.rows.begin());
}

void move_choice(const TopPicture& picture, TopChoice& choice, std::ptrdiff_t rows) {
    if (choice.view != TopView::list) {
        const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(choice.first) + rows;
        choice.first = first < 0 ? 0 : static_cast<std::size_t>(first);
        return;
    }
    const auto chosen = chosen_row(picture, choice);
    if (!chosen) return;
    const std::ptrdiff_t last = static_cast<std::ptrdiff_t>(picture.rows.size()) - 1;
    const std::ptrdiff_t to =
        std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(*chosen) + rows, 0, last);
    const TopRow& row = picture.rows[static_cast<std::size_t>(to)];
    choice.stream = row.stream;
    choice.reader = row.reader;
}

std::vector<TopLine> top_lines(const TopPicture& picture,
                               TopChoice& choice,
                               const TopScreen& screen) {
    std::vector<TopLine> lines;
    lines.push_back(title_line(picture, choice));
    const std::size_t room = screen.rows - std::min<std::size_t>(screen.rows, 3);
    if (choice.view == TopView::help) {
        lines.push_back({{{padded("HELP", screen.columns, false)}}, true});
        add_scrolled(lines, help_lines(screen.columns), choice, room);
    } else if (choice.view == TopView::details) {
        const std::string name =
            choice.reader.empty() ? choice.stream : choice.stream + " / " + choice.reader;
        lines.push_back({{{padded(tame(name), screen.columns, false)}}, true});
        add_scrolled(lines, detail_lines(picture, choice, screen), choice, room);
    } else {
        std::size_t longest = 0;
        for (const TopRow& row : picture.rows)
            longest = std::max(longest, width_of(name_in(row)));
        const ListLayout layout = layout_for(screen.columns, longest);
        lines.push_back(heading_line(layout));
        lines.back().spans.push_back({std::string(screen.columns, ' ')});
        const auto chosen = chosen_row(picture, choice);
        if (chosen) {
            // The row that is chosen stays on the screen.
            choice.first = std::min(choice.first, *chosen);
            if (room != 0 && *chosen >= choice.first + room) choice.first = *chosen - room + 1;
        } else {
            lines.push_back(plain("there are no streams; tailrace create NAME"));
        }
        std::vector<TopLine> rows;
        for (std::size_t at = choice.first; at < picture.rows.size() && at < choice.first + room;
             ++at) {
            rows.push_back(row_line(picture.rows[at], layout, screen));
            rows.back().is_marked = chosen == at;
            rows.back().spans.push_back({std::string(screen.columns, ' ')});
        }
        std::move(rows.begin(), rows.end(), std::back_inserter(lines));
    }
    while (lines.size() + 1 < screen.rows)
        lines.push_back(plain(""));
    lines.push_back(keys_line(choice));
    fit(lines, screen);
    return lines;
}

}  // namespace tailrace::tool
