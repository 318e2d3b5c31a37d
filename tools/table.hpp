// Table: columns that line up, as text for stdout.
//
// A terminal may be narrower than a table. Then long names are shortened a little, the columns go
// that the table can do without, it says which, and names are shortened as far as need be. A pipe,
// a file and --wide get all of it.
#pragma once

#include "output.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

class Table {
public:
    // Numbers are written right-aligned by naming the column ">NAME".
    explicit Table(std::vector<std::string> headings);

    // What it can do without on a narrow terminal: these columns, the first ones first.
    void can_do_without(const std::vector<std::string_view>& headings);
    // Whose cells may be shortened when that isn't enough.
    void may_shorten(const std::vector<std::string_view>& headings);

    void add(std::vector<std::string> cells);
    // The last added row's cell gets a colour.
    void colour(std::size_t column, Colour colour);
    [[nodiscard]] bool has_rows() const noexcept { return !rows_.empty(); }
    // As wide as stdout's terminal at most.
    [[nodiscard]] std::string text() const;
    // In so many columns; empty: no limit.
    [[nodiscard]] std::string text(std::optional<std::size_t> width) const;

private:
    struct Cell {
        std::string text;
        Colour colour = Colour::none;
    };
    // What is shown: columns, and how wide each is.
    struct Layout {
        std::vector<std::size_t> columns;
        std::vector<std::size_t> widths;  // of all columns

        [[nodiscard]] std::size_t width() const noexcept;
    };

    [[nodiscard]] std::size_t column_of(std::string_view heading) const noexcept;
    [[nodiscard]] Layout layout_in(std::optional<std::size_t> width) const;
    void shorten(Layout& layout, std::size_t width) const;
    [[nodiscard]] std::string left_out(const Layout& layout, std::size_t width) const;

    std::vector<std::string> headings_;
    std::vector<bool> right_;
    std::vector<std::size_t> optional_;     // columns, the first to go first
    std::vector<std::size_t> shortenable_;  // columns
    std::vector<std::vector<Cell>> rows_;
};

}  // namespace tailrace::tool
