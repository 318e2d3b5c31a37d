#include "field_text.hpp"

#include "output.hpp"
#include "payload_text.hpp"

#include <cmath>
#include <fmt/format.h>
#include <iterator>
#include <type_traits>
#include <variant>

namespace tailrace::tool {

namespace {

using schema::FieldKind;
using schema::FieldPlace;
using schema::FieldValue;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// As a word of a line it is told from the next one, and from a number's sign.
bool is_plain_word(std::string_view text) {
    return !text.empty() && text.find_first_of(" \t\r\n\"=\\") == std::string_view::npos;
}

void append_text(std::string& line, std::string_view text) {
    constexpr std::size_t kShownBytes = 48;
    if (!is_printable(bytes_of(text))) {
        line += hex_word(bytes_of(text), kShownBytes);
    } else if (is_plain_word(text)) {
        line += text;
    } else {
        line += json_string(text);
    }
}

void append_value_text(std::string& line, const FieldValue& value) {
    std::visit(
        [&](const auto& held) {
            using Held = std::decay_t<decltype(held)>;
            if constexpr (std::is_same_v<Held, std::string_view>) {
                append_text(line, held);
            } else {
                fmt::format_to(std::back_inserter(line), "{}", held);
            }
        },
        value);
}

template <typename Real>
void append_real_json(std::string& line, Real real) {
    if (std::isfinite(real)) {
        fmt::format_to(std::back_inserter(line), "{}", real);
    } else {
        line += std::isnan(real) ? "\"NaN\"" : real > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    }
}

void append_value_json(std::string& line, const FieldValue& value, bool is_time) {
    std::visit(
        [&](const auto& held) {
            using Held = std::decay_t<decltype(held)>;
            if constexpr (std::is_same_v<Held, std::string_view>) {
                line += is_printable(bytes_of(held))
                            ? json_string(held)
                            : fmt::format(R"({{"b64":"{}"}})", base64(bytes_of(held)));
            } else if constexpr (std::is_floating_point_v<Held>) {
                append_real_json(line, held);
            } else if (is_time) {
                fmt::format_to(std::back_inserter(line), "\"{}\"", held);
            } else {
                fmt::format_to(std::back_inserter(line), "{}", held);
            }
        },
        value);
}

// "sent_ns", "legs[0].sent_ns", "sent_ns[1]"
bool is_time(std::string_view name, FieldKind kind) {
    if (kind != FieldKind::i64 && kind != FieldKind::u64) return false;
    if (name.ends_with(']')) name = name.substr(0, name.rfind('['));
    return name.ends_with("_ns");
}

// Of each value in brackets, or of the one.
template <typename Append>
void append_values(std::string& line, const FieldPlace& place, Append&& append) {
    if (!place.is_array()) {
        append(0);
        return;
    }
    for (std::uint32_t index = 0; index < place.count; ++index) {
        line += index == 0 ? '[' : ',';
        append(index);
    }
    line += ']';
}

}  // namespace

std::string json_string(std::string_view text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void append_field_text(std::string& line,
                       const FieldPlace& place,
                       std::span<const std::byte> payload) {
    append_values(line, place, [&](std::uint32_t index) {
        append_value_text(line, place.value(payload, index));
    });
}

void append_fields_text(std::string& line,
                        std::span<const schema::NamedPlace> fields,
                        std::span<const std::byte> payload) {
    bool is_first = true;
    for (const schema::NamedPlace& field : fields) {
        if (!field.place.is_in(payload)) continue;
        if (!is_first) line += ' ';
        is_first = false;
        line += field.name;
        line += '=';
        append_field_text(line, field.place, payload);
    }
}

void append_fields_json(std::string& line,
                        std::span<const schema::NamedPlace> fields,
                        std::span<const std::byte> payload) {
    char before = '{';
    for (const schema::NamedPlace& field : fields) {
        if (!field.place.is_in(payload)) continue;
        // Names are letters, digits and _ . [ ]: nothing is to be escaped.
        fmt::format_to(std::back_inserter(line), "{}\"{}\":", before, field.name);
        before = ',';
        const bool is_of_time = is_time(field.name, field.place.kind);
        append_values(line, field.place, [&](std::uint32_t index) {
            append_value_json(line, field.place.value(payload, index), is_of_time);
        });
    }
    line += before == '{' ? "{}" : "}";
}

void append_csv(std::string& line, std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
        line += text;
        return;
    }
    line += '"';
    for (const char c : text) {
        if (c == '"') line += '"';
        line += c;
    }
    line += '"';
}

void append_field_csv(std::string& line,
                      const FieldPlace& place,
                      std::span<const std::byte> payload) {
    const FieldValue value = place.value(payload);
    if (const auto* const text = std::get_if<std::string_view>(&value)) {
        // A table has no other place for bytes.
        append_csv(line,
                   is_printable(bytes_of(*text)) ? *text : hex_word(bytes_of(*text), text->size()));
    } else {
        append_value_text(line, value);
    }
}

}  // namespace tailrace::tool
