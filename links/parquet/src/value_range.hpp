// ValueRange: the least and the greatest value of a column, as a Parquet file states them. Pure
// functions.
#pragma once

#include "column_type.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace tailrace::parquet {

struct ValueRange {
    std::string least;  // as the values are stored plain, without a size before bytes
    std::string greatest;
};

// Of values as they are stored plain (booleans: a byte each). Empty where nothing may be stated:
// there are none, they are NaN alone, or bytes too long to be worth it.
[[nodiscard]] std::optional<ValueRange> range_of(const ColumnType& type,
                                                 std::span<const std::byte> values);

}  // namespace tailrace::parquet
