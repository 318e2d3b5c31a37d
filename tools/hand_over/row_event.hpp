// RowEvent: an event made of a row of a table, as tailrace export writes them: the columns of its
// header, and its fields by their names, or its payload.
//
// What the stream gives an event itself (sequence, publish time, publisher) is passed over. A row
// is of the smallest version of its type that has all its fields; what it leaves out is zero.
// Errors are `invalid_argument` and name the column. One thread.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/claim.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace tailrace::tool {

using RowJson = nlohmann::ordered_json;

struct RowEvent {
    std::string payload;
    bus::EventFields fields;
};

class RowReader {
public:
    // `usual_type`: of rows that have no column `type`.
    RowReader(schema::StreamSchema types, EventType usual_type)
        : types_(std::move(types)),
          usual_type_(usual_type) {}

    // Requires: an object. Cells of a table are texts, whatever they stand for.
    [[nodiscard]] Result<RowEvent> event_of(const RowJson& row) const;

private:
    [[nodiscard]] Result<std::string> fields_payload(const RowJson& row,
                                                     const schema::EventSchema& type) const;

    schema::StreamSchema types_;
    EventType usual_type_;
};

}  // namespace tailrace::tool
