// Output: what the command prints. Data goes to stdout through one buffer, talk goes to stderr.
//
// A reader that closed the pipe is a normal end; a disk that is full is none, and failure_errno()
// says so. After either is_closed() is true, and nothing more is written. One thread. JSON keys are
// stable and carry their units; times in nanoseconds are strings, because numbers beyond 2^53 don't
// survive every reader of JSON.
#pragma once

#include <tailrace/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace tailrace::tool {

using Json = nlohmann::ordered_json;

class Output {
public:
    void write(std::string_view text);
    // False when nobody reads any more, or when writing failed.
    bool flush() noexcept;
    // One JSON document and a newline. Bytes that are not UTF-8 are replaced.
    void write_json(const Json& document);
    // Asks the kernel whether the reader of a pipe has gone, for whoever waits for something to
    // write.
    [[nodiscard]] bool has_reader() noexcept;

    [[nodiscard]] bool is_closed() const noexcept { return closed_ || failure_errno_ != 0; }
    [[nodiscard]] int failure_errno() const noexcept { return failure_errno_; }
    // What was written last ended with a newline.
    [[nodiscard]] bool is_at_line_start() const noexcept { return is_at_line_start_; }

private:
    static constexpr std::size_t kFlushBytes = std::size_t{64} * 1024;

    std::string buffer_;
    bool closed_ = false;
    bool is_at_line_start_ = true;
    int failure_errno_ = 0;
};

// The one for stdout.
[[nodiscard]] Output& out() noexcept;

// "123456789" for JSON.
[[nodiscard]] inline std::string ns_string(std::uint64_t time_ns) {
    return std::to_string(time_ns);
}

// On one line. Bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string json_text(const Json& document);
// {"error":{"code":...}}
[[nodiscard]] Json error_json(const Error& error, int exit_code);

// Lines are broken between words where a terminal is too narrow for them.

// What a command has done, a line on stdout; nothing with -q.
void report_done(std::string_view line);

// One line on stderr, unless -q.
void say(std::string_view line);
// "tailrace: …" on stderr, also with -q.
void warn(std::string_view line);
// The message and "  try: …", or one JSON object.
void print_error(const Error& error, int exit_code, bool as_json);

// A line on a terminal, as far as that is wide, that is overwritten by the next one; nothing
// elsewhere, nor behind output that hasn't ended its line there. say(), warn() and output on the
// terminal clear it.
void show_status_line(std::string_view line);
void clear_status_line();
[[nodiscard]] bool is_status_line_shown() noexcept;

[[nodiscard]] bool is_terminal(int fd) noexcept;

enum class Colour : std::uint8_t { none, green, yellow, red };
enum class ColourMode : std::uint8_t { automatic, always, never };

// NO_COLOR, FORCE_COLOR and TERM=dumb are heeded in automatic mode.
void set_colour_mode(ColourMode mode) noexcept;
// `text` in this colour if stdout shows colours, else as it is.
[[nodiscard]] std::string coloured(std::string_view text, Colour colour);

// Names come from shared memory, which anybody may have written: a terminal must not obey. Without
// control characters.
[[nodiscard]] std::string tame(std::string text);

}  // namespace tailrace::tool
