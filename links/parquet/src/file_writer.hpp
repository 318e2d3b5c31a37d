// FileWriter: the frame of a Parquet file: row groups of columns, and the footer. One thread.
#pragma once

#include "byte_buffer.hpp"
#include "column_chunk.hpp"
#include "column_data.hpp"
#include "file_footer.hpp"
#include "page_compression.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/parquet/byte_sink.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::parquet {

class FileWriter {
public:
    using Notes = std::vector<std::pair<std::string, std::string>>;

    // `zstd_level` empty: nothing is compressed. Requires: the sink outlives it.
    FileWriter(std::vector<ColumnSchema> schemas,
               std::optional<int> zstd_level,
               Notes notes,
               ByteSink& sink);

    // Requires: a column each, all of the same number of rows, at least one.
    [[nodiscard]] Result<void> write_row_group(const std::vector<ColumnData>& columns);
    // The footer.
    [[nodiscard]] Result<void> finish();

private:
    [[nodiscard]] Result<void> begin_file();
    [[nodiscard]] Result<void> put(std::span<const std::byte> bytes);

    std::vector<ColumnSchema> schemas_;
    std::optional<PageCompression> compression_;
    Notes notes_;
    ByteSink& sink_;
    std::vector<GroupFacts> groups_;
    std::uint64_t offset_ = 0;
    ByteBuffer chunk_;
};

}  // namespace tailrace::parquet
