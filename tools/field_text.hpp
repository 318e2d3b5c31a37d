// What the fields of an event hold, as text, as JSON and as a table's cell. Pure functions.
//
//     text  price=101.25 symbol=ABC sizes=[10,20] note="two words"; what isn't text, in hexadecimal
//     JSON  {"price":101.25,"symbol":"ABC","sizes":[10,20]}; text that isn't UTF-8 is {"b64":"…"};
//           no number and the infinities are "NaN", "Infinity", "-Infinity"; whole numbers of 64
//           bits whose name ends with _ns are strings, as all times in nanoseconds are
//     CSV   101.25, ABC; in quotes where there is a comma, a quote or a line's end
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/schema/field_place.hpp>

#include <span>
#include <string>
#include <string_view>

namespace tailrace::tool {

// What the payload is too short for is left out.
void append_fields_text(std::string& line,
                        std::span<const schema::NamedPlace> fields,
                        std::span<const std::byte> payload);
void append_fields_json(std::string& line,
                        std::span<const schema::NamedPlace> fields,
                        std::span<const std::byte> payload);

// One value, as it stands in a line of text. Requires: the payload has it.
void append_field_text(std::string& line,
                       const schema::FieldPlace& place,
                       std::span<const std::byte> payload);
// Requires: the same, and that it is no array.
void append_field_csv(std::string& line,
                      const schema::FieldPlace& place,
                      std::span<const std::byte> payload);
// A name or a text as a cell.
void append_csv(std::string& line, std::string_view text);

// A string of JSON; bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace tailrace::tool
