#include "output.hpp"

#include "command.hpp"
#include "text_flow.hpp"

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

}  // namespace

Output& out() noexcept {
    static Output output;
    return output;
}

void Output::write(std::string_view text) {
    if (is_closed()) return;
    buffer_ += text;
    if (buffer_.size() >= kFlushBytes) flush();
}

void Output::write_json(const Json& document) {
    write(json_text(document) + "\n");
}

bool Output::flush() noexcept {
    std::string_view rest = buffer_;
    if (!rest.empty()) {
        if (status_line_shown && is_terminal(STDOUT_FILENO)) clear_status_line();
        is_at_line_start_ = rest.back() == '\n';
    }
    while (!rest.empty() && !is_closed()) {
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
    return !is_closed();
}

bool Output::has_reader() noexcept {
    if (is_closed()) return false;
    pollfd entry{STDOUT_FILENO, 0, 0};
    if (::poll(&entry, 1, 0) > 0 && (entry.revents & POLLERR) != 0) closed_ = true;
    return !closed_;
}

void report_done(std::string_view line) {
    if (!settings().quiet) out().write(flowed(line, 0, 2, STDOUT_FILENO));
}

void say(std::string_view line) {
    if (settings().quiet) return;
    clear_status_line();
    write_stderr(flowed(line, 0, 2, STDERR_FILENO));
}

void warn(std::string_view line) {
    clear_status_line();
    write_stderr(flowed(fmt::format("tailrace: {}", line), 0, 2, STDERR_FILENO));
}

Json error_json(const Error& error, int exit_code) {
    Json inner;
    inner["code"] = error_code_name(error.code);
    inner["exit_code"] = exit_code;
    inner["message"] = error.message;
    if (!error.hint.empty()) inner["hint"] = error.hint;
    if (error.os_errno != 0) inner["errno"] = error.os_errno;
    Json document;
    document["error"] = std::move(inner);
    return document;
}

std::string json_text(const Json& document) {
    return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void print_error(const Error& error, int exit_code, bool as_json) {
    clear_status_line();
    if (as_json) {
        write_stderr(json_text(error_json(error, exit_code)) + "\n");
        return;
    }
    constexpr std::string_view kTry = "  try: ";
    std::string text = flowed(fmt::format("tailrace: {}", error.message), 0, 2, STDERR_FILENO);
    if (!error.hint.empty()) {
        text.append(kTry).append(flowed(error.hint, kTry.size(), kTry.size(), STDERR_FILENO));
    }
    write_stderr(text);
}

void show_status_line(std::string_view line) {
    if (settings().quiet || !is_terminal(STDERR_FILENO)) return;
    if (!out().is_at_line_start() && is_terminal(STDOUT_FILENO)) return;
    // A line that reaches the edge couldn't be overwritten.
    write_stderr(fmt::format("\r{}\033[K", cut_to(line, terminal_width(STDERR_FILENO) - 1)));
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

}  // namespace tailrace::tool
