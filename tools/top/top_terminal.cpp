#define NCURSES_NOMACROS 1  // `move`, `clear` and the like are words of ours, too

#include "top/top_terminal.hpp"

#include <tailrace/base/error.hpp>

#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <cstring>
#include <curses.h>
#include <fmt/format.h>
#include <langinfo.h>
#include <utility>

namespace tailrace::tool {

namespace {

short pair_of(Colour colour) noexcept {
    return static_cast<short>(colour);
}

void start_colours() {
    // What stdout shows elsewhere: NO_COLOR, TERM=dumb and --color are heeded.
    if (coloured("x", Colour::red) == "x" || !::has_colors()) return;
    ::start_color();
    ::use_default_colors();
    ::init_pair(pair_of(Colour::green), COLOR_GREEN, -1);
    ::init_pair(pair_of(Colour::yellow), COLOR_YELLOW, -1);
    ::init_pair(pair_of(Colour::red), COLOR_RED, -1);
}

TopKey key_of(int code) noexcept {
    switch (code) {
        case ERR:
            return TopKey::none;
        case 'q':
        case 'Q':
            return TopKey::quit;
        case 's':
            return TopKey::sort;
        case 'p':
        case ' ':
            return TopKey::pause;
        case '\r':
        case '\n':
        case KEY_ENTER:
        case KEY_RIGHT:
            return TopKey::enter;
        case 27:
        case KEY_LEFT:
        case KEY_BACKSPACE:
            return TopKey::back;
        case '?':
        case 'h':
            return TopKey::help;
        case KEY_UP:
        case 'k':
            return TopKey::up;
        case KEY_DOWN:
        case 'j':
            return TopKey::down;
        case KEY_PPAGE:
            return TopKey::page_up;
        case KEY_NPAGE:
            return TopKey::page_down;
        case KEY_HOME:
        case 'g':
            return TopKey::first;
        case KEY_END:
        case 'G':
            return TopKey::last;
        case KEY_RESIZE:
            return TopKey::resized;
        default:
            return TopKey::other;
    }
}

}  // namespace

struct TopTerminal::Handle {
    SCREEN* screen = nullptr;
    WINDOW* window = nullptr;
    bool has_blocks = false;
};

TopTerminal::TopTerminal(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}

TopTerminal::~TopTerminal() {
    ::endwin();
    ::delscreen(handle_->screen);
}

Result<std::unique_ptr<TopTerminal>> TopTerminal::open() {
    if (!is_terminal(STDIN_FILENO) || !is_terminal(STDOUT_FILENO)) {
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("tailrace top draws on a terminal, and {} is none",
                                      is_terminal(STDOUT_FILENO) ? "stdin" : "stdout"),
                          "tailrace lag --watch; tailrace lag --json for programs");
    }
    std::setlocale(LC_ALL, "");
    // A lone Esc is no beginning of something else for long.
    ::set_escdelay(50);
    const char* const type = std::getenv("TERM");
    auto handle = std::make_unique<Handle>();
    if (type != nullptr && *type != '\0') handle->screen = ::newterm(nullptr, stdout, stdin);
    if (handle->screen == nullptr) {
        return make_error(ErrorCode::unsupported,
                          fmt::format("nobody here knows terminals of the type '{}' (TERM)",
                                      type == nullptr ? "" : tame(type)),
                          "TERM=xterm tailrace top; ncurses-term has more types");
    }
    handle->has_blocks = std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0;
    handle->window = ::stdscr;
    start_colours();
    ::cbreak();
    ::noecho();
    ::nonl();
    ::curs_set(0);
    ::keypad(handle->window, true);
    return std::unique_ptr<TopTerminal>(new TopTerminal(std::move(handle)));
}

TopScreen TopTerminal::screen() const {
    const auto columns = static_cast<std::size_t>(::getmaxx(handle_->window));
    const auto rows = static_cast<std::size_t>(::getmaxy(handle_->window));
    return {columns, rows, handle_->has_blocks};
}

void TopTerminal::draw(const std::vector<TopLine>& lines) {
    WINDOW* const window = handle_->window;
    ::werase(window);
    int row = 0;
    for (const TopLine& line : lines) {
        ::wmove(window, row++, 0);
        for (const TopSpan& span : line.spans) {
            const auto attributes = static_cast<attr_t>(line.is_marked ? A_REVERSE : A_NORMAL);
            ::wattr_set(window, attributes, pair_of(span.colour), nullptr);
            ::waddnstr(window, span.text.data(), static_cast<int>(span.text.size()));
        }
    }
    ::wattr_set(window, A_NORMAL, 0, nullptr);
    ::wrefresh(window);
}

TopKey TopTerminal::next_key(int timeout_ms) {
    ::wtimeout(handle_->window, timeout_ms);
    return key_of(::wgetch(handle_->window));
}

}  // namespace tailrace::tool
