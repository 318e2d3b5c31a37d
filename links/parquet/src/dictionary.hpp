// Dictionary: the different values of a column, and of each value its place among them. One thread.
#pragma once

#include "byte_buffer.hpp"
#include "column_type.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tailrace::parquet {

class Dictionary {
public:
    // Of plain values; empty when there are too many different ones for it to pay, which a look at
    // some of them tells.
    [[nodiscard]] static std::optional<Dictionary> of(const ColumnType& type,
                                                      std::span<const std::byte> values,
                                                      std::uint64_t count);

    // The different values, plain, in the order in which they came.
    [[nodiscard]] std::span<const std::byte> entries() const noexcept { return entries_.bytes(); }
    [[nodiscard]] std::uint32_t entry_count() const noexcept { return count_; }
    [[nodiscard]] std::span<const std::uint32_t> places() const noexcept { return places_; }

private:
    Dictionary() = default;

    ByteBuffer entries_;
    std::uint32_t count_ = 0;
    std::vector<std::uint32_t> places_;
};

}  // namespace tailrace::parquet
