#include "table.hpp"

#include "text_flow.hpp"

#include <tailrace/base/check.hpp>

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::size_t kBetween = 2;       // columns of a terminal
constexpr std::size_t kComfortable = 16;  // a name may be so short before columns are left out
constexpr std::size_t kShortest = 6;      // one that is shorter tells nothing

}  // namespace

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {
    for (std::string& heading : headings_) {
        right_.push_back(heading.starts_with('>'));
        if (right_.back()) heading.erase(0, 1);
    }
}

std::size_t Table::column_of(std::string_view heading) const noexcept {
    const auto found = std::find(headings_.begin(), headings_.end(), heading);
    TAILRACE_CHECK(found != headings_.end());
    return static_cast<std::size_t>(found - headings_.begin());
}

void Table::can_do_without(const std::vector<std::string_view>& headings) {
    for (const std::string_view heading : headings)
        optional_.push_back(column_of(heading));
}

void Table::may_shorten(const std::vector<std::string_view>& headings) {
    for (const std::string_view heading : headings)
        shortenable_.push_back(column_of(heading));
}

void Table::add(std::vector<std::string> cells) {
    std::vector<Cell> row;
    for (std::string& cell : cells) {
        row.push_back({tame(std::move(cell)), Colour::none});
    }
    row.resize(headings_.size());
    rows_.push_back(std::move(row));
}

void Table::colour(std::size_t column, Colour colour) {
    rows_.back().at(column).colour = colour;
}

std::size_t Table::Layout::width() const noexcept {
    std::size_t sum = 0;
    for (const std::size_t column : columns)
        sum += widths[column] + (sum == 0 ? 0 : kBetween);
    return sum;
}

Table::Layout Table::layout_in(std::optional<std::size_t> width) const {
    Layout layout;
    for (std::size_t column = 0; column < headings_.size(); ++column) {
        std::size_t widest = width_of(headings_[column]);
        for (const auto& row : rows_)
            widest = std::max(widest, width_of(row[column].text));
        layout.widths.push_back(widest);
        layout.columns.push_back(column);
    }
    if (!width) return layout;
    Layout tight = layout;
    for (const std::size_t column : shortenable_)
        tight.widths[column] = std::min(tight.widths[column], kComfortable);
    for (const std::size_t column : optional_) {
        if (tight.width() <= *width) break;
        std::erase(tight.columns, column);
    }
    layout.columns = tight.columns;
    shorten(layout, *width);
    return layout;
}

// The widest first, until it fits.
void Table::shorten(Layout& layout, std::size_t width) const {
    while (layout.width() > width && !shortenable_.empty()) {
        const std::size_t widest =
            *std::max_element(shortenable_.begin(), shortenable_.end(), [&](auto a, auto b) {
                return layout.widths[a] < layout.widths[b];
            });
        if (layout.widths[widest] <= std::max(kShortest, width_of(headings_[widest]))) return;
        --layout.widths[widest];
    }
}

std::string Table::left_out(const Layout& layout, std::size_t width) const {
    std::string names;
    for (std::size_t column = 0; column < headings_.size(); ++column) {
        if (std::find(layout.columns.begin(), layout.columns.end(), column) !=
            layout.columns.end()) {
            continue;
        }
        names += (names.empty() ? "" : ", ") + headings_[column];
    }
    if (names.empty()) return {};
    return wrapped("(without " + names + ": --wide shows all)", 0, 1, width);
}

std::string Table::text() const {
    return text(line_width(STDOUT_FILENO));
}

std::string Table::text(std::optional<std::size_t> width) const {
    const Layout layout = layout_in(width);
    std::string text;
    const auto add_cell = [&](std::size_t column, std::string_view cell, Colour cell_colour) {
        const std::string shown = shortened(cell, layout.widths[column]);
        const std::string padding(layout.widths[column] - width_of(shown), ' ');
        if (column != layout.columns.front()) text.append(kBetween, ' ');
        if (right_[column]) text += padding;
        text += coloured(shown, cell_colour);
        if (!right_[column] && column != layout.columns.back()) text += padding;
    };
    for (const std::size_t column : layout.columns)
        add_cell(column, headings_[column], Colour::none);
    text += '\n';
    for (const auto& row : rows_) {
        for (const std::size_t column : layout.columns)
            add_cell(column, row[column].text, row[column].colour);
        text += '\n';
    }
    return width ? text + left_out(layout, *width) : text;
}

}  // namespace tailrace::tool
