// HttpClient: one connection to the server: what it has sent so far, and what it still has to take.
//
// Never blocks. It is given up when it takes too long to send a request or to take an answer; what
// waits for it is shared with all who get the same, so a client that never reads costs nothing.
// The server's thread.
#pragma once

#include "http_message.hpp"

#include <tailrace/base/unique_fd.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace tailrace::tool {

class HttpClient {
public:
    // `patience_ns`: for a request to come, and for an answer to be taken. `is_refused`: one too
    // many, who is only told so.
    HttpClient(UniqueFd socket, std::uint64_t now_ns, std::uint64_t patience_ns, bool is_refused);

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    [[nodiscard]] bool is_refused() const noexcept { return is_refused_; }
    [[nodiscard]] bool is_subscribed() const noexcept { return event_interval_ns_ != 0; }
    [[nodiscard]] bool has_output() const noexcept {
        return head_sent_ < head_.size() || (body_ != nullptr && body_sent_ < body_->size());
    }
    // False: there is nothing more to do with it.
    [[nodiscard]] bool is_open() const noexcept { return is_open_; }
    [[nodiscard]] std::uint64_t deadline_ns() const noexcept { return deadline_ns_; }
    // When the next event is due; the end of time for one that hasn't subscribed.
    [[nodiscard]] std::uint64_t next_event_ns() const noexcept { return next_event_ns_; }

    // Takes what the socket has.
    void receive(std::uint64_t now_ns);
    // The next request, when it is complete and the last one is answered. Its status is not ok when
    // it must be refused; nothing is taken from such a client any more.
    [[nodiscard]] std::optional<ParsedRequest> next_request();
    void answer(const HttpAnswer& answer, const HttpRequest& request, std::uint64_t now_ns);
    // Of a subscriber. One that hasn't taken the last one yet goes without this one.
    void push(const SharedText& event, std::uint64_t now_ns);
    // Hands over what the socket takes now.
    void flush(std::uint64_t now_ns);
    // Ends when it has taken what it was given.
    void end_after_output() noexcept;
    void close() noexcept { is_open_ = false; }
    // It says no more, and nothing that it said waits for an answer.
    [[nodiscard]] bool is_done() const noexcept { return is_input_over_ && !has_output(); }

private:
    void send_some(std::string_view bytes, std::size_t& sent, bool more_follows);
    void finish_output(std::uint64_t now_ns);
    // A socket that is closed with bytes unread throws away what it hasn't sent yet.
    void throw_input_away() noexcept;

    UniqueFd socket_;
    std::uint64_t patience_ns_;
    std::uint64_t deadline_ns_;
    std::uint64_t next_event_ns_ = ~std::uint64_t{0};
    std::uint64_t event_interval_ns_ = 0;
    std::string input_;
    std::string head_;
    SharedText body_;
    std::size_t head_sent_ = 0;
    std::size_t body_sent_ = 0;
    bool is_refused_;
    bool is_open_ = true;
    bool ends_after_output_ = false;
    bool is_input_over_ = false;
};

}  // namespace tailrace::tool
