#include "file_writer.hpp"

#include <string_view>

namespace tailrace::parquet {

namespace {

constexpr std::string_view kMagic = "PAR1";

}  // namespace

FileWriter::FileWriter(std::vector<ColumnSchema> schemas,
                       std::optional<int> zstd_level,
                       Notes notes,
                       ByteSink& sink)
    : schemas_(std::move(schemas)),
      notes_(std::move(notes)),
      sink_(sink) {
    if (zstd_level) compression_.emplace(*zstd_level);
}

Result<void> FileWriter::put(std::span<const std::byte> bytes) {
    if (auto written = sink_.write(bytes); !written) return written;
    offset_ += bytes.size();
    return {};
}

Result<void> FileWriter::begin_file() {
    if (offset_ != 0) return {};
    return put(std::as_bytes(std::span<const char>(kMagic)));
}

Result<void> FileWriter::write_row_group(const std::vector<ColumnData>& columns) {
    if (auto begun = begin_file(); !begun) return begun;
    GroupFacts group;
    group.rows = columns.front().rows();
    group.begin = offset_;
    ChunkWriter chunks(compression_ ? &*compression_ : nullptr);
    for (const ColumnData& column : columns) {
        chunk_.clear();
        auto facts = chunks.append(column, chunk_);
        if (!facts) {
            return make_error(ErrorCode::no_space,
                              "zstd found no memory to compress a page with",
                              "--compress none, or a smaller --row-group");
        }
        if (auto written = put(chunk_.bytes()); !written) return written;
        group.chunks.push_back(std::move(*facts));
    }
    groups_.push_back(std::move(group));
    return {};
}

Result<void> FileWriter::finish() {
    if (auto begun = begin_file(); !begun) return begun;
    ByteBuffer footer;
    append_footer({schemas_, groups_, notes_, compression_.has_value()}, footer);
    footer.put(static_cast<std::uint32_t>(footer.size()));
    footer.append(kMagic);
    return put(footer.bytes());
}

}  // namespace tailrace::parquet
