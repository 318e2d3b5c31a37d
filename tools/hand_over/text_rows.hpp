// TextRows: rows as lines of CSV or of JSON.
//
// CSV as RFC 4180 has it, with a line of names, and lines that end with LF: nothing between two
// commas is a null, "" is an empty text; an array takes a column for each element, `NAME[0]`. JSON:
// an object a line, without its nulls; arrays are arrays, times and keys are strings, since readers
// of JSON cut large numbers, and text that isn't UTF-8 is {"b64":"…"}. Both: floats have the digits
// that give the same float again; payloads that aren't text are base64, in a column of their own.
// One thread.
#pragma once

#include "hand_over/row_writer.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tailrace::tool {

class TextRows final : public RowWriter {
public:
    TextRows(const EventTable& table, const RowOptions& options, parquet::ByteSink& sink);

    [[nodiscard]] Result<void> add(const Event& event, std::uint32_t known_bytes) override;
    [[nodiscard]] Result<void> let_go() override;
    [[nodiscard]] Result<void> finish() override;
    [[nodiscard]] std::uint64_t held_bytes() const noexcept override { return text_.size(); }
    [[nodiscard]] std::uint64_t mended_texts() const noexcept override { return mended_texts_; }

private:
    void append_names();
    void append_column(const parquet::EventColumn& column,
                       const Event& event,
                       std::uint32_t known_bytes);
    void append_header_word(const parquet::EventColumn& column, const Event& event);
    void append_field(const parquet::EventColumn& column, std::span<const std::byte> payload);
    void append_number(schema::FieldKind kind, const std::byte* place);
    void append_payload(const parquet::EventColumn& column, const Event& event);
    void append_text(std::string_view text);
    // Before a value that is there, and where there is none.
    void begin_value(std::string_view name);
    void skip_value();

    const EventTable& table_;
    bool is_csv_;
    bool compresses_;
    int zstd_level_;
    parquet::ByteSink& sink_;
    std::string text_;
    bool is_first_ = true;  // in its row
    std::uint64_t mended_texts_ = 0;
    std::string mended_;
    std::vector<std::byte> compressed_;
};

}  // namespace tailrace::tool
