// What columns of events are called and typed as in a Parquet file. Pure functions.
#pragma once

#include "column_type.hpp"

#include <tailrace/parquet/event_file.hpp>

namespace tailrace::parquet {

[[nodiscard]] ColumnSchema column_schema(const EventColumn& column,
                                         const EventFileOptions& options);

}  // namespace tailrace::parquet
