#include <tailrace/base/checksum.hpp>
#include <tailrace/schema/event_layout.hpp>

#include <algorithm>
#include <array>
#include <span>

namespace tailrace::schema {

namespace {

constexpr std::size_t kMostFields = 1024;
constexpr std::size_t kLongestFieldName = 255;

struct KindRow {
    std::string_view name;
    std::uint32_t size_bytes;
};
// In the order of FieldKind.
constexpr std::array<KindRow, 12> kKinds = {{{"i8", 1},
                                             {"i16", 2},
                                             {"i32", 4},
                                             {"i64", 8},
                                             {"u8", 1},
                                             {"u16", 2},
                                             {"u32", 4},
                                             {"u64", 8},
                                             {"f32", 4},
                                             {"f64", 8},
                                             {"bool", 1},
                                             {"char", 1}}};

bool is_field_name(std::string_view name) noexcept {
    constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    constexpr std::string_view kOthers =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.[]";
    return !name.empty() && name.size() <= kLongestFieldName &&
           kFirst.find(name.front()) != std::string_view::npos &&
           name.find_first_not_of(kOthers) == std::string_view::npos;
}

Error bad_field(const Field& field, const std::string& what) {
    return invalid_argument("the field '" + field.name + "' " + what);
}

}  // namespace

std::string_view kind_name(FieldKind kind) noexcept {
    return kKinds[static_cast<std::size_t>(kind)].name;
}

std::optional<FieldKind> kind_of_name(std::string_view name) noexcept {
    const auto* const found = std::find_if(
        kKinds.begin(), kKinds.end(), [name](const KindRow& row) { return row.name == name; });
    if (found == kKinds.end()) return std::nullopt;
    return static_cast<FieldKind>(found - kKinds.begin());
}

std::uint32_t kind_size_bytes(FieldKind kind) noexcept {
    return kKinds[static_cast<std::size_t>(kind)].size_bytes;
}

std::string type_text(const Field& field) {
    std::string text(kind_name(field.kind));
    if (field.count != 0) text += "[" + std::to_string(field.count) + "]";
    return text;
}

const Field* EventLayout::find(std::string_view name) const noexcept {
    const auto found = std::find_if(
        fields.begin(), fields.end(), [name](const Field& field) { return field.name == name; });
    return found == fields.end() ? nullptr : &*found;
}

std::uint64_t hash_of(const EventLayout& layout) {
    std::string text = std::to_string(layout.size_bytes);
    for (const Field& field : layout.fields) {
        text +=
            "\n" + field.name + " " + type_text(field) + " " + std::to_string(field.offset_bytes);
    }
    return checksum64(std::as_bytes(std::span(text)), 0);
}

Result<void> check_layout(const EventLayout& layout) {
    if (layout.fields.size() > kMostFields) {
        return invalid_argument("a layout of " + std::to_string(layout.fields.size()) +
                                    " fields has too many: at most " + std::to_string(kMostFields),
                                "declare it opaque, with the name of its encoding");
    }
    std::uint64_t end = 0;
    for (const Field& field : layout.fields) {
        if (!is_field_name(field.name))
            return bad_field(field, "has a name that isn't letters, digits and _ . [ ]");
        if (field.offset_bytes < end) return bad_field(field, "lies over the one before it");
        end = field.offset_bytes + field.size_bytes();
        if (end > layout.size_bytes) return bad_field(field, "ends behind the event");
        if (layout.find(field.name) != &field) return bad_field(field, "is there twice");
    }
    return {};
}

}  // namespace tailrace::schema
