#include "line_source.hpp"

#include "stop_signal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

LineSource::LineSource(std::string path, UniqueFd fd, std::uint64_t max_line_bytes) noexcept
    : path_(std::move(path)),
      own_fd_(std::move(fd)),
      fd_(own_fd_.is_open() ? own_fd_.get() : STDIN_FILENO),
      max_line_bytes_(max_line_bytes) {}

Result<LineSource> LineSource::open(const std::string& path, std::uint64_t max_line_bytes) {
    if (path == "-") return LineSource("stdin", UniqueFd(), max_line_bytes);
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) {
        return os_error(
            errno, fmt::format("cannot read '{}'", path), fmt::format("ls -l {}", path));
    }
    return LineSource(path, std::move(fd), max_line_bytes);
}

Result<std::optional<std::string_view>> LineSource::next() {
    for (;;) {
        const std::size_t newline = buffer_.find('\n', searched_);
        if (newline != std::string::npos || (at_end_ && begin_ < buffer_.size())) {
            const std::size_t end = newline != std::string::npos ? newline : buffer_.size();
            const std::string_view line = std::string_view(buffer_).substr(begin_, end - begin_);
            begin_ = std::min(end + 1, buffer_.size());
            searched_ = begin_;
            ++line_number_;
            if (line.size() > max_line_bytes_) return too_long(line_number_);
            return std::optional(line);
        }
        if (at_end_ || stop_requested()) return std::optional<std::string_view>();
        if (buffer_.size() - begin_ > max_line_bytes_) {
            return too_long(line_number_ + 1);
        }
        buffer_.erase(0, begin_);
        begin_ = 0;
        searched_ = buffer_.size();
        std::array<char, 65536> block;  // NOLINT: filled by read
        const ssize_t count = ::read(fd_, block.data(), block.size());
        if (count > 0) {
            buffer_.append(block.data(), static_cast<std::size_t>(count));
        } else if (count == 0) {
            at_end_ = true;
        } else if (errno != EINTR) {
            return os_error(
                errno, fmt::format("cannot read '{}'", path_), fmt::format("ls -ld {}", path_));
        }
    }
}

Error LineSource::too_long(std::uint64_t line_number) const {
    return make_error(
        ErrorCode::too_large,
        fmt::format("line {} of {} is longer than the {} bytes that the stream allows",
                    line_number,
                    path_,
                    max_line_bytes_),
        "split the line, or create a stream with a larger --max-event");
}

bool LineSource::rewind() noexcept {
    if (::lseek(fd_, 0, SEEK_SET) != 0) return false;
    buffer_.clear();
    begin_ = 0;
    searched_ = 0;
    line_number_ = 0;
    at_end_ = false;
    return true;
}

Result<std::optional<std::string_view>> FileLines::next() {
    for (;;) {
        auto line = files_[current_].next();
        if (!line) return line.error();
        if (*line) any_ = true;
        if (*line || stop_requested()) return line;
        auto more = advance();
        if (!more) return more.error();
        if (!*more) return std::optional<std::string_view>();
    }
}

Result<bool> FileLines::advance() {
    if (++current_ < files_.size()) return true;
    current_ = 0;
    if (!repeat_ || !any_) return false;
    for (LineSource& file : files_) {
        if (file.rewind()) continue;
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("'{}' can't be read twice, so not repeated", file.path()),
                          "--repeat with files, not with a pipe");
    }
    return true;
}

}  // namespace tailrace::tool
