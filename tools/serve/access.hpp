// Access: who may see what is served.
//
// With a token: whoever shows it, as "Authorization: Bearer TOKEN" or, in a browser, in a cookie
// that /?token=TOKEN sets. Without one: whoever reaches the address; on a loopback address only
// under a name of this machine, so that no foreign web page can have a browser read it under a name
// of its own. Any thread.
#pragma once

#include "http_message.hpp"

#include <tailrace/base/result.hpp>

#include <optional>
#include <string>

namespace tailrace::tool {

class Access {
public:
    // `token_file`: empty: no token. Errors: it can't be read, or holds no token.
    [[nodiscard]] static Result<Access> make(const std::string& token_file, bool is_loopback);

    [[nodiscard]] bool has_token() const noexcept { return !token_.empty(); }
    // The answer of one who may not see it; empty: go on.
    [[nodiscard]] std::optional<HttpAnswer> refusal_of(const HttpRequest& request) const;
    // Of a browser that shows the token in the address: the cookie instead. Empty: it doesn't.
    [[nodiscard]] std::optional<HttpAnswer> welcome_of(const HttpRequest& request) const;

private:
    Access(std::string token, bool is_loopback) noexcept;

    [[nodiscard]] bool shows_token(const HttpRequest& request) const;

    std::string token_;
    bool is_loopback_;
};

}  // namespace tailrace::tool
