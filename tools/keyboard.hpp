// Keyboard: the keys that are pressed on the terminal, one by one and without echo, as long as it
// lives. There can be one.
//
// The terminal is as it was before, whatever ends or stops the process: its destructor, Ctrl-C (the
// second one too), SIGTERM, SIGHUP, SIGQUIT, an abort, Ctrl-Z; after `fg` the keys are its own
// again. In the background it leaves the terminal alone. One thread.
#pragma once

#include <cstdint>
#include <optional>

namespace tailrace::tool {

class Keyboard {
public:
    // Whether somebody sits there: stdin and stderr are terminals, and no pager behind stdout reads
    // the keys.
    [[nodiscard]] static bool is_there() noexcept;

    // Requires: is_there(), and no other one.
    Keyboard() noexcept;
    Keyboard(const Keyboard&) = delete;
    Keyboard& operator=(const Keyboard&) = delete;
    ~Keyboard();

    // Not while another process has the terminal.
    [[nodiscard]] bool is_ours() const noexcept;
    // The next key that was pressed, if there is one. Keys that send several bytes (arrows, F9) are
    // none.
    [[nodiscard]] std::optional<char> next() noexcept;
    // Sleeps until a key is pressed, a signal comes, or so long.
    void wait(std::uint64_t longest_ns) noexcept;

private:
    enum class Escape : std::uint8_t { none, begun, in_sequence };

    [[nodiscard]] bool is_part_of_escape(char byte) noexcept;

    Escape escape_ = Escape::none;
    bool is_closed_ = false;
};

}  // namespace tailrace::tool
