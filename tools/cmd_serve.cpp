// tailrace serve: streams, readers and journals as a page for people, as metrics for a monitoring
// system, and as JSON. Observes: it registers nothing in any stream.

#include "command.hpp"
#include "commands.hpp"
#include "journal_place.hpp"
#include "serve/access.hpp"
#include "serve/endpoint.hpp"
#include "serve/http_server.hpp"
#include "serve/served_pages.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <utility>

namespace tailrace::tool {

namespace {

struct ServeFlags {
    Endpoint endpoint{"127.0.0.1", 9464};
    std::string token_file;
    HttpLimits limits;
};

void announce(const HttpServer& server, bool has_token) {
    const std::string url = fmt::format("http://{}/", server.endpoint().text());
    if (settings().json()) {
        Json line;
        line["event"] = "serving";
        line["url"] = url;
        line["port"] = server.endpoint().port;
        out().write_json(line);
    } else {
        out().write(
            fmt::format("serving {}{}\n", url, has_token ? " (in a browser: /?token=TOKEN)" : ""));
    }
    out().flush();
}

Result<ExitCode> run_serve(const ServeFlags& flags) {
    if (auto allowed = allow_only_text_and_json("serve"); !allowed) return allowed.error();
    auto listener = listen_at(flags.endpoint);
    if (!listener) return listener.error();
    const bool is_loopback = listener->is_loopback;
    auto access = Access::make(flags.token_file, is_loopback);
    if (!access) return access.error();
    const bool has_token = access->has_token();
    HttpServer server(std::move(*listener), flags.limits);
    ServedPages pages(settings().directory, usual_journal_parent(), std::move(*access));
    announce(server, has_token);
    if (!is_loopback && !has_token) {
        warn(
            fmt::format("whoever reaches {} sees the names and figures of all streams; "
                        "--token-file lets only those who show it",
                        server.endpoint().text()));
    }
    constexpr std::uint64_t kSliceNs = 100 * kNsPerMs;
    while (!stop_requested()) {
        const std::uint64_t now_ns = monotonic_ns();
        if (server.next_event_ns() <= now_ns) server.push(pages.event(), now_ns);
        server.serve_some(std::min(server.next_event_ns(), now_ns + kSliceNs),
                          [&](const HttpRequest& request) { return pages.answer(request); });
    }
    constexpr std::uint64_t kEndingNs = kNsPerSecond;
    server.finish(monotonic_ns() + kEndingNs);
    return ExitCode::done;
}

}  // namespace

void register_serve(CLI::App& app) {
    const auto flags = std::make_shared<ServeFlags>();
    CLI::App* const command =
        add_command(app, "serve", "Dashboard, metrics and JSON over HTTP", [flags] {
            return run_serve(*flags);
        });
    add_parsed(*command, "--listen", flags->endpoint, parse_endpoint, "Where; port 0: a free one")
        ->type_name("ADDR:PORT")
        ->default_str("127.0.0.1:9464");
    command
        ->add_option("--token-file", flags->token_file, "Only for those who show the token in it")
        ->type_name("FILE");
    command->add_option("--clients", flags->limits.clients, "At a time; others are refused")
        ->check(CLI::Range(1, 1000))
        ->type_name("N")
        ->capture_default_str();
    add_parsed(*command,
               "--patience",
               flags->limits.patience_ns,
               parse_duration_ns,
               "For a request to come, and for an answer to be taken")
        ->default_str("10s");
}

}  // namespace tailrace::tool
