// HttpMessage: a request as it is read, and an answer as it is written. HTTP/1.1, as much of it as
// a page for people and monitoring systems needs: GET and HEAD, without a body.
//
// Requests are foreign bytes: whatever they are, they end as a request, as "more is needed", or as
// the status that refuses them. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tailrace::tool {

inline constexpr std::size_t kMostRequestBytes = std::size_t{8} * 1024;

struct HttpRequest {
    std::string method;
    std::string path;                                          // "/metrics", decoded
    std::string query;                                         // "stream=a&per_s=5", as it came
    std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
    bool keeps_connection = false;

    // The first of this name (in lower case); empty: none.
    [[nodiscard]] std::string_view header(std::string_view name) const noexcept;
    // Decoded; empty: none.
    [[nodiscard]] std::string parameter(std::string_view name) const;
};

enum class HttpStatus : std::uint16_t {
    ok = 200,
    see_other = 303,
    bad_request = 400,
    unauthorized = 401,
    forbidden = 403,
    not_found = 404,
    not_allowed = 405,
    too_large = 431,
    failed = 500,
    unavailable = 503,
};

struct ParsedRequest {
    // ok with size_bytes 0: more bytes are needed.
    HttpStatus status = HttpStatus::ok;
    std::size_t size_bytes = 0;  // that the request took
    HttpRequest request;
};

// The request at the start of `bytes`.
[[nodiscard]] ParsedRequest parse_request(std::string_view bytes);

using SharedText = std::shared_ptr<const std::string>;

struct HttpAnswer {
    HttpStatus status = HttpStatus::ok;
    std::string content_type = "text/plain; charset=utf-8";
    SharedText body;                   // one for all who ask for the same
    std::vector<std::string> headers;  // "Name: value", whole lines
    // Not 0: server-sent events follow, at most one in so many nanoseconds; there is no body.
    std::uint64_t event_interval_ns = 0;
};

[[nodiscard]] HttpAnswer text_answer(HttpStatus status, std::string text);

// Everything before the body.
[[nodiscard]] std::string head_of(const HttpAnswer& answer, bool keeps_connection);

// "a%20b" -> "a b"; a percent sign without two digits stays.
[[nodiscard]] std::string percent_decoded(std::string_view text);

}  // namespace tailrace::tool
