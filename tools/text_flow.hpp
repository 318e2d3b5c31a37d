// TextFlow: text in the columns that there are. A terminal has as many as it is wide; a pipe, a
// file and --wide have no limit. Pure functions, but for what they ask of the terminal.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

// Columns that a terminal uses for UTF-8 text: its code points. Colours take none.
[[nodiscard]] std::size_t width_of(std::string_view text) noexcept;

// The beginning of `text`, at most so many columns.
[[nodiscard]] std::string_view cut_to(std::string_view text, std::size_t width) noexcept;

// `text` in so many columns: of one that is longer its begin and end, and ".." between them.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t width);

// `text` in lines of at most `width` columns: the first begins at column `at`, the others at
// `indent`. A word that is longer than a line is broken. Ends with a newline.
[[nodiscard]] std::string wrapped(std::string_view text,
                                  std::size_t at,
                                  std::size_t indent,
                                  std::size_t width = 80);

// Lines of a terminal of that width that `text` takes; it ends with a newline.
[[nodiscard]] std::size_t lines_of(std::string_view text, std::size_t width) noexcept;
// Whole lines of `text`, as many as fit into `lines` of them.
[[nodiscard]] std::string_view first_lines(std::string_view text,
                                           std::size_t lines,
                                           std::size_t width) noexcept;

// What a terminal shows at once.
struct TerminalSize {
    std::size_t columns = 80;  // where it doesn't say
    std::size_t rows = 24;

    friend bool operator==(const TerminalSize&, const TerminalSize&) = default;
};
[[nodiscard]] TerminalSize terminal_size(int fd) noexcept;
[[nodiscard]] inline std::size_t terminal_width(int fd) noexcept {
    return terminal_size(fd).columns;
}

// What a line there may take; empty: no limit.
[[nodiscard]] std::optional<std::size_t> line_width(int fd) noexcept;

// As wrapped(), where line_width(fd) sets a limit; else the text as it is and a newline.
[[nodiscard]] std::string flowed(std::string_view text, std::size_t at, std::size_t indent, int fd);

// "ring      64 MiB   /dev/shm/tailrace/orders   ...": a label, and behind it what there is to say,
// for stdout.
[[nodiscard]] std::string field_text(std::string_view label, const std::vector<std::string>& parts);

}  // namespace tailrace::tool
