// ServedPages: what is to be seen under which path. One look at the streams is for all who ask
// within a twentieth of a second, and each page of it is made once: clients don't multiply the
// cost. No page shows payloads. One thread.
#pragma once

#include "access.hpp"
#include "http_message.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/observe/watcher.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace tailrace::tool {

class ServedPages {
public:
    // Where rings and journals are; `rings` empty: the default.
    ServedPages(std::string rings, std::string journals, Access access);

    [[nodiscard]] HttpAnswer answer(const HttpRequest& request);
    // What a subscriber of /events gets now.
    [[nodiscard]] SharedText event();

private:
    using MakePage = std::function<Result<std::string>(const observe::Look& look)>;

    [[nodiscard]] HttpAnswer page(const HttpRequest& request);
    [[nodiscard]] HttpAnswer metrics(const HttpRequest& request);
    [[nodiscard]] HttpAnswer events(const HttpRequest& request) const;
    [[nodiscard]] HttpAnswer health();
    [[nodiscard]] HttpAnswer listing();
    [[nodiscard]] HttpAnswer lag(const HttpRequest& request);
    [[nodiscard]] HttpAnswer stream(const std::string& name);
    [[nodiscard]] HttpAnswer json_page(const std::string& key, const MakePage& make);

    // Looks again, unless the last look is fresh.
    [[nodiscard]] Result<void> refresh();
    // The page of this name, made once a look.
    [[nodiscard]] Result<SharedText> made(const std::string& key, const MakePage& make);

    std::string rings_;
    std::string journals_;
    Access access_;
    observe::Watcher watcher_;
    observe::Look look_;
    std::uint64_t looked_ns_ = 0;
    std::map<std::string, SharedText> made_;  // of this look
    SharedText listing_;
    std::uint64_t listed_ns_ = 0;
};

}  // namespace tailrace::tool
