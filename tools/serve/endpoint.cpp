#include "endpoint.hpp"

#include "units.hpp"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>

namespace tailrace::tool {

namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<Addresses> addresses_of(const Endpoint& endpoint) {
    addrinfo wanted{};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    // No name server is asked where to listen.
    if (endpoint.host != "localhost") wanted.ai_flags |= AI_NUMERICHOST;
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(
        endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &wanted, &found);
    if (failed != 0) {
        return make_error(
            ErrorCode::not_found,
            fmt::format("cannot listen at '{}': {}", endpoint.host, ::gai_strerror(failed)),
            "--listen 127.0.0.1:9464");
    }
    return Addresses(found, &::freeaddrinfo);
}

bool is_loopback(const sockaddr_storage& address) {
    if (address.ss_family == AF_INET) {
        sockaddr_in ipv4{};
        std::memcpy(&ipv4, &address, sizeof(ipv4));
        constexpr std::uint32_t kLoopbackNet = 127;
        return (ntohl(ipv4.sin_addr.s_addr) >> 24U) == kLoopbackNet;
    }
    sockaddr_in6 ipv6{};
    std::memcpy(&ipv6, &address, sizeof(ipv6));
    return IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr);
}

std::uint16_t port_of(const sockaddr_storage& address) {
    sockaddr_in ipv4{};  // the port is at the same place in both
    std::memcpy(&ipv4, &address, sizeof(ipv4));
    return ntohs(ipv4.sin_port);
}

Result<UniqueFd> bound_socket(const addrinfo& address, const Endpoint& endpoint) {
    UniqueFd socket(::socket(address.ai_family,
                             address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                             address.ai_protocol));
    const int on = 1;
    if (socket.is_open() &&
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        ::bind(socket.get(), address.ai_addr, address.ai_addrlen) == 0 &&
        ::listen(socket.get(), SOMAXCONN) == 0) {
        return socket;
    }
    Error error = os_error(errno,
                           fmt::format("cannot listen at {}", endpoint.text()),
                           fmt::format("--listen {}:0 takes a port that is free", endpoint.host));
    if (error.os_errno == EADDRINUSE) error.code = ErrorCode::busy;
    return error;
}

}  // namespace

std::string Endpoint::text() const {
    const bool is_ipv6 = host.find(':') != std::string::npos;
    return fmt::format("{}{}{}:{}", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    std::string_view host = text.substr(0, colon == std::string_view::npos ? 0 : colon);
    const bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (has_brackets) host = host.substr(1, host.size() - 2);
    const bool is_sound = !host.empty() && (has_brackets == (host.find(':') != host.npos));
    const auto port = colon == std::string_view::npos
                          ? std::nullopt
                          : whole_number<std::uint16_t>(text.substr(colon + 1));
    if (is_sound && port) return Endpoint{std::string(host), *port};
    return invalid_argument(fmt::format("'{}' is not an address with a port", text),
                            "127.0.0.1:9464, 127.0.0.1:0 (any free port), [::1]:9464");
}

Result<Listener> listen_at(const Endpoint& endpoint) {
    auto addresses = addresses_of(endpoint);
    if (!addresses) return addresses.error();
    const addrinfo& address = **addresses;
    auto socket = bound_socket(address, endpoint);
    if (!socket) return socket.error();
    sockaddr_storage bound{};
    socklen_t size = sizeof(bound);
    // What it is called for a system call is another type of the same bytes.
    void* const raw = &bound;
    if (::getsockname(socket->get(), static_cast<sockaddr*>(raw), &size) != 0)
        return os_error(errno, fmt::format("cannot listen at {}", endpoint.text()));
    return Listener{std::move(*socket), {endpoint.host, port_of(bound)}, is_loopback(bound)};
}

}  // namespace tailrace::tool
