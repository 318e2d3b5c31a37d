// tailrace lag: how far each reader and the journal are behind, in events, bytes and seconds.

#include "command.hpp"
#include "commands.hpp"
#include "lag_report.hpp"
#include "name_pattern.hpp"
#include "stop_signal.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/observe/stream_health.hpp>
#include <tailrace/observe/trend.hpp>

#include <unistd.h>

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

struct LagFlags {
    std::vector<std::string> streams;
    std::string reader;
    CLI::Option* watch = nullptr;
    std::string watch_text = "1s";
    std::optional<observe::LagLimit> limit;
};

Result<observe::LagLimit> parse_limit(std::string_view text) {
    observe::LagLimit limit;
    if (text.ends_with("ev")) {
        auto events = parse_count(text.substr(0, text.size() - 2));
        if (events) {
            limit.events = *events;
            return limit;
        }
    } else if (auto age_ns = parse_duration_ns(text); age_ns) {
        limit.age_ns = *age_ns;
        return limit;
    }
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("'{}' is not a limit", text),
                      "10000ev (events) or 250ms (age of the oldest unread event)");
}

// One look at all streams.
Result<std::vector<observe::StreamHealth>> look(const LagFlags& flags, observe::Trend& trend) {
    auto streams = flags.streams.empty() ? bus::Region::list(settings().directory)
                                         : expand_stream_names(flags.streams);
    if (!streams) return streams.error();
    const bool is_named = !flags.streams.empty() && !has_pattern(flags.streams);
    std::vector<observe::StreamHealth> found;
    for (const std::string& stream : *streams) {
        auto health = observe::read_health(stream, settings().directory);
        if (!health) {
            if (is_named) return health.error();
            warn(health.error().message);
            continue;
        }
        trend.judge(*health, monotonic_ns());
        if (!flags.reader.empty()) {
            health->groups.clear();
            std::erase_if(health->readers, [&](const observe::ReaderHealth& reader) {
                return reader.reader != flags.reader;
            });
        }
        found.push_back(std::move(*health));
    }
    return found;
}

// True when somebody is behind by more than the limit, said on stderr.
bool exceeds(Healths streams, const observe::LagLimit& limit) {
    bool exceeded = false;
    for (const observe::StreamHealth& stream : streams) {
        for (const observe::GroupHealth& group : stream.groups) {
            if (!limit.events || group.lag_events() <= *limit.events) continue;
            exceeded = true;
            warn(tame(fmt::format("{}/group {} is {} behind",
                                  group.stream,
                                  group.status.group,
                                  counted(group.lag_events(), "event"))));
        }
        for (const observe::ReaderHealth& reader : stream.readers) {
            for (const std::string& excess : observe::excesses_of(reader, limit)) {
                exceeded = true;
                warn(tame(excess));
            }
        }
    }
    return exceeded;
}

// One look after the other: below each other, or, on a terminal, each in the place of the last, as
// much of it as there is room for.
class Watch {
public:
    [[nodiscard]] Result<ExitCode> run(const LagFlags& flags, std::uint64_t interval_ns);

private:
    void show(Healths found);
    void wait_until(std::uint64_t until_ns, Healths found);

    const bool redraws_ = !settings().json() && is_terminal(STDOUT_FILENO);
    bool is_first_ = true;
    TerminalSize size_;
};

void Watch::show(Healths found) {
    if (settings().json()) {
        print_lag_json(found);
    } else if (!redraws_) {
        if (!is_first_) out().write("\n");
        out().write(lag_text(found, true));
    } else {
        size_ = terminal_size(STDOUT_FILENO);
        constexpr std::size_t kOfCursor = 1;
        out().write("\033[H\033[2J");
        out().write(lag_text(found, true, size_.rows - std::min(size_.rows, kOfCursor)));
    }
    is_first_ = false;
}

// A terminal whose size changes meanwhile is filled anew.
void Watch::wait_until(std::uint64_t until_ns, Healths found) {
    constexpr std::uint64_t kLookEveryNs = 100 * kNsPerMs;
    for (std::uint64_t now_ns = monotonic_ns(); now_ns < until_ns; now_ns = monotonic_ns()) {
        if (!sleep_until_ns(std::min(until_ns, now_ns + kLookEveryNs))) return;
        if (!redraws_ || terminal_size(STDOUT_FILENO) == size_) continue;
        show(found);
        if (!out().flush()) return;
    }
}

Result<ExitCode> Watch::run(const LagFlags& flags, std::uint64_t interval_ns) {
    observe::Trend trend;
    std::uint64_t next_ns = monotonic_ns();
    while (!stop_requested()) {
        auto found = look(flags, trend);
        if (!found) return found.error();
        show(*found);
        if (!out().flush()) break;
        if (flags.limit && exceeds(*found, *flags.limit)) return ExitCode::limit_exceeded;
        next_ns += interval_ns;
        wait_until(next_ns, *found);
        if (!out().has_reader()) break;
    }
    return ExitCode::done;
}

Result<ExitCode> look_once(const LagFlags& flags) {
    observe::Trend trend;
    auto found = look(flags, trend);
    if (!found) return found.error();
    const bool is_empty =
        std::all_of(found->begin(), found->end(), [](const observe::StreamHealth& stream) {
            return stream.readers.empty() && stream.groups.empty();
        });
    if (!flags.reader.empty() && is_empty) {
        return make_error(ErrorCode::not_found,
                          fmt::format("no reader '{}' is attached", flags.reader),
                          "tailrace lag lists them all; observers are not registered");
    }
    if (settings().json()) {
        print_lag_json(*found);
    } else {
        out().write(lag_text(*found, false));
        if (is_empty) say("no readers are attached, and there is no journal");
        explain_lag(*found);
    }
    out().flush();
    if (flags.limit && exceeds(*found, *flags.limit)) return ExitCode::limit_exceeded;
    return ExitCode::done;
}

Result<ExitCode> run_lag(LagFlags& flags) {
    if (auto allowed = allow_only_text_and_json("lag"); !allowed) return allowed.error();
    if (flags.watch->count() == 0) return look_once(flags);
    auto interval_ns = parse_duration_ns(flags.watch_text.empty() ? "1s" : flags.watch_text);
    // In `lag --watch NAME` the word is meant as a stream's name.
    const bool is_name = is_pattern(flags.watch_text) || bus::check_stream_name(flags.watch_text);
    if (!interval_ns && is_name) {
        flags.streams.push_back(flags.watch_text);
        interval_ns = parse_duration_ns("1s");
    }
    if (!interval_ns) return interval_ns.error();
    constexpr std::uint64_t kShortestNs = 1'000'000;
    return Watch().run(flags, std::max(*interval_ns, kShortestNs));
}

}  // namespace

void register_lag(CLI::App& app) {
    const auto flags = std::make_shared<LagFlags>();
    CLI::App* const command =
        add_command(app, "lag", "How far readers and the journal are behind", [flags] {
            return run_lag(*flags);
        });
    command->add_option("STREAM", flags->streams, "Names of streams, also 'eu-*' (default: all)");
    command->add_option("--reader", flags->reader, "Only the reader of this name");
    flags->watch = command->add_option(
        "--watch", flags->watch_text, "Look again and again (default: every 1s)");
    flags->watch->expected(0, 1)->type_name("[INTERVAL]");
    add_parsed(*command,
               "--fail-above",
               flags->limit,
               parse_limit,
               "Exit code 6 when a reader is further behind: 10000ev, 250ms")
        ->type_name("LIMIT");
    add_wide(*command);
}

}  // namespace tailrace::tool
