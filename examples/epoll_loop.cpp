// Reads trades in a plain epoll loop, beside another descriptor: standard input, whose end ends the
// program. A file or /dev/null can't be waited for; then only the stream's removal ends it.
// Before: tailrace create trades
#include "trade.hpp"

#include <tailrace/bus/subscriber.hpp>

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace bus = tailrace::bus;

namespace {

int fail(const tailrace::Error& error) {
    std::fprintf(stderr, "%s\n  try: %s\n", error.message.c_str(), error.hint.c_str());
    return 1;
}

bool watch(int epoll_fd, int fd) {
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.fd = fd;
    return ::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &wanted) == 0;
}

void print(const tailrace::Event& event) {
    if (!event.is<Trade>(kTrade)) return;
    const auto trade = event.as<Trade>();
    std::printf("#%llu  instrument %u  %d at %.2f\n",
                static_cast<unsigned long long>(event.sequence()),
                trade.instrument,
                trade.quantity,
                trade.price);
    std::fflush(stdout);
}

// False: at the end of the input.
bool read_input() {
    std::array<char, 256> bytes;
    return ::read(STDIN_FILENO, bytes.data(), bytes.size()) > 0;
}

}  // namespace

int main() {
    auto subscriber =
        bus::Subscriber::attach("trades", {.name = "epoll", .start = bus::Start::oldest()});
    if (!subscriber) return fail(subscriber.error());
    const auto stream_fd = subscriber->poll_fd();
    if (!stream_fd) return fail(stream_fd.error());
    const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (!watch(epoll_fd, *stream_fd)) {
        std::perror("the stream's descriptor can't be waited for");
        return 1;
    }
    if (!watch(epoll_fd, STDIN_FILENO)) {
        std::perror("standard input isn't waited for");
        std::fputs("  try: a terminal or a pipe\n", stderr);
    }

    for (;;) {
        // With events left to read the loop only looks at the other descriptors.
        const int timeout_ms = subscriber->arm() ? 0 : -1;
        std::array<epoll_event, 4> happened;
        const int count =
            ::epoll_wait(epoll_fd, happened.data(), static_cast<int>(happened.size()), timeout_ms);
        for (int index = 0; index < count; ++index) {
            if (happened[static_cast<std::size_t>(index)].data.fd != STDIN_FILENO) continue;
            if (!read_input()) return 0;
        }
        const bus::PollResult result = subscriber->poll(print, 256);
        if (result.state == bus::PollState::closed) return 0;
        if (result.state == bus::PollState::corrupt) return 1;
    }
}
