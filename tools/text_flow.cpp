#include "text_flow.hpp"

#include "command.hpp"
#include "output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace tailrace::tool {

namespace {

constexpr std::size_t kNarrowest = 20;  // below that nothing can be read anyway
constexpr std::size_t kLabelSize = 10;

bool begins_code_point(char byte) noexcept {
    return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
}

// Bytes of the colour that `text` begins with; 0: none.
std::size_t colour_size(std::string_view text) noexcept {
    if (!text.starts_with("\033[")) return 0;
    const std::size_t end = text.find('m');
    return end == std::string_view::npos ? 0 : end + 1;
}

// The end of `text`, at most so many columns.
std::string_view end_of(std::string_view text, std::size_t width) noexcept {
    std::size_t begin = text.size();
    for (std::size_t columns = 0; begin > 0 && columns < width; --begin) {
        if (begins_code_point(text[begin - 1])) ++columns;
    }
    return text.substr(begin);
}

}  // namespace

std::size_t width_of(std::string_view text) noexcept {
    std::size_t columns = 0;
    while (!text.empty()) {
        if (const std::size_t size = colour_size(text); size != 0) {
            text.remove_prefix(size);
            continue;
        }
        if (begins_code_point(text.front())) ++columns;
        text.remove_prefix(1);
    }
    return columns;
}

std::string_view cut_to(std::string_view text, std::size_t width) noexcept {
    std::size_t end = 0;
    for (std::size_t columns = 0; end < text.size(); ++end) {
        if (begins_code_point(text[end]) && ++columns > width) break;
    }
    return text.substr(0, end);
}

std::string shortened(std::string_view text, std::size_t width) {
    constexpr std::string_view kLeftOut = "..";
    if (width_of(text) <= width) return std::string(text);
    if (width <= kLeftOut.size()) return std::string(cut_to(text, width));
    const std::size_t kept = width - kLeftOut.size();
    return std::string(cut_to(text, kept - kept / 2))
        .append(kLeftOut)
        .append(end_of(text, kept / 2));
}

std::string wrapped(std::string_view text, std::size_t at, std::size_t indent, std::size_t width) {
    std::string lines;
    std::size_t column = at;
    bool is_first = true;
    const auto break_line = [&] {
        lines += "\n" + std::string(indent, ' ');
        column = indent;
        is_first = true;
    };
    for (;;) {
        const std::size_t blanks = std::min(text.find_first_not_of(' '), text.size());
        text.remove_prefix(blanks);
        if (text.empty()) return lines + "\n";
        std::string_view word = text.substr(0, std::min(text.find(' '), text.size()));
        text.remove_prefix(word.size());
        if (!is_first && column + blanks + width_of(word) > width) break_line();
        if (!is_first) {
            lines.append(blanks, ' ');
            column += blanks;
        }
        while (column + width_of(word) > width && column < width) {
            const std::string_view part = cut_to(word, width - column);
            lines += part;
            word.remove_prefix(part.size());
            break_line();
        }
        lines += word;
        column += width_of(word);
        is_first = false;
    }
}

std::size_t lines_of(std::string_view text, std::size_t width) noexcept {
    std::size_t lines = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::size_t columns = width_of(text.substr(0, end));
        lines += columns == 0 ? 1 : (columns + width - 1) / width;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

std::string_view first_lines(std::string_view text, std::size_t lines, std::size_t width) noexcept {
    std::size_t end = 0;
    for (std::size_t taken = 0; end < text.size();) {
        const std::size_t next = std::min(text.find('\n', end), text.size() - 1) + 1;
        taken += lines_of(text.substr(end, next - end), width);
        if (taken > lines) break;
        end = next;
    }
    return text.substr(0, end);
}

TerminalSize terminal_size(int fd) noexcept {
    TerminalSize shown;
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return shown;
    if (size.ws_col != 0) shown.columns = std::max<std::size_t>(size.ws_col, kNarrowest);
    if (size.ws_row != 0) shown.rows = size.ws_row;
    return shown;
}

std::optional<std::size_t> line_width(int fd) noexcept {
    if (settings().wide || !is_terminal(fd)) return std::nullopt;
    return terminal_width(fd);
}

std::string flowed(std::string_view text, std::size_t at, std::size_t indent, int fd) {
    const auto width = line_width(fd);
    if (!width) return std::string(text) + "\n";
    std::string lines;
    for (;;) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines += wrapped(text.substr(0, end), at, indent, *width);
        if (end == text.size()) return lines;
        text.remove_prefix(end + 1);
        at = 0;
    }
}

std::string field_text(std::string_view label, const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) {
        if (part.empty()) continue;
        if (!text.empty()) text += "   ";
        text += part;
    }
    std::string line(label);
    line.resize(std::max(kLabelSize, label.size() + 1), ' ');
    return line + flowed(text, line.size(), kLabelSize, STDOUT_FILENO);
}

}  // namespace tailrace::tool
