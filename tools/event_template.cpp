#include "event_template.hpp"

#include "escape.hpp"
#include "payload_text.hpp"
#include "units.hpp"

#include <cstddef>
#include <fmt/format.h>
#include <iterator>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::string_view kFields = "sotkyvVxbdTE";

Error refused(std::string_view text, std::size_t column, std::string what) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("'{}', column {}: {}", text, column + 1, what),
                      std::string(EventTemplate::kLetters));
}

void append_field(std::string& line, char field, const Event& event, std::string_view stream) {
    const auto end = std::back_inserter(line);
    switch (field) {
        case 's':
        case 'o':
            fmt::format_to(end, "{}", event.sequence());
            return;
        case 't':
            line += stream;
            return;
        case 'k':
            if (event.has_key()) fmt::format_to(end, "{}", event.key());
            return;
        case 'y':
            fmt::format_to(end, "{}", event.type());
            return;
        case 'v':
            line += text_of(event.payload());
            return;
        case 'V':
            fmt::format_to(end, "{}", event.size_bytes());
            return;
        case 'x':
            for (const std::byte byte : event.payload())
                fmt::format_to(end, "{:02x}", std::to_integer<unsigned>(byte));
            return;
        case 'b':
            line += base64(event.payload());
            return;
        case 'd':
            if (event.publish_time_ns() != 0) line += time_text(event.publish_time_ns());
            return;
        case 'T':
            fmt::format_to(end, "{}", event.publish_time_ns());
            return;
        case 'E':
            fmt::format_to(end, "{}", event.event_time_ns());
            return;
        default:
            return;
    }
}

}  // namespace

Result<EventTemplate> EventTemplate::parse(std::string_view text) {
    EventTemplate parsed;
    std::string before;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const std::string_view rest = text.substr(at + 1);
        if (text[at] == '\\') {
            const auto byte = escaped_byte(rest);
            if (!byte) return refused(text, at, "no such byte");
            before += byte->first;
            at += byte->second;
        } else if (text[at] != '%') {
            before += text[at];
        } else if (rest.empty()) {
            return refused(text, at, "a field without its letter");
        } else if (rest.front() == '%') {
            before += '%';
            ++at;
        } else if (kFields.find(rest.front()) != std::string_view::npos) {
            parsed.parts_.push_back({std::exchange(before, {}), rest.front()});
            ++at;
        } else {
            return refused(text, at, fmt::format("there is no field %{}", rest.front()));
        }
    }
    // As 'tail -f orders' would be, where -f means to follow.
    if (parsed.parts_.empty()) return refused(text, 0, "it names no field of the event");
    parsed.last_ = std::move(before);
    return parsed;
}

void EventTemplate::append_to(std::string& line,
                              const Event& event,
                              std::string_view stream) const {
    for (const Part& part : parts_) {
        line += part.before;
        append_field(line, part.field, event, stream);
    }
    line += last_;
}

}  // namespace tailrace::tool
