// HttpServer: one thread for all clients. Each is asked only for what it can do at once, so none
// holds up another: one that never reads, one that never asks, one too many.
#pragma once

#include "endpoint.hpp"
#include "http_client.hpp"
#include "http_message.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>

namespace tailrace::tool {

struct HttpLimits {
    std::size_t clients = 64;  // further ones are told 503
    std::uint64_t patience_ns = 10'000'000'000;
};

class HttpServer {
public:
    using Handler = std::function<HttpAnswer(const HttpRequest&)>;

    HttpServer(Listener listener, HttpLimits limits) noexcept;

    [[nodiscard]] const Endpoint& endpoint() const noexcept { return listener_.endpoint; }

    // Waits for clients until the time has come, or some of them have been served; for at most a
    // tenth of a second, so that a signal is noticed.
    void serve_some(std::uint64_t until_ns, const Handler& handler);

    // When the next event is due to a subscriber; the end of time when there is none.
    [[nodiscard]] std::uint64_t next_event_ns() const noexcept;
    // To the subscribers for whom one is due.
    void push(const SharedText& event, std::uint64_t now_ns);

    // Takes nobody any more, and lets those who wait for an answer have it, until the time has
    // come.
    void finish(std::uint64_t until_ns);

private:
    void accept_clients(std::uint64_t now_ns);
    void serve(HttpClient& client, const Handler& handler, std::uint64_t now_ns);

    Listener listener_;
    HttpLimits limits_;
    std::list<HttpClient> clients_;
    std::uint64_t accept_after_ns_ = 0;
};

}  // namespace tailrace::tool
