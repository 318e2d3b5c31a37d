// layout_of<T>(): the layout of a plain struct, as the compiler has it.
//
//     struct Trade { double price; std::int32_t quantity; char symbol[8]; };
//     layout_of<Trade>().fields          // price f64 0, quantity i32 8, symbol char[8] 12
//
// Members may be whole numbers, float, double, bool, char, enums (as their numbers), structs of
// these, and arrays of all of them, C's or std::array. Others (pointers, unions, long double,
// bit-fields, base classes, more than 32 members at a level) don't compile: describe those by hand,
// or declare the type opaque. Allocates; for the moment at which a program attaches.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/schema/aggregate.hpp>
#include <tailrace/schema/event_layout.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace tailrace::schema {

// What a layout can be found of.
template <typename T>
concept DescribableEvent = PlainEvent<T> && std::is_aggregate_v<T> && std::is_class_v<T>;

namespace detail {

template <typename T>
inline constexpr bool kIsNumber =
    std::integral<T> || std::is_enum_v<T> || std::same_as<T, float> || std::same_as<T, double>;

template <typename T>
consteval FieldKind kind_of_type() {
    if constexpr (std::is_enum_v<T>) {
        return kind_of_type<std::underlying_type_t<T>>();
    } else if constexpr (std::same_as<T, bool>) {
        return FieldKind::boolean;
    } else if constexpr (std::same_as<T, char>) {
        return FieldKind::character;
    } else if constexpr (std::floating_point<T>) {
        return sizeof(T) == sizeof(float) ? FieldKind::f32 : FieldKind::f64;
    } else {
        constexpr FieldKind kSmallest = std::is_signed_v<T> ? FieldKind::i8 : FieldKind::u8;
        constexpr int kSteps = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
        return static_cast<FieldKind>(static_cast<int>(kSmallest) + kSteps);
    }
}

// The elements of an array, C's or std::array; for anything else none.
template <typename T>
struct ArrayOf {
    static constexpr bool kIs = false;
};
template <typename T, std::size_t kCount>
struct ArrayOf<T[kCount]> {  // NOLINT: C's own is what it is about
    static constexpr bool kIs = true;
    static constexpr std::size_t kSize = kCount;
    using Element = T;
};
template <typename T, std::size_t kCount>
struct ArrayOf<std::array<T, kCount>> : ArrayOf<T[kCount]> {};  // NOLINT: as above

template <typename T>
void append_fields(std::vector<Field>& fields, const std::string& name, std::size_t offset_bytes);

template <typename Whole, typename Part>
std::size_t place_in(const Whole& whole, const Part& part) noexcept {
    const void* const begin = std::addressof(whole);
    const void* const place = std::addressof(part);
    return static_cast<std::size_t>(static_cast<const std::byte*>(place) -
                                    static_cast<const std::byte*>(begin));
}

template <typename T>
void append_members(std::vector<Field>& fields,
                    const std::string& prefix,
                    std::size_t offset_bytes) {
    static const T object{};
    with_members<kMemberCount<T>>(object, [&](const auto&... members) {
        std::size_t index = 0;
        (append_fields<std::remove_cvref_t<decltype(members)>>(
             fields,
             prefix + std::string(kMemberNames<T>[index++]),
             offset_bytes + place_in(object, members)),
         ...);
    });
}

template <typename T>
void append_fields(std::vector<Field>& fields, const std::string& name, std::size_t offset_bytes) {
    if constexpr (kIsNumber<T>) {
        fields.push_back({name, kind_of_type<T>(), 0, static_cast<std::uint32_t>(offset_bytes)});
    } else if constexpr (ArrayOf<T>::kIs) {
        using Element = typename ArrayOf<T>::Element;
        constexpr std::size_t kCount = ArrayOf<T>::kSize;
        if constexpr (kIsNumber<Element>) {
            fields.push_back({name,
                              kind_of_type<Element>(),
                              static_cast<std::uint32_t>(kCount),
                              static_cast<std::uint32_t>(offset_bytes)});
        } else {
            for (std::size_t at = 0; at < kCount; ++at) {
                append_fields<Element>(fields,
                                       name + "[" + std::to_string(at) + "]",
                                       offset_bytes + at * sizeof(Element));
            }
        }
    } else {
        static_assert(DescribableEvent<T>,
                      "a field of this type means nothing to another process: use fixed-width "
                      "numbers, bool, char, enums, and structs and arrays of these");
        append_members<T>(fields, name + ".", offset_bytes);
    }
}

}  // namespace detail

template <DescribableEvent T>
[[nodiscard]] EventLayout layout_of() {
    EventLayout layout;
    layout.size_bytes = static_cast<std::uint32_t>(sizeof(T));
    detail::append_members<T>(layout.fields, "", 0);
    return layout;
}

// "Trade" of trading::Trade.
template <typename T>
[[nodiscard]] constexpr std::string_view type_name_of() {
    return detail::name_of_type<T>();
}

}  // namespace tailrace::schema
