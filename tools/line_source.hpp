// LineSource: the lines of a file or of stdin, one after the other, without reading ahead of a pipe
// more than it has.
//
// A line is what stands before a newline or before the end of the file; it may hold any bytes but
// newlines. One thread.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tailrace::tool {

class LineSource {
public:
    // "-" is stdin. Lines longer than `max_line_bytes` are an error.
    [[nodiscard]] static Result<LineSource> open(const std::string& path,
                                                 std::uint64_t max_line_bytes);

    // The next line, valid until the next call; empty at the end or when a stop was requested.
    [[nodiscard]] Result<std::optional<std::string_view>> next();
    // Starts over at the first line. False for what can't be read twice (a pipe).
    [[nodiscard]] bool rewind() noexcept;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    // Of the line that next() gave, from 1.
    [[nodiscard]] std::uint64_t line_number() const noexcept { return line_number_; }

private:
    LineSource(std::string path, UniqueFd fd, std::uint64_t max_line_bytes) noexcept;
    [[nodiscard]] Error too_long(std::uint64_t line_number) const;

    std::string path_;
    UniqueFd own_fd_;  // closed for stdin
    int fd_;
    std::uint64_t max_line_bytes_;
    std::string buffer_;
    std::size_t begin_ = 0;     // of what wasn't handed out
    std::size_t searched_ = 0;  // no newline between begin_ and here
    bool at_end_ = false;
    std::uint64_t line_number_ = 0;
};

// The lines of several files, one file after the other; with `repeat` over and over. One thread.
class FileLines {
public:
    // Requires: at least one file.
    FileLines(std::vector<LineSource> files, bool repeat) noexcept
        : files_(std::move(files)),
          repeat_(repeat) {}

    // As LineSource::next(). Error `invalid_argument` when a pipe would have to be repeated.
    [[nodiscard]] Result<std::optional<std::string_view>> next();

private:
    // Goes on to the next file. False: there is none.
    [[nodiscard]] Result<bool> advance();

    std::vector<LineSource> files_;
    bool repeat_;
    std::size_t current_ = 0;
    bool any_ = false;  // files without a line must not turn into an endless search for one
};

}  // namespace tailrace::tool
