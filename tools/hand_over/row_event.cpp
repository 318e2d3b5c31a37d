#include "hand_over/row_event.hpp"

#include "event_key.hpp"
#include "hand_over/event_tables.hpp"
#include "misspelling.hpp"
#include "output.hpp"
#include "payload_text.hpp"
#include "typed_payload.hpp"
#include "units.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

Error bad_column(std::string_view name, std::string_view what) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("column '{}': {}", tame(std::string(name)), what),
                      "tailrace help import says what columns there may be");
}

// A whole number, or one in a text. Empty: it is neither.
std::optional<std::uint64_t> natural_in(const RowJson& value) {
    if (value.is_number_unsigned()) return value.get<std::uint64_t>();
    if (value.is_string()) return whole_number<std::uint64_t>(value.get<std::string>());
    return std::nullopt;
}

bool is_header_column(std::string_view name) {
    return std::any_of(kHeaderColumns.begin(), kHeaderColumns.end(), [&](const HeaderColumn& one) {
        return one.name == name;
    });
}

bool is_payload_column(std::string_view name) {
    return name == kPayloadColumn || name == kPayloadBytesColumn;
}

// The type's field that a column holds, or one of whose elements it holds; null: none.
const parquet::EventColumn* column_of(const std::vector<parquet::EventColumn>& columns,
                                      const std::string& name) {
    const std::string_view whole = std::string_view(name).substr(0, name.find('['));
    for (const parquet::EventColumn& column : columns) {
        if (column.name == name || (column.field.count != 0 && column.name == whole))
            return &column;
    }
    return nullptr;
}

// A cell of a table: what its text stands for, unless its field is one itself.
bool put_cell(TypedPayload& payload, std::string_view text, bool is_text) {
    if (is_text) return payload.put_text(text);
    if (const auto natural = whole_number<std::uint64_t>(text))
        return payload.put_natural(*natural);
    if (const auto whole = whole_number<std::int64_t>(text)) return payload.put_whole(*whole);
    if (text == "true" || text == "false") return payload.put_flag(text == "true");
    double real = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), real);
    if (status == std::errc() && end == text.data() + text.size()) return payload.put_real(real);
    return payload.put_text(text);
}

bool put_value(TypedPayload& payload, const RowJson& value, bool is_text) {
    switch (value.type()) {
        case RowJson::value_t::boolean:
            return payload.put_flag(value.get<bool>());
        case RowJson::value_t::number_integer:
            return payload.put_whole(value.get<std::int64_t>());
        case RowJson::value_t::number_unsigned:
            return payload.put_natural(value.get<std::uint64_t>());
        case RowJson::value_t::number_float:
            return payload.put_real(value.get<double>());
        case RowJson::value_t::string:
            return put_cell(payload, value.get_ref<const std::string&>(), is_text);
        case RowJson::value_t::array: {
            if (!payload.begin_array()) return false;
            for (const RowJson& one : value) {
                if (!put_value(payload, one, is_text)) return false;
            }
            return payload.end_array();
        }
        case RowJson::value_t::object: {
            if (!payload.begin_object()) return false;
            for (const auto& [key, one] : value.items()) {
                payload.key(key);
                if (!put_value(payload, one, true)) return false;
            }
            return payload.end_object();
        }
        default:
            return payload.put_null();
    }
}

}  // namespace

Result<std::string> RowReader::fields_payload(const RowJson& row,
                                              const schema::EventSchema& type) const {
    const std::vector<parquet::EventColumn> columns = field_columns(type);
    TypedPayload payload(type);
    std::uint64_t needed = 0;
    static_cast<void>(payload.begin_object());
    for (const auto& [name, value] : row.items()) {
        if (is_header_column(name) || value.is_null()) continue;
        const parquet::EventColumn* const column = column_of(columns, name);
        if (column == nullptr) {
            std::vector<std::string> names;
            for (const parquet::EventColumn& one : columns)
                names.push_back(one.name);
            const std::string meant = nearest_name(name, names);
            return bad_column(
                name,
                fmt::format("type '{}' has no such field{}",
                            type.name,
                            meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
        }
        const schema::Field& field = column->field;
        payload.key(field.name + name.substr(column->name.size()));
        if (!put_value(payload, value, field.kind == schema::FieldKind::character))
            return bad_column(name, payload.why());
        needed = std::max(needed, field.offset_bytes + field.size_bytes());
    }
    static_cast<void>(payload.end_object());
    for (const schema::EventLayout& version : type.versions) {
        if (version.size_bytes >= needed) return payload.take(version.size_bytes);
    }
    return payload.take();
}

Result<RowEvent> RowReader::event_of(const RowJson& row) const {
    RowEvent event;
    event.fields.type = usual_type_;
    std::optional<std::string> payload;
    bool has_others = false;
    for (const auto& [name, value] : row.items()) {
        if (value.is_null()) continue;
        if (name == "type") {
            const auto type = natural_in(value);
            if (!type || *type > std::numeric_limits<EventType>::max())
                return bad_column(name, "it is to be a number, 0 to 65535");
            event.fields.type = static_cast<EventType>(*type);
        } else if (name == "event_time_ns") {
            const auto time_ns = natural_in(value);
            if (!time_ns) return bad_column(name, "it is to be nanoseconds since 1970");
            event.fields.event_time_ns = *time_ns;
        } else if (name == "key") {
            const auto key = natural_in(value);
            if (!key && !value.is_string())
                return bad_column(name, "it is to be a number or a text");
            event.fields.has_key = true;
            event.fields.key = key ? *key : event_key(value.get<std::string>());
        } else if (is_payload_column(name)) {
            if (payload || !value.is_string())
                return bad_column(name, payload ? "there is a payload already" : "it is no text");
            payload = value.get<std::string>();
            if (name == kPayloadBytesColumn) payload = from_base64(*payload);
            if (!payload) return bad_column(name, "it is no base64");
        } else if (!is_header_column(name)) {
            has_others = true;
        }
    }
    if (payload && !has_others) {
        event.payload = std::move(*payload);
        return event;
    }
    const schema::EventSchema* const type = types_.find(event.fields.type);
    if (type == nullptr || !type->is_struct()) {
        return bad_column(payload ? "payload" : "type",
                          fmt::format("the stream doesn't say what fields type {} has, so a row is "
                                      "to have a payload and no fields",
                                      event.fields.type));
    }
    auto made = fields_payload(row, *type);
    if (!made) return made.error();
    event.payload = std::move(*made);
    return event;
}

}  // namespace tailrace::tool
