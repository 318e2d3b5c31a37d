#include "hand_over/row_writer.hpp"

#include "hand_over/text_rows.hpp"

#include <tailrace/parquet/event_file.hpp>

namespace tailrace::tool {

namespace {

class ParquetRows final : public RowWriter {
public:
    ParquetRows(parquet::EventFileOptions options, parquet::ByteSink& sink)
        : file_(std::move(options), sink) {}

    [[nodiscard]] Result<void> add(const Event& event, std::uint32_t known_bytes) override {
        return file_.add(event, known_bytes);
    }
    [[nodiscard]] Result<void> let_go() override { return file_.end_row_group(); }
    [[nodiscard]] Result<void> finish() override { return file_.finish(); }
    [[nodiscard]] std::uint64_t held_bytes() const noexcept override { return file_.held_bytes(); }
    [[nodiscard]] std::uint64_t mended_texts() const noexcept override {
        return file_.mended_texts();
    }

private:
    parquet::EventFile file_;
};

}  // namespace

std::string_view row_format_name(RowFormat format) noexcept {
    switch (format) {
        case RowFormat::parquet:
            return "parquet";
        case RowFormat::csv:
            return "csv";
        case RowFormat::jsonl:
            return "jsonl";
    }
    return "parquet";
}

std::string RowOptions::file_ending() const {
    std::string ending = "." + std::string(row_format_name(format));
    if (format != RowFormat::parquet && compresses) ending += ".zst";
    return ending;
}

std::unique_ptr<RowWriter> make_row_writer(const EventTable& table,
                                           const RowOptions& options,
                                           parquet::ByteSink& sink) {
    if (options.format != RowFormat::parquet)
        return std::make_unique<TextRows>(table, options, sink);
    parquet::EventFileOptions file;
    file.columns = table.columns;
    file.payload = table.payload;
    file.compresses = options.compresses;
    file.zstd_level = options.zstd_level;
    file.has_plain_times = options.has_plain_times;
    file.row_group_rows = options.row_group_rows;
    file.notes = options.notes;
    return std::make_unique<ParquetRows>(std::move(file), sink);
}

}  // namespace tailrace::tool
