#include "file_footer.hpp"

#include "thrift_text.hpp"

namespace tailrace::parquet {

namespace {

using Kind = ThriftText::Kind;

enum class Repetition : std::uint8_t { required = 0, optional = 1, repeated = 2 };

constexpr int kZstd = 6;

// LogicalType: a union, of which one member is there.
void append_logical_type(const ColumnType& type, ThriftText& text) {
    constexpr int kField = 10;
    switch (type.meaning) {
        case Meaning::plain:
            return;
        case Meaning::text:
            text.begin(kField);
            text.begin(1);
            text.end();
            text.end();
            return;
        case Meaning::timestamp_ns:
            text.begin(kField);
            text.begin(8);
            text.boolean(1, false);  // isAdjustedToUTC: docs/hand_over.md says why not
            text.begin(2);
            text.begin(3);  // nanoseconds
            text.end();
            text.end();
            text.end();
            text.end();
            return;
        case Meaning::signed_:
        case Meaning::unsigned_:
            text.begin(kField);
            text.begin(10);
            text.byte(1, type.bits);
            text.boolean(2, type.meaning == Meaning::signed_);
            text.end();
            text.end();
            return;
    }
}

// ConvertedType: the same for older readers; of nanoseconds there is none.
void append_converted_type(const ColumnType& type, ThriftText& text) {
    constexpr int kField = 6;
    constexpr int kUtf8 = 0;
    constexpr int kUnsigned8 = 11;
    constexpr int kSigned8 = 15;
    const int step = type.bits == 8 ? 0 : type.bits == 16 ? 1 : type.bits == 32 ? 2 : 3;
    switch (type.meaning) {
        case Meaning::plain:
        case Meaning::timestamp_ns:
            return;
        case Meaning::text:
            return text.i32(kField, kUtf8);
        case Meaning::signed_:
            return text.i32(kField, kSigned8 + step);
        case Meaning::unsigned_:
            return text.i32(kField, kUnsigned8 + step);
    }
}

void append_leaf(const ColumnType& type,
                 const std::string& name,
                 Repetition repetition,
                 ThriftText& text) {
    text.begin();
    text.i32(1, static_cast<int>(type.physical));
    if (type.physical == PhysicalType::fixed_bytes) text.i32(2, type.value_bytes);
    text.i32(3, static_cast<int>(repetition));
    text.binary(4, name);
    append_converted_type(type, text);
    append_logical_type(type, text);
    text.end();
}

// name (LIST) { repeated list { required element } }
void append_list(const ColumnSchema& column, Repetition repetition, ThriftText& text) {
    constexpr int kConvertedList = 3;
    text.begin();
    text.i32(3, static_cast<int>(repetition));
    text.binary(4, column.name);
    text.i32(5, 1);
    text.i32(6, kConvertedList);
    text.begin(10);
    text.begin(3);
    text.end();
    text.end();
    text.end();
    text.begin();
    text.i32(3, static_cast<int>(Repetition::repeated));
    text.binary(4, "list");
    text.i32(5, 1);
    text.end();
    append_leaf(column.type, "element", Repetition::required, text);
}

void append_schema(const std::vector<ColumnSchema>& schemas, ThriftText& text) {
    constexpr std::size_t kElementsOfAList = 3;
    std::size_t elements = 1;
    for (const ColumnSchema& column : schemas)
        elements += column.is_list() ? kElementsOfAList : 1;
    text.list(2, Kind::structure, elements);
    text.begin();
    text.binary(4, "event");
    text.i32(5, static_cast<std::int64_t>(schemas.size()));
    text.end();
    for (const ColumnSchema& column : schemas) {
        const Repetition repetition =
            column.is_optional ? Repetition::optional : Repetition::required;
        if (column.is_list()) {
            append_list(column, repetition, text);
        } else {
            append_leaf(column.type, column.name, repetition, text);
        }
    }
}

void append_statistics(const ChunkFacts& chunk, ThriftText& text) {
    text.begin(12);
    text.i64(3, static_cast<std::int64_t>(chunk.null_count));
    if (chunk.range) {
        text.binary(5, chunk.range->greatest);
        text.binary(6, chunk.range->least);
    }
    text.end();
}

void append_chunk(const ColumnSchema& column,
                  const ChunkFacts& chunk,
                  std::uint64_t begin,
                  bool is_compressed,
                  ThriftText& text) {
    text.begin();
    text.i64(2, static_cast<std::int64_t>(begin));
    text.begin(3);
    text.i32(1, static_cast<int>(column.type.physical));
    text.list(2, Kind::i32, chunk.encodings.size());
    for (const Encoding encoding : chunk.encodings)
        text.item(static_cast<std::int64_t>(encoding));
    text.list(3, Kind::binary, column.is_list() ? 3 : 1);
    text.item(std::string_view(column.name));
    if (column.is_list()) {
        text.item(std::string_view("list"));
        text.item(std::string_view("element"));
    }
    text.i32(4, is_compressed ? kZstd : 0);
    text.i64(5, static_cast<std::int64_t>(chunk.value_count));
    text.i64(6, static_cast<std::int64_t>(chunk.plain_bytes));
    text.i64(7, static_cast<std::int64_t>(chunk.stored_bytes));
    text.i64(9, static_cast<std::int64_t>(begin + chunk.data_begin));
    if (chunk.has_dictionary) text.i64(11, static_cast<std::int64_t>(begin));
    append_statistics(chunk, text);
    text.end();
    text.end();
}

void append_group(const FooterFacts& facts,
                  const GroupFacts& group,
                  std::size_t ordinal,
                  ThriftText& text) {
    constexpr std::size_t kMostOrdinals = 32'767;
    std::uint64_t plain = 0;
    std::uint64_t stored = 0;
    text.begin();
    text.list(1, Kind::structure, group.chunks.size());
    for (std::size_t at = 0; at < group.chunks.size(); ++at) {
        const ChunkFacts& chunk = group.chunks[at];
        append_chunk(facts.schemas[at], chunk, group.begin + stored, facts.is_compressed, text);
        plain += chunk.plain_bytes;
        stored += chunk.stored_bytes;
    }
    text.i64(2, static_cast<std::int64_t>(plain));
    text.i64(3, static_cast<std::int64_t>(group.rows));
    text.i64(5, static_cast<std::int64_t>(group.begin));
    text.i64(6, static_cast<std::int64_t>(stored));
    if (ordinal <= kMostOrdinals) text.i16(7, static_cast<std::int64_t>(ordinal));
    text.end();
}

}  // namespace

void append_footer(const FooterFacts& facts, ByteBuffer& into) {
    ThriftText text(into);
    std::uint64_t rows = 0;
    for (const GroupFacts& group : facts.groups)
        rows += group.rows;
    text.begin();
    text.i32(1, 2);  // of the format
    append_schema(facts.schemas, text);
    text.i64(3, static_cast<std::int64_t>(rows));
    text.list(4, Kind::structure, facts.groups.size());
    for (std::size_t at = 0; at < facts.groups.size(); ++at)
        append_group(facts, facts.groups[at], at, text);
    if (!facts.notes.empty()) {
        text.list(5, Kind::structure, facts.notes.size());
        for (const auto& [key, value] : facts.notes) {
            text.begin();
            text.binary(1, key);
            text.binary(2, value);
            text.end();
        }
    }
    text.binary(6, "tailrace");
    // Without it readers may not believe what is stated of least and greatest values.
    text.list(7, Kind::structure, facts.schemas.size());
    for (std::size_t at = 0; at < facts.schemas.size(); ++at) {
        text.begin();
        text.begin(1);
        text.end();
        text.end();
    }
    text.end();
}

}  // namespace tailrace::parquet
