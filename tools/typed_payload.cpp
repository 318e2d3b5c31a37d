#include "typed_payload.hpp"

#include "json_line.hpp"
#include "misspelling.hpp"
#include "output.hpp"
#include "payload_text.hpp"
#include "units.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

namespace tailrace::tool {

namespace {

using schema::FieldKind;
using schema::FieldPlace;

std::string kind_text(const FieldPlace& place) {
    return schema::type_text(schema::Field{"", place.kind, place.count, 0});
}

// As `To`, if it is one; of a real only a whole one.
template <typename To, typename From>
std::optional<To> as_whole(From value) noexcept {
    if constexpr (std::is_floating_point_v<From>) {
        // Both ends are powers of two, which a double holds.
        constexpr double kEnd = static_cast<double>(std::numeric_limits<To>::max() / 2 + 1) * 2;
        constexpr double kBegin = static_cast<double>(std::numeric_limits<To>::min());
        if (!(value >= kBegin && value < kEnd) || std::floor(value) != value) return std::nullopt;
        return static_cast<To>(value);
    } else {
        if (!std::in_range<To>(value)) return std::nullopt;
        return static_cast<To>(value);
    }
}

template <typename Number>
bool is_fraction(Number value) noexcept {
    if constexpr (std::is_floating_point_v<Number>) return std::floor(value) != value;
    return false;
}

}  // namespace

TypedPayload::TypedPayload(const schema::EventSchema& type)
    : type_(type),
      payload_(type.versions.back().size_bytes, '\0') {}

bool TypedPayload::refuse(std::string what) {
    why_ = std::move(what);
    return false;
}

bool TypedPayload::misfit(const FieldPlace& place, std::string_view what) {
    return refuse(fmt::format("'{}' is {}, and {}", path_, kind_text(place), what));
}

void TypedPayload::key(std::string name) {
    const std::string& above = levels_.back().path;
    key_ = above.empty() ? std::move(name) : above + "." + name;
}

std::string TypedPayload::next_path() {
    if (levels_.empty()) return {};
    Level& level = levels_.back();
    if (!level.is_array) return key_;
    return fmt::format("{}[{}]", level.path, level.next++);
}

bool TypedPayload::has_fields_below(const std::string& path, char separator) const {
    const std::vector<schema::Field>& fields = type_.versions.back().fields;
    return std::any_of(fields.begin(), fields.end(), [&](const schema::Field& field) {
        return field.name.size() > path.size() && field.name.starts_with(path) &&
               field.name[path.size()] == separator;
    });
}

// Each level's path is the beginning of a field's name, so levels end where names do.
bool TypedPayload::begin_object() {
    std::string path = next_path();
    const bool is_outermost = levels_.empty();
    const auto place = schema::find_place(type_, path);
    const bool is_bytes = place && place->is_text();
    if (!is_outermost && !is_bytes && !has_fields_below(path, '.')) {
        return refuse(place ? fmt::format("'{}' is {}, no object", path, kind_text(*place))
                            : fmt::format("type '{}' has no '{}'", type_.name, tame(path)));
    }
    levels_.push_back({std::move(path), false, 0});
    return true;
}

bool TypedPayload::end_object() {
    levels_.pop_back();
    is_whole_ = levels_.empty();
    return true;
}

bool TypedPayload::begin_array() {
    if (levels_.empty()) return refuse("the fields are to be an object");
    std::string path = next_path();
    const auto place = schema::find_place(type_, path);
    if (!(place && place->is_array()) && !has_fields_below(path, '[')) {
        return refuse(place ? fmt::format("'{}' is {}, no array", path, kind_text(*place))
                            : fmt::format("type '{}' has no '{}'", type_.name, tame(path)));
    }
    levels_.push_back({std::move(path), true, 0});
    return true;
}

bool TypedPayload::end_array() {
    levels_.pop_back();
    return true;
}

const FieldPlace* TypedPayload::next_place() {
    path_ = next_path();
    if (levels_.empty()) {
        why_ = "the fields are to be an object";
        return nullptr;
    }
    auto place = schema::find_place(type_, path_);
    if (!place) {
        std::vector<std::string> names;
        for (const schema::Field& field : type_.versions.back().fields)
            names.push_back(field.name);
        const std::string meant = nearest_name(path_, names);
        why_ = place.error().code == ErrorCode::not_found
                   ? fmt::format("type '{}' has no field '{}'{}",
                                 type_.name,
                                 tame(path_),
                                 meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant))
                   : place.error().message;
        return nullptr;
    }
    if (place->is_array()) {
        (void)misfit(*place, "wants an array");
        return nullptr;
    }
    if (std::find(seen_.begin(), seen_.end(), place->offset_bytes) != seen_.end()) {
        why_ = fmt::format("'{}' is there twice", path_);
        return nullptr;
    }
    seen_.push_back(place->offset_bytes);
    needed_bytes_ = std::max(needed_bytes_, place->needed_bytes);
    place_ = *place;
    return &place_;
}

template <typename Number>
void TypedPayload::store(const FieldPlace& place, Number number) noexcept {
    std::memcpy(payload_.data() + place.offset_bytes, &number, sizeof(number));
}

template <typename Number>
bool TypedPayload::put_number(Number value) {
    const FieldPlace* const place = next_place();
    if (place == nullptr) return false;
    const auto whole = [&]<typename To>(To /*kind*/) {
        const auto number = as_whole<To>(value);
        if (!number)
            return misfit(*place,
                          is_fraction(value) ? fmt::format("{} is no whole number", value)
                                             : fmt::format("{} is more than that holds", value));
        store(*place, *number);
        return true;
    };
    switch (place->kind) {
        case FieldKind::i8:
            return whole(std::int8_t{});
        case FieldKind::i16:
            return whole(std::int16_t{});
        case FieldKind::i32:
            return whole(std::int32_t{});
        case FieldKind::i64:
            return whole(std::int64_t{});
        case FieldKind::u8:
            return whole(std::uint8_t{});
        case FieldKind::u16:
            return whole(std::uint16_t{});
        case FieldKind::u32:
            return whole(std::uint32_t{});
        case FieldKind::u64:
            return whole(std::uint64_t{});
        case FieldKind::f32: {
            const double real = static_cast<double>(value);
            if (std::abs(real) > static_cast<double>(std::numeric_limits<float>::max()))
                return misfit(*place, fmt::format("{} is more than that holds", value));
            store(*place, static_cast<float>(real));
            return true;
        }
        case FieldKind::f64:
            store(*place, static_cast<double>(value));
            return true;
        case FieldKind::boolean:
            return misfit(*place, "wants true or false");
        case FieldKind::character:
        default:
            return misfit(*place, "wants a string");
    }
}

bool TypedPayload::put_whole(std::int64_t value) {
    return put_number(value);
}
bool TypedPayload::put_natural(std::uint64_t value) {
    return put_number(value);
}
bool TypedPayload::put_real(double value) {
    return put_number(value);
}

bool TypedPayload::put_flag(bool value) {
    const FieldPlace* const place = next_place();
    if (place == nullptr) return false;
    if (place->kind != FieldKind::boolean) return misfit(*place, fmt::format("{} is none", value));
    store(*place, std::uint8_t{value ? std::uint8_t{1} : std::uint8_t{0}});
    return true;
}

bool TypedPayload::put_null() {
    const FieldPlace* const place = next_place();
    return place != nullptr && misfit(*place, "null is none: leave it out");
}

// A number in a string.
bool TypedPayload::put_word(const FieldPlace& place, std::string_view word) {
    const bool is_real = place.kind == FieldKind::f32 || place.kind == FieldKind::f64;
    if (is_real) {
        constexpr double kInfinity = std::numeric_limits<double>::infinity();
        double real = 0;
        if (word == "NaN") {
            real = std::numeric_limits<double>::quiet_NaN();
        } else if (word == "Infinity") {
            real = kInfinity;
        } else if (word == "-Infinity") {
            real = -kInfinity;
        } else {
            return misfit(place, "wants a number, or \"NaN\", \"Infinity\", \"-Infinity\"");
        }
        if (place.kind == FieldKind::f32) {
            store(place, static_cast<float>(real));
        } else {
            store(place, real);
        }
        return true;
    }
    if (place.kind == FieldKind::i64) {
        if (const auto number = whole_number<std::int64_t>(word)) {
            store(place, *number);
            return true;
        }
    }
    if (place.kind == FieldKind::u64) {
        if (const auto number = whole_number<std::uint64_t>(word)) {
            store(place, *number);
            return true;
        }
    }
    return misfit(place,
                  place.kind == FieldKind::boolean ? "wants true or false" : "wants a number");
}

bool TypedPayload::put_characters(const FieldPlace& place, std::string_view text) {
    const std::size_t room = std::max(place.count, 1U);
    if (text.size() > room)
        return misfit(place, fmt::format("the text has {}", counted(text.size(), "byte")));
    std::copy(text.begin(), text.end(), payload_.begin() + place.offset_bytes);
    return true;
}

bool TypedPayload::put_text(std::string_view value) {
    // {"b64":"…"} stands for the text itself.
    const bool is_bytes = !levels_.empty() && !levels_.back().is_array &&
                          key_ == levels_.back().path + ".b64" && !has_fields_below(key_, '.') &&
                          schema::find_place(type_, levels_.back().path);
    if (is_bytes) key_ = levels_.back().path;
    const FieldPlace* const place = next_place();
    if (place == nullptr) return false;
    if (is_bytes) {
        const auto bytes = from_base64(value);
        return bytes ? put_characters(*place, *bytes) : misfit(*place, "b64 isn't base64");
    }
    return place->is_text() ? put_characters(*place, value) : put_word(*place, value);
}

std::string TypedPayload::take(std::uint64_t size_bytes) {
    if (const schema::EventLayout* const version = type_.layout_for(size_bytes);
        version != nullptr) {
        payload_.resize(std::max(version->size_bytes, needed_bytes_));
    }
    return std::move(payload_);
}

namespace {

// A whole line of fields, as the parser of JSON meets it.
class FieldsLine final : public nlohmann::json_sax<nlohmann::json> {
public:
    FieldsLine(std::string_view line, const schema::EventSchema& type)
        : line_(line),
          furthest_(line.data()),
          payload_(type),
          shape_(fmt::format(R"({{"{}":...}}; tailrace schema shows the fields of '{}')",
                             type.versions.back().fields.empty()
                                 ? "field"
                                 : type.versions.back().fields.front().name,
                             type.name)) {}

    [[nodiscard]] Result<std::string> parse() {
        const char* const end = line_.data() + line_.size();
        const bool is_parsed = nlohmann::json::sax_parse(
            LineIterator(line_.data(), &furthest_), LineIterator(end, &furthest_), this);
        if (problem_) return *problem_;
        if (!is_parsed || !payload_.is_whole()) return line_error(line_, 0, "no JSON", shape_);
        return payload_.take();
    }

    bool null() override { return check(payload_.put_null()); }
    bool boolean(bool value) override { return check(payload_.put_flag(value)); }
    bool number_integer(number_integer_t value) override {
        return check(payload_.put_whole(value));
    }
    bool number_unsigned(number_unsigned_t value) override {
        return check(payload_.put_natural(value));
    }
    bool number_float(number_float_t value, const string_t& /*text*/) override {
        return check(payload_.put_real(value));
    }
    bool string(string_t& value) override { return check(payload_.put_text(value)); }
    bool binary(binary_t& /*value*/) override { return false; }
    bool start_object(std::size_t /*count*/) override { return check(payload_.begin_object()); }
    bool end_object() override { return check(payload_.end_object()); }
    bool start_array(std::size_t /*count*/) override { return check(payload_.begin_array()); }
    bool end_array() override { return check(payload_.end_array()); }
    bool key(string_t& name) override {
        // The parser stands behind the closing quote.
        const std::size_t behind = static_cast<std::size_t>(furthest_ - line_.data());
        key_offset_ = behind - std::min(behind, name.size() + 2);
        payload_.key(name);
        return true;
    }
    bool parse_error(std::size_t position,
                     const std::string& /*last_token*/,
                     const nlohmann::detail::exception& failure) override {
        problem_ =
            line_error(line_, position == 0 ? 0 : position - 1, json_complaint(failure), shape_);
        return false;
    }

private:
    bool check(bool is_taken) {
        if (!is_taken) problem_ = line_error(line_, key_offset_, payload_.why(), shape_);
        return is_taken;
    }

    std::string_view line_;
    const char* furthest_;
    TypedPayload payload_;
    std::string shape_;
    std::size_t key_offset_ = 0;
    std::optional<Error> problem_;
};

}  // namespace

Result<std::string> parse_typed_payload(std::string_view line, const schema::EventSchema& type) {
    return FieldsLine(line, type).parse();
}

}  // namespace tailrace::tool
