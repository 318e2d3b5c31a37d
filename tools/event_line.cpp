#include "event_line.hpp"

#include "escape.hpp"
#include "event_key.hpp"
#include "json_line.hpp"
#include "misspelling.hpp"
#include "output.hpp"
#include "payload_text.hpp"
#include "typed_payload.hpp"
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

enum class Field : std::uint8_t {
    data,
    data_b64,
    type,
    key,
    event_time_ns,
    type_name,
    size_bytes,
    fields,
    rest_b64,
    gap_first_seq,
    gap_events,
    of_the_stream,
};

struct FieldName {
    std::string_view name;
    Field field;
};

constexpr std::array<FieldName, 17> kEventFields = {{
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
    {"type_name", Field::type_name},
    {"size_bytes", Field::size_bytes},
    {"fields", Field::fields},
    {"rest_b64", Field::rest_b64},
    {"encoding", Field::of_the_stream},
}};

// What the parser of JSON meets, in its order. It stops at the first thing that isn't an event's.
class JsonEvent final : public nlohmann::json_sax<nlohmann::json> {
public:
    JsonEvent(std::string_view line,
              const bus::EventFields& usual,
              const schema::StreamSchema& types)
        : line_(line),
          furthest_(line.data()),
          types_(types) {
        event_.fields = usual;
    }

    [[nodiscard]] Result<EventLine> parse() {
        const char* const end = line_.data() + line_.size();
        const bool is_parsed = nlohmann::json::sax_parse(
            LineIterator(line_.data(), &furthest_), LineIterator(end, &furthest_), this);
        if (problem_) return *problem_;
        if (!is_parsed) return line_error(line_, 0, "no JSON", kShape);
        if (event_.gap_count != 0 || has_payload_) return std::move(event_);
        return line_error(line_,
                          line_.size(),
                          "the event has neither 'data' nor 'data_b64' nor 'fields'",
                          kShape);
    }

    bool null() override {
        if (typed_) return typed(typed_->put_null());
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
    bool boolean(bool value) override {
        return typed_ ? typed(typed_->put_flag(value)) : is_passed_over();
    }
    bool number_integer(number_integer_t value) override {
        return typed_ ? typed(typed_->put_whole(value)) : is_passed_over();
    }
    bool number_unsigned(number_unsigned_t value) override {
        return typed_ ? typed(typed_->put_natural(value)) : number(value);
    }
    bool number_float(number_float_t value, const string_t& /*text*/) override {
        return typed_ ? typed(typed_->put_real(value)) : is_passed_over();
    }
    bool string(string_t& value) override {
        if (typed_) return typed(typed_->put_text(value));
        switch (field_) {
            case Field::type_name:
                return type_called(value);
            case Field::rest_b64:
                if (auto bytes = from_base64(value)) return rest(*bytes);
                return is_passed_over();
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
        if (typed_) return typed(typed_->begin_object());
        if (is_inside_ && field_ == Field::fields) return begin_fields();
        if (is_inside_) return nested();
        is_inside_ = true;
        return true;
    }
    bool end_object() override {
        if (!typed_) return true;
        if (!typed(typed_->end_object())) return false;
        return !typed_->is_whole() || end_fields();
    }
    bool start_array(std::size_t /*count*/) override {
        return typed_ ? typed(typed_->begin_array()) : nested();
    }
    bool end_array() override { return !typed_ || typed(typed_->end_array()); }
    bool key(string_t& name) override {
        // The parser stands behind the closing quote.
        const std::size_t behind = static_cast<std::size_t>(furthest_ - line_.data());
        key_offset_ = behind - std::min(behind, name.size() + 2);
        if (typed_) {
            typed_->key(name);
            return true;
        }
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
        problem_ =
            line_error(line_, position == 0 ? 0 : position - 1, json_complaint(failure), kShape);
        return false;
    }

private:
    bool refuse(std::string_view what) {
        problem_ = line_error(line_, key_offset_, what, kShape);
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

    bool type_called(const std::string& name) {
        const schema::EventSchema* const type = types_.find(std::string_view(name));
        // Where bytes follow, a name that nobody knows does no harm.
        if (type != nullptr) event_.fields.type = type->type;
        return true;
    }

    bool begin_fields() {
        const schema::EventSchema* const type = types_.find(event_.fields.type);
        if (type == nullptr || !type->is_struct()) {
            return refuse(fmt::format(
                "the stream has declared no fields for type {}; 'type' or 'type_name' is to stand "
                "before 'fields'",
                event_.fields.type));
        }
        typed_.emplace(*type);
        return typed(typed_->begin_object());
    }

    bool end_fields() {
        std::string bytes = typed_->take(size_bytes_);
        typed_.reset();
        return payload(std::move(bytes));
    }

    bool typed(bool is_taken) { return is_taken || refuse(typed_->why()); }

    bool rest(const std::string& bytes) {
        if (!has_payload_) return refuse("'rest_b64' stands behind 'fields'");
        event_.payload += bytes;
        return true;
    }

    bool payload(std::string bytes) {
        if (has_payload_) return refuse("two of 'data', 'data_b64' and 'fields' are there");
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
            case Field::size_bytes:
                size_bytes_ = value;
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
        if ((field_ == Field::of_the_stream || field_ == Field::size_bytes) && is_inside_)
            return refuse(fmt::format("'{}' holds something nested", name_));
        return is_passed_over();
    }

    // A value that its field has no use for: fine where it is the stream's.
    bool is_passed_over() {
        if (!is_inside_) return refuse("the line is no object");
        switch (field_) {
            case Field::of_the_stream:
            case Field::size_bytes:
                return true;
            case Field::type_name:
                return refuse("'type_name' is to be a string");
            case Field::fields:
                return refuse("'fields' is to be an object");
            case Field::rest_b64:
                return refuse("'rest_b64' is to be a string in base64");
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
    const schema::StreamSchema& types_;
    std::optional<TypedPayload> typed_;  // while its object is read
    std::uint64_t size_bytes_ = UINT64_MAX;
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

Result<EventLine> parse_json_event(std::string_view line,
                                   const bus::EventFields& usual,
                                   const schema::StreamSchema& types) {
    return JsonEvent(line, usual, types).parse();
}

Result<EventLine> parse_keyed_event(std::string_view line,
                                    std::string_view delimiter,
                                    const bus::EventFields& usual) {
    const std::size_t found = line.find(delimiter);
    if (found == std::string_view::npos) {
        return line_error(line,
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
