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
    ::alarm(limit_s);
}

Watchdog::~Watchdog() {
    ::alarm(0);
}

}  // namespace tailrace::test
