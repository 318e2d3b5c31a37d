#include "http_server.hpp"

#include <tailrace/base/clock.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

// So many of those who are one too many are told so at a time; the others wait to be taken.
constexpr std::size_t kRefusedAtATime = 16;
constexpr int kSendBufferBytes = 128 * 1024;
constexpr std::uint64_t kNoDescriptorPauseNs = 100 * kNsPerMs;

HttpAnswer refusal(HttpStatus status, const HttpLimits& limits) {
    switch (status) {
        case HttpStatus::unavailable:
            return text_answer(
                status,
                fmt::format("There are {} clients already, as many as are served at a time "
                            "(--clients).\n",
                            limits.clients));
        case HttpStatus::not_allowed:
            return text_answer(status, "Nothing can be changed here: GET and HEAD only.\n");
        case HttpStatus::too_large:
            return text_answer(status, "That request is too long.\n");
        default:
            return text_answer(status, "That is no request that is understood here.\n");
    }
}

int timeout_ms(std::uint64_t until_ns) {
    // In slices: a signal between the look at the flag and the wait is seen after the slice.
    constexpr std::uint64_t kSliceNs = 100 * kNsPerMs;
    const std::uint64_t now_ns = monotonic_ns();
    const std::uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    return static_cast<int>((std::min(wait_ns, kSliceNs) + kNsPerMs - 1) / kNsPerMs);
}

}  // namespace

HttpServer::HttpServer(Listener listener, HttpLimits limits) noexcept
    : listener_(std::move(listener)),
      limits_(limits) {}

void HttpServer::serve_some(std::uint64_t until_ns, const Handler& handler) {
    std::vector<pollfd> entries;
    entries.reserve(clients_.size() + 1);
    for (const HttpClient& client : clients_) {
        // While it has an answer to take, its next request waits.
        const bool writes = client.has_output();
        entries.push_back(
            {client.fd(), static_cast<short>(writes ? POLLOUT : POLLIN | POLLRDHUP), 0});
    }
    const bool takes = listener_.socket.is_open() &&
                       clients_.size() < limits_.clients + kRefusedAtATime &&
                       monotonic_ns() >= accept_after_ns_;
    entries.push_back({takes ? listener_.socket.get() : -1, POLLIN, 0});
    if (::poll(entries.data(), entries.size(), timeout_ms(until_ns)) < 0) return;
    const std::uint64_t now_ns = monotonic_ns();
    std::size_t index = 0;
    for (HttpClient& client : clients_) {
        if (entries[index++].revents != 0) serve(client, handler, now_ns);
        if (now_ns >= client.deadline_ns()) client.close();
    }
    if (entries.back().revents != 0) accept_clients(now_ns);
    clients_.remove_if([](const HttpClient& client) { return !client.is_open(); });
}

void HttpServer::accept_clients(std::uint64_t now_ns) {
    while (clients_.size() < limits_.clients + kRefusedAtATime) {
        UniqueFd socket(
            ::accept4(listener_.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!socket.is_open()) {
            const bool has_none_left = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
            if (has_none_left) accept_after_ns_ = now_ns + kNoDescriptorPauseNs;
            return;
        }
        const int on = 1;
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        // Else the kernel would hold megabytes for one that never reads, and it would be noticed
        // late.
        ::setsockopt(
            socket.get(), SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof(kSendBufferBytes));
        const bool is_refused = clients_.size() >= limits_.clients;
        clients_.emplace_back(std::move(socket), now_ns, limits_.patience_ns, is_refused);
    }
}

void HttpServer::serve(HttpClient& client, const Handler& handler, std::uint64_t now_ns) {
    if (client.has_output()) {
        client.flush(now_ns);
        if (client.has_output()) return;
    }
    client.receive(now_ns);
    while (client.is_open()) {
        auto parsed = client.next_request();
        if (!parsed) {
            if (client.is_done()) client.close();
            return;
        }
        HttpAnswer answer;
        if (client.is_refused()) {
            parsed->request.keeps_connection = false;
            answer = refusal(HttpStatus::unavailable, limits_);
        } else if (parsed->status != HttpStatus::ok) {
            answer = refusal(parsed->status, limits_);
        } else {
            answer = handler(parsed->request);
        }
        client.answer(answer, parsed->request, now_ns);
        client.flush(now_ns);
    }
}

std::uint64_t HttpServer::next_event_ns() const noexcept {
    std::uint64_t next_ns = ~std::uint64_t{0};
    for (const HttpClient& client : clients_)
        next_ns = std::min(next_ns, client.next_event_ns());
    return next_ns;
}

void HttpServer::push(const SharedText& event, std::uint64_t now_ns) {
    for (HttpClient& client : clients_) {
        if (client.next_event_ns() <= now_ns) client.push(event, now_ns);
    }
}

void HttpServer::finish(std::uint64_t until_ns) {
    listener_.socket.reset();
    for (HttpClient& client : clients_)
        client.end_after_output();
    clients_.remove_if([](const HttpClient& client) { return !client.is_open(); });
    const Handler none = [](const HttpRequest& /*request*/) {
        return text_answer(HttpStatus::unavailable, "The server is ending.\n");
    };
    while (!clients_.empty() && monotonic_ns() < until_ns)
        serve_some(until_ns, none);
    clients_.clear();
}

}  // namespace tailrace::tool
