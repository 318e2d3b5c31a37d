// Owns one file descriptor, which is none of the standard three. Any thread, one owner at a time.
#pragma once

#include <unistd.h>

#include <array>
#include <utility>

namespace tailrace {

// Descriptors 0 to 2 are input, output and error of whoever runs here, even when they were closed:
// what was opened in their place would be written over by the next message. So every descriptor
// that is kept goes through here: the same file under a number above 2. -1 with errno when there is
// none left; `fd` is closed then.
[[nodiscard]] int above_standard(int fd) noexcept;

// For as long as it lives, 0 to 2 are taken, by /dev/null where they were closed: for libraries
// that open descriptors themselves.
class StandardTaken {
public:
    StandardTaken() noexcept;
    StandardTaken(const StandardTaken&) = delete;
    StandardTaken& operator=(const StandardTaken&) = delete;
    ~StandardTaken();

private:
    std::array<bool, STDERR_FILENO + 1> taken_{};
};

// Takes those of 0 to 2 that are closed for good. For a program's first line.
void take_standard_descriptors() noexcept;

class UniqueFd {
public:
    UniqueFd() noexcept = default;
    // errno tells why nothing is open afterwards.
    explicit UniqueFd(int fd) noexcept : fd_(above_standard(fd)) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

    void reset() noexcept {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

private:
    int fd_ = -1;
};

}  // namespace tailrace
