// TypedPayload: the bytes of an event, made of a JSON object of its fields.
//
//     {"price":101.25,"symbol":"ABC","sizes":[10,20],"legs":[{"price":1.5}],"legs[1].price":2}
//
// As `tail --json` prints them; nested structs and arrays may also be nested. What is left out is
// zero. Whole numbers may be strings, no number and infinities are "NaN", "Infinity", "-Infinity",
// and text that isn't UTF-8 is {"b64":"…"}. It is fed by a parser, piece by piece. One thread.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/schema/field_place.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

class TypedPayload {
public:
    // Requires: a struct, which outlives it.
    explicit TypedPayload(const schema::EventSchema& type);

    // What comes in the parser's order. False: it makes no sense, and why() says so.
    [[nodiscard]] bool begin_object();
    [[nodiscard]] bool end_object();
    [[nodiscard]] bool begin_array();
    [[nodiscard]] bool end_array();
    void key(std::string name);
    [[nodiscard]] bool put_flag(bool value);
    [[nodiscard]] bool put_whole(std::int64_t value);
    [[nodiscard]] bool put_natural(std::uint64_t value);
    [[nodiscard]] bool put_real(double value);
    [[nodiscard]] bool put_text(std::string_view value);
    [[nodiscard]] bool put_null();

    [[nodiscard]] const std::string& why() const noexcept { return why_; }
    // The outermost object has ended.
    [[nodiscard]] bool is_whole() const noexcept { return is_whole_; }
    // Of the largest version; of an older one when `size_bytes` is such an event's, and none of the
    // fields that were given is newer.
    [[nodiscard]] std::string take(std::uint64_t size_bytes = UINT64_MAX);

private:
    struct Level {
        std::string path;
        bool is_array = false;
        std::uint32_t next = 0;  // element of an array
    };

    [[nodiscard]] bool refuse(std::string what);
    [[nodiscard]] std::string next_path();
    [[nodiscard]] bool has_fields_below(const std::string& path, char separator) const;
    // The place of the value that comes now; null and why() when there is none for it.
    [[nodiscard]] const schema::FieldPlace* next_place();
    [[nodiscard]] bool misfit(const schema::FieldPlace& place, std::string_view what);
    template <typename Number>
    void store(const schema::FieldPlace& place, Number number) noexcept;
    template <typename Number>
    [[nodiscard]] bool put_number(Number value);
    [[nodiscard]] bool put_word(const schema::FieldPlace& place, std::string_view word);
    [[nodiscard]] bool put_characters(const schema::FieldPlace& place, std::string_view text);

    const schema::EventSchema& type_;
    std::string payload_;
    std::vector<Level> levels_;
    std::string key_;
    std::string path_;  // of place_
    schema::FieldPlace place_;
    std::vector<std::uint32_t> seen_;  // offsets
    std::uint32_t needed_bytes_ = 0;
    bool is_whole_ = false;
    std::string why_;
};

// Of a line, or of an argument. Error invalid_argument begins with the column.
[[nodiscard]] Result<std::string> parse_typed_payload(std::string_view line,
                                                      const schema::EventSchema& type);

}  // namespace tailrace::tool
