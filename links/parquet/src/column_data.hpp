// ColumnData: the values of one column in the row group at hand, as they are stored plain. One
// thread.
#pragma once

#include "byte_buffer.hpp"
#include "column_type.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace tailrace::parquet {

class ColumnData {
public:
    explicit ColumnData(ColumnSchema schema) : schema_(std::move(schema)) {}

    // Room for the values of so many rows, which are all there. Requires: a fixed width.
    [[nodiscard]] std::byte* add_rows(std::uint64_t count) {
        note_presence(count, 1);
        const std::uint64_t values = count * schema_.values_per_row();
        values_ += values;
        return bytes_.extend(values * schema_.type.value_bytes);
    }
    void add_nulls(std::uint64_t count) { note_presence(count, 0); }
    // Requires: type byte_array; less than 2 GiB.
    void add_bytes(const void* bytes, std::size_t count) {
        note_presence(1, 1);
        ++values_;
        bytes_.put(static_cast<std::uint32_t>(count));
        bytes_.append(bytes, count);
    }
    void clear() noexcept {
        bytes_.clear();
        presence_.clear();
        rows_ = 0;
        values_ = 0;
        nulls_ = 0;
    }

    [[nodiscard]] const ColumnSchema& schema() const noexcept { return schema_; }
    [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
    [[nodiscard]] std::uint64_t null_rows() const noexcept { return nulls_; }
    // That are there.
    [[nodiscard]] std::uint64_t value_count() const noexcept { return values_; }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_.bytes(); }
    [[nodiscard]] std::uint64_t held_bytes() const noexcept {
        return bytes_.size() + presence_.size();
    }
    // 1 for each row that has a value; empty: all have.
    [[nodiscard]] std::span<const std::uint8_t> presence() const noexcept { return presence_; }

private:
    void note_presence(std::uint64_t count, std::uint8_t is_there) {
        if (is_there == 0 && nulls_ == 0) presence_.assign(rows_, 1);
        rows_ += count;
        if (is_there == 0) nulls_ += count;
        if (nulls_ != 0) presence_.resize(rows_, is_there);
    }

    ColumnSchema schema_;
    ByteBuffer bytes_;
    std::vector<std::uint8_t> presence_;
    std::uint64_t rows_ = 0;
    std::uint64_t values_ = 0;
    std::uint64_t nulls_ = 0;
};

}  // namespace tailrace::parquet
