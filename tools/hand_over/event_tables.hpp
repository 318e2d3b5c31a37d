// EventTables: which table an event is a row of, and what the columns of each are called.
//
// A table a type of events: its header's columns, and its fields, or its payload where the stream's
// schema says nothing of it. Columns are called as their fields are; a field that is called like a
// header's column becomes `data.NAME`. One thread.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/parquet/event_column.hpp>
#include <tailrace/parquet/event_file.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

struct EventTable {
    std::string name;  // of letters, digits, _ and -
    EventType type = 0;
    bool has_fields = false;  // else a payload
    parquet::PayloadKind payload = parquet::PayloadKind::bytes;
    std::vector<parquet::EventColumn> columns;
};

struct HeaderColumn {
    std::string_view name;
    parquet::ColumnSource source;
};

// Of every table, and in this order.
inline constexpr std::array<HeaderColumn, 7> kHeaderColumns = {{
    {"sequence", parquet::ColumnSource::sequence},
    {"publish_time_ns", parquet::ColumnSource::publish_time},
    {"event_time_ns", parquet::ColumnSource::event_time},
    {"key", parquet::ColumnSource::key},
    {"type", parquet::ColumnSource::type},
    {"publisher", parquet::ColumnSource::publisher},
    {"publisher_sequence", parquet::ColumnSource::publisher_sequence},
}};
inline constexpr std::string_view kPayloadColumn = "payload";
// In texts: payloads that aren't text, in base64.
inline constexpr std::string_view kPayloadBytesColumn = "payload_b64";

// Columns of a type's fields, all versions of it together.
[[nodiscard]] std::vector<parquet::EventColumn> field_columns(const schema::EventSchema& type);

class EventTables {
public:
    // `fields` empty: all. Error invalid_argument: no type has a field of that name.
    [[nodiscard]] static Result<EventTables> of(schema::StreamSchema types,
                                                const std::vector<std::string>& fields);

    struct Place {
        std::size_t table = 0;
        std::uint32_t known_bytes = 0;  // of the payload: the version of its type that it has
    };
    // Cheap for events that are alike.
    [[nodiscard]] Place place_of(const Event& event) {
        if (event.type() == last_type_ && event.size_bytes() == last_size_) return last_place_;
        return find_place(event.type(), event.size_bytes());
    }
    [[nodiscard]] const EventTable& table(std::size_t index) const { return *tables_[index]; }
    [[nodiscard]] std::size_t count() const noexcept { return tables_.size(); }

private:
    struct TablesOfType {
        std::optional<std::size_t> with_fields;
        std::optional<std::size_t> plain;
    };

    EventTables() = default;

    Place find_place(EventType type, std::uint32_t size_bytes);
    [[nodiscard]] EventTable typed_table(const schema::EventSchema& type) const;
    [[nodiscard]] EventTable plain_table(EventType type, const schema::EventSchema* known) const;

    schema::StreamSchema types_;
    std::vector<std::string> fields_;
    std::vector<std::unique_ptr<EventTable>> tables_;  // in the order in which events needed them
    std::map<EventType, TablesOfType> tables_of_types_;
    EventType last_type_ = 0;
    std::uint64_t last_size_ = UINT64_MAX;  // of no event
    Place last_place_;
};

}  // namespace tailrace::tool
