// ColumnType: what Parquet calls the values of a column, and how many bytes one of them takes.
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>

namespace tailrace::parquet {

// Numbers of the format.
enum class PhysicalType : std::uint8_t {
    boolean = 0,
    int32 = 1,
    int64 = 2,
    float32 = 4,
    float64 = 5,
    byte_array = 6,
    fixed_bytes = 7,
};

enum class Meaning : std::uint8_t {
    plain,      // floats, booleans, bytes
    signed_,    // of `bits`
    unsigned_,  // of `bits`
    timestamp_ns,
    text,
};

struct ColumnType {
    PhysicalType physical = PhysicalType::int64;
    Meaning meaning = Meaning::plain;
    std::uint8_t bits = 0;  // of whole numbers
    // In memory, and plain in the file, but for booleans: a byte each until they are packed. 0:
    // each value begins with its size in 4 bytes.
    std::uint32_t value_bytes = 0;
};

// A column of a file: a value a row, or a list of `list_count` values a row.
struct ColumnSchema {
    std::string name;
    ColumnType type;
    bool is_optional = false;
    std::uint32_t list_count = 0;  // 0: one value

    [[nodiscard]] bool is_list() const noexcept { return list_count != 0; }
    [[nodiscard]] unsigned values_per_row() const noexcept { return is_list() ? list_count : 1; }
};

}  // namespace tailrace::parquet
