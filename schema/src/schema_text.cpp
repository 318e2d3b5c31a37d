// The text of a schema, for files and for people:
//
//     tailrace-schema 1
//     # comments, and empty lines, are passed over
//     type 1 Trade struct
//     version 16 9f86d081884c7d65        its size in bytes, and its hash, which may be missing
//     field price f64 0                  name, type, offset in bytes
//     field symbol char[8] 8
//     type 2 Note text                   opaque: no versions
//
// Words behind those that are known, on any line but the first, are a newer version's: passed over.

#include <tailrace/schema/stream_schema.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace tailrace::schema {

namespace {

constexpr std::string_view kOpening = "tailrace-schema ";
constexpr std::string_view kTextVersion = "1";

std::string hash_text(const EventLayout& layout) {
    std::array<char, 17> text{};
    std::snprintf(
        text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash_of(layout)));
    return text.data();
}

// The next word of a line, taken from its front.
std::string_view take_word(std::string_view& line) noexcept {
    constexpr std::string_view kBlanks = " \t\r";
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    const std::size_t end = std::min(line.find_first_of(kBlanks), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(end);
    return word;
}

template <typename Number>
bool take_number(std::string_view text, Number& number) noexcept {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failure == std::errc{} && end == text.data() + text.size();
}

// "f64", or "char[8]".
bool take_type(std::string_view text, Field& field) noexcept {
    const std::size_t bracket = text.find('[');
    const auto kind = kind_of_name(text.substr(0, bracket));
    if (!kind) return false;
    field.kind = *kind;
    field.count = 0;
    if (bracket == std::string_view::npos) return true;
    if (text.back() != ']') return false;
    text = text.substr(bracket + 1, text.size() - bracket - 2);
    return take_number(text, field.count) && field.count != 0;
}

class SchemaReader {
public:
    explicit SchemaReader(const std::string& path) : path_(path) {}

    [[nodiscard]] Result<StreamSchema> read(std::string_view text);

private:
    [[nodiscard]] Result<void> take_line(std::string_view line);
    [[nodiscard]] Result<void> begin_type(std::string_view rest);
    [[nodiscard]] Result<void> begin_version(std::string_view rest);
    [[nodiscard]] Result<void> add_field(std::string_view rest);
    [[nodiscard]] Result<void> end_version();
    [[nodiscard]] Result<void> end_type();
    [[nodiscard]] Result<void> check_opening(std::string_view line) const;
    [[nodiscard]] Error damaged(const std::string& why) const;

    const std::string& path_;
    std::size_t line_number_ = 0;
    StreamSchema schema_;
    std::optional<EventSchema> type_;
    bool has_version_ = false;  // of this type
    std::optional<EventLayout> version_;
    std::string hash_;
};

Error SchemaReader::damaged(const std::string& why) const {
    return make_error(ErrorCode::corrupt,
                      "line " + std::to_string(line_number_) + " of the schema '" + path_ +
                          "' isn't sound: " + why,
                      "correct it, or remove the file: whoever declares its types next makes it "
                      "anew");
}

Result<void> SchemaReader::check_opening(std::string_view line) const {
    if (!line.starts_with(kOpening)) {
        return make_error(ErrorCode::not_tailrace,
                          "'" + path_ + "' is no schema: it begins with other words",
                          "head -n 1 " + path_ + "; a schema begins with 'tailrace-schema 1'");
    }
    line.remove_prefix(kOpening.size());
    const std::string_view version = take_word(line);
    if (version == kTextVersion) return {};
    return make_error(ErrorCode::incompatible,
                      "the schema '" + path_ + "' is written in version '" +
                          std::string(version.substr(0, 20)) + "', and this program knows 1",
                      "use the tailrace that made it, or a newer one");
}

Result<void> SchemaReader::begin_type(std::string_view rest) {
    if (auto ended = end_type(); !ended) return ended;
    EventSchema type;
    const bool is_number = take_number(take_word(rest), type.type);
    type.name = take_word(rest);
    type.encoding = take_word(rest);
    if (!is_number || type.encoding.empty())
        return damaged("'type' is followed by a number up to 65535, a name and an encoding");
    type_ = std::move(type);
    has_version_ = false;
    return {};
}

Result<void> SchemaReader::begin_version(std::string_view rest) {
    if (auto ended = end_version(); !ended) return ended;
    EventLayout version;
    if (!type_ || !type_->is_struct()) return damaged("a version belongs to a struct");
    if (!take_number(take_word(rest), version.size_bytes))
        return damaged("'version' is followed by a size in bytes");
    hash_ = take_word(rest);
    version_ = std::move(version);
    has_version_ = true;
    return {};
}

Result<void> SchemaReader::add_field(std::string_view rest) {
    Field field;
    if (!version_) return damaged("a field belongs to a version");
    field.name = take_word(rest);
    const bool is_type = take_type(take_word(rest), field);
    if (!is_type || !take_number(take_word(rest), field.offset_bytes))
        return damaged("'field' is followed by a name, a type and an offset in bytes");
    version_->fields.push_back(std::move(field));
    return {};
}

Result<void> SchemaReader::end_version() {
    if (!version_) return {};
    if (!hash_.empty() && hash_ != hash_text(*version_)) {
        return damaged("the version before it has another hash, " + hash_text(*version_) +
                       ", than it says");
    }
    schema_.add(type_->type, type_->name, std::move(*version_));
    version_.reset();
    if (schema_.problem()) return damaged(schema_.problem()->message);
    return {};
}

Result<void> SchemaReader::end_type() {
    if (auto ended = end_version(); !ended) return ended;
    if (!type_) return {};
    if (type_->is_struct() && !has_version_) return damaged("the struct before it has no version");
    if (!type_->is_struct()) schema_.add_opaque(type_->type, type_->name, type_->encoding);
    type_.reset();
    if (schema_.problem()) return damaged(schema_.problem()->message);
    return {};
}

Result<void> SchemaReader::take_line(std::string_view line) {
    ++line_number_;
    if (line_number_ == 1) return check_opening(line);
    const std::string_view word = take_word(line);
    if (word.empty() || word.front() == '#') return {};
    if (word == "type") return begin_type(line);
    if (word == "version") return begin_version(line);
    if (word == "field") return add_field(line);
    return damaged("it begins with none of type, version and field");
}

Result<StreamSchema> SchemaReader::read(std::string_view text) {
    if (text.size() > kMostSchemaBytes) {
        return make_error(ErrorCode::too_large,
                          "the schema '" + path_ + "' has more than a mebibyte",
                          "head -n 3 " + path_);
    }
    do {
        const std::size_t end = std::min(text.find('\n'), text.size());
        if (auto taken = take_line(text.substr(0, end)); !taken) return taken.error();
        text.remove_prefix(std::min(end + 1, text.size()));
    } while (!text.empty());
    if (auto ended = end_type(); !ended) return ended.error();
    return std::move(schema_);
}

}  // namespace

std::string StreamSchema::text() const {
    std::string text(kOpening);
    text.append(kTextVersion).append("\n");
    for (const EventSchema& type : types_) {
        text += "type " + std::to_string(type.type) + " " + type.name + " " + type.encoding + "\n";
        for (const EventLayout& layout : type.versions) {
            text += "version " + std::to_string(layout.size_bytes) + " " + hash_text(layout) + "\n";
            for (const Field& field : layout.fields) {
                text += "field " + field.name + " " + type_text(field) + " " +
                        std::to_string(field.offset_bytes) + "\n";
            }
        }
    }
    return text;
}

Result<StreamSchema> parse_schema(std::string_view text, const std::string& path) {
    return SchemaReader(path).read(text);
}

}  // namespace tailrace::schema
