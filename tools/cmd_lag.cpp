// tailrace lag: how far each reader and the journal are behind, in events, bytes and seconds.

#include "clock_check.hpp"
#include "command.hpp"
#include "commands.hpp"
#include "holder_text.hpp"
#include "journal_place.hpp"
#include "reader_state.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/shortage.hpp>
#include <tailrace/bus/cursor.hpp>
#include <tailrace/bus/region.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <memory>

namespace tailrace::tool {

namespace {

struct LagLimit {
    std::optional<std::uint64_t> events;
    std::optional<std::uint64_t> age_ns;
};

struct LagFlags {
    std::vector<std::string> streams;
    std::string reader;
    CLI::Option* watch = nullptr;
    std::string watch_text = "1s";
    std::optional<LagLimit> limit;
};

struct LagRow {
    std::string stream;
    std::string reader;
    std::uint32_t pid = 0;
    std::string policy;
    Sequence end_sequence = 0;
    ReaderPicture picture;
    bus::LatencyStatus latency;
    std::string filter;
    bool is_evicted = false;
    ReaderState state = ReaderState::ok;
    std::optional<double> trend_per_s;  // how fast it falls behind; negative: it catches up
    std::string journal_directory = {};
    int journal_errno = 0;  // of a journal that failed
    bool is_journal = false;
    std::uint64_t unrecorded_events = 0;  // what is lost already, since nobody records
    bool holds = false;                   // a journal: publishers wait while nobody records

    // A stream that should be recorded, and isn't, with events that no journal has.
    [[nodiscard]] bool is_unrecorded() const noexcept {
        return is_journal && !picture.is_alive && picture.lag.events != 0;
    }
};

// The readers of the last look, and when that was.
struct History {
    std::map<std::string, ReaderPicture> pictures;
    std::uint64_t at_ns = 0;
};

Result<LagLimit> parse_limit(std::string_view text) {
    LagLimit limit;
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

std::string_view policy_name(bus::SlowPolicy policy) {
    switch (policy) {
        case bus::SlowPolicy::gate:
            return "gate";
        case bus::SlowPolicy::skip:
            return "skip";
        case bus::SlowPolicy::observe:
            return "observe";
        case bus::SlowPolicy::spill:
            return "spill";
        case bus::SlowPolicy::evict:
            return "evict";
    }
    return "unknown";
}

void judge(LagRow& row, History& history, std::uint64_t now_ns) {
    const std::string key = fmt::format("{}/{}/{}", row.stream, row.reader, row.pid);
    std::optional<ReaderPicture> before;
    if (const auto found = history.pictures.find(key); found != history.pictures.end()) {
        before = found->second;
    }
    row.state = reader_state(row.picture, before);
    if (before && now_ns > history.at_ns) {
        const double seconds = static_cast<double>(now_ns - history.at_ns) / 1e9;
        row.trend_per_s = (static_cast<double>(row.picture.lag.events) -
                           static_cast<double>(before->lag.events)) /
                          seconds;
    }
    history.pictures[key] = row.picture;
}

std::vector<LagRow> rows_of(const std::string& stream, const bus::StreamStatus& status) {
    std::vector<LagRow> rows;
    for (const bus::SubscriberStatus& subscriber : status.subscribers) {
        // The journal writer's own place in the ring; the journal's row says more.
        if (status.journal && subscriber.pid == status.journal->pid &&
            subscriber.name == "journal") {
            continue;
        }
        LagRow row{stream,
                   subscriber.name,
                   subscriber.pid,
                   std::string(policy_name(subscriber.policy)),
                   status.end_sequence,
                   {},
                   subscriber.latency,
                   subscriber.filter,
                   subscriber.is_evicted,
                   ReaderState::ok,
                   {}};
        row.picture = {subscriber.is_alive,
                       subscriber.sequence,
                       subscriber.lag,
                       subscriber.lost_events,
                       subscriber.room_ratio,
                       bus::JournalState::none,
                       subscriber.source};
        rows.push_back(std::move(row));
    }
    if (status.journal) {
        const bus::JournalStatus& journal = *status.journal;
        LagRow row{stream,
                   "journal",
                   journal.is_alive ? journal.pid : 0,
                   "durable",
                   status.end_sequence,
                   {},
                   {},
                   {},
                   false,
                   ReaderState::ok,
                   {}};
        row.is_journal = true;
        row.unrecorded_events = journal.unrecorded_events;
        row.holds = journal.holds;
        row.picture = {journal.is_alive,
                       journal.durable_sequence,
                       journal.lag,
                       journal.lost_events,
                       journal.room_ratio,
                       journal.state,
                       bus::ReadSource::ring};
        row.journal_errno = journal.os_errno;
        rows.push_back(std::move(row));
    }
    return rows;
}

// Cursors that nobody reads by at the moment; the others are shown as their readers are.
void add_cursor_rows(std::vector<LagRow>& rows,
                     const std::string& stream,
                     const bus::Region& region,
                     Sequence end) {
    for (const bus::CursorStatus& cursor : bus::read_cursors(region)) {
        if (cursor.is_owned) continue;
        LagRow row;
        row.stream = stream;
        row.reader = cursor.name;
        row.policy = "cursor";
        row.end_sequence = end;
        row.picture.is_away = true;
        row.picture.sequence = cursor.sequence;
        row.picture.lag.events = end - std::min(end, cursor.sequence);
        rows.push_back(std::move(row));
    }
}

// One look at all streams.
struct Look {
    std::vector<LagRow> rows;
    std::string holders;  // lines of text
    Json holders_json = Json::array();
    // Streams whose publish times can't be believed.
    std::vector<std::pair<std::string, ClockTrouble>> clocks;
};

Result<Look> look(const LagFlags& flags, History& history) {
    std::vector<std::string> streams = flags.streams;
    if (streams.empty()) {
        auto all = bus::Region::list(settings().directory);
        if (!all) return all.error();
        streams = *all;
    }
    Look found;
    for (const std::string& stream : streams) {
        auto region = bus::Region::open(stream, bus::RegionAccess::observe, settings().directory);
        if (!region) {
            if (!flags.streams.empty()) return region.error();
            warn(region.error().message);
            continue;
        }
        const bus::StreamStatus status = bus::read_status(*region);
        std::vector<LagRow> rows = rows_of(stream, status);
        add_cursor_rows(rows, stream, **region, status.end_sequence);
        for (LagRow& row : rows) {
            row.journal_directory = journal_directory_of((*region)->header());
            if (flags.reader.empty() || flags.reader == row.reader)
                found.rows.push_back(std::move(row));
        }
        found.holders += holder_text(stream, status, (*region)->capacity_bytes());
        if (Json holder = holder_json(stream, status); !holder.is_null())
            found.holders_json.push_back(std::move(holder));
        if (auto trouble = find_clock_trouble(*region))
            found.clocks.emplace_back(stream, std::move(*trouble));
    }
    const std::uint64_t now_ns = monotonic_ns();
    for (LagRow& row : found.rows)
        judge(row, history, now_ns);
    history.at_ns = now_ns;
    return found;
}

// What is wrong with a journal that says so, and what helps.
struct Trouble {
    std::string what;
    std::string hint;
};

// How long the ring still holds what nobody has recorded, at the rate since its oldest event.
std::string time_left_text(const ReaderPicture& picture) {
    const double used = 1.0 - picture.room_ratio;
    if (!picture.lag.age_ns || used <= 0) return {};
    const double left_ns = static_cast<double>(*picture.lag.age_ns) / used * picture.room_ratio;
    return fmt::format(", for about {} at this rate",
                       duration_text(static_cast<std::uint64_t>(left_ns)));
}

Trouble unrecorded_trouble(const LagRow& row) {
    const std::string hint = fmt::format("tailrace record {}", row.stream);
    if (row.unrecorded_events != 0) {
        return {fmt::format("nobody records, and {} are lost already: they have left the ring",
                            counted(row.unrecorded_events, "event")),
                hint};
    }
    if (row.holds) {
        return {fmt::format("nobody records; the ring holds {} that may be in no journal, and "
                            "publishers wait when it is full",
                            counted(row.picture.lag.events, "event")),
                hint};
    }
    return {fmt::format("nobody records; the ring still holds {} that no journal has{}",
                        counted(row.picture.lag.events, "event"),
                        time_left_text(row.picture)),
            hint};
}

std::optional<Trouble> trouble_of(const LagRow& row) {
    if (row.state == ReaderState::stopped && row.is_unrecorded()) return unrecorded_trouble(row);
    if (row.state == ReaderState::failed && row.journal_errno == ENOENT) {
        return Trouble{
            fmt::format("the journal is gone from its place (removed, moved, or its file system "
                        "unmounted), and nothing from sequence {} on is durable",
                        row.picture.sequence),
            fmt::format("findmnt -T {0}; ls -ld {0}; then: tailrace record {1}",
                        row.journal_directory,
                        row.stream)};
    }
    if (row.state == ReaderState::failed) {
        // The directory may be relative to where the recorder ran; the stream's name is enough.
        return Trouble{
            fmt::format("a write or a flush failed ({}), and nothing from sequence {} on is "
                        "durable",
                        errno_text(row.journal_errno),
                        row.picture.sequence),
            fmt::format("mend or replace the disk (dmesg says more), then open it anew: "
                        "tailrace record {}",
                        row.stream)};
    }
    if (row.state != ReaderState::low_space && row.state != ReaderState::disk_full)
        return std::nullopt;
    const Shortage shortage = shortage_of(row.journal_errno, row.journal_directory);
    const bool is_room = row.journal_errno == ENOSPC || row.journal_errno == EDQUOT;
    const std::string what = is_room ? "there is no room for the next segment"
                                     : "the next segment can't be made: " + shortage.what;
    const std::string full = shortage.what + ", and publishers are held back";
    return Trouble{row.state == ReaderState::disk_full ? full : what,
                   is_room ? fmt::format("free some room (df {}), or keep less: tailrace create {} "
                                         "--if-not-exists --journal --retain-bytes SIZE, and start "
                                         "the recorder anew",
                                         row.journal_directory,
                                         row.stream)
                           : shortage.hint};
}

// On stderr, what can be done about it.
void explain(const Look& found) {
    for (const auto& [stream, trouble] : found.clocks)
        warn(fmt::format("{}: {}; {}", stream, trouble.what, trouble.hint));
    for (const LagRow& row : found.rows) {
        if (const auto trouble = trouble_of(row)) {
            warn(
                fmt::format("{}/{}: {}; {}", row.stream, row.reader, trouble->what, trouble->hint));
        }
    }
}

std::string age_text(const LagRow& row) {
    const auto& age_ns = row.picture.lag.age_ns;
    if (!age_ns) return "?";
    return *age_ns == 0 ? "0" : duration_text(*age_ns);
}

std::string trend_text(const LagRow& row) {
    if (!row.trend_per_s) return "";
    if (std::abs(*row.trend_per_s) < 1) return "=";
    return fmt::format(
        "{}{}", *row.trend_per_s > 0 ? "+" : "-", rate_text(std::abs(*row.trend_per_s)));
}

std::string latency_text(const LagRow& row, std::uint64_t bus::LatencyStatus::*which) {
    return row.latency.samples == 0 ? "-" : duration_text(row.latency.*which);
}

void print_table(const Look& found, bool with_trend) {
    std::vector<std::string> headings = {"STREAM",
                                         "READER",
                                         ">PID",
                                         "POLICY",
                                         ">POSITION",
                                         ">END",
                                         ">LAG-EVENTS",
                                         ">LAG-BYTES",
                                         ">LAG-TIME",
                                         ">LOST",
                                         ">ROOM",
                                         ">P50",
                                         ">P99",
                                         ">MAX",
                                         "STATE"};
    if (with_trend) headings.insert(headings.end() - 1, ">TREND");
    Table table(headings);
    for (const LagRow& row : found.rows) {
        const ReaderPicture& picture = row.picture;
        std::vector<std::string> cells = {
            row.stream,
            row.reader,
            row.pid == 0 ? "-" : std::to_string(row.pid),
            row.is_evicted ? row.policy + "ed" : row.policy,
            count_text(picture.sequence),
            count_text(row.end_sequence),
            count_text(picture.lag.events),
            picture.is_away ? "?" : size_text(picture.lag.bytes),
            age_text(row),
            count_text(picture.lost_events),
            picture.is_away ? "-" : fmt::format("{:.1f}%", picture.room_ratio * 100),
            latency_text(row, &bus::LatencyStatus::p50_ns),
            latency_text(row, &bus::LatencyStatus::p99_ns),
            latency_text(row, &bus::LatencyStatus::max_ns)};
        if (with_trend) cells.push_back(trend_text(row));
        cells.emplace_back(reader_state_name(row.state));
        const std::size_t state_column = cells.size() - 1;
        table.add(std::move(cells));
        table.colour(state_column, reader_state_colour(row.state));
    }
    out().write(table.text());
    out().write(found.holders);
}

void print_json(const Look& found) {
    Json document;
    document["time_ns"] = ns_string(wall_clock_ns());
    document["readers"] = Json::array();
    for (const LagRow& row : found.rows) {
        const ReaderPicture& picture = row.picture;
        Json reader;
        reader["stream"] = row.stream;
        reader["reader"] = row.reader;
        reader["pid"] = row.pid == 0 ? Json() : Json(row.pid);
        reader["policy"] = row.policy;
        reader["source"] = picture.source == bus::ReadSource::journal ? "journal" : "ring";
        reader["seq"] = picture.sequence;
        reader["end_seq"] = row.end_sequence;
        reader["lag_events"] = picture.lag.events;
        reader["lag_bytes"] = picture.is_away ? Json() : Json(picture.lag.bytes);
        reader["lag_ns"] = picture.lag.age_ns ? Json(ns_string(*picture.lag.age_ns)) : Json();
        reader["lost_events"] = picture.lost_events;
        if (row.is_journal) {
            reader["unrecorded_events"] = row.unrecorded_events;
            reader["journal_missing"] = row.holds ? "hold" : "go";
        }
        reader["room_ratio"] = picture.is_away ? Json() : Json(picture.room_ratio);
        if (row.latency.samples == 0) {
            reader["latency"] = Json();
        } else {
            Json latency;
            latency["samples"] = row.latency.samples;
            latency["p50_ns"] = ns_string(row.latency.p50_ns);
            latency["p99_ns"] = ns_string(row.latency.p99_ns);
            latency["max_ns"] = ns_string(row.latency.max_ns);
            latency["mean_ns"] = ns_string(row.latency.mean_ns);
            latency["ahead_samples"] = row.latency.ahead_samples;
            reader["latency"] = std::move(latency);
        }
        reader["filter"] = row.filter.empty() ? Json() : Json(row.filter);
        reader["evicted"] = row.is_evicted;
        if (row.trend_per_s) reader["trend_events_per_s"] = *row.trend_per_s;
        reader["state"] = reader_state_name(row.state);
        if (row.state == ReaderState::failed) reader["errno"] = row.journal_errno;
        if (const auto trouble = trouble_of(row)) {
            reader["trouble"] = trouble->what;
            reader["hint"] = trouble->hint;
        }
        document["readers"].push_back(std::move(reader));
    }
    document["holders"] = found.holders_json;
    document["clocks"] = Json::array();
    for (const auto& [stream, trouble] : found.clocks) {
        Json clock;
        clock["stream"] = stream;
        clock["trouble"] = trouble.what;
        clock["hint"] = trouble.hint;
        document["clocks"].push_back(std::move(clock));
    }
    out().write_json(document);
}

// True when somebody is behind by more than the limit, said on stderr.
bool exceeds(const std::vector<LagRow>& rows, const LagLimit& limit) {
    bool exceeded = false;
    for (const LagRow& row : rows) {
        const bus::Lag& lag = row.picture.lag;
        if (row.is_unrecorded()) {
            exceeded = true;
            warn(fmt::format("{}/{}: {}", row.stream, row.reader, unrecorded_trouble(row).what));
            continue;
        }
        if (limit.events && lag.events > *limit.events) {
            exceeded = true;
            warn(fmt::format("{}/{} is {} events behind (limit {})",
                             row.stream,
                             row.reader,
                             count_text(lag.events),
                             count_text(*limit.events)));
        }
        if (!limit.age_ns) continue;
        // An age that can't be known because the ring has moved on is worse than any limit.
        const bool left_ring =
            row.state == ReaderState::overrun || row.picture.source == bus::ReadSource::journal;
        const bool lost = lag.events != 0 && !lag.age_ns && left_ring;
        if (!lost && lag.age_ns.value_or(0) <= *limit.age_ns) continue;
        exceeded = true;
        warn(fmt::format("{}/{} is {} behind (limit {})",
                         row.stream,
                         row.reader,
                         lost ? "more than the ring holds" : duration_text(*lag.age_ns),
                         duration_text(*limit.age_ns)));
    }
    return exceeded;
}

Result<ExitCode> watch(const LagFlags& flags, std::uint64_t interval_ns) {
    History history;
    const bool redraws = !settings().json() && is_terminal(1);
    std::uint64_t next_ns = monotonic_ns();
    for (bool first = true; !stop_requested(); first = false) {
        auto found = look(flags, history);
        if (!found) return found.error();
        if (redraws) out().write("\033[H\033[2J");
        if (!first && !redraws && !settings().json()) out().write("\n");
        if (settings().json()) {
            print_json(*found);
        } else {
            print_table(*found, true);
        }
        if (!out().flush()) break;
        if (flags.limit && exceeds(found->rows, *flags.limit)) return ExitCode::limit_exceeded;
        next_ns += interval_ns;
        sleep_until_ns(next_ns);
        if (!out().has_reader()) break;
    }
    return ExitCode::done;
}

Result<ExitCode> run_lag(LagFlags& flags) {
    if (auto allowed = allow_only_text_and_json("lag"); !allowed) return allowed.error();
    if (flags.watch->count() != 0) {
        auto interval_ns = parse_duration_ns(flags.watch_text.empty() ? "1s" : flags.watch_text);
        // In `lag --watch NAME` the word is meant as a stream's name.
        if (!interval_ns && bus::check_stream_name(flags.watch_text)) {
            flags.streams.push_back(flags.watch_text);
            interval_ns = parse_duration_ns("1s");
        }
        if (!interval_ns) return interval_ns.error();
        constexpr std::uint64_t kShortestNs = 1'000'000;
        return watch(flags, std::max(*interval_ns, kShortestNs));
    }
    History history;
    auto found = look(flags, history);
    if (!found) return found.error();
    if (!flags.reader.empty() && found->rows.empty()) {
        return make_error(ErrorCode::not_found,
                          fmt::format("no reader '{}' is attached", flags.reader),
                          "tailrace lag lists them all; observers are not registered");
    }
    if (settings().json()) {
        print_json(*found);
    } else if (found->rows.empty()) {
        out().write(found->holders);
        say("no readers are attached, and there is no journal");
        explain(*found);
    } else {
        print_table(*found, false);
        explain(*found);
    }
    out().flush();
    if (flags.limit && exceeds(found->rows, *flags.limit)) return ExitCode::limit_exceeded;
    return ExitCode::done;
}

}  // namespace

void register_lag(CLI::App& app) {
    const auto flags = std::make_shared<LagFlags>();
    CLI::App* const command =
        add_command(app, "lag", "How far readers and the journal are behind", [flags] {
            return run_lag(*flags);
        });
    command->add_option("STREAM", flags->streams, "Names of streams (default: all)");
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
}

}  // namespace tailrace::tool
