#include "http_client.hpp"

#include <tailrace/base/clock.hpp>

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace tailrace::tool {

namespace {

// A monitoring system asks every fifteen seconds, mostly, and every minute, at times.
constexpr std::uint64_t kIdleNs = 90 * kNsPerSecond;
constexpr std::uint64_t kNever = ~std::uint64_t{0};

}  // namespace

HttpClient::HttpClient(UniqueFd socket,
                       std::uint64_t now_ns,
                       std::uint64_t patience_ns,
                       bool is_refused)
    : socket_(std::move(socket)),
      patience_ns_(patience_ns),
      deadline_ns_(now_ns + patience_ns),
      is_refused_(is_refused) {}

void HttpClient::receive(std::uint64_t now_ns) {
    std::array<char, 4096> block{};
    // Whoever sends without end gets no further than this, and is refused.
    while (is_open_ && input_.size() < kMostRequestBytes) {
        const ssize_t count = ::recv(socket_.get(), block.data(), block.size(), MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (count <= 0) {
            is_input_over_ = true;
            is_open_ = count == 0 && !is_subscribed();
            return;
        }
        // A subscriber has nothing to say.
        if (is_subscribed()) continue;
        // The time for a request begins with its first byte; more of them don't buy more.
        if (input_.empty() && !has_output()) deadline_ns_ = now_ns + patience_ns_;
        input_.append(block.data(), static_cast<std::size_t>(count));
    }
}

std::optional<ParsedRequest> HttpClient::next_request() {
    if (input_.empty() || has_output() || ends_after_output_ || is_subscribed())
        return std::nullopt;
    ParsedRequest parsed = parse_request(input_);
    if (parsed.status == HttpStatus::ok && parsed.size_bytes == 0) return std::nullopt;
    input_.erase(0, parsed.size_bytes);
    if (parsed.status != HttpStatus::ok) {
        input_.clear();
        parsed.request.keeps_connection = false;
    }
    return parsed;
}

void HttpClient::answer(const HttpAnswer& answer,
                        const HttpRequest& request,
                        std::uint64_t now_ns) {
    head_ = head_of(answer, request.keeps_connection);
    head_sent_ = 0;
    body_ = request.method == "HEAD" ? nullptr : answer.body;
    body_sent_ = 0;
    deadline_ns_ = now_ns + patience_ns_;
    if (answer.event_interval_ns != 0 && request.method != "HEAD") {
        event_interval_ns_ = answer.event_interval_ns;
        next_event_ns_ = now_ns;  // the first one at once
    } else {
        ends_after_output_ = !request.keeps_connection || answer.event_interval_ns != 0;
    }
}

void HttpClient::push(const SharedText& event, std::uint64_t now_ns) {
    // Those with the same interval are due together, so that one look is for all of them.
    next_event_ns_ = (now_ns / event_interval_ns_ + 1) * event_interval_ns_;
    if (has_output()) return;
    body_ = event;
    body_sent_ = 0;
    deadline_ns_ = now_ns + patience_ns_;
    flush(now_ns);
}

void HttpClient::flush(std::uint64_t now_ns) {
    if (!is_open_ || !has_output()) return;
    const bool has_body = body_ != nullptr && !body_->empty();
    send_some(head_, head_sent_, has_body);
    if (head_sent_ == head_.size() && has_body) send_some(*body_, body_sent_, false);
    if (!has_output()) finish_output(now_ns);
}

void HttpClient::send_some(std::string_view bytes, std::size_t& sent, bool more_follows) {
    while (is_open_ && sent < bytes.size()) {
        const std::string_view rest = bytes.substr(sent);
        const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more_follows ? MSG_MORE : 0);
        const ssize_t count = ::send(socket_.get(), rest.data(), rest.size(), flags);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (count < 0) {
            is_open_ = false;
            return;
        }
        sent += static_cast<std::size_t>(count);
    }
}

void HttpClient::finish_output(std::uint64_t now_ns) {
    body_ = nullptr;
    body_sent_ = 0;
    if (ends_after_output_) {
        ::shutdown(socket_.get(), SHUT_WR);
        throw_input_away();
        is_open_ = false;
    }
    deadline_ns_ = is_subscribed() ? kNever : now_ns + kIdleNs;
}

void HttpClient::throw_input_away() noexcept {
    constexpr int kMostBlocks = 32;
    std::array<char, 4096> block{};
    for (int count = 0; count < kMostBlocks; ++count) {
        if (::recv(socket_.get(), block.data(), block.size(), MSG_DONTWAIT) <= 0) return;
    }
}

void HttpClient::end_after_output() noexcept {
    ends_after_output_ = true;
    if (!has_output()) is_open_ = false;
}

}  // namespace tailrace::tool
