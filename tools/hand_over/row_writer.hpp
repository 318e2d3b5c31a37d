// RowWriter: turns events of one table into the rows of a file. One thread.
#pragma once

#include "hand_over/event_tables.hpp"

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/parquet/byte_sink.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tailrace::tool {

enum class RowFormat : std::uint8_t { parquet, csv, jsonl };

[[nodiscard]] std::string_view row_format_name(RowFormat format) noexcept;

struct RowOptions {
    RowFormat format = RowFormat::parquet;
    bool compresses = true;  // by zstd
    int zstd_level = 1;
    bool has_plain_times = false;  // Parquet: numbers, not timestamps
    std::uint64_t row_group_rows = 131'072;
    std::vector<std::pair<std::string, std::string>> notes;  // Parquet

    // ".parquet", ".csv.zst"
    [[nodiscard]] std::string file_ending() const;
};

class RowWriter {
public:
    RowWriter() = default;
    RowWriter(const RowWriter&) = delete;
    RowWriter& operator=(const RowWriter&) = delete;
    virtual ~RowWriter() = default;

    // `known_bytes` as EventTables::Place has it.
    [[nodiscard]] virtual Result<void> add(const Event& event, std::uint32_t known_bytes) = 0;
    // Lets go of what it holds, as far as the format allows.
    [[nodiscard]] virtual Result<void> let_go() = 0;
    // The file is whole.
    [[nodiscard]] virtual Result<void> finish() = 0;

    [[nodiscard]] virtual std::uint64_t held_bytes() const noexcept = 0;
    // Texts that weren't UTF-8; each byte that is none became U+FFFD.
    [[nodiscard]] virtual std::uint64_t mended_texts() const noexcept = 0;
};

// Requires: table and sink outlive it.
[[nodiscard]] std::unique_ptr<RowWriter> make_row_writer(const EventTable& table,
                                                         const RowOptions& options,
                                                         parquet::ByteSink& sink);

}  // namespace tailrace::tool
