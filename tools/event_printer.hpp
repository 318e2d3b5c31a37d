// EventPrinter: events as lines on stdout, in the format of the settings; what tail and replay
// share.
//
//     text    14:00:06.000000001Z  #1041  type 7  payload; with its date when that isn't today, or
//             when a day begins: 2026-11-22T14:00:06.000000001Z
//             of a type that the stream has declared: its name, and the fields (field_text.hpp) or,
//             opaque, its encoding: Trade  price=101.25 symbol=ABC; Note(json)  {"a":1}
//     json    {"stream":"orders","seq":1041,"time":…,"time_ns":"…","type":7,"size_bytes":2,
//             "data":"…"} (data_b64 where the payload isn't text); of a declared type "type_name",
//             and "fields":{…} instead of data, or "encoding"; "rest_b64" is what stands behind
//             the fields;
//             gaps: {"stream":…,"gap_first_seq":…,"gap_events":…}, of a journal with
//             "gap_kind" as well
//     csv     seq, time, type, key and a column for each field; what an event doesn't have is empty
//     raw     the payload and a newline
//     framed  payload, type, key and event time as bytes (event_frame.hpp)
//     hex     the text line without its payload, then a hex dump
//     digest  SEQ TYPE SIZE HASH, HASH being XXH3-64 of the payload: small, and equal for equal
//             events
// With a template each event is what that says instead. One thread.
#pragma once

#include "command.hpp"
#include "event_template.hpp"
#include "typed_view.hpp"

#include <tailrace/base/event.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tailrace::tool {

// The error for a template beside a format.
[[nodiscard]] Result<void> allow_template(const std::optional<EventTemplate>& written_as);
// The error for a format that isn't one of events, or that prints payloads beside --fields.
[[nodiscard]] Result<void> allow_event_format(const TypedFlags& flags = {});

class EventPrinter {
public:
    // Without a view nothing is known of types.
    EventPrinter(std::string stream,
                 Format format,
                 std::optional<EventTemplate> written_as = {},
                 std::shared_ptr<TypedView> view = {});

    // What stands above all events: of a table its head.
    void begin();
    void print(const Event& event);
    // What print() writes, with its newline; valid until the next call.
    [[nodiscard]] std::string_view line(const Event& event);
    // Sequences [first, first + count) won't come. On stderr too where the format has no place for
    // it. `kind`: of a gap in a journal, "lost" to damage or "never_journaled".
    void print_gap(Sequence first, std::uint64_t count, std::string_view kind = {});

    [[nodiscard]] std::uint64_t lost_events() const noexcept { return lost_events_; }

private:
    void write_text(const Event& event);
    void write_json(const Event& event);
    void write_csv(const Event& event);
    void write_payload_json(const Event& event);
    [[nodiscard]] std::string_view second_text(std::uint64_t time_ns);
    // The same without its date where nobody needs it.
    [[nodiscard]] std::string_view shown_second(std::uint64_t time_ns);

    std::string stream_;
    std::string stream_json_;
    Format format_;
    std::optional<EventTemplate> written_as_;
    std::shared_ptr<TypedView> view_;  // never null
    std::string line_;
    std::uint64_t lost_events_ = 0;
    std::uint64_t cached_second_ = UINT64_MAX;
    std::string cached_text_;  // "2026-11-22T14:00:06"
    std::uint64_t shown_second_ = UINT64_MAX;
    std::uint64_t shown_day_ = UINT64_MAX;  // of the last line
    bool is_dated_ = false;
};

}  // namespace tailrace::tool
