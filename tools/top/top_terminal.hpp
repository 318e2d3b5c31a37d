// TopTerminal: the terminal that `tailrace top` draws on, by ncurses: what has changed is sent, and
// nothing else, so nothing flickers. One at a time; one thread. It is as it was when this ends.
#pragma once

#include "top/top_page.hpp"

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace tailrace::tool {

enum class TopKey : std::uint8_t {
    none,  // nothing was pressed in time
    quit,
    sort,
    pause,
    enter,
    back,
    help,
    up,
    down,
    page_up,
    page_down,
    first,
    last,
    resized,
    other,
};

class TopTerminal {
public:
    // Errors: stdin or stdout is no terminal, or it is one that nobody knows.
    [[nodiscard]] static Result<std::unique_ptr<TopTerminal>> open();
    ~TopTerminal();
    TopTerminal(const TopTerminal&) = delete;
    TopTerminal& operator=(const TopTerminal&) = delete;

    [[nodiscard]] TopScreen screen() const;
    void draw(const std::vector<TopLine>& lines);
    // Waits so long for a key; a signal may end it earlier.
    [[nodiscard]] TopKey next_key(int timeout_ms);

private:
    struct Handle;
    explicit TopTerminal(std::unique_ptr<Handle> handle);

    std::unique_ptr<Handle> handle_;
};

}  // namespace tailrace::tool
