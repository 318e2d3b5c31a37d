// FieldPlace: where in the events of one type a field lies, or an element of one; FieldValue: what
// an event holds there.
//
//     const auto places = places_of(type);              // an EventSchema
//     for (const NamedPlace& field : places) {
//         if (field.place.is_in(event.payload())) use(field.name, field.place.value(payload));
//     }
//
// Of a type that has grown the places are those of its largest version; an older event has those
// that it is large enough for. Plain values; reading one costs a load. Any
// thread. Law: docs/typed_events.md.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/schema/event_layout.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tailrace::schema {

// Whole numbers by their sign, text as it lies in the event: an array of char up to its first zero,
// or one character.
using FieldValue = std::variant<bool, std::int64_t, std::uint64_t, float, double, std::string_view>;

struct FieldPlace {
    FieldKind kind = FieldKind::u8;
    std::uint32_t count = 0;  // 0: one value; else an array of so many
    std::uint32_t offset_bytes = 0;
    // The size of the smallest version that has it: what is shorter is older.
    std::uint32_t needed_bytes = 0;

    // An array of char, or one.
    [[nodiscard]] bool is_text() const noexcept { return kind == FieldKind::character; }
    // It holds several values: an array of anything but char.
    [[nodiscard]] bool is_array() const noexcept { return count != 0 && !is_text(); }
    [[nodiscard]] bool is_in(std::span<const std::byte> payload) const noexcept {
        return payload.size() >= needed_bytes;
    }
    // Requires: is_in(payload); of an array index < count, of anything else 0. Text is valid as
    // long as the payload.
    [[nodiscard]] FieldValue value(std::span<const std::byte> payload,
                                   std::uint32_t index = 0) const noexcept;

    friend bool operator==(const FieldPlace&, const FieldPlace&) = default;
};

struct NamedPlace {
    std::string name;
    FieldPlace place;
};

// All fields of a struct in the order of their offsets; none of an opaque type.
[[nodiscard]] std::vector<NamedPlace> places_of(const EventSchema& type);

// "price", "levels[0].price", or an element of an array of numbers or of a text: "quantities[2]".
// Errors: not_found when the type has no such field, invalid_argument when the array is shorter.
[[nodiscard]] Result<FieldPlace> find_place(const EventSchema& type, std::string_view path);

}  // namespace tailrace::schema
