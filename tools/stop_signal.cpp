#include "stop_signal.hpp"

#include <tailrace/base/clock.hpp>

#include <signal.h>

#include <algorithm>
#include <ctime>

namespace tailrace::tool {

namespace {

std::atomic<bool> stop{false};
std::atomic<void (*)() noexcept> at_sudden_end{nullptr};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");
static_assert(std::atomic<void (*)() noexcept>::is_always_lock_free, "a signal handler reads it");

void on_second_signal(int signal) {
    if (void (*const hook)() noexcept = at_sudden_end.load(std::memory_order_relaxed)) hook();
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    ::sigaction(signal, &action, nullptr);
    ::raise(signal);  // comes when the handler returns
}

void on_stop_signal(int signal) {
    stop.store(true, std::memory_order_relaxed);
    struct sigaction action {};
    action.sa_handler = on_second_signal;
    ::sigaction(signal, &action, nullptr);
}

}  // namespace

void install_stop_signals() noexcept {
    struct sigaction action {};
    action.sa_handler = on_stop_signal;
    // No SA_RESTART: blocking calls come back and look at the flag.
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, nullptr);
    ::sigaction(SIGXFSZ, &ignore, nullptr);  // a limit on file sizes: an error (EFBIG), with text
}

void end_at_first_signal() noexcept {
    struct sigaction action {};
    action.sa_handler = on_second_signal;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

void before_sudden_end(void (*hook)() noexcept) noexcept {
    at_sudden_end.store(hook, std::memory_order_relaxed);  // of this process, and a whole pointer
}

const std::atomic<bool>& stop_flag() noexcept {
    return stop;
}

bool stop_requested() noexcept {
    return stop.load(std::memory_order_relaxed);
}

bool sleep_until_ns(std::uint64_t until_ns) noexcept {
    // In slices: a signal that arrives between the look and the sleep is seen after the slice.
    constexpr std::uint64_t kSliceNs = 100'000'000;
    for (;;) {
        if (stop_requested()) return false;
        const std::uint64_t now_ns = monotonic_ns();
        if (now_ns >= until_ns) return true;
        const std::uint64_t wake_ns = std::min(until_ns, now_ns + kSliceNs);
        const timespec wake{static_cast<std::time_t>(wake_ns / kNsPerSecond),
                            static_cast<long>(wake_ns % kNsPerSecond)};
        ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, nullptr);
    }
}

}  // namespace tailrace::tool
