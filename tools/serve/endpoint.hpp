// Endpoint: where a server listens, by address: "127.0.0.1:9464", "[::1]:0", "localhost:9464". Port
// 0: one that is free. Any thread.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace::tool {

struct Endpoint {
    std::string host;
    std::uint16_t port = 0;

    // "127.0.0.1:9464", "[::1]:9464"
    [[nodiscard]] std::string text() const;
};

[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

struct Listener {
    UniqueFd socket;    // never blocks
    Endpoint endpoint;  // with the port that it got
    bool is_loopback = false;
};

// Errors: busy when somebody listens there, not_found for what is no address.
[[nodiscard]] Result<Listener> listen_at(const Endpoint& endpoint);

}  // namespace tailrace::tool
