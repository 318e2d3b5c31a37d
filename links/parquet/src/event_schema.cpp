#include "event_schema.hpp"

namespace tailrace::parquet {

namespace {

using schema::FieldKind;

constexpr ColumnType whole(std::uint8_t bits, bool is_signed) {
    const bool is_wide = bits == 64;
    return {is_wide ? PhysicalType::int64 : PhysicalType::int32,
            is_signed ? Meaning::signed_ : Meaning::unsigned_,
            bits,
            is_wide ? 8U : 4U};
}

constexpr ColumnType kText{PhysicalType::byte_array, Meaning::text, 0, 0};

ColumnType type_of(FieldKind kind) {
    switch (kind) {
        case FieldKind::i8:
            return whole(8, true);
        case FieldKind::i16:
            return whole(16, true);
        case FieldKind::i32:
            return whole(32, true);
        case FieldKind::i64:
            return whole(64, true);
        case FieldKind::u8:
            return whole(8, false);
        case FieldKind::u16:
            return whole(16, false);
        case FieldKind::u32:
            return whole(32, false);
        case FieldKind::u64:
            return whole(64, false);
        case FieldKind::f32:
            return {PhysicalType::float32, Meaning::plain, 0, 4};
        case FieldKind::f64:
            return {PhysicalType::float64, Meaning::plain, 0, 8};
        case FieldKind::boolean:
            return {PhysicalType::boolean, Meaning::plain, 0, 1};
        case FieldKind::character:
            return kText;
    }
    return kText;
}

ColumnSchema field_schema(const EventColumn& column) {
    const schema::Field& field = column.field;
    ColumnSchema made{column.name, type_of(field.kind), column.is_optional, 0};
    if (field.count == 0 || field.is_text()) return made;
    if (field.kind == FieldKind::u8) {
        // What an array of bytes means, a hash or an address, bytes say better than a list.
        made.type = {PhysicalType::fixed_bytes, Meaning::plain, 0, field.count};
    } else {
        made.list_count = field.count;
    }
    return made;
}

ColumnType payload_type(PayloadKind kind) {
    switch (kind) {
        case PayloadKind::bytes:
            return {PhysicalType::byte_array, Meaning::plain, 0, 0};
        case PayloadKind::text:
            return kText;
    }
    return kText;
}

}  // namespace

ColumnSchema column_schema(const EventColumn& column, const EventFileOptions& options) {
    constexpr ColumnType kTime{PhysicalType::int64, Meaning::timestamp_ns, 0, 8};
    const ColumnType time = options.has_plain_times ? whole(64, true) : kTime;
    switch (column.source) {
        case ColumnSource::sequence:
            return {column.name, whole(64, false), false, 0};
        case ColumnSource::publish_time:
        case ColumnSource::event_time:
            return {column.name, time, true, 0};
        case ColumnSource::key:
        case ColumnSource::publisher:
        case ColumnSource::publisher_sequence:
            return {column.name, whole(64, false), true, 0};
        case ColumnSource::type:
            return {column.name, whole(16, false), false, 0};
        case ColumnSource::field:
            return field_schema(column);
        case ColumnSource::payload:
            return {column.name, payload_type(options.payload), false, 0};
    }
    return {};
}

}  // namespace tailrace::parquet
