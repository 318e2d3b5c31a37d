#include "types_text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

using schema::EventLayout;
using schema::EventSchema;
using schema::Field;
using schema::FieldKind;

struct KindWords {
    std::string_view c;
    std::string_view numpy;
};

// In the order of FieldKind.
constexpr std::array<KindWords, 12> kKindWords = {{{"int8_t", "<i1"},
                                                   {"int16_t", "<i2"},
                                                   {"int32_t", "<i4"},
                                                   {"int64_t", "<i8"},
                                                   {"uint8_t", "<u1"},
                                                   {"uint16_t", "<u2"},
                                                   {"uint32_t", "<u4"},
                                                   {"uint64_t", "<u8"},
                                                   {"float", "<f4"},
                                                   {"double", "<f8"},
                                                   {"bool", "?"},
                                                   {"char", "S1"}}};

const KindWords& words_of(FieldKind kind) {
    return kKindWords.at(static_cast<std::size_t>(kind));
}

// "Trade", and "Trade_16" of a version that has grown since.
std::string version_name(const EventSchema& type, const EventLayout& version) {
    if (&version == &type.versions.back()) return type.name;
    return fmt::format("{}_{}", type.name, version.size_bytes);
}

// legs[0].price: legs_0_price, and another _ for each time that it is taken.
class MemberNames {
public:
    [[nodiscard]] std::string name_for(std::string_view field) {
        std::string name;
        for (const char c : field) {
            if (c == ']') continue;
            name += c == '.' || c == '[' ? '_' : c;
        }
        constexpr std::array<std::string_view, 24> kReserved = {
            "auto", "bool",     "break",  "case",  "char",   "class",    "const",    "default",
            "do",   "double",   "else",   "enum",  "float",  "for",      "int",      "long",
            "new",  "operator", "return", "short", "signed", "template", "unsigned", "void"};
        if (std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end()) name += '_';
        while (std::find(taken_.begin(), taken_.end(), name) != taken_.end())
            name += '_';
        taken_.push_back(name);
        return name;
    }

private:
    std::vector<std::string> taken_;
};

// Whether a compiler puts each field where it is when what lies between them is spelt out.
bool is_aligned(const EventLayout& version) {
    std::uint32_t widest = 1;
    for (const Field& field : version.fields) {
        const std::uint32_t alignment = schema::kind_size_bytes(field.kind);
        if (field.offset_bytes % alignment != 0) return false;
        widest = std::max(widest, alignment);
    }
    return version.size_bytes % widest == 0;
}

void append_struct(std::string& text, const EventSchema& type, const EventLayout& version) {
    const std::string name = version_name(type, version);
    text += fmt::format(
        "\n/* type {}, {} bytes */\nstruct {} {{\n", type.type, version.size_bytes, name);
    MemberNames names;
    std::string checks;
    std::uint64_t end = 0;
    const auto pad_to = [&](std::uint64_t offset) {
        if (offset <= end) return;
        text += fmt::format(
            "    uint8_t {}[{}];\n", names.name_for(fmt::format("padding_{}", end)), offset - end);
    };
    for (const Field& field : version.fields) {
        pad_to(field.offset_bytes);
        const std::string member = names.name_for(field.name);
        text += fmt::format("    {} {}{};\n",
                            words_of(field.kind).c,
                            member,
                            field.count == 0 ? "" : fmt::format("[{}]", field.count));
        checks += fmt::format("static_assert(offsetof(struct {}, {}) == {}, \"{}\");\n",
                              name,
                              member,
                              field.offset_bytes,
                              field.name);
        end = field.offset_bytes + field.size_bytes();
    }
    pad_to(version.size_bytes);
    text += is_aligned(version) ? "};\n" : "} __attribute__((packed));\n";
    text += checks;
    text += fmt::format(
        "static_assert(sizeof(struct {}) == {}, \"its size\");\n", name, version.size_bytes);
}

std::string numpy_format(const Field& field) {
    if (field.is_text()) return fmt::format("'S{}'", field.count);
    if (field.count == 0) return fmt::format("'{}'", words_of(field.kind).numpy);
    return fmt::format("('{}', ({},))", words_of(field.kind).numpy, field.count);
}

void append_dtype(std::string& text, const EventSchema& type, const EventLayout& version) {
    std::string names;
    std::string formats;
    std::string offsets;
    for (const Field& field : version.fields) {
        names += fmt::format("'{}', ", field.name);
        formats += numpy_format(field) + ", ";
        offsets += fmt::format("{}, ", field.offset_bytes);
    }
    for (std::string* const list : {&names, &formats, &offsets})
        list->resize(list->size() - std::min<std::size_t>(list->size(), 2));
    text += fmt::format(
        "\n# type {}\n{} = numpy.dtype({{\n    'names': [{}],\n    'formats': [{}],\n"
        "    'offsets': [{}],\n    'itemsize': {},\n}})\n",
        type.type,
        version_name(type, version),
        names,
        formats,
        offsets,
        version.size_bytes);
}

std::string opaque_text(const EventSchema& type, std::string_view begin, std::string_view end) {
    return fmt::format("\n{}type {}, {}: {}{}\n", begin, type.type, type.name, type.encoding, end);
}

}  // namespace

std::string types_c(const schema::StreamSchema& types) {
    std::string text =
        "#include <assert.h>\n#include <stdbool.h>\n#include <stddef.h>\n"
        "#include <stdint.h>\n";
    for (const EventSchema& type : types.types()) {
        if (!type.is_struct()) text += opaque_text(type, "/* ", " */");
        for (const EventLayout& version : type.versions)
            append_struct(text, type, version);
    }
    return text;
}

std::string types_numpy(const schema::StreamSchema& types) {
    std::string text = "import numpy\n";
    for (const EventSchema& type : types.types()) {
        if (!type.is_struct()) text += opaque_text(type, "# ", "");
        for (const EventLayout& version : type.versions)
            append_dtype(text, type, version);
    }
    return text;
}

Json types_json(const schema::StreamSchema& types) {
    Json document;
    document["types"] = Json::array();
    for (const EventSchema& type : types.types()) {
        Json row;
        row["type"] = type.type;
        row["name"] = type.name;
        row["encoding"] = type.encoding;
        row["versions"] = Json::array();
        for (const EventLayout& version : type.versions) {
            Json layout;
            layout["size_bytes"] = version.size_bytes;
            layout["hash"] = fmt::format("{:016x}", schema::hash_of(version));
            layout["fields"] = Json::array();
            for (const Field& field : version.fields) {
                layout["fields"].push_back(
                    {{"name", field.name},
                     {"type", schema::kind_name(field.kind)},
                     {"count", field.count == 0 ? Json() : Json(field.count)},
                     {"offset_bytes", field.offset_bytes}});
            }
            row["versions"].push_back(std::move(layout));
        }
        document["types"].push_back(std::move(row));
    }
    return document;
}

}  // namespace tailrace::tool
