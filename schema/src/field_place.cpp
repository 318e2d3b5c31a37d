#include <tailrace/schema/field_place.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

namespace tailrace::schema {

namespace {

template <typename Number>
Number loaded(const std::byte* at) noexcept {
    Number number;
    std::memcpy(&number, at, sizeof(number));
    return number;
}

FieldPlace place_in_type(const EventSchema& type, const Field& field) noexcept {
    FieldPlace place{field.kind, field.count, field.offset_bytes, 0};
    // The smallest version whose bytes reach so far is the first one that has it: a version is the
    // beginning of those after it.
    const std::uint64_t end = field.offset_bytes + field.size_bytes();
    const auto first =
        std::find_if(type.versions.begin(), type.versions.end(), [&](const EventLayout& version) {
            return version.size_bytes >= end;
        });
    place.needed_bytes = first->size_bytes;
    return place;
}

struct Element {
    std::string_view array;
    std::uint32_t index = 0;
};

// "quantities[2]"
std::optional<Element> element_of(std::string_view path) noexcept {
    if (!path.ends_with(']')) return std::nullopt;
    const std::size_t bracket = path.rfind('[');
    if (bracket == std::string_view::npos) return std::nullopt;
    const std::string_view digits = path.substr(bracket + 1, path.size() - bracket - 2);
    Element element{path.substr(0, bracket), 0};
    const auto [end, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), element.index);
    if (failure != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return element;
}

}  // namespace

FieldValue FieldPlace::value(std::span<const std::byte> payload,
                             std::uint32_t index) const noexcept {
    const std::byte* const at =
        payload.data() + offset_bytes + std::size_t{index} * kind_size_bytes(kind);
    switch (kind) {
        case FieldKind::i8:
            return std::int64_t{loaded<std::int8_t>(at)};
        case FieldKind::i16:
            return std::int64_t{loaded<std::int16_t>(at)};
        case FieldKind::i32:
            return std::int64_t{loaded<std::int32_t>(at)};
        case FieldKind::i64:
            return loaded<std::int64_t>(at);
        case FieldKind::u8:
            return std::uint64_t{loaded<std::uint8_t>(at)};
        case FieldKind::u16:
            return std::uint64_t{loaded<std::uint16_t>(at)};
        case FieldKind::u32:
            return std::uint64_t{loaded<std::uint32_t>(at)};
        case FieldKind::u64:
            return loaded<std::uint64_t>(at);
        case FieldKind::f32:
            return loaded<float>(at);
        case FieldKind::f64:
            return loaded<double>(at);
        case FieldKind::boolean:
            // Any byte may stand there: a bool of C++ must not be made of it.
            return loaded<std::uint8_t>(at) != 0;
        case FieldKind::character:
        default: {
            const void* const text = at;
            const std::string_view all(static_cast<const char*>(text), std::max(count, 1U));
            return all.substr(0, all.find('\0'));
        }
    }
}

std::vector<NamedPlace> places_of(const EventSchema& type) {
    std::vector<NamedPlace> places;
    if (type.versions.empty()) return places;
    for (const Field& field : type.versions.back().fields)
        places.push_back({field.name, place_in_type(type, field)});
    return places;
}

Result<FieldPlace> find_place(const EventSchema& type, std::string_view path) {
    const auto not_there = [&] {
        return make_error(ErrorCode::not_found,
                          "type '" + type.name + "' has no field '" + std::string(path) + "'");
    };
    if (type.versions.empty()) return not_there();
    const EventLayout& largest = type.versions.back();
    if (const Field* const field = largest.find(path); field != nullptr)
        return place_in_type(type, *field);
    const auto element = element_of(path);
    if (!element) return not_there();
    const Field* const array = largest.find(element->array);
    if (array == nullptr || array->count == 0) return not_there();
    if (element->index >= array->count) {
        return invalid_argument("'" + array->name + "' is " + type_text(*array) +
                                ": it has no element " + std::to_string(element->index));
    }
    FieldPlace place = place_in_type(type, *array);
    place.count = 0;
    place.offset_bytes += element->index * kind_size_bytes(place.kind);
    return place;
}

}  // namespace tailrace::schema
