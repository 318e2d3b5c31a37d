#include "input_file.hpp"

#include "stop_signal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

InputFile::InputFile(std::string path, UniqueFd fd) noexcept
    : path_(std::move(path)),
      own_fd_(std::move(fd)),
      fd_(own_fd_.is_open() ? own_fd_.get() : STDIN_FILENO) {}

Result<InputFile> InputFile::open(const std::string& path) {
    if (path == "-") return InputFile("stdin", UniqueFd());
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) {
        return os_error(
            errno, fmt::format("cannot read '{}'", path), fmt::format("ls -l {}", path));
    }
    return InputFile(path, std::move(fd));
}

// Reads on. False: there is nothing more, or a stop was requested.
Result<bool> InputFile::fill() {
    while (!at_end_ && !stop_requested()) {
        buffer_.erase(0, begin_);
        begin_ = 0;
        std::array<char, 65536> block;  // NOLINT: filled by read
        const ssize_t count = ::read(fd_, block.data(), block.size());
        if (count > 0) {
            buffer_.append(block.data(), static_cast<std::size_t>(count));
            return true;
        }
        if (count == 0) {
            at_end_ = true;
        } else if (errno != EINTR) {
            return os_error(
                errno, fmt::format("cannot read '{}'", path_), fmt::format("ls -ld {}", path_));
        }
    }
    return false;
}

// Hands out `count` bytes; what follows them begins `behind` bytes from here.
std::string_view InputFile::take(std::size_t count, std::size_t behind) {
    const std::string_view taken = std::string_view(buffer_).substr(begin_, count);
    begin_ += behind;
    offset_ += behind;
    searched_ = 0;
    return taken;
}

Result<std::optional<std::string_view>> InputFile::next_line(std::uint64_t max_bytes) {
    for (;;) {
        const std::size_t newline = buffer_.find('\n', begin_ + searched_);
        if (newline != std::string::npos) {
            const std::size_t size = newline - begin_;
            if (size > max_bytes) return too_long(max_bytes);
            ++line_number_;
            return std::optional(take(size, size + 1));
        }
        searched_ = buffer_.size() - begin_;
        if (searched_ > max_bytes) return too_long(max_bytes);
        auto more = fill();
        if (!more) return more.error();
        if (*more) continue;
        if (searched_ == 0 || !at_end_) return std::optional<std::string_view>();
        ++line_number_;
        return std::optional(take(searched_, searched_));
    }
}

Result<std::optional<std::string_view>> InputFile::next_bytes(std::uint64_t count) {
    for (;;) {
        const std::size_t there = buffer_.size() - begin_;
        if (there >= count || at_end_) {
            const std::size_t taken = std::min<std::uint64_t>(there, count);
            return std::optional(take(taken, taken));
        }
        auto more = fill();
        if (!more) return more.error();
        if (!*more && !at_end_) return std::optional<std::string_view>();
    }
}

Error InputFile::too_long(std::uint64_t max_bytes) const {
    return make_error(
        ErrorCode::too_large,
        fmt::format("line {} of {} is longer than the {} bytes that the stream allows",
                    line_number_ + 1,
                    path_,
                    max_bytes),
        "split the line, or create a stream with a larger --max-event");
}

bool InputFile::rewind() noexcept {
    if (::lseek(fd_, 0, SEEK_SET) != 0) return false;
    buffer_.clear();
    begin_ = 0;
    searched_ = 0;
    line_number_ = 0;
    offset_ = 0;
    at_end_ = false;
    return true;
}

}  // namespace tailrace::tool
