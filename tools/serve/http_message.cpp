#include "http_message.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace tailrace::tool {

namespace {

std::string_view reason_of(HttpStatus status) noexcept {
    switch (status) {
        case HttpStatus::ok:
            return "OK";
        case HttpStatus::see_other:
            return "See Other";
        case HttpStatus::bad_request:
            return "Bad Request";
        case HttpStatus::unauthorized:
            return "Unauthorized";
        case HttpStatus::forbidden:
            return "Forbidden";
        case HttpStatus::not_found:
            return "Not Found";
        case HttpStatus::not_allowed:
            return "Method Not Allowed";
        case HttpStatus::too_large:
            return "Request Header Fields Too Large";
        case HttpStatus::failed:
            return "Internal Server Error";
        case HttpStatus::unavailable:
            return "Service Unavailable";
    }
    return "Unknown";
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return result;
}

std::string_view without_blanks(std::string_view text) noexcept {
    constexpr std::string_view kBlanks = " \t";
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool is_token(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c < '\x7F' && c != ':';
    });
}

bool has_control(std::string_view text) noexcept {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return (c >= 0 && c < ' ' && c != '\t') || c == '\x7F';
    });
}

// "GET /metrics?x=1 HTTP/1.1"
bool read_request_line(std::string_view line, HttpRequest& request) {
    const std::size_t method_end = line.find(' ');
    const std::size_t target_end = line.rfind(' ');
    if (method_end == std::string_view::npos || target_end <= method_end) return false;
    const std::string_view version = line.substr(target_end + 1);
    if (version != "HTTP/1.1" && version != "HTTP/1.0") return false;
    const std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
    request.method = line.substr(0, method_end);
    if (!is_token(request.method) || target.empty() || target.front() != '/' ||
        has_control(target) || target.find(' ') != std::string_view::npos)
        return false;
    const std::size_t question = target.find('?');
    request.path = percent_decoded(target.substr(0, question));
    if (question != std::string_view::npos) request.query = target.substr(question + 1);
    request.keeps_connection = version == "HTTP/1.1";
    return true;
}

bool read_header(std::string_view line, HttpRequest& request) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) || has_control(line))
        return false;
    request.headers.emplace_back(lower(line.substr(0, colon)),
                                 without_blanks(line.substr(colon + 1)));
    return true;
}

// What follows from the headers. A body is refused: what would be left of it unread would be taken
// for the next request.
HttpStatus settle(HttpRequest& request) {
    const std::string_view length = request.header("content-length");
    if ((!length.empty() && length != "0") || !request.header("transfer-encoding").empty())
        return HttpStatus::bad_request;
    const std::string connection = lower(request.header("connection"));
    if (connection == "close") request.keeps_connection = false;
    if (request.method != "GET" && request.method != "HEAD") return HttpStatus::not_allowed;
    return HttpStatus::ok;
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const noexcept {
    for (const auto& [key, value] : headers) {
        if (key == name) return value;
    }
    return {};
}

std::string HttpRequest::parameter(std::string_view name) const {
    std::string_view rest = query;
    while (!rest.empty()) {
        const std::size_t end = rest.find('&');
        const std::string_view part = rest.substr(0, end);
        const std::size_t equals = part.find('=');
        if (part.substr(0, equals) == name && equals != std::string_view::npos)
            return percent_decoded(part.substr(equals + 1));
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    return {};
}

ParsedRequest parse_request(std::string_view bytes) {
    constexpr std::string_view kEnd = "\r\n\r\n";
    ParsedRequest parsed;
    const std::size_t end = bytes.substr(0, kMostRequestBytes).find(kEnd);
    if (end == std::string_view::npos) {
        if (bytes.size() >= kMostRequestBytes) parsed.status = HttpStatus::too_large;
        return parsed;
    }
    parsed.size_bytes = end + kEnd.size();
    std::string_view rest = bytes.substr(0, end + 2);
    for (bool is_first = true; !rest.empty(); is_first = false) {
        const std::size_t line_end = rest.find("\r\n");
        const std::string_view line = rest.substr(0, line_end);
        const bool is_sound =
            is_first ? read_request_line(line, parsed.request) : read_header(line, parsed.request);
        if (!is_sound) {
            parsed.status = HttpStatus::bad_request;
            return parsed;
        }
        rest.remove_prefix(line_end + 2);
    }
    parsed.status = settle(parsed.request);
    return parsed;
}

HttpAnswer text_answer(HttpStatus status, std::string text) {
    HttpAnswer answer;
    answer.status = status;
    answer.body = std::make_shared<const std::string>(std::move(text));
    return answer;
}

std::string head_of(const HttpAnswer& answer, bool keeps_connection) {
    std::string head = fmt::format(
        "HTTP/1.1 {} {}\r\n", static_cast<unsigned>(answer.status), reason_of(answer.status));
    const bool is_endless = answer.event_interval_ns != 0;
    head +=
        fmt::format("Content-Type: {}\r\n", is_endless ? "text/event-stream" : answer.content_type);
    if (!is_endless)
        head += fmt::format("Content-Length: {}\r\n", answer.body ? answer.body->size() : 0);
    // What is shown is of now, and is nobody else's to show.
    head += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
    for (const std::string& line : answer.headers)
        head += line + "\r\n";
    head += keeps_connection && !is_endless ? "Connection: keep-alive\r\n\r\n"
                                            : "Connection: close\r\n\r\n";
    return head;
}

std::string percent_decoded(std::string_view text) {
    std::string result;
    for (std::size_t at = 0; at < text.size(); ++at) {
        unsigned value = 0;
        const char* const digits = text.data() + at + 1;
        if (text[at] == '%' && at + 2 < text.size() &&
            std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
            result += static_cast<char>(value);
            at += 2;
        } else {
            result += text[at];
        }
    }
    return result;
}

}  // namespace tailrace::tool
