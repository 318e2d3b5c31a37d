#include "hand_over/csv_table.hpp"

#include "output.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kMostRowBytes = std::uint64_t{64} << 20U;

Error bad_csv(std::string what) {
    return make_error(ErrorCode::invalid_argument,
                      std::move(what),
                      "commas between cells, quotes doubled inside of quotes");
}

}  // namespace

// A cell in quotes may go on in the next line.
Result<std::optional<CsvTable::Cells>> CsvTable::next_cells() {
    auto first = file_.next_line(kMostRowBytes);
    if (!first) return first.error();
    if (!*first) return std::optional<Cells>();
    std::string line(**first);
    Cells cells;
    for (std::size_t at = 0;;) {
        std::string cell;
        const bool is_quoted = at < line.size() && line[at] == '"';
        if (is_quoted) {
            for (++at;;) {
                const std::size_t quote = std::min(line.find('"', at), line.size());
                cell.append(line, at, quote - at);
                at = quote + 1;
                if (quote == line.size()) {
                    auto more = file_.next_line(kMostRowBytes);
                    if (!more) return more.error();
                    if (!*more || cell.size() > kMostRowBytes)
                        return bad_csv("a quote isn't closed");
                    cell += '\n';
                    line = **more;
                    at = 0;
                } else if (at < line.size() && line[at] == '"') {
                    cell += '"';
                    ++at;
                } else {
                    break;
                }
            }
        } else {
            const std::size_t comma = std::min(line.find(',', at), line.size());
            cell = line.substr(at, comma - at);
            at = comma;
            if (at == line.size() && !cell.empty() && cell.back() == '\r') cell.pop_back();
            if (cell.find('"') != std::string::npos) return bad_csv("a quote inside of a cell");
        }
        const bool is_null = !is_quoted && cell.empty();
        cells.push_back(is_null ? std::nullopt : std::optional(std::move(cell)));
        const bool is_end = at >= line.size() || (line[at] == '\r' && at + 1 == line.size());
        if (is_end) return std::optional(std::move(cells));
        if (line[at] != ',') return bad_csv("something stands behind a quote");
        ++at;
        if (at == line.size()) {  // a null at the end
            cells.emplace_back();
            return std::optional(std::move(cells));
        }
    }
}

Result<std::optional<RowJson>> CsvTable::next() {
    if (names_.empty()) {
        auto names = next_cells();
        if (!names) return names.error();
        if (!*names) return std::optional<RowJson>();
        for (std::optional<std::string>& name : **names) {
            if (!name) return bad_csv("a column has no name");
            if (std::find(names_.begin(), names_.end(), *name) != names_.end())
                return bad_csv(fmt::format("two columns are called '{}'", tame(*name)));
            names_.push_back(std::move(*name));
        }
    }
    auto cells = next_cells();
    if (!cells) return cells.error();
    if (!*cells) return std::optional<RowJson>();
    if ((*cells)->size() != names_.size()) {
        return bad_csv(
            fmt::format("there are {} cells, and {} columns", (*cells)->size(), names_.size()));
    }
    RowJson row = RowJson::object();
    for (std::size_t at = 0; at < names_.size(); ++at) {
        std::optional<std::string>& cell = (**cells)[at];
        row[names_[at]] = cell ? RowJson(std::move(*cell)) : RowJson();
    }
    return std::optional(std::move(row));
}

}  // namespace tailrace::tool
