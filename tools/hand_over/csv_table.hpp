// CsvTable: rows of a CSV file, as RFC 4180 has it and `tailrace export` writes it: a line of names
// first; "" is an empty text, and nothing between two commas is a null. Cells are texts. One
// thread.
#pragma once

#include "hand_over/row_event.hpp"
#include "input_file.hpp"

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::tool {

class CsvTable {
public:
    // The file outlives it.
    explicit CsvTable(InputFile& file) : file_(file) {}

    // The next row; empty at the end, or when a stop was requested. Error invalid_argument names
    // neither file nor line: file.line_number() is the row's last one.
    [[nodiscard]] Result<std::optional<RowJson>> next();

private:
    using Cells = std::vector<std::optional<std::string>>;

    [[nodiscard]] Result<std::optional<Cells>> next_cells();

    InputFile& file_;
    std::vector<std::string> names_;
};

}  // namespace tailrace::tool
