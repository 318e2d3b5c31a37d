#include "column_chunk.hpp"

#include "dictionary.hpp"
#include "number_packing.hpp"
#include "thrift_text.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace tailrace::parquet {

namespace {

constexpr std::uint64_t kPageBytes = std::uint64_t{1} << 20U;
constexpr std::uint64_t kPageValues = std::uint64_t{1} << 16U;

template <typename Value>
std::vector<Value> values_in(std::span<const std::byte> bytes) {
    std::vector<Value> values(bytes.size() / sizeof(Value));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

void append_whole_differences(const ColumnType& type,
                              std::span<const std::byte> bytes,
                              ByteBuffer& into) {
    if (type.physical == PhysicalType::int32) {
        append_differences(values_in<std::int32_t>(bytes), into);
    } else {
        append_differences(values_in<std::int64_t>(bytes), into);
    }
}

// Whether differences of some values in the middle take clearly less than the values.
bool are_near(const ColumnType& type, std::span<const std::byte> values) {
    constexpr std::size_t kLookValues = 1024;
    const bool is_whole =
        type.physical == PhysicalType::int32 || type.physical == PhysicalType::int64;
    if (!is_whole || values.empty()) return false;
    const std::size_t count = values.size() / type.value_bytes;
    const std::size_t looks = std::min(count, kLookValues);
    const std::size_t begin = (count - looks) / 2;
    const auto some = values.subspan(begin * type.value_bytes, looks * type.value_bytes);
    ByteBuffer packed;
    append_whole_differences(type, some, packed);
    return packed.size() * 4 <= some.size() * 3;
}

void pack_booleans(std::span<const std::byte> values, ByteBuffer& into) {
    constexpr std::size_t kByte = 8;
    const std::size_t count = (values.size() + kByte - 1) / kByte;
    std::byte* const place = into.extend(count);
    std::memset(place, 0, count);
    for (std::size_t at = 0; at < values.size(); ++at) {
        if (values[at] != std::byte{0}) place[at / kByte] |= std::byte{1} << (at % kByte);
    }
}

}  // namespace

// Rows of a page, and their values among those of the chunk.
struct ChunkWriter::PageRows {
    std::uint64_t first_row = 0;
    std::uint64_t row_count = 0;
    std::uint64_t first_value = 0;
    std::uint64_t value_count = 0;
    std::uint64_t first_byte = 0;  // of the values, plain
    std::uint64_t byte_count = 0;

    [[nodiscard]] std::uint64_t end_row() const noexcept { return first_row + row_count; }
    // The rows behind, up to what a page should have; at least one.
    [[nodiscard]] static PageRows behind(const PageRows& before, const ColumnData& column);
};

ChunkWriter::PageRows ChunkWriter::PageRows::behind(const PageRows& before,
                                                    const ColumnData& column) {
    PageRows page;
    page.first_row = before.end_row();
    page.first_value = before.first_value + before.value_count;
    page.first_byte = before.first_byte + before.byte_count;
    const auto presence = column.presence();
    const ColumnSchema& schema = column.schema();
    const std::uint64_t per_row = schema.values_per_row();
    const std::uint64_t most_rows = std::max<std::uint64_t>(1, kPageValues / per_row);
    const std::uint64_t end = std::min(column.rows(), page.first_row + most_rows);
    if (schema.type.value_bytes != 0 && presence.empty()) {
        const std::uint64_t row_bytes = per_row * schema.type.value_bytes;
        const std::uint64_t fitting = std::max<std::uint64_t>(1, kPageBytes / row_bytes);
        page.row_count = std::min(end - page.first_row, fitting);
        page.value_count = page.row_count * per_row;
        page.byte_count = page.row_count * row_bytes;
        return page;
    }
    while (page.end_row() < end && (page.row_count == 0 || page.byte_count < kPageBytes)) {
        const bool is_there = presence.empty() || presence[page.end_row()] != 0;
        ++page.row_count;
        if (!is_there) continue;
        page.value_count += per_row;
        if (schema.type.value_bytes != 0) {
            page.byte_count += per_row * schema.type.value_bytes;
        } else {
            std::uint32_t size = 0;
            std::memcpy(
                &size, column.bytes().data() + page.first_byte + page.byte_count, sizeof(size));
            page.byte_count += sizeof(size) + size;
        }
    }
    return page;
}

std::optional<ChunkFacts> ChunkWriter::append(const ColumnData& column, ByteBuffer& into) {
    facts_ = {};
    encoding_ = Encoding::plain;
    const ColumnType& type = column.schema().type;
    const auto dictionary = Dictionary::of(type, column.bytes(), column.value_count());
    if (dictionary) {
        encoding_ = Encoding::by_dictionary;
        dictionary_bytes_ = dictionary->entries();
        dictionary_entries_ = dictionary->entry_count();
        places_ = dictionary->places();
        place_bits_ = std::max(1U, bits_of(dictionary_entries_ - 1));
        facts_.has_dictionary = true;
        facts_.encodings = {Encoding::plain};
    } else if (are_near(type, column.bytes())) {
        encoding_ = Encoding::differences;
    }
    facts_.encodings.push_back(encoding_);
    facts_.encodings.push_back(Encoding::run_length);  // levels
    facts_.range = range_of(type, dictionary ? dictionary->entries() : column.bytes());
    facts_.null_count = column.null_rows();
    if (dictionary && !append_dictionary_page(into)) return {};
    facts_.data_begin = facts_.stored_bytes;
    if (!append_data_pages(column, into)) return {};
    return std::move(facts_);
}

bool ChunkWriter::append_dictionary_page(ByteBuffer& into) {
    page_.clear();
    page_.append(dictionary_bytes_);
    return append_page(into, dictionary_entries_, false);
}

bool ChunkWriter::append_data_pages(const ColumnData& column, ByteBuffer& into) {
    PageRows rows;
    while (rows.end_row() < column.rows()) {
        rows = PageRows::behind(rows, column);
        page_.clear();
        append_levels(column, rows);
        append_values(column, rows);
        const std::uint64_t per_row = column.schema().values_per_row();
        const std::uint64_t nulls = rows.row_count - rows.value_count / per_row;
        if (!append_page(into, rows.value_count + nulls, true)) return false;
        facts_.value_count += rows.value_count + nulls;
    }
    return true;
}

// Each with its size before it. A list of one row: its first value repeats nothing, the others
// repeat the list.
void ChunkWriter::append_levels(const ColumnData& column, const PageRows& rows) {
    const ColumnSchema& schema = column.schema();
    const auto presence = column.presence();
    const auto is_there = [&](std::uint64_t row) {
        return presence.empty() || presence[row] != 0;
    };
    const auto sized = [&](auto append) {
        const std::size_t at = page_.size();
        page_.put(std::uint32_t{0});
        append();
        const auto size = static_cast<std::uint32_t>(page_.size() - at - sizeof(std::uint32_t));
        std::memcpy(page_.data() + at, &size, sizeof(size));
    };
    if (schema.is_list()) {
        levels_.clear();
        for (std::uint64_t row = rows.first_row; row < rows.end_row(); ++row) {
            levels_.push_back(0);
            if (is_there(row)) levels_.insert(levels_.end(), schema.list_count - 1, 1);
        }
        sized([&] { append_hybrid(levels_, 1, page_); });
    }
    const unsigned full = (schema.is_list() ? 1U : 0U) + (schema.is_optional ? 1U : 0U);
    if (full == 0) return;
    const std::uint64_t per_row = schema.values_per_row();
    if (rows.value_count == rows.row_count * per_row) {
        sized([&] { append_run(rows.value_count, full, bits_of(full), page_); });
        return;
    }
    if (rows.value_count == 0) {
        sized([&] { append_run(rows.row_count, 0, bits_of(full), page_); });
        return;
    }
    levels_.clear();
    for (std::uint64_t row = rows.first_row; row < rows.end_row(); ++row)
        levels_.insert(levels_.end(), is_there(row) ? per_row : 1, is_there(row) ? full : 0);
    sized([&] { append_hybrid(levels_, bits_of(full), page_); });
}

void ChunkWriter::append_values(const ColumnData& column, const PageRows& rows) {
    const ColumnType& type = column.schema().type;
    if (encoding_ == Encoding::by_dictionary) {
        page_.put_byte(place_bits_);
        append_hybrid(places_.subspan(rows.first_value, rows.value_count), place_bits_, page_);
        return;
    }
    const auto values = column.bytes().subspan(rows.first_byte, rows.byte_count);
    if (encoding_ == Encoding::differences) {
        append_whole_differences(type, values, page_);
    } else if (type.physical == PhysicalType::boolean) {
        pack_booleans(values, page_);
    } else {
        page_.append(values);
    }
}

bool ChunkWriter::append_page(ByteBuffer& into, std::uint64_t level_count, bool is_data) {
    constexpr int kDataPage = 0;
    constexpr int kDictionaryPage = 2;
    std::span<const std::byte> stored = page_.bytes();
    if (compression_ != nullptr) {
        compressed_.clear();
        if (!compression_->append(page_.bytes(), compressed_)) return false;
        stored = compressed_.bytes();
    }
    const std::size_t begin = into.size();
    ThriftText header(into);
    header.begin();
    header.i32(1, is_data ? kDataPage : kDictionaryPage);
    header.i32(2, static_cast<std::int64_t>(page_.size()));
    header.i32(3, static_cast<std::int64_t>(stored.size()));
    if (is_data) {
        header.begin(5);
        header.i32(1, static_cast<std::int64_t>(level_count));
        header.i32(2, static_cast<int>(encoding_));
        header.i32(3, static_cast<int>(Encoding::run_length));
        header.i32(4, static_cast<int>(Encoding::run_length));
    } else {
        header.begin(7);
        header.i32(1, static_cast<std::int64_t>(level_count));
        header.i32(2, static_cast<int>(Encoding::plain));
    }
    header.end();
    header.end();
    const std::size_t header_bytes = into.size() - begin;
    into.append(stored);
    facts_.plain_bytes += header_bytes + page_.size();
    facts_.stored_bytes += header_bytes + stored.size();
    return true;
}

}  // namespace tailrace::parquet
