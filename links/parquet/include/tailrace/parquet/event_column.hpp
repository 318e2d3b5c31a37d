// EventColumn: one column of a table of events: what it is called and where its values come from.
// Plain values; any thread.
#pragma once

#include <tailrace/schema/event_layout.hpp>

#include <cstdint>
#include <string>

namespace tailrace::parquet {

enum class ColumnSource : std::uint8_t {
    sequence,
    publish_time,        // ns since the epoch; none where the event doesn't carry it
    event_time,          // likewise
    key,                 // likewise
    type,                // the number
    publisher,           // its id; likewise
    publisher_sequence,  // likewise
    field,
    payload,  // all its bytes
};

struct EventColumn {
    std::string name;
    ColumnSource source = ColumnSource::sequence;
    schema::Field field = {};  // for ColumnSource::field
    // Of a field: events of an older version of the type don't have it.
    bool is_optional = false;
};

}  // namespace tailrace::parquet
