#include "hand_over/text_rows.hpp"

#include "payload_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <iterator>

namespace tailrace::tool {

namespace {

using parquet::ColumnSource;
using schema::FieldKind;

template <typename Value>
Value number_at(const std::byte* place) noexcept {
    Value value;  // NOLINT: filled below
    std::memcpy(&value, place, sizeof(value));
    return value;
}

template <typename Number>
void append_digits(std::string& text, Number number) {
    std::array<char, 64> digits;  // NOLINT: filled below
    const auto done = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    text.append(digits.data(), done.ptr);
}

void append_csv_text(std::string& text, std::string_view value) {
    const bool is_plain = !value.empty() && value.find_first_of("\",\r\n") == std::string::npos &&
                          value.front() != ' ' && value.back() != ' ';
    if (is_plain) {
        text.append(value);
        return;
    }
    text += '"';
    for (const char c : value) {
        if (c == '"') text += '"';
        text += c;
    }
    text += '"';
}

void append_json_text(std::string& text, std::string_view value) {
    text += '"';
    for (const char c : value) {
        if (c == '"' || c == '\\') {
            text += '\\';
            text += c;
        } else if (c == '\n') {
            text += "\\n";
        } else if (static_cast<unsigned char>(c) < ' ') {
            fmt::format_to(std::back_inserter(text), "\\u{:04x}", static_cast<unsigned char>(c));
        } else {
            text += c;
        }
    }
    text += '"';
}

std::string element_name(const std::string& name, std::uint32_t index) {
    return fmt::format("{}[{}]", name, index);
}

}  // namespace

TextRows::TextRows(const EventTable& table, const RowOptions& options, parquet::ByteSink& sink)
    : table_(table),
      is_csv_(options.format == RowFormat::csv),
      compresses_(options.compresses),
      zstd_level_(options.zstd_level),
      sink_(sink) {
    if (is_csv_) append_names();
}

void TextRows::append_names() {
    const auto add_name = [&](std::string_view name) {
        if (!text_.empty()) text_ += ',';
        append_csv_text(text_, name);
    };
    for (const parquet::EventColumn& column : table_.columns) {
        const schema::Field& field = column.field;
        const bool is_array =
            column.source == ColumnSource::field && field.count != 0 && !field.is_text();
        if (!is_array) add_name(column.name);
        for (std::uint32_t at = 0; is_array && at < field.count; ++at)
            add_name(element_name(column.name, at));
        if (column.source == ColumnSource::payload) add_name(kPayloadBytesColumn);
    }
    text_ += '\n';
}

void TextRows::begin_value(std::string_view name) {
    if (!is_first_) text_ += ',';
    is_first_ = false;
    if (is_csv_) return;
    append_json_text(text_, name);
    text_ += ':';
}

void TextRows::skip_value() {
    if (!is_csv_) return;
    if (!is_first_) text_ += ',';
    is_first_ = false;
}

Result<void> TextRows::add(const Event& event, std::uint32_t known_bytes) {
    constexpr std::size_t kEnoughBytes = std::size_t{1} << 20U;
    is_first_ = true;
    if (!is_csv_) text_ += '{';
    for (const parquet::EventColumn& column : table_.columns)
        append_column(column, event, known_bytes);
    if (!is_csv_) text_ += '}';
    text_ += '\n';
    return text_.size() >= kEnoughBytes ? let_go() : Result<void>();
}

void TextRows::append_column(const parquet::EventColumn& column,
                             const Event& event,
                             std::uint32_t known_bytes) {
    if (column.source == ColumnSource::payload) return append_payload(column, event);
    if (column.source != ColumnSource::field) return append_header_word(column, event);
    const schema::Field& field = column.field;
    if (field.offset_bytes + field.size_bytes() <= known_bytes)
        return append_field(column, event.payload());
    const std::uint32_t columns = field.count == 0 || field.is_text() ? 1 : field.count;
    for (std::uint32_t at = 0; at < columns; ++at)
        skip_value();
}

void TextRows::append_header_word(const parquet::EventColumn& column, const Event& event) {
    const auto word = [&](std::uint8_t flag, std::uint64_t value, bool is_text) {
        if ((event.flags() & flag) != flag) return skip_value();
        begin_value(column.name);
        const char* const quote = is_text && !is_csv_ ? "\"" : "";
        text_ += quote;
        append_digits(text_, value);
        text_ += quote;
    };
    switch (column.source) {
        case ColumnSource::sequence:
            return word(0, event.sequence(), false);
        case ColumnSource::publish_time:
            return word(kHasPublishTime, event.publish_time_ns(), true);
        case ColumnSource::event_time:
            return word(kHasEventTime, event.event_time_ns(), true);
        case ColumnSource::key:
            return word(kHasKey, event.key(), true);
        case ColumnSource::type:
            return word(0, event.type(), false);
        case ColumnSource::publisher:
            return word(kHasPublisherId, event.publisher_id(), true);
        case ColumnSource::publisher_sequence:
            return word(kHasPublisherId, event.publisher_sequence(), false);
        case ColumnSource::field:
        case ColumnSource::payload:
            return;
    }
}

void TextRows::append_field(const parquet::EventColumn& column,
                            std::span<const std::byte> payload) {
    const schema::Field& field = column.field;
    const std::byte* place = payload.data() + field.offset_bytes;
    if (field.kind == FieldKind::character) {
        begin_value(column.name);
        const void* const begin = place;
        const auto* const text = static_cast<const char*>(begin);
        return append_text({text, ::strnlen(text, field.count == 0 ? 1 : field.count)});
    }
    if (field.count == 0) {
        begin_value(column.name);
        // As all times in nanoseconds.
        const bool is_time = !is_csv_ && schema::kind_size_bytes(field.kind) == 8 &&
                             field.kind != FieldKind::f64 && field.name.ends_with("_ns");
        if (is_time) text_ += '"';
        append_number(field.kind, place);
        if (is_time) text_ += '"';
        return;
    }
    if (!is_csv_) {
        begin_value(column.name);
        text_ += '[';
    }
    for (std::uint32_t at = 0; at < field.count; ++at) {
        if (is_csv_) {
            begin_value({});
        } else if (at != 0) {
            text_ += ',';
        }
        append_number(field.kind, place);
        place += schema::kind_size_bytes(field.kind);
    }
    if (!is_csv_) text_ += ']';
}

void TextRows::append_number(FieldKind kind, const std::byte* place) {
    const auto real = [&](auto value) {
        if (std::isfinite(value)) return append_digits(text_, value);
        const std::string_view name = std::isnan(value) ? "NaN"
                                      : value > 0       ? "Infinity"
                                                        : "-Infinity";
        if (is_csv_) {
            text_.append(name);
        } else {
            append_json_text(text_, name);
        }
    };
    switch (kind) {
        case FieldKind::i8:
            return append_digits(text_, static_cast<int>(number_at<std::int8_t>(place)));
        case FieldKind::i16:
            return append_digits(text_, number_at<std::int16_t>(place));
        case FieldKind::i32:
            return append_digits(text_, number_at<std::int32_t>(place));
        case FieldKind::i64:
            return append_digits(text_, number_at<std::int64_t>(place));
        case FieldKind::u8:
            return append_digits(text_, static_cast<unsigned>(number_at<std::uint8_t>(place)));
        case FieldKind::u16:
            return append_digits(text_, number_at<std::uint16_t>(place));
        case FieldKind::u32:
            return append_digits(text_, number_at<std::uint32_t>(place));
        case FieldKind::u64:
            return append_digits(text_, number_at<std::uint64_t>(place));
        case FieldKind::f32:
            return real(number_at<float>(place));
        case FieldKind::f64:
            return real(number_at<double>(place));
        case FieldKind::boolean:
            text_.append(number_at<std::uint8_t>(place) != 0 ? "true" : "false");
            return;
        case FieldKind::character:
            return;
    }
}

void TextRows::append_payload(const parquet::EventColumn& column, const Event& event) {
    const void* const begin = event.payload().data();
    const std::string_view text(static_cast<const char*>(begin), event.size_bytes());
    // A zero ends a text, to many who read it.
    const bool is_text = parquet::utf8_end(text) == text.size() && text.find('\0') == text.npos;
    if (is_text) {
        begin_value(column.name);
        append_text(text);
        skip_value();
        return;
    }
    skip_value();
    begin_value(kPayloadBytesColumn);
    append_text(base64(event.payload()));
}

void TextRows::append_text(std::string_view text) {
    if (parquet::utf8_end(text) != text.size()) {
        if (!is_csv_) {
            text_ += "{\"b64\":";
            append_json_text(text_, base64(std::as_bytes(std::span<const char>(text))));
            text_ += '}';
            return;
        }
        ++mended_texts_;
        mended_.clear();
        parquet::append_mended(text, mended_);
        text = mended_;
    }
    if (is_csv_) {
        append_csv_text(text_, text);
    } else {
        append_json_text(text_, text);
    }
}

Result<void> TextRows::let_go() {
    if (text_.empty()) return {};
    const auto bytes = std::as_bytes(std::span<const char>(text_.data(), text_.size()));
    Result<void> written;
    if (compresses_) {
        compressed_.clear();
        written = parquet::append_compressed(bytes, zstd_level_, compressed_);
        if (written) written = sink_.write(compressed_);
    } else {
        written = sink_.write(bytes);
    }
    text_.clear();
    return written;
}

Result<void> TextRows::finish() {
    return let_go();
}

}  // namespace tailrace::tool
