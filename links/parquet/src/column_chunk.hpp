// ColumnChunk: the pages of one column in one row group, and what the footer says of them.
//
// The encoding is chosen for each chunk: a dictionary where few values are different, differences
// where whole numbers are near each other, else plain. Law: the Parquet format. One thread.
#pragma once

#include "byte_buffer.hpp"
#include "column_data.hpp"
#include "page_compression.hpp"
#include "value_range.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace tailrace::parquet {

// Numbers of the format.
enum class Encoding : std::uint8_t {
    plain = 0,
    run_length = 3,
    differences = 5,
    by_dictionary = 8,
};

// What the footer needs to know. Places are counted from the chunk's first byte.
struct ChunkFacts {
    std::vector<Encoding> encodings;
    std::uint64_t value_count = 0;  // nulls included
    std::uint64_t null_count = 0;
    std::uint64_t plain_bytes = 0;   // pages with their headers, before compression
    std::uint64_t stored_bytes = 0;  // and behind it
    std::uint64_t data_begin = 0;
    bool has_dictionary = false;
    std::optional<ValueRange> range;
};

class ChunkWriter {
public:
    // Null: pages are stored as they are.
    explicit ChunkWriter(PageCompression* compression) noexcept : compression_(compression) {}

    // Appends the chunk's bytes. Empty: zstd gave up.
    [[nodiscard]] std::optional<ChunkFacts> append(const ColumnData& column, ByteBuffer& into);

private:
    struct PageRows;

    [[nodiscard]] bool append_dictionary_page(ByteBuffer& into);
    [[nodiscard]] bool append_data_pages(const ColumnData& column, ByteBuffer& into);
    void append_levels(const ColumnData& column, const PageRows& rows);
    void append_values(const ColumnData& column, const PageRows& rows);
    [[nodiscard]] bool append_page(ByteBuffer& into, std::uint64_t level_count, bool is_data);

    PageCompression* compression_;
    Encoding encoding_ = Encoding::plain;
    std::uint64_t dictionary_entries_ = 0;
    std::span<const std::byte> dictionary_bytes_;
    std::span<const std::uint32_t> places_;
    unsigned place_bits_ = 0;
    ByteBuffer page_;
    ByteBuffer compressed_;
    std::vector<std::uint32_t> levels_;
    ChunkFacts facts_;
};

}  // namespace tailrace::parquet
