// FigureTable: which figures a table shows, and under which heading.
#pragma once

#include <tailrace/observe/figure.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

struct FigureColumn {
    std::string_view heading;  // ">NAME": right-aligned
    std::string_view figure;   // its name
};

[[nodiscard]] inline std::vector<std::string> headings_of(std::span<const FigureColumn> columns) {
    std::vector<std::string> headings;
    for (const FigureColumn& column : columns)
        headings.emplace_back(column.heading);
    return headings;
}

template <typename Row>
[[nodiscard]] std::vector<std::string> cells_of(std::span<const FigureColumn> columns,
                                                std::span<const observe::Figure<Row>> figures,
                                                const Row& row) {
    std::vector<std::string> cells;
    for (const FigureColumn& column : columns)
        cells.push_back(observe::text_of(observe::figure_named(figures, column.figure), row));
    return cells;
}

}  // namespace tailrace::tool
