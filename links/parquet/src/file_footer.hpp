// FileFooter: a Parquet file's table of contents: what its columns are called, and where their
// pages are. Pure functions.
#pragma once

#include "byte_buffer.hpp"
#include "column_chunk.hpp"
#include "column_type.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::parquet {

struct GroupFacts {
    std::uint64_t rows = 0;
    std::uint64_t begin = 0;         // of its first chunk, in the file
    std::vector<ChunkFacts> chunks;  // back to back, one a column
};

struct FooterFacts {
    const std::vector<ColumnSchema>& schemas;
    const std::vector<GroupFacts>& groups;
    const std::vector<std::pair<std::string, std::string>>& notes;
    bool is_compressed = false;
};

void append_footer(const FooterFacts& facts, ByteBuffer& into);

}  // namespace tailrace::parquet
