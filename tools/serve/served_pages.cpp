#include "served_pages.hpp"

#include "dashboard.hpp"
#include "exit_code.hpp"
#include "observed_json.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/observe/listing.hpp>
#include <tailrace/observe/metrics_page.hpp>

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kFreshNs = 50 * kNsPerMs;
// A listing opens every ring and looks for journals without one.
constexpr std::uint64_t kListEveryNs = kNsPerSecond;
constexpr double kUsualEventsPerS = 2;
constexpr double kLeastEventsPerS = 0.1;
constexpr double kMostEventsPerS = 20;

constexpr std::string_view kJson = "application/json; charset=utf-8";
constexpr std::string_view kStreamsPath = "/api/v1/streams/";

HttpStatus status_of(ErrorCode code) noexcept {
    if (code == ErrorCode::not_found) return HttpStatus::not_found;
    return code == ErrorCode::invalid_argument ? HttpStatus::bad_request : HttpStatus::failed;
}

HttpAnswer error_answer(const Error& error) {
    HttpAnswer answer = text_answer(
        status_of(error.code),
        json_text(error_json(error, static_cast<int>(exit_code_of(error.code)))) + "\n");
    answer.content_type = kJson;
    return answer;
}

HttpAnswer page_answer(SharedText body, std::string_view content_type) {
    HttpAnswer answer;
    answer.body = std::move(body);
    answer.content_type = content_type;
    return answer;
}

HttpAnswer dashboard() {
    HttpAnswer answer = page_answer(dashboard_page(), "text/html; charset=utf-8");
    // It is whole: whatever got into it could load nothing and send nothing away.
    answer.headers.emplace_back(
        "Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; style-src "
        "'unsafe-inline'; img-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri "
        "'none'; form-action 'none'");
    return answer;
}

Error unknown_path(const std::string& path) {
    return make_error(ErrorCode::not_found,
                      fmt::format("nothing is served at '{}'", path),
                      "/, /metrics, /events, /healthz, /api/v1/streams, /api/v1/streams/NAME, "
                      "/api/v1/lag, /api/v1/snapshot");
}

Error unknown_stream(const std::string& name) {
    return make_error(ErrorCode::not_found,
                      fmt::format("there is no stream '{}', or it can't be read", name),
                      "tailrace ls");
}

const observe::StreamLook* find_stream(const observe::Look& look, std::string_view name) {
    const auto found =
        std::find_if(look.streams.begin(), look.streams.end(), [&](const observe::StreamLook& one) {
            return one.picture.stream == name;
        });
    return found == look.streams.end() ? nullptr : &*found;
}

Result<std::string> snapshot_text(const observe::Look& look) {
    return json_text(look_json(look)) + "\n";
}

}  // namespace

ServedPages::ServedPages(std::string rings, std::string journals, Access access)
    : rings_(std::move(rings)),
      journals_(std::move(journals)),
      access_(std::move(access)),
      watcher_(rings_) {}

HttpAnswer ServedPages::answer(const HttpRequest& request) {
    // Whoever asks whether it lives learns nothing else.
    if (request.path == "/healthz") return health();
    if (auto welcome = access_.welcome_of(request)) return std::move(*welcome);
    if (auto refusal = access_.refusal_of(request)) return std::move(*refusal);
    return page(request);
}

HttpAnswer ServedPages::page(const HttpRequest& request) {
    const std::string& path = request.path;
    if (path == "/") return dashboard();
    if (path == "/metrics") return metrics(request);
    if (path == "/events") return events(request);
    if (path == "/api/v1/streams") return listing();
    if (path == "/api/v1/lag") return lag(request);
    if (path == "/api/v1/snapshot") return json_page("snapshot", snapshot_text);
    if (path.starts_with(kStreamsPath)) return stream(path.substr(kStreamsPath.size()));
    return error_answer(unknown_path(path));
}

HttpAnswer ServedPages::metrics(const HttpRequest& request) {
    const observe::MetricsFormat format = observe::accepted_format(request.header("accept"));
    const std::string_view content_type = observe::content_type_of(format);
    auto text = made(std::string(content_type), [&](const observe::Look& look) {
        return Result<std::string>(observe::metrics_page(look, format, TAILRACE_VERSION));
    });
    return text ? page_answer(std::move(*text), content_type) : error_answer(text.error());
}

HttpAnswer ServedPages::events(const HttpRequest& request) const {
    double per_s = kUsualEventsPerS;
    if (const std::string wanted = request.parameter("per_s"); !wanted.empty()) {
        const auto parsed = parse_rate_per_s(wanted);
        if (!parsed) return error_answer(parsed.error());
        per_s = *parsed == 0 ? kMostEventsPerS : *parsed;
    }
    HttpAnswer answer;
    answer.event_interval_ns =
        static_cast<std::uint64_t>(1e9 / std::clamp(per_s, kLeastEventsPerS, kMostEventsPerS));
    return answer;
}

HttpAnswer ServedPages::health() {
    if (auto fresh = refresh(); !fresh)
        return text_answer(HttpStatus::unavailable, fresh.error().message + "\n");
    return text_answer(HttpStatus::ok, "ok\n");
}

HttpAnswer ServedPages::listing() {
    const std::uint64_t now_ns = monotonic_ns();
    if (listing_ == nullptr || now_ns - listed_ns_ >= kListEveryNs) {
        auto streams = observe::list_streams(rings_, journals_);
        if (!streams) return error_answer(streams.error());
        listing_ = std::make_shared<const std::string>(json_text(listing_json(*streams)) + "\n");
        listed_ns_ = now_ns;
    }
    return page_answer(listing_, kJson);
}

HttpAnswer ServedPages::lag(const HttpRequest& request) {
    const std::string wanted = request.parameter("stream");
    return json_page("lag/" + wanted, [&](const observe::Look& look) -> Result<std::string> {
        if (!wanted.empty() && find_stream(look, wanted) == nullptr) return unknown_stream(wanted);
        Json document = empty_lag_json(look.time_ns);
        for (const observe::StreamLook& stream : look.streams) {
            if (wanted.empty() || stream.picture.stream == wanted)
                add_health(document, stream.health);
        }
        return json_text(document) + "\n";
    });
}

HttpAnswer ServedPages::stream(const std::string& name) {
    return json_page("stream/" + name, [&](const observe::Look& look) -> Result<std::string> {
        const observe::StreamLook* const found = find_stream(look, name);
        if (found == nullptr) return unknown_stream(name);
        return json_text(stream_json(found->picture)) + "\n";
    });
}

HttpAnswer ServedPages::json_page(const std::string& key, const MakePage& make) {
    auto text = made(key, make);
    return text ? page_answer(std::move(*text), kJson) : error_answer(text.error());
}

SharedText ServedPages::event() {
    auto text = made("event", [](const observe::Look& look) {
        return Result<std::string>("data: " + json_text(look_json(look)) + "\n\n");
    });
    if (text) return std::move(*text);
    const Error& error = text.error();
    return std::make_shared<const std::string>(
        "event: trouble\ndata: " +
        json_text(error_json(error, static_cast<int>(exit_code_of(error.code)))) + "\n\n");
}

Result<void> ServedPages::refresh() {
    const std::uint64_t now_ns = monotonic_ns();
    if (looked_ns_ != 0 && now_ns - looked_ns_ < kFreshNs) return {};
    auto look = watcher_.look();
    if (!look) return look.error();
    look_ = std::move(*look);
    looked_ns_ = now_ns;
    made_.clear();
    return {};
}

Result<SharedText> ServedPages::made(const std::string& key, const MakePage& make) {
    if (auto fresh = refresh(); !fresh) return fresh.error();
    const auto found = made_.find(key);
    if (found != made_.end()) return SharedText(found->second);
    auto text = make(look_);
    if (!text) return text.error();
    auto shared = std::make_shared<const std::string>(std::move(*text));
    made_[key] = shared;
    return SharedText(shared);
}

}  // namespace tailrace::tool
