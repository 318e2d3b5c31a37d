#include "event_input.hpp"

#include "event_frame.hpp"
#include "output.hpp"
#include "stop_signal.hpp"
#include "typed_payload.hpp"
#include "units.hpp"

#include <tailrace/base/sequence_range.hpp>

#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

// A line of JSON may have each byte of its payload as \u00XX, and other fields.
constexpr std::uint64_t kLongestEscape = 6;
constexpr std::uint64_t kOtherFieldsBytes = 4096;
// A name, and a number of twenty digits for a byte or two.
constexpr std::uint64_t kLongestFields = std::uint64_t{1024} * 300;

}  // namespace

Result<EventLine> parse_event(std::string_view line, const EventInputOptions& options) {
    if (options.shape == EventShape::json) {
        return options.types != nullptr ? parse_json_event(line, options.usual, *options.types)
                                        : parse_json_event(line, options.usual);
    }
    if (options.shape == EventShape::typed && options.type->is_struct()) {
        auto payload = parse_typed_payload(line, *options.type);
        if (!payload) return payload.error();
        EventLine typed;
        typed.payload = std::move(*payload);
        typed.fields = options.usual;
        return typed;
    }
    if (!options.key_delimiter.empty())
        return parse_keyed_event(line, options.key_delimiter, options.usual);
    EventLine event;
    event.payload = line;
    event.fields = options.usual;
    return event;
}

EventInput::EventInput(std::vector<InputFile> files, EventInputOptions options) noexcept
    : files_(std::move(files)),
      options_(std::move(options)) {}

Error EventInput::too_large(const std::string& what) const {
    return make_error(ErrorCode::too_large,
                      fmt::format("{} is larger than the {} bytes that the stream allows",
                                  what,
                                  options_.max_event_bytes),
                      "create a stream with a larger --max-event");
}

EventInput::Next EventInput::next_line(InputFile& file) {
    const std::uint64_t max_bytes = options_.max_event_bytes;
    // The fields of an event take more room as text than as bytes.
    const bool is_json = options_.shape == EventShape::json ||
                         (options_.shape == EventShape::typed && options_.type->is_struct());
    const bool is_plain = !is_json && options_.key_delimiter.empty();
    const std::uint64_t max_line_bytes =
        is_plain ? max_bytes
                 : (is_json ? max_bytes * kLongestEscape + kLongestFields : max_bytes) +
                       kOtherFieldsBytes;
    for (;;) {
        auto line = file.next_line(max_line_bytes);
        if (!line) return line.error();
        if (!*line) return std::optional<InputEvent>();
        if (is_plain) return std::optional(InputEvent{**line, options_.usual});
        auto event = parse_event(**line, options_);
        const std::string where = fmt::format("line {} of {}", file.line_number(), file.path());
        if (!event) {
            Error error = event.error();
            error.message = fmt::format("{}, {}", where, error.message);
            return error;
        }
        if (event->gap_count != 0) {
            missing_events_ += event->gap_count;
            warn(fmt::format("{}: {} missing where it comes from: sequence {}",
                             where,
                             event->gap_count == 1
                                 ? "1 event is"
                                 : fmt::format("{} events are", count_text(event->gap_count)),
                             range_text(event->gap_first, event->gap_first + event->gap_count)));
            continue;
        }
        if (event->payload.size() > max_bytes) return too_large("the event in " + where);
        event_ = std::move(*event);
        return std::optional(InputEvent{event_.payload, event_.fields});
    }
}

EventInput::Next EventInput::next_frame(InputFile& file) {
    const std::string where = fmt::format("byte {} of {}", file.offset(), file.path());
    auto header = file.next_bytes(EventFrame::kHeaderBytes);
    if (!header) return header.error();
    if (!*header || (*header)->empty()) return std::optional<InputEvent>();
    const auto cut_off = [&](std::size_t there, std::size_t whole) {
        return make_error(
            ErrorCode::invalid_argument,
            fmt::format("{}: the frame there ends after {} of {} bytes", where, there, whole),
            "tailrace tail --format framed writes whole frames");
    };
    if ((*header)->size() < EventFrame::kHeaderBytes)
        return cut_off((*header)->size(), EventFrame::kHeaderBytes);
    const auto frame = parse_frame(**header);
    if (!frame) {
        Error error = frame.error();
        error.message = fmt::format("{}: {}", where, error.message);
        return error;
    }
    if (frame->size_bytes > options_.max_event_bytes)
        return too_large(fmt::format("the event of {} bytes at {}", frame->size_bytes, where));
    auto payload = file.next_bytes(frame->size_bytes);
    if (!payload) return payload.error();
    if (!*payload) return std::optional<InputEvent>();
    if ((*payload)->size() < frame->size_bytes) {
        return cut_off(EventFrame::kHeaderBytes + (*payload)->size(),
                       EventFrame::kHeaderBytes + frame->size_bytes);
    }
    return std::optional(InputEvent{**payload, frame->fields});
}

EventInput::Next EventInput::whole(InputFile& file) {
    if (is_taken_) return std::optional<InputEvent>();
    // One more than may be there: whoever has it is too large.
    auto payload = file.next_bytes(options_.max_event_bytes + 1);
    if (!payload) return payload.error();
    if (!*payload) return std::optional<InputEvent>();
    if ((*payload)->size() > options_.max_event_bytes) return too_large(file.path());
    is_taken_ = true;
    return std::optional(InputEvent{**payload, options_.usual});
}

EventInput::Next EventInput::next_in(InputFile& file) {
    if (options_.shape == EventShape::framed) return next_frame(file);
    return options_.shape == EventShape::whole ? whole(file) : next_line(file);
}

Result<std::optional<InputEvent>> EventInput::next() {
    for (;;) {
        auto event = next_in(files_[current_]);
        if (!event) return event.error();
        if (*event) any_ = true;
        if (*event || stop_requested()) return event;
        auto more = advance();
        if (!more) return more.error();
        if (!*more) return std::optional<InputEvent>();
    }
}

Result<bool> EventInput::advance() {
    is_taken_ = false;
    if (++current_ < files_.size()) return true;
    current_ = 0;
    if (!options_.repeat || !any_) return false;
    for (InputFile& file : files_) {
        if (file.rewind()) continue;
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("'{}' can't be read twice, so not repeated", file.path()),
                          "--repeat with files, not with a pipe");
    }
    return true;
}

}  // namespace tailrace::tool
