#include "server_process.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <bench_runs.hpp>
#include <netinet/in.h>

namespace tailrace::bench {

BenchChild start_server(const std::vector<std::string>& command) {
    return BenchChild([&] {
        pin_to_core(1);
        const UniqueFd nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
        for (const int standard : {0, 1, 2})
            ::dup2(nowhere.get(), standard);
        std::vector<char*> arguments;
        std::vector<std::string> words = command;
        for (std::string& word : words)
            arguments.push_back(word.data());
        arguments.push_back(nullptr);
        ::execvp(arguments[0], arguments.data());
        return 1;
    });
}

Result<void> await_server(BenchChild& server, const std::function<bool()>& answers) {
    constexpr std::uint64_t kPatienceNs = 10'000'000'000;
    constexpr unsigned kLookUs = 20'000;
    const std::uint64_t end_ns = monotonic_ns() + kPatienceNs;
    while (!answers()) {
        if (server.has_ended()) return bench_broken("the server ended at once");
        if (monotonic_ns() > end_ns) return bench_broken("the server doesn't answer");
        ::usleep(kLookUs);
    }
    return {};
}

int free_port() {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = static_cast<sockaddr*>(static_cast<void*>(&address));
    if (::bind(socket.get(), any, size) != 0 || ::getsockname(socket.get(), any, &size) != 0)
        return 0;
    return ::ntohs(address.sin_port);
}

}  // namespace tailrace::bench
