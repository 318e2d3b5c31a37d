#include "event_printer.hpp"

#include "event_frame.hpp"
#include "field_text.hpp"
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

// What stands behind the largest version that an event holds.
std::span<const std::byte> rest_of(const Event& event, const schema::EventSchema& type) {
    const schema::EventLayout* const version = type.layout_for(event.size_bytes());
    return event.payload().subspan(version == nullptr ? 0 : version->size_bytes);
}

}  // namespace

Result<void> allow_template(const std::optional<EventTemplate>& written_as) {
    if (!written_as || settings().format == Format::text) return {};
    return make_error(ErrorCode::invalid_argument,
                      "--template and --format both say how events are printed",
                      "leave one of them out");
}

Result<void> allow_event_format(const TypedFlags& flags) {
    const Format format = settings().format;
    if (format == Format::c || format == Format::numpy) {
        return make_error(ErrorCode::invalid_argument,
                          "c and numpy are how types are printed, not events",
                          "tailrace schema STREAM --format numpy");
    }
    if (flags.fields.empty() || format == Format::text || format == Format::json ||
        format == Format::csv)
        return {};
    return make_error(ErrorCode::invalid_argument,
                      "--fields says which fields are printed, and this format prints payloads",
                      "--format text, json or csv");
}

EventPrinter::EventPrinter(std::string stream,
                           Format format,
                           std::optional<EventTemplate> written_as,
                           std::shared_ptr<TypedView> view)
    : stream_(std::move(stream)),
      stream_json_(json_string(stream_)),
      format_(format),
      written_as_(std::move(written_as)),
      view_(view != nullptr ? std::move(view) : std::make_shared<TypedView>()) {}

void EventPrinter::begin() {
    if (format_ != Format::csv || written_as_) return;
    line_ = "seq,time,type,key";
    for (const TypedView::Column& column : view_->columns()) {
        line_ += ',';
        append_csv(line_, column.name);
    }
    line_ += '\n';
    out().write(line_);
}

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
        case Format::csv:
            write_csv(event);
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
        case Format::c:
        case Format::numpy:
        default:  // allow_event_format() has refused them
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
    const schema::EventSchema* const type = view_->type_of(event);
    if (type != nullptr) {
        fmt::format_to(std::back_inserter(line_), "  {}", type->name);
        if (!type->is_struct()) fmt::format_to(std::back_inserter(line_), "({})", type->encoding);
    } else if (event.type() != 0) {
        fmt::format_to(std::back_inserter(line_), "  type {}", event.type());
    }
    if (event.has_key()) {
        fmt::format_to(std::back_inserter(line_), "  key {}", event.key());
    }
    if (format_ == Format::hex) {
        fmt::format_to(std::back_inserter(line_), "  {} bytes\n", event.size_bytes());
        line_ += hex_dump(event.payload());
        return;
    }
    line_ += "  ";
    if (const auto fields = view_->fields_of(event); !fields.empty()) {
        append_fields_text(line_, fields, event.payload());
        const std::size_t rest = rest_of(event, *type).size();
        if (rest != 0) fmt::format_to(std::back_inserter(line_), "  and {}", counted(rest, "byte"));
        line_ += '\n';
        return;
    }
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
    fmt::format_to(end, R"("type":{},)", event.type());
    write_payload_json(event);
    line_ += "}\n";
}

void EventPrinter::write_payload_json(const Event& event) {
    const auto end = std::back_inserter(line_);
    const schema::EventSchema* const type = view_->type_of(event);
    if (type != nullptr) {
        fmt::format_to(end, R"("type_name":"{}",)", type->name);
        if (!type->is_struct()) fmt::format_to(end, R"("encoding":"{}",)", type->encoding);
    }
    fmt::format_to(end, R"("size_bytes":{},)", event.size_bytes());
    if (const auto fields = view_->fields_of(event); !fields.empty()) {
        line_ += "\"fields\":";
        append_fields_json(line_, fields, event.payload());
        const auto rest = rest_of(event, *type);
        if (!rest.empty()) fmt::format_to(end, R"(,"rest_b64":"{}")", base64(rest));
    } else if (is_printable(event.payload())) {
        fmt::format_to(end, "\"data\":{}", json_string(text_of(event.payload())));
    } else {
        fmt::format_to(end, R"("data_b64":"{}")", base64(event.payload()));
    }
}

void EventPrinter::write_csv(const Event& event) {
    const auto end = std::back_inserter(line_);
    fmt::format_to(end, "{},", event.sequence());
    if (event.publish_time_ns() != 0) line_ += time_text(event.publish_time_ns());
    line_ += ',';
    if (const schema::EventSchema* const type = view_->type_of(event); type != nullptr) {
        line_ += type->name;
    } else {
        fmt::format_to(end, "{}", event.type());
    }
    line_ += ',';
    if (event.has_key()) fmt::format_to(end, "{}", event.key());
    const auto row = view_->row_of(event);
    for (const TypedView::Column& column : view_->columns()) {
        line_ += ',';
        const auto place = row ? column.places[*row] : std::nullopt;
        if (place && place->is_in(event.payload()))
            append_field_csv(line_, *place, event.payload());
    }
    line_ += '\n';
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
