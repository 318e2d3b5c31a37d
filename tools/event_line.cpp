#include "event_line.hpp"

#include "escape.hpp"
#include "event_key.hpp"
#include "misspelling.hpp"
#include "output.hpp"
#include "payload_text.hpp"
#include "units.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

constexpr const char* kShape =
    R"({"data":"text","type":7,"key":"42"}; tailrace tail --json prints such lines)";

// Counts in characters: what an editor shows.
std::size_t column_of(std::string_view line, std::size_t offset) {
    const std::string_view before = line.substr(0, std::min(offset, line.size()));
    return 1 + static_cast<std::size_t>(std::count_if(before.begin(), before.end(), [](char c) {
               return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
           }));
}

Error refused(std::string_view line, std::size_t offset, std::string_view what, const char* hint) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("column {}: {}", column_of(line, offset), what),
                      hint);
}

// The line's characters, for a parser that takes iterators: it tells how far the parser is.
class LineIterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    LineIterator(const char* at, const char** furthest) noexcept : at_(at), furthest_(furthest) {}

    reference operator*() const noexcept { return *at_; }
    LineIterator& operator++() noexcept {
        *furthest_ = ++at_;
        return *this;
    }
    LineIterator operator++(int) noexcept {
        const LineIterator before = *this;
        ++*this;
        return before;
    }
    bool operator==(const LineIterator& other) const noexcept { return at_ == other.at_; }
    bool operator!=(const LineIterator& other) const noexcept { return at_ != other.at_; }

private:
    const char* at_;
    const char** furthest_;
};

enum class Field : std::uint8_t {
    data,
    data_b64,
    type,
    key,
    event_time_ns,
    gap_first_seq,
    gap_events,
    of_the_stream,
};

struct FieldName {
    std::string_view name;
    Field field;
};

constexpr std::array<FieldName, 13> kEventFields = {{
    {"data", Field::data},
    {"data_b64", Field::data_b64},
    {"type", Field::type},
    {"key", Field::key},
    {"event_time_ns", Field::event_time_ns},
    {"gap_first_seq", Field::gap_first_seq},
    {"gap_events", Field::gap_events},
    {"gap_kind", Field::of_the_stream},
    {"stream", Field::of_the_stream},
    {"seq", Field::of_the_stream},
    {"time", Field::of_the_stream},
    {"time_ns", Field::of_the_stream},
    {"size_bytes", Field::of_the_stream},
}};

// What the parser of JSON meets, in its order. It stops at the first thing that isn't an event's.
class JsonEvent final : public nlohmann::json_sax<nlohmann::json> {
public:
    JsonEvent(std::string_view line, const bus::EventFields& usual)
        : line_(line),
          furthest_(line.data()) {
        event_.fields = usual;
    }

    [[nodiscard]] Result<EventLine> parse() {
        const char* const end = line_.data() + line_.size();
        const bool is_parsed = nlohmann::json::sax_parse(
            LineIterator(line_.data(), &furthest_), LineIterator(end, &furthest_), this);
        if (problem_) return *problem_;
        if (!is_parsed) return refused(line_, 0, "no JSON", kShape);
        if (event_.gap_count != 0 || has_payload_) return std::move(event_);
        return refused(line_, line_.size(), "the event has neither 'data' nor 'data_b64'", kShape);
    }

    bool null() override {
        switch (field_) {
            case Field::key:
                event_.fields.has_key = false;
                event_.fields.key = 0;
                return true;
            case Field::event_time_ns:
                event_.fields.event_time_ns = 0;
                return true;
            default:
                return is_passed_over();
        }
    }
    bool boolean(bool /*value*/) override { return is_passed_over(); }
    bool number_integer(number_integer_t /*value*/) override { return is_passed_over(); }
    bool number_unsigned(number_unsigned_t value) override { return number(value); }
    bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
        return is_passed_over();
    }
    bool string(string_t& value) override {
        switch (field_) {
            case Field::data:
                return payload(std::move(value));
            case Field::data_b64:
                if (auto bytes = from_base64(value)) return payload(std::move(*bytes));
                return is_passed_over();
            case Field::key:
                return key_of(event_key(value));
            case Field::event_time_ns:
                if (const auto time_ns = whole_number<std::uint64_t>(value))
                    return number(*time_ns);
                return is_passed_over();
            default:
                return is_passed_over();
        }
    }
    bool binary(binary_t& /*value*/) override { return is_passed_over(); }
    bool start_object(std::size_t /*count*/) override {
        if (is_inside_) return nested();
        is_inside_ = true;
        return true;
    }
    bool end_object() override { return true; }
    bool start_array(std::size_t /*count*/) override { return nested(); }
    bool end_array() override { return true; }
    bool key(string_t& name) override {
        // The parser stands behind the closing quote.
        const std::size_t behind = static_cast<std::size_t>(furthest_ - line_.data());
        key_offset_ = behind - std::min(behind, name.size() + 2);
        const auto known = std::find_if(kEventFields.begin(),
                                        kEventFields.end(),
                                        [&](const FieldName& row) { return row.name == name; });
        if (known == kEventFields.end()) return refuse(unknown_field(name));
        name_ = known->name;
        field_ = known->field;
        if (std::find(seen_.begin(), seen_.end(), name_) != seen_.end())
            return refuse(fmt::format("'{}' is there twice", name_));
        seen_.push_back(name_);
        return true;
    }
    bool parse_error(std::size_t position,
                     const std::string& /*last_token*/,
                     const nlohmann::detail::exception& failure) override {
        // "[json.exception...] parse error at line 1, column 9: syntax error while parsing value -
        // invalid literal; last read: ..."
        std::string_view what = failure.what();
        if (const std::size_t begin = what.find(": "); begin != std::string_view::npos)
            what.remove_prefix(begin + 2);
        what = what.substr(0, what.find("; last read"));
        problem_ = refused(
            line_, position == 0 ? 0 : position - 1, fmt::format("no JSON: {}", what), kShape);
        return false;
    }

private:
    bool refuse(std::string_view what) {
        problem_ = refused(line_, key_offset_, what, kShape);
        return false;
    }

    static std::string unknown_field(const std::string& name) {
        std::vector<std::string> names;
        for (const FieldName& row : kEventFields)
            names.emplace_back(row.name);
        const std::string meant = nearest_name(name, names);
        const std::string what = fmt::format("an event has no field '{}'", tame(name));
        return meant.empty() ? what : fmt::format("{}; did you mean '{}'?", what, meant);
    }

    bool payload(std::string bytes) {
        if (has_payload_) return refuse("'data' and 'data_b64' are both there");
        has_payload_ = true;
        event_.payload = std::move(bytes);
        return true;
    }

    bool key_of(std::uint64_t key) {
        event_.fields.has_key = true;
        event_.fields.key = key;
        return true;
    }

    bool number(std::uint64_t value) {
        switch (field_) {
            case Field::type:
                if (value > std::numeric_limits<EventType>::max()) return is_passed_over();
                event_.fields.type = static_cast<EventType>(value);
                return true;
            case Field::key:
                return key_of(value);
            case Field::event_time_ns:
                event_.fields.event_time_ns = value;
                return true;
            case Field::gap_first_seq:
                event_.gap_first = value;
                return true;
            case Field::gap_events:
                event_.gap_count = value;
                return true;
            default:
                return is_passed_over();
        }
    }

    bool nested() {
        if (field_ == Field::of_the_stream && is_inside_)
            return refuse(fmt::format("'{}' holds something nested", name_));
        return is_passed_over();
    }

    // A value that its field has no use for: fine where it is the stream's.
    bool is_passed_over() {
        if (!is_inside_) return refuse("the line is no object");
        switch (field_) {
            case Field::of_the_stream:
                return true;
            case Field::data:
                return refuse("'data' is to be a string");
            case Field::data_b64:
                return refuse("'data_b64' is to be a string in base64");
            case Field::type:
                return refuse("'type' is to be a number, 0 to 65535");
            case Field::key:
                return refuse("'key' is to be a string, or a number from 0 on");
            default:
                return refuse(fmt::format("'{}' is to be a whole number from 0 on", name_));
        }
    }

    std::string_view line_;
    const char* furthest_;
    EventLine event_;
    bool is_inside_ = false;
    bool has_payload_ = false;
    std::size_t key_offset_ = 0;
    std::string_view name_;
    Field field_ = Field::of_the_stream;
    std::vector<std::string_view> seen_;
    std::optional<Error> problem_;
};

}  // namespace

Result<EventLine> parse_json_event(std::string_view line, const bus::EventFields& usual) {
    return JsonEvent(line, usual).parse();
}

Result<EventLine> parse_keyed_event(std::string_view line,
                                    std::string_view delimiter,
                                    const bus::EventFields& usual) {
    const std::size_t found = line.find(delimiter);
    if (found == std::string_view::npos) {
        return refused(line,
                       line.size(),
                       fmt::format("the line ends without a '{}' behind its key",
                                   tame(std::string(delimiter))),
                       "a line that begins with the delimiter has no key");
    }
    EventLine event;
    event.fields = usual;
    event.fields.has_key = found != 0;
    event.fields.key = found == 0 ? 0 : event_key(std::string(line.substr(0, found)));
    event.payload = line.substr(found + delimiter.size());
    return event;
}

Result<std::string> parse_delimiter(std::string_view text) {
    std::string delimiter;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '\\') {
            delimiter += text[at];
            continue;
        }
        const auto byte = escaped_byte(text.substr(at + 1));
        if (!byte) {
            return make_error(
                ErrorCode::invalid_argument,
                fmt::format("'{}', column {}: no such byte", text, column_of(text, at)),
                "one or more characters; \\t \\0 \\\\ \\xHH");
        }
        delimiter += byte->first;
        at += byte->second;
    }
    if (!delimiter.empty() && delimiter.find('\n') == std::string::npos) return delimiter;
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("'{}' can't stand inside a line", text),
                      "one or more characters; \\t \\0 \\\\ \\xHH");
}

}  // namespace tailrace::tool
