// EventInput: the events that files or stdin hold, one file after the other; with `repeat` over and
// over.
//
//     lines   each line is a payload; with a key delimiter KEY:VALUE
//     json    each line is an event as `tail --json` prints it (event_line.hpp)
//     framed  as `tail --format framed` writes them (event_frame.hpp)
//     typed   each line is the fields of one type, as JSON (typed_payload.hpp); the payload of an
//             opaque type
//     whole   each file is one payload, with all its lines
//
// Errors name the file and the line, or the byte, and what they are about isn't handed out. A gap
// that JSON tells is warned of and counted. One thread.
#pragma once

#include "event_line.hpp"
#include "input_file.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/bus/claim.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

enum class EventShape : std::uint8_t { lines, json, typed, framed, whole };

// Valid until the next one.
struct InputEvent {
    std::string_view payload;
    bus::EventFields fields;
};

struct EventInputOptions {
    EventShape shape = EventShape::lines;
    std::string key_delimiter;  // empty: lines have no keys
    bool repeat = false;
    std::uint64_t max_event_bytes = 0;
    bus::EventFields usual;                             // of what doesn't say otherwise
    std::shared_ptr<const schema::StreamSchema> types;  // of the stream; null: none are known
    const schema::EventSchema* type = nullptr;          // of shape `typed`: one of them
};

class EventInput {
public:
    // Requires: at least one file.
    EventInput(std::vector<InputFile> files, EventInputOptions options) noexcept;

    // The next event; empty at the end, or when a stop was requested. Error `invalid_argument` also
    // when a pipe would have to be repeated.
    [[nodiscard]] Result<std::optional<InputEvent>> next();
    // Those that gaps in the input tell of.
    [[nodiscard]] std::uint64_t missing_events() const noexcept { return missing_events_; }

private:
    using Next = Result<std::optional<InputEvent>>;

    [[nodiscard]] Next next_in(InputFile& file);
    [[nodiscard]] Next next_line(InputFile& file);
    [[nodiscard]] Next next_frame(InputFile& file);
    [[nodiscard]] Next whole(InputFile& file);
    [[nodiscard]] Error too_large(const std::string& what) const;
    // Goes on to the next file. False: there is none.
    [[nodiscard]] Result<bool> advance();

    std::vector<InputFile> files_;
    EventInputOptions options_;
    std::size_t current_ = 0;
    bool any_ = false;       // files without an event must not turn into an endless search for one
    bool is_taken_ = false;  // the current file, whole
    EventLine event_;
    std::uint64_t missing_events_ = 0;
};

// The event that a line or an argument stands for, by shape `lines`, `json` or `typed`.
[[nodiscard]] Result<EventLine> parse_event(std::string_view line,
                                            const EventInputOptions& options);

}  // namespace tailrace::tool
