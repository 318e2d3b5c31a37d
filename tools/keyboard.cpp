#include "keyboard.hpp"

#include "output.hpp"
#include "stop_signal.hpp"

#include <tailrace/base/clock.hpp>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <ctime>
#include <poll.h>
#include <termios.h>

namespace tailrace::tool {

namespace {

// What the signal handlers need.
termios before{};
volatile sig_atomic_t is_before_known = 0;
volatile sig_atomic_t is_taken = 0;

// Without a controlling terminal nobody else can have it.
bool has_terminal() noexcept {
    const pid_t group = ::tcgetpgrp(STDIN_FILENO);
    return group < 0 || group == ::getpgrp();
}

// From here to on_continue(): called by signal handlers, so only what these may call.
void take_terminal() noexcept {
    if (is_taken != 0 || !has_terminal()) return;  // in the background it would stop this process
    // Asked for once it is ours: before that it is as the shell has it for its own keys.
    if (is_before_known == 0 && ::tcgetattr(STDIN_FILENO, &before) != 0) return;
    is_before_known = 1;
    termios by_keys = before;
    by_keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    by_keys.c_cc[VMIN] = 1;
    by_keys.c_cc[VTIME] = 0;
    if (::tcsetattr(STDIN_FILENO, TCSANOW, &by_keys) == 0) is_taken = 1;
}

void give_back_terminal() noexcept {
    if (is_taken == 0) return;
    is_taken = 0;
    if (has_terminal()) ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void set_handler(int signal, void (*handler)(int)) noexcept {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    ::sigaction(signal, &action, nullptr);
}

void on_end(int signal) {
    give_back_terminal();
    set_handler(signal, SIG_DFL);
    ::raise(signal);  // comes when the handler returns
}

void on_stop(int signal) {
    const int kept_errno = errno;
    give_back_terminal();
    sigset_t only{};
    sigset_t kept{};
    ::sigemptyset(&only);
    ::sigaddset(&only, signal);
    set_handler(signal, SIG_DFL);
    ::raise(signal);
    // Here it is stopped until it is continued; or not at all, where nobody could continue it.
    ::sigprocmask(SIG_UNBLOCK, &only, &kept);
    ::sigprocmask(SIG_SETMASK, &kept, nullptr);
    set_handler(signal, on_stop);
    take_terminal();
    errno = kept_errno;
}

void on_continue(int /*signal*/) {
    const int kept_errno = errno;
    // However it was stopped, somebody else may have set the terminal since.
    is_taken = 0;
    take_terminal();
    errno = kept_errno;
}

struct Handled {
    int signal;
    void (*handler)(int);
};

constexpr std::array<Handled, 5> kHandled = {{{SIGHUP, on_end},
                                              {SIGQUIT, on_end},
                                              {SIGABRT, on_end},
                                              {SIGTSTP, on_stop},
                                              {SIGCONT, on_continue}}};

std::array<struct sigaction, kHandled.size()> earlier{};

// While it lives none of them is handled, so that none finds half of a change.
class Quiet {
public:
    Quiet() noexcept {
        sigset_t all{};
        ::sigemptyset(&all);
        for (const Handled& each : kHandled)
            ::sigaddset(&all, each.signal);
        ::pthread_sigmask(SIG_BLOCK, &all, &kept_);
    }
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;
    ~Quiet() { ::pthread_sigmask(SIG_SETMASK, &kept_, nullptr); }

private:
    sigset_t kept_{};
};

}  // namespace

bool Keyboard::is_there() noexcept {
    struct stat output {};
    const bool is_piped = ::fstat(STDOUT_FILENO, &output) == 0 && S_ISFIFO(output.st_mode);
    termios ignored{};
    return is_terminal(STDIN_FILENO) && is_terminal(STDERR_FILENO) && !is_piped &&
           ::tcgetattr(STDIN_FILENO, &ignored) == 0;
}

Keyboard::Keyboard() noexcept {
    const Quiet quiet;
    for (std::size_t index = 0; index < kHandled.size(); ++index) {
        ::sigaction(kHandled[index].signal, nullptr, &earlier[index]);
        // Whoever ignored it for this process meant it (nohup).
        if (earlier[index].sa_handler != SIG_IGN)
            set_handler(kHandled[index].signal, kHandled[index].handler);
    }
    before_sudden_end(give_back_terminal);
    take_terminal();
}

Keyboard::~Keyboard() {
    const Quiet quiet;
    give_back_terminal();
    for (std::size_t index = 0; index < kHandled.size(); ++index)
        ::sigaction(kHandled[index].signal, &earlier[index], nullptr);
    before_sudden_end(nullptr);
}

bool Keyboard::is_ours() const noexcept {
    return !is_closed_ && has_terminal();
}

// ESC [ parameters letter, or ESC O letter; another byte behind ESC is a key with Alt.
bool Keyboard::is_part_of_escape(char byte) noexcept {
    constexpr char kEscape = '\x1B';
    switch (escape_) {
        case Escape::none:
            if (byte == kEscape) escape_ = Escape::begun;
            return byte == kEscape;
        case Escape::begun:
            escape_ = byte == '[' || byte == 'O' ? Escape::in_sequence : Escape::none;
            return true;
        case Escape::in_sequence:
            if (byte >= '@' && byte <= '~') escape_ = Escape::none;
            return true;
    }
    return false;
}

std::optional<char> Keyboard::next() noexcept {
    while (is_ours()) {
        pollfd entry{STDIN_FILENO, POLLIN, 0};
        if (::poll(&entry, 1, 0) <= 0) return {};
        char byte = 0;
        const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
        if (count < 0 && errno == EINTR) return {};
        if (count <= 0) {
            is_closed_ = true;
            return {};
        }
        if (!is_part_of_escape(byte)) return byte;
    }
    return {};
}

void Keyboard::wait(std::uint64_t longest_ns) noexcept {
    const timespec longest{static_cast<std::time_t>(longest_ns / kNsPerSecond),
                           static_cast<long>(longest_ns % kNsPerSecond)};
    // Of what is typed for somebody else nothing wakes it.
    pollfd entry{is_ours() ? STDIN_FILENO : -1, POLLIN, 0};
    ::ppoll(&entry, 1, &longest, nullptr);
}

}  // namespace tailrace::tool
