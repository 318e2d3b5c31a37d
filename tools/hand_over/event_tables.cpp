#include "hand_over/event_tables.hpp"

#include "misspelling.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

std::vector<parquet::EventColumn> header_columns() {
    std::vector<parquet::EventColumn> columns;
    for (const HeaderColumn& column : kHeaderColumns)
        columns.push_back({std::string(column.name), column.source, {}, false});
    return columns;
}

bool is_header_name(std::string_view name) {
    return std::any_of(kHeaderColumns.begin(), kHeaderColumns.end(), [&](const HeaderColumn& one) {
        return one.name == name;
    });
}

// Names of fields are different from each other, so only those with this beginning can be taken.
std::string column_name(const std::string& field, const schema::EventLayout& layout) {
    constexpr std::string_view kPrefix = "data.";
    if (!is_header_name(field)) return field;
    std::string name = std::string(kPrefix) + field;
    while (layout.find(name) != nullptr)
        name.insert(0, kPrefix);
    return name;
}

}  // namespace

std::vector<parquet::EventColumn> field_columns(const schema::EventSchema& type) {
    std::vector<parquet::EventColumn> columns;
    const schema::EventLayout& newest = type.versions.back();
    const std::uint64_t oldest_bytes = type.versions.front().size_bytes;
    for (const schema::Field& field : newest.fields) {
        columns.push_back({column_name(field.name, newest),
                           parquet::ColumnSource::field,
                           field,
                           field.offset_bytes + field.size_bytes() > oldest_bytes});
    }
    return columns;
}

Result<EventTables> EventTables::of(schema::StreamSchema types,
                                    const std::vector<std::string>& fields) {
    std::vector<std::string> known;
    for (const schema::EventSchema& type : types.types()) {
        if (!type.is_struct()) continue;
        for (const parquet::EventColumn& column : field_columns(type))
            known.push_back(column.name);
    }
    for (const std::string& field : fields) {
        if (std::find(known.begin(), known.end(), field) != known.end()) continue;
        const std::string meant = nearest_name(field, known);
        return make_error(
            ErrorCode::invalid_argument,
            fmt::format("no type of the stream has a field '{}'{}",
                        field,
                        meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)),
            known.empty() ? "the stream says nothing of its types: leave out --fields"
                          : fmt::format("{}", fmt::join(known, ", ")));
    }
    EventTables tables;
    tables.types_ = std::move(types);
    tables.fields_ = fields;
    return tables;
}

EventTables::Place EventTables::find_place(EventType type, std::uint32_t size_bytes) {
    const schema::EventSchema* const known = types_.find(type);
    const schema::EventLayout* const layout =
        known != nullptr ? known->layout_for(size_bytes) : nullptr;
    TablesOfType& tables = tables_of_types_[type];
    std::optional<std::size_t>& table = layout != nullptr ? tables.with_fields : tables.plain;
    if (!table) {
        table = tables_.size();
        tables_.push_back(std::make_unique<EventTable>(
            layout != nullptr ? typed_table(*known) : plain_table(type, known)));
    }
    last_type_ = type;
    last_size_ = size_bytes;
    last_place_ = {*table, layout != nullptr ? layout->size_bytes : 0};
    return last_place_;
}

EventTable EventTables::typed_table(const schema::EventSchema& type) const {
    EventTable table{type.name, type.type, true, parquet::PayloadKind::bytes, header_columns()};
    for (parquet::EventColumn& column : field_columns(type)) {
        const bool is_wanted =
            fields_.empty() ||
            std::find(fields_.begin(), fields_.end(), column.name) != fields_.end();
        if (is_wanted) table.columns.push_back(std::move(column));
    }
    return table;
}

// Names of types have no '-', so these are nobody else's.
EventTable EventTables::plain_table(EventType type, const schema::EventSchema* known) const {
    EventTable table;
    table.type = type;
    table.columns = header_columns();
    table.columns.push_back(
        {std::string(kPayloadColumn), parquet::ColumnSource::payload, {}, false});
    if (known == nullptr) {
        table.name = fmt::format("type-{}", type);
    } else if (known->is_struct()) {
        table.name = known->name + "-other";  // too short for any of its versions
    } else {
        table.name = known->name;
        // JSON is a text too: a column that says JSON breaks readers where an event isn't any.
        if (known->encoding == "text" || known->encoding == "json")
            table.payload = parquet::PayloadKind::text;
    }
    return table;
}

}  // namespace tailrace::tool
