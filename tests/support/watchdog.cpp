#include "support/watchdog.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace tailrace::test {

namespace {

std::atomic<const char*> watched{nullptr};

void say(const char* text) noexcept {
    if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) std::abort();
}

// How much longer than on a quiet machine: ./dev soak runs beside other work.
unsigned patience() noexcept {
    const char* const value = std::getenv("TAILRACE_PATIENCE");  // NOLINT(concurrency-mt-unsafe)
    const int times = value != nullptr ? std::atoi(value) : 1;
    return times > 1 ? static_cast<unsigned>(times) : 1U;
}

extern "C" void on_alarm(int /*signal*/) {
    say("\nwatchdog: this test hangs: ");
    say(watched.load());
    say("\n");
    std::abort();
}

}  // namespace

Watchdog::Watchdog(const char* what, unsigned limit_s) noexcept {
    watched.store(what);
    struct sigaction action {};
    action.sa_handler = on_alarm;
    ::sigaction(SIGALRM, &action, nullptr);
    ::alarm(limit_s * patience());
}

Watchdog::~Watchdog() {
    ::alarm(0);
}

}  // namespace tailrace::test
