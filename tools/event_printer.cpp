#include "event_printer.hpp"

#include "event_frame.hpp"
#include "payload_text.hpp"
#include "units.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/base/sequence_range.hpp>

#include <fmt/format.h>
#include <iterator>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::size_t kDateSize = 11;     // "2026-11-22T"
constexpr std::size_t kSecondsSize = 19;  // "2026-11-22T14:00:06"

std::string json_string(std::string_view text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// On one line of a terminal.
std::string one_line(std::string_view text) {
    std::string line;
    for (const char c : text) {
        if (c == '\n') {
            line += "\\n";
        } else if (c == '\r') {
            line += "\\r";
        } else {
            line += c;
        }
    }
    return line;
}

}  // namespace

Result<void> allow_template(const std::optional<EventTemplate>& written_as) {
    if (!written_as || settings().format == Format::text) return {};
    return make_error(ErrorCode::invalid_argument,
                      "--template and --format both say how events are printed",
                      "leave one of them out");
}

EventPrinter::EventPrinter(std::string stream,
                           Format format,
                           std::optional<EventTemplate> written_as)
    : stream_(std::move(stream)),
      stream_json_(json_string(stream_)),
      format_(format),
      written_as_(std::move(written_as)) {}

std::string_view EventPrinter::second_text(std::uint64_t time_ns) {
    const std::uint64_t second = time_ns / kNsPerSecond;
    if (second != cached_second_) {
        cached_second_ = second;
        cached_text_ = time_text(time_ns).substr(0, kSecondsSize);
    }
    return cached_text_;
}

std::string_view EventPrinter::shown_second(std::uint64_t time_ns) {
    constexpr std::uint64_t kDayNs = std::uint64_t{86'400} * kNsPerSecond;
    const std::string_view text = second_text(time_ns);
    if (shown_second_ != cached_second_) {
        shown_second_ = cached_second_;
        const std::uint64_t day = time_ns / kDayNs;
        const bool is_new = shown_day_ != UINT64_MAX && shown_day_ != day;
        is_dated_ = is_new || day != wall_clock_ns() / kDayNs;
        shown_day_ = day;
    }
    return is_dated_ ? text : text.substr(kDateSize);
}

void EventPrinter::print(const Event& event) {
    out().write(line(event));
}

std::string_view EventPrinter::line(const Event& event) {
    line_.clear();
    if (written_as_) {
        written_as_->append_to(line_, event, stream_);
        return line_;
    }
    switch (format_) {
        case Format::text:
        case Format::hex:
            write_text(event);
            break;
        case Format::json:
            write_json(event);
            break;
        case Format::raw:
            line_ += text_of(event.payload());
            line_ += '\n';
            break;
        case Format::framed:
            append_frame(line_, event);
            break;
        case Format::digest:
            fmt::format_to(std::back_inserter(line_),
                           "{} {} {} {:016x}\n",
                           event.sequence(),
                           event.type(),
                           event.size_bytes(),
                           checksum64(event.payload(), 0));
            break;
    }
    return line_;
}

void EventPrinter::write_text(const Event& event) {
    const std::uint64_t time_ns = event.publish_time_ns();
    if (time_ns != 0) {
        fmt::format_to(std::back_inserter(line_),
                       "{}.{:09}Z  ",
                       shown_second(time_ns),
                       time_ns % kNsPerSecond);
    }
    fmt::format_to(std::back_inserter(line_), "#{}", event.sequence());
    if (event.type() != 0) fmt::format_to(std::back_inserter(line_), "  type {}", event.type());
    if (event.has_key()) {
        fmt::format_to(std::back_inserter(line_), "  key {}", event.key());
    }
    if (format_ == Format::hex) {
        fmt::format_to(std::back_inserter(line_), "  {} bytes\n", event.size_bytes());
        line_ += hex_dump(event.payload());
        return;
    }
    line_ += "  ";
    constexpr std::size_t kShownBytes = 48;
    line_ += is_printable(event.payload()) ? one_line(text_of(event.payload()))
                                           : hex_word(event.payload(), kShownBytes);
    line_ += '\n';
}

void EventPrinter::write_json(const Event& event) {
    const auto end = std::back_inserter(line_);
    fmt::format_to(end, R"({{"stream":{},"seq":{},)", stream_json_, event.sequence());
    const std::uint64_t time_ns = event.publish_time_ns();
    if (time_ns != 0) {
        fmt::format_to(end,
                       R"("time":"{}.{:09}Z","time_ns":"{}",)",
                       second_text(time_ns),
                       time_ns % kNsPerSecond,
                       time_ns);
    } else {
        line_ += R"("time":null,"time_ns":null,)";
    }
    if (event.event_time_ns() != 0) {
        fmt::format_to(end, R"("event_time_ns":"{}",)", event.event_time_ns());
    }
    if (event.has_key()) fmt::format_to(end, R"("key":"{}",)", event.key());
    fmt::format_to(end, R"("type":{},"size_bytes":{},)", event.type(), event.size_bytes());
    if (is_printable(event.payload())) {
        fmt::format_to(end, "\"data\":{}}}\n", json_string(text_of(event.payload())));
    } else {
        fmt::format_to(end, "\"data_b64\":\"{}\"}}\n", base64(event.payload()));
    }
}

void EventPrinter::print_gap(Sequence first, std::uint64_t count, std::string_view kind) {
    lost_events_ += count;
    if (format_ == Format::json) {
        const std::string told = kind.empty() ? "" : fmt::format(",\"gap_kind\":\"{}\"", kind);
        out().write(fmt::format("{{\"stream\":{},\"gap_first_seq\":{},\"gap_events\":{}{}}}\n",
                                stream_json_,
                                first,
                                count,
                                told));
        return;
    }
    if (format_ == Format::digest) out().write(fmt::format("gap {} {}\n", first, count));
    out().flush();
    const std::string_view what = kind.empty()     ? "are lost to this reader"
                                  : kind == "lost" ? "were journaled and are lost to damage"
                                                   : "were never journaled";
    warn(fmt::format("'{}': {} events {}: {}",
                     stream_,
                     count_text(count),
                     what,
                     range_text(first, first + count)));
}

}  // namespace tailrace::tool
