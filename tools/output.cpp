#include "output.hpp"

#include "command.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <poll.h>

namespace tailrace::tool {

namespace {

ColourMode colour_mode = ColourMode::automatic;
bool status_line_shown = false;

void write_stderr(std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(STDERR_FILENO, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

bool shows_colours() {
    if (colour_mode != ColourMode::automatic) return colour_mode == ColourMode::always;
    const auto is_set = [](const char* name) {
        const char* const value = std::getenv(name);
        return value != nullptr && *value != '\0';
    };
    if (is_set("NO_COLOR")) return false;
    if (is_set("FORCE_COLOR")) return true;
    const char* const term = std::getenv("TERM");
    if (term != nullptr && std::string_view(term) == "dumb") return false;
    return is_terminal(STDOUT_FILENO);
}

std::string_view cut_to(std::string_view text, std::size_t width) {
    std::size_t end = 0;
    for (std::size_t columns = 0; end < text.size(); ++end) {
        const bool begins = (static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80U;
        if (begins && ++columns > width) break;
    }
    return text.substr(0, end);
}

// Of the one behind stderr.
std::size_t terminal_width() noexcept {
    constexpr std::size_t kUsualWidth = 80;
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsualWidth;
    return size.ws_col;
}

}  // namespace

Output& out() noexcept {
    static Output output;
    return output;
}

void Output::write(std::string_view text) {
    if (closed_ || failure_errno_ != 0) return;
    buffer_ += text;
    if (buffer_.size() >= kFlushBytes) flush();
}

void Output::write_json(const Json& document) {
    write(document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

bool Output::flush() noexcept {
    std::string_view rest = buffer_;
    if (!rest.empty()) {
        if (status_line_shown && is_terminal(STDOUT_FILENO)) clear_status_line();
        is_at_line_start_ = rest.back() == '\n';
    }
    while (!rest.empty() && !closed_ && failure_errno_ == 0) {
        const ssize_t count = ::write(STDOUT_FILENO, rest.data(), rest.size());
        if (count >= 0) {
            rest.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EPIPE) {
            closed_ = true;
        } else if (errno != EINTR) {
            failure_errno_ = errno;
        }
    }
    buffer_.clear();
    return !closed_ && failure_errno_ == 0;
}

bool Output::has_reader() noexcept {
    if (closed_ || failure_errno_ != 0) return false;
    pollfd entry{STDOUT_FILENO, 0, 0};
    if (::poll(&entry, 1, 0) > 0 && (entry.revents & POLLERR) != 0) closed_ = true;
    return !closed_;
}

void say(std::string_view line) {
    if (settings().quiet) return;
    clear_status_line();
    write_stderr(fmt::format("{}\n", line));
}

void warn(std::string_view line) {
    clear_status_line();
    write_stderr(fmt::format("tailrace: {}\n", line));
}

void print_error(const Error& error, int exit_code, bool as_json) {
    clear_status_line();
    if (as_json) {
        Json inner;
        inner["code"] = error_code_name(error.code);
        inner["exit_code"] = exit_code;
        inner["message"] = error.message;
        if (!error.hint.empty()) inner["hint"] = error.hint;
        if (error.os_errno != 0) inner["errno"] = error.os_errno;
        Json document;
        document["error"] = std::move(inner);
        write_stderr(document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
        return;
    }
    std::string text = fmt::format("tailrace: {}\n", error.message);
    if (!error.hint.empty()) text += fmt::format("  try: {}\n", error.hint);
    write_stderr(text);
}

void show_status_line(std::string_view line) {
    if (settings().quiet || !is_terminal(STDERR_FILENO)) return;
    if (!out().is_at_line_start() && is_terminal(STDOUT_FILENO)) return;
    // A line that reaches the edge couldn't be overwritten.
    write_stderr(fmt::format("\r{}\033[K", cut_to(line, terminal_width() - 1)));
    status_line_shown = true;
}

bool is_status_line_shown() noexcept {
    return status_line_shown;
}

void clear_status_line() {
    if (!status_line_shown) return;
    write_stderr("\r\033[K");
    status_line_shown = false;
}

bool is_terminal(int fd) noexcept {
    return ::isatty(fd) == 1;
}

void set_colour_mode(ColourMode mode) noexcept {
    colour_mode = mode;
}

std::string coloured(std::string_view text, Colour colour) {
    if (colour == Colour::none || !shows_colours()) return std::string(text);
    const char* const code = colour == Colour::green    ? "32"
                             : colour == Colour::yellow ? "33"
                                                        : "31";
    return fmt::format("\033[{}m{}\033[0m", code, text);
}

std::string tame(std::string text) {
    const auto is_control = [](char c) {
        return (c >= 0 && c < ' ') || c == '\x7F';
    };
    std::replace_if(text.begin(), text.end(), is_control, '?');
    return text;
}

std::size_t width_of(std::string_view text) noexcept {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
}

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {
    for (std::string& heading : headings_) {
        right_.push_back(heading.starts_with('>'));
        if (right_.back()) heading.erase(0, 1);
    }
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

std::string Table::text() const {
    std::vector<std::size_t> widths;
    for (std::size_t column = 0; column < headings_.size(); ++column) {
        std::size_t width = width_of(headings_[column]);
        for (const auto& row : rows_)
            width = std::max(width, width_of(row[column].text));
        widths.push_back(width);
    }
    std::string text;
    const auto add_cell = [&](std::size_t column, const std::string& cell, Colour cell_colour) {
        const std::string padding(widths[column] - width_of(cell), ' ');
        const bool last = column + 1 == headings_.size();
        if (column != 0) text += "  ";
        if (right_[column]) text += padding;
        text += coloured(cell, cell_colour);
        if (!right_[column] && !last) text += padding;
    };
    for (std::size_t column = 0; column < headings_.size(); ++column) {
        add_cell(column, headings_[column], Colour::none);
    }
    text += '\n';
    for (const auto& row : rows_) {
        for (std::size_t column = 0; column < row.size(); ++column) {
            add_cell(column, row[column].text, row[column].colour);
        }
        text += '\n';
    }
    return text;
}

}  // namespace tailrace::tool
