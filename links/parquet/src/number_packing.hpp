// How Parquet packs whole numbers: runs and bit-packed groups (levels, places in a dictionary), and
// differences (DELTA_BINARY_PACKED). Pure functions; little endian.
#pragma once

#include "byte_buffer.hpp"

#include <cstdint>
#include <span>

namespace tailrace::parquet {

// As many bits as the largest number needs.
[[nodiscard]] unsigned bits_of(std::uint64_t largest) noexcept;

// The hybrid of runs and bit-packed groups of eight. Requires: each value has at most `bits` bits,
// 1 to 32.
void append_hybrid(std::span<const std::uint32_t> values, unsigned bits, ByteBuffer& into);
// So many times the same value.
void append_run(std::uint64_t count, std::uint32_t value, unsigned bits, ByteBuffer& into);

// DELTA_BINARY_PACKED: blocks of 128 in four groups. Differences are modulo the width of the type,
// as the format has it.
void append_differences(std::span<const std::int64_t> values, ByteBuffer& into);
void append_differences(std::span<const std::int32_t> values, ByteBuffer& into);

}  // namespace tailrace::parquet
