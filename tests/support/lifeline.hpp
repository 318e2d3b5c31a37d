// Lifeline: keeps a grandchild alive for as long as the test runs and no longer, though its own
// parent is killed. Make it before the fork. One thread.
#pragma once

#include <unistd.h>

#include <array>
#include <cstdlib>

namespace tailrace::test {

class Lifeline {
public:
    Lifeline() {
        if (::pipe(ends_.data()) != 0) std::abort();
    }
    Lifeline(const Lifeline&) = delete;
    Lifeline& operator=(const Lifeline&) = delete;
    ~Lifeline() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }

    // In the grandchild: its whole work. Every process between it and the test must have ended,
    // too.
    [[noreturn]] void wait_for_the_end() const noexcept {
        ::close(ends_[1]);
        char byte = 0;
        while (::read(ends_[0], &byte, 1) < 0) {
        }
        ::_exit(0);
    }

private:
    std::array<int, 2> ends_{};
};

}  // namespace tailrace::test
