#include "serve/http_message.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace http_message_test {

using namespace tailrace::tool;

namespace {

ParsedRequest parsed(const std::string& bytes) {
    return parse_request(bytes);
}

HttpStatus refusal_of(const std::string& bytes) {
    return parsed(bytes).status;
}

}  // namespace

TEST_CASE("http message: a request is taken apart.") {
    const ParsedRequest one = parsed(
        "GET /api/v1/streams/a%2Fb?stream=x%20y&per_s=5 HTTP/1.1\r\nHost: localhost\r\n"
        "ACCEPT:  text/plain \r\n\r\nGET /next");
    CHECK(one.status == HttpStatus::ok);
    CHECK(one.request.method == "GET");
    CHECK(one.request.path == "/api/v1/streams/a/b");
    CHECK(one.request.parameter("stream") == "x y");
    CHECK(one.request.parameter("per_s") == "5");
    CHECK(one.request.parameter("per").empty());
    CHECK(one.request.header("accept") == "text/plain");
    CHECK(one.request.header("cookie").empty());
    CHECK(one.request.keeps_connection);
    const std::string rest = "GET /next";
    CHECK(one.size_bytes + rest.size() ==
          std::string("GET /api/v1/streams/a%2Fb?stream=x%20y&per_s=5 HTTP/1.1\r\n"
                      "Host: localhost\r\nACCEPT:  text/plain \r\n\r\nGET /next")
              .size());
}

TEST_CASE("http message: every part of a request asks for more.") {
    const std::string whole = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const ParsedRequest part = parsed(whole.substr(0, size));
        CHECK(part.status == HttpStatus::ok);
        CHECK(part.size_bytes == 0);
    }
    CHECK(parsed(whole).size_bytes == whole.size());
}

TEST_CASE("http message: what is no request is refused.") {
    for (const std::string line : {"GET /",
                                   "GET  / HTTP/1.1",
                                   "GET /a b HTTP/1.1",
                                   "GET http://x/ HTTP/1.1",
                                   "GET / HTTP/2.0",
                                   "GET / HTTP/1.1\r\nno colon",
                                   "GET / HTTP/1.1\r\n: nothing",
                                   "GET / HTTP/1.1\r\na\x01: b",
                                   "GET / HTTP/1.1\r\na: b\n c: d",
                                   "GET / HTTP/1.1\r\nContent-Length: 5",
                                   "GET / HTTP/1.1\r\nTransfer-Encoding: chunked",
                                   ""}) {
        INFO(line);
        CHECK(refusal_of(line + "\r\n\r\n") == HttpStatus::bad_request);
    }
    CHECK(refusal_of("POST / HTTP/1.1\r\n\r\n") == HttpStatus::not_allowed);
    CHECK(refusal_of(std::string(kMostRequestBytes - 1, 'x')) == HttpStatus::ok);
    CHECK(refusal_of(std::string(kMostRequestBytes, 'x')) == HttpStatus::too_large);
}

TEST_CASE("http message: the connection ends where the client wants it.") {
    CHECK_FALSE(parsed("GET / HTTP/1.0\r\n\r\n").request.keeps_connection);
    CHECK_FALSE(parsed("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").request.keeps_connection);
}

TEST_CASE("http message: a percent sign without its digits stays.") {
    CHECK(percent_decoded("a%20b%2f%zz%4") == "a b/%zz%4");
}

TEST_CASE("http message: an answer says how long it is, an endless one doesn't.") {
    const HttpAnswer answer = text_answer(HttpStatus::not_found, "no\n");
    const std::string head = head_of(answer, true);
    CHECK(head.starts_with("HTTP/1.1 404 Not Found\r\n"));
    CHECK(head.find("\r\nContent-Length: 3\r\n") != std::string::npos);
    CHECK(head.find("keep-alive") != std::string::npos);
    CHECK(head.ends_with("\r\n\r\n"));
    HttpAnswer endless;
    endless.event_interval_ns = 1;
    CHECK(head_of(endless, true).find("Content-Length") == std::string::npos);
    CHECK(head_of(endless, true).find("text/event-stream") != std::string::npos);
}

}  // namespace http_message_test
