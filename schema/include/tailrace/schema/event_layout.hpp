// EventLayout: the bytes of one kind of event, field by field; what tools print events by.
//
// Nested structs are flat here: `px.mantissa`, and `levels[0].price` for an array of structs. An
// array of numbers is one field, and so is an array of char, which is text. Plain values; pure
// functions, any thread. Law: docs/typed_events.md.
#pragma once

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::schema {

enum class FieldKind : std::uint8_t {
    i8,
    i16,
    i32,
    i64,
    u8,
    u16,
    u32,
    u64,
    f32,
    f64,
    boolean,
    character,
};

// "i8" … "f64", "bool", "char".
[[nodiscard]] std::string_view kind_name(FieldKind kind) noexcept;
[[nodiscard]] std::optional<FieldKind> kind_of_name(std::string_view name) noexcept;
// Of one value.
[[nodiscard]] std::uint32_t kind_size_bytes(FieldKind kind) noexcept;

struct Field {
    std::string name;
    FieldKind kind = FieldKind::u8;
    std::uint32_t count = 0;  // 0: one value; else an array of so many
    std::uint32_t offset_bytes = 0;

    [[nodiscard]] bool is_text() const noexcept {
        return kind == FieldKind::character && count != 0;
    }
    [[nodiscard]] std::uint64_t size_bytes() const noexcept {
        return std::uint64_t{kind_size_bytes(kind)} * (count == 0 ? 1 : count);
    }
    friend bool operator==(const Field&, const Field&) = default;
};

// "f64", or "char[8]".
[[nodiscard]] std::string type_text(const Field& field);

struct EventLayout {
    std::uint32_t size_bytes = 0;
    std::vector<Field> fields;  // in the order of their offsets, none over another

    [[nodiscard]] const Field* find(std::string_view name) const noexcept;
    friend bool operator==(const EventLayout&, const EventLayout&) = default;
};

// XXH3-64 of its text: equal for equal layouts, whoever made them.
[[nodiscard]] std::uint64_t hash_of(const EventLayout& layout);

// At most 1024 fields, each with a name of letters, digits and _ . [ ], each within the size, and
// none over another one. Error invalid_argument.
[[nodiscard]] Result<void> check_layout(const EventLayout& layout);

// Two layouts are versions of one type when the smaller one is the beginning of the larger: all of
// its fields are there as they were, and the others stand behind its last byte. So whoever knows
// one of them reads the events of both as far as they go, and an event's size says which it has.
// Empty when it is so; else what `declared` has otherwise than `known`, for people: "'quantity' is
// i64 at byte 8, not i32 at byte 8".
[[nodiscard]] std::string difference_of(const EventLayout& known, const EventLayout& declared);

}  // namespace tailrace::schema
