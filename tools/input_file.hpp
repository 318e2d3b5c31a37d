// InputFile: a file or stdin, taken line by line, in pieces of known size, or whole, without
// reading ahead of a pipe more than it has.
//
// A line is what stands before a newline or before the end of the file; it may hold any bytes but
// newlines. What a call gives is valid until the next one. One thread.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tailrace::tool {

class InputFile {
public:
    // "-" is stdin.
    [[nodiscard]] static Result<InputFile> open(const std::string& path);

    // The next line; empty at the end or when a stop was requested. A line of more than `max_bytes`
    // is an error.
    [[nodiscard]] Result<std::optional<std::string_view>> next_line(std::uint64_t max_bytes);
    // The next `count` bytes, fewer only at the end; empty when a stop was requested.
    [[nodiscard]] Result<std::optional<std::string_view>> next_bytes(std::uint64_t count);
    // Starts over at the first byte. False for what can't be read twice (a pipe).
    [[nodiscard]] bool rewind() noexcept;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    // Of the line that next_line() gave, from 1.
    [[nodiscard]] std::uint64_t line_number() const noexcept { return line_number_; }
    // Where what comes next begins.
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }

private:
    InputFile(std::string path, UniqueFd fd) noexcept;
    [[nodiscard]] Result<bool> fill();
    [[nodiscard]] std::string_view take(std::size_t count, std::size_t behind);
    [[nodiscard]] Error too_long(std::uint64_t max_bytes) const;

    std::string path_;
    UniqueFd own_fd_;  // closed for stdin
    int fd_;
    std::string buffer_;
    std::size_t begin_ = 0;     // of what wasn't handed out
    std::size_t searched_ = 0;  // no newline in so many bytes from there
    bool at_end_ = false;
    std::uint64_t line_number_ = 0;
    std::uint64_t offset_ = 0;
};

}  // namespace tailrace::tool
