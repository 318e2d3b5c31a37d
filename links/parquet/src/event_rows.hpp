// EventRows: some events, as rows that wait to be turned into columns. A few hundred at a time stay
// in the cache, so that each column is a loop over them of its own. One thread.
#pragma once

#include "column_data.hpp"

#include <tailrace/base/event.hpp>
#include <tailrace/parquet/event_column.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tailrace::parquet {

class EventRows {
public:
    static constexpr std::size_t kMost = 256;

    // Of each payload the first bytes are kept, up to `payload_bytes`.
    explicit EventRows(std::size_t payload_bytes);

    // Requires: not full; as many bytes as are known.
    void add(const Event& event, std::uint32_t known_bytes) noexcept;
    [[nodiscard]] bool is_full() const noexcept { return count_ == kMost; }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

    // Requires: a source other than `payload`.
    void append_to(ColumnData& data, const EventColumn& column);
    void clear() noexcept;
    // Since it was made.
    [[nodiscard]] std::uint64_t mended_texts() const noexcept { return mended_texts_; }

private:
    using Words = std::array<std::uint64_t, kMost>;

    void append_words(ColumnData& data, const Words& words, std::uint8_t flag);
    void append_types(ColumnData& data);
    void append_field(ColumnData& data, const EventColumn& column);
    template <typename Stored, typename Kept>
    void append_numbers(ColumnData& data, const EventColumn& column);
    template <typename Stored, typename Kept>
    void copy_numbers(std::byte* place,
                      const schema::Field& field,
                      std::size_t first,
                      std::size_t end) const noexcept;
    void append_texts(ColumnData& data, const EventColumn& column);

    [[nodiscard]] const std::byte* payload_of(std::size_t row) const noexcept {
        return payloads_.data() + row * stride_;
    }

    std::size_t stride_;
    std::size_t count_ = 0;
    std::uint8_t common_flags_ = 0xFF;     // that all have
    std::uint8_t any_flags_ = 0;           // that one has
    std::uint32_t least_known_bytes_ = 0;  // of all
    std::array<std::uint8_t, kMost> flags_{};
    std::array<EventType, kMost> types_{};
    std::array<std::uint32_t, kMost> known_bytes_{};
    Words sequences_{};
    Words publish_times_{};
    Words event_times_{};
    Words keys_{};
    Words publishers_{};
    Words publisher_sequences_{};
    std::vector<std::byte> payloads_;
    std::string mended_;
    std::uint64_t mended_texts_ = 0;
};

}  // namespace tailrace::parquet
