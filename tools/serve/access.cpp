#include "access.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <netinet/in.h>
#include <string_view>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::string_view kCookie = "tailrace_token";
constexpr std::size_t kShortestToken = 16;

// That may stand in a cookie as it is.
constexpr std::string_view kTokenCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";

// In a time that says nothing of where they differ.
bool is_same(std::string_view a, std::string_view b) noexcept {
    unsigned difference = a.size() == b.size() ? 0 : 1;
    for (std::size_t index = 0; index < a.size(); ++index) {
        const auto x = static_cast<unsigned char>(a[index]);
        const auto y = static_cast<unsigned char>(b.empty() ? '\0' : b[index % b.size()]);
        difference |= static_cast<unsigned>(x ^ y);
    }
    return difference == 0;
}

std::string cookie_of(const HttpRequest& request) {
    std::string_view rest = request.header("cookie");
    while (!rest.empty()) {
        const std::size_t end = rest.find(';');
        std::string_view part = rest.substr(0, end);
        part.remove_prefix(std::min(part.size(), part.find_first_not_of(' ')));
        if (part.starts_with(kCookie) && part.substr(kCookie.size()).starts_with('='))
            return std::string(part.substr(kCookie.size() + 1));
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    return {};
}

// "localhost:9464", "127.0.0.1", "[::1]:9464": names that no foreign name server can give away.
bool is_own_name(std::string_view host) {
    if (host.starts_with('[')) return host.find(']') != std::string_view::npos;
    const std::string name(host.substr(0, host.find(':')));
    in_addr address{};
    return name == "localhost" || ::inet_pton(AF_INET, name.c_str(), &address) == 1;
}

HttpAnswer ask_for_token(const HttpRequest& request) {
    HttpAnswer answer = text_answer(
        HttpStatus::unauthorized,
        "A token is wanted: curl -H \"Authorization: Bearer $(cat FILE)\" ..., with the file that "
        "tailrace serve --token-file names.\n");
    answer.headers.emplace_back("WWW-Authenticate: Bearer realm=\"tailrace\"");
    if (request.path != "/") return answer;
    answer.content_type = "text/html; charset=utf-8";
    answer.body = std::make_shared<const std::string>(
        "<!doctype html><meta charset=utf-8><title>Tailrace</title>"
        "<style>body{font:16px system-ui;display:grid;place-items:center;height:90vh}"
        "input{font:inherit;padding:.4em .6em}</style>"
        "<form><label>Token <input name=token type=password autofocus></label></form>\n");
    return answer;
}

}  // namespace

Access::Access(std::string token, bool is_loopback) noexcept
    : token_(std::move(token)),
      is_loopback_(is_loopback) {}

Result<Access> Access::make(const std::string& token_file, bool is_loopback) {
    if (token_file.empty()) return Access({}, is_loopback);
    std::ifstream file(token_file);
    std::string token((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (!file && token.empty())
        return os_error(errno,
                        fmt::format("cannot read the token in '{}'", token_file),
                        fmt::format("ls -l {}", token_file));
    while (!token.empty() && (token.back() == '\n' || token.back() == '\r'))
        token.pop_back();
    const bool is_sound = token.find_first_not_of(kTokenCharacters) == std::string::npos;
    if (token.size() >= kShortestToken && is_sound) return Access(std::move(token), is_loopback);
    return invalid_argument(
        fmt::format("'{}' holds no token: {} or more letters, digits and -._~+/= on one line",
                    token_file,
                    kShortestToken),
        fmt::format("(umask 077; head -c 24 /dev/urandom | base64 > {})", token_file));
}

bool Access::shows_token(const HttpRequest& request) const {
    constexpr std::string_view kBearer = "Bearer ";
    const std::string_view authorization = request.header("authorization");
    if (authorization.starts_with(kBearer))
        return is_same(authorization.substr(kBearer.size()), token_);
    return is_same(cookie_of(request), token_);
}

std::optional<HttpAnswer> Access::refusal_of(const HttpRequest& request) const {
    if (has_token()) {
        if (shows_token(request)) return std::nullopt;
        return ask_for_token(request);
    }
    if (!is_loopback_ || is_own_name(request.header("host"))) return std::nullopt;
    return text_answer(HttpStatus::forbidden,
                       "Without a token this is served as localhost or by address only; behind a "
                       "proxy use --token-file.\n");
}

std::optional<HttpAnswer> Access::welcome_of(const HttpRequest& request) const {
    if (!has_token() || request.path != "/" || !is_same(request.parameter("token"), token_))
        return std::nullopt;
    HttpAnswer answer = text_answer(HttpStatus::see_other, "");
    answer.headers.emplace_back("Location: /");
    answer.headers.push_back(
        fmt::format("Set-Cookie: {}={}; HttpOnly; SameSite=Strict; Path=/", kCookie, token_));
    return answer;
}

}  // namespace tailrace::tool
