// EventTemplate: how one event is printed, in the user's own words: '%s %k %v\n'.
//
//     %s %o  its sequence                      %t  the stream
//     %k     its key; nothing without one      %y  its type
//     %v     its payload, byte for byte        %V  the payload's size in bytes
//     %x     the payload in hexadecimal        %b  the payload in base64
//     %d     its publish time, 2026-11-22T14:00:06.000000001Z; nothing without one
//     %T     the same in nanoseconds since 1970; 0 without one
//     %E     its event time in nanoseconds since 1970; 0 without one
//     %%     a percent sign
//     \n \t \r \0 \\ \xHH     bytes
//
// The idea, and the letters where they agree with each other, are those of kcat and rpk. Nothing is
// added: without \n at its end all events stand on one line. One thread.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

class EventTemplate {
public:
    static constexpr std::string_view kHelp =
        "Each event as '%s %k %v\\n': sequence, key, payload, ...";
    static constexpr std::string_view kLetters =
        "%s sequence, %k key, %v payload, %V its size, %t stream, %y type, %d %T publish time, %E "
        "event time, %x %b payload in hexadecimal and base64, %%, \\n \\t \\r \\0 \\\\ \\xHH";

    // Error invalid_argument names what isn't understood, and its column.
    [[nodiscard]] static Result<EventTemplate> parse(std::string_view text);

    void append_to(std::string& line, const Event& event, std::string_view stream) const;

private:
    // A field, and the text that stands before it.
    struct Part {
        std::string before;
        char field;
    };

    std::vector<Part> parts_;
    std::string last_;  // behind all fields
};

}  // namespace tailrace::tool
