// EventFile: a Parquet file of events, a row for each.
//
//     EventFile file(options, sink);
//     file.add(event, kLayoutBytes);   // for each
//     file.finish();                   // the footer: without it there is no file
//
// Pages are compressed by zstd; values are stored plain, as differences (DELTA_BINARY_PACKED) or
// by a dictionary, whatever is shortest by a look at the first ones. Each column of a row group
// has its least and greatest value and the number of its nulls. Times are TIMESTAMP(NANOS), not
// adjusted: readers that know of nanoseconds keep them all (docs/hand_over.md).
//
// What is in memory is a row group at most, and one page. One thread.
// Law: the Parquet format, and docs/decisions/0059.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/parquet/byte_sink.hpp>
#include <tailrace/parquet/event_column.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::parquet {

// What a column of ColumnSource::payload holds.
enum class PayloadKind : std::uint8_t { bytes, text };

struct EventFileOptions {
    std::vector<EventColumn> columns;
    PayloadKind payload = PayloadKind::bytes;
    bool compresses = true;  // by zstd, where this build has it
    int zstd_level = 1;
    // Times as plain numbers: for readers that refuse TIMESTAMP(NANOS).
    bool has_plain_times = false;
    // A row group ends with whichever comes first.
    std::uint64_t row_group_rows = 131'072;
    std::uint64_t row_group_bytes = std::uint64_t{16} << 20U;
    // Key and value, for whoever looks into the file.
    std::vector<std::pair<std::string, std::string>> notes;
};

class EventFile {
public:
    // Requires: columns; the sink outlives it.
    EventFile(EventFileOptions options, ByteSink& sink);
    EventFile(EventFile&&) noexcept;
    EventFile& operator=(EventFile&&) noexcept;
    EventFile(const EventFile&) = delete;
    EventFile& operator=(const EventFile&) = delete;
    ~EventFile();

    // `known_bytes`: the size of the version of its type that the event has; fields behind it are
    // null. Requires: the payload has as many. The event isn't needed any more when it returns.
    // Errors: the sink's; too_large for a payload of 2 GiB and more.
    [[nodiscard]] Result<void> add(const Event& event, std::uint32_t known_bytes);
    // Writes what it holds as a row group; nothing when it holds nothing.
    [[nodiscard]] Result<void> end_row_group();
    // The file is whole. Requires: nothing is added any more.
    [[nodiscard]] Result<void> finish();

    [[nodiscard]] std::uint64_t rows() const noexcept;
    // What the row group at hand takes.
    [[nodiscard]] std::uint64_t held_bytes() const noexcept;
    // Texts that weren't UTF-8: what is none of it was replaced by U+FFFD.
    [[nodiscard]] std::uint64_t mended_texts() const noexcept;

private:
    class State;
    std::unique_ptr<State> state_;
};

// Whether this build has zstd.
[[nodiscard]] bool has_compression() noexcept;

// `bytes` as one zstd frame, appended to `into`; frames behind each other are one stream. Error
// `unsupported` without zstd.
[[nodiscard]] Result<void> append_compressed(std::span<const std::byte> bytes,
                                             int level,
                                             std::vector<std::byte>& into);

// Where `text` stops being UTF-8; its size when it doesn't.
[[nodiscard]] std::size_t utf8_end(std::string_view text) noexcept;
// Each byte that is none of UTF-8 becomes U+FFFD.
void append_mended(std::string_view text, std::string& into);

}  // namespace tailrace::parquet
