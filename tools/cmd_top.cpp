// tailrace top: streams and readers on the terminal, as they are doing, until somebody has seen
// enough. It only looks: it is no reader, and nobody notices.

#include "command.hpp"
#include "commands.hpp"
#include "option_text.hpp"
#include "stop_signal.hpp"
#include "top/top_model.hpp"
#include "top/top_page.hpp"
#include "top/top_terminal.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/observe/watcher.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace tailrace::tool {

namespace {

struct TopFlags {
    std::uint64_t interval_ns = 1'000'000'000;
    std::string sort = "trouble";
};

TopSort sort_named(const std::string& name) {
    TopSort sort = TopSort::trouble;
    while (sort_name(sort) != name)
        sort = sort_after(sort);
    return sort;
}

// One sitting at the terminal.
class Sitting {
public:
    Sitting(const TopFlags& flags, TopTerminal& terminal)
        : interval_ns_(flags.interval_ns),
          terminal_(terminal),
          watcher_(settings().directory) {
        choice_.sort = sort_named(flags.sort);
    }

    [[nodiscard]] Result<ExitCode> run();

private:
    [[nodiscard]] Result<void> look();
    void draw();
    void press(TopKey key);
    void go_to(TopView view);

    std::uint64_t interval_ns_;
    TopTerminal& terminal_;
    observe::Watcher watcher_;
    TopModel model_;
    std::unique_ptr<TopPicture> picture_;
    TopChoice choice_;
    bool is_over_ = false;
};

// While it is paused as well: a stream that is removed would else keep its memory so long, and the
// histories would have a hole.
Result<void> Sitting::look() {
    auto look = watcher_.look();
    if (!look) return look.error();
    auto picture = model_.take(std::move(*look), monotonic_ns());
    if (choice_.is_paused) return {};
    picture_ = std::move(picture);
    sort_rows(*picture_, choice_.sort);
    return {};
}

void Sitting::draw() {
    terminal_.draw(top_lines(*picture_, choice_, terminal_.screen()));
}

void Sitting::go_to(TopView view) {
    const auto chosen = chosen_row(*picture_, choice_);
    if (view == TopView::details) {
        if (!chosen) return;
        choice_.stream = picture_->rows[*chosen].stream;
        choice_.reader = picture_->rows[*chosen].reader;
    }
    choice_.view = view;
    choice_.first = 0;
}

void Sitting::press(TopKey key) {
    const auto page =
        static_cast<std::ptrdiff_t>(std::max<std::size_t>(4, terminal_.screen().rows)) - 3;
    constexpr std::ptrdiff_t kFar = 1'000'000;
    switch (key) {
        case TopKey::quit:
            is_over_ = true;
            break;
        case TopKey::sort:
            choice_.sort = sort_after(choice_.sort);
            sort_rows(*picture_, choice_.sort);
            break;
        case TopKey::pause:
            choice_.is_paused = !choice_.is_paused;
            break;
        case TopKey::enter:
            go_to(choice_.view == TopView::list ? TopView::details : TopView::list);
            break;
        case TopKey::back:
            go_to(TopView::list);
            break;
        case TopKey::help:
            go_to(choice_.view == TopView::help ? TopView::list : TopView::help);
            break;
        case TopKey::up:
        case TopKey::down:
            move_choice(*picture_, choice_, key == TopKey::up ? -1 : 1);
            break;
        case TopKey::page_up:
        case TopKey::page_down:
            move_choice(*picture_, choice_, key == TopKey::page_up ? -page : page);
            break;
        case TopKey::first:
        case TopKey::last:
            move_choice(*picture_, choice_, key == TopKey::first ? -kFar : kFar);
            break;
        case TopKey::none:
        case TopKey::resized:  // the terminal knows, and what is drawn next fits
        case TopKey::other:
        default:
            break;
    }
}

Result<ExitCode> Sitting::run() {
    constexpr std::uint64_t kLookUpNs = 100 * kNsPerMs;  // whether somebody asked to stop
    if (auto looked = look(); !looked) return looked.error();
    std::uint64_t next_ns = monotonic_ns() + interval_ns_;
    draw();
    while (!is_over_ && !stop_requested()) {
        const std::uint64_t now_ns = monotonic_ns();
        if (now_ns >= next_ns) {
            if (auto looked = look(); !looked) return looked.error();
            // Late ones aren't made up for.
            next_ns = std::max(next_ns + interval_ns_, monotonic_ns());
            draw();
            continue;
        }
        const std::uint64_t wait_ns = std::min(next_ns - now_ns, kLookUpNs);
        const TopKey key = terminal_.next_key(static_cast<int>(wait_ns / kNsPerMs + 1));
        if (key == TopKey::none) continue;
        press(key);
        draw();
    }
    return ExitCode::done;
}

Result<ExitCode> run_top(const TopFlags& flags) {
    if (settings().format != Format::text) {
        return make_error(ErrorCode::invalid_argument,
                          "tailrace top draws on a terminal, and has no other format",
                          "tailrace lag --json; tailrace lag --watch --json");
    }
    auto terminal = TopTerminal::open();
    if (!terminal) return terminal.error();
    return Sitting(flags, **terminal).run();
}

}  // namespace

void register_top(CLI::App& app) {
    const auto flags = std::make_shared<TopFlags>();
    CLI::App* const command = add_command(
        app, "top", "Streams and readers live, on a terminal", [flags] { return run_top(*flags); });
    add_parsed(*command,
               "--interval",
               flags->interval_ns,
               parse_duration_ns,
               "Look so often (default 1s)");
    command->add_option("--sort", flags->sort, "What comes first")
        ->check(CLI::IsMember({"trouble", "rate", "lag", "name"}))
        ->capture_default_str();
    command->footer(
        "Keys: arrows or j k, Enter looks into a stream or a reader, Esc back, s sorts, p pauses, "
        "? helps, q quits. It only looks: it is no reader, and holds nobody up.");
}

}  // namespace tailrace::tool
