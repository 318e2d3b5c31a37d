// TopPage: what `tailrace top` shows, line by line, for a screen of any size. Pure functions: they
// know no terminal.
#pragma once

#include "output.hpp"
#include "top/top_model.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::tool {

struct TopSpan {
    std::string text;
    Colour colour = Colour::none;
};

struct TopLine {
    std::vector<TopSpan> spans;
    bool is_marked = false;  // over the whole width: headings, and the row that is chosen
};

enum class TopView : std::uint8_t { list, details, help };

// What somebody at the keyboard has chosen.
struct TopChoice {
    TopView view = TopView::list;
    TopSort sort = TopSort::trouble;
    bool is_paused = false;
    // The row that the mark stands on; it stays with its stream or reader when rows move.
    std::string stream;
    std::string reader;
    std::size_t first = 0;  // line of the list, or of the details, at the top of the screen
};

struct TopScreen {
    std::size_t columns = 80;
    std::size_t rows = 24;
    bool has_blocks = true;  // ▁▂▃ can be shown
};

// As many lines as the screen has at most, none wider than it. Keeps the choice within what there
// is: the mark on a row, the row on the screen.
[[nodiscard]] std::vector<TopLine> top_lines(const TopPicture& picture,
                                             TopChoice& choice,
                                             const TopScreen& screen);

// Where the mark stands; nothing without rows.
[[nodiscard]] std::optional<std::size_t> chosen_row(const TopPicture& picture,
                                                    const TopChoice& choice);
// So many rows further down; negative: up.
void move_choice(const TopPicture& picture, TopChoice& choice, std::ptrdiff_t rows);

// The newest `width` rates, a character each.
[[nodiscard]] std::string sparkline(const RateHistory& rates, std::size_t width, bool has_blocks);

}  // namespace tailrace::tool
