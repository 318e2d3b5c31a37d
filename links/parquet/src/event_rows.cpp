#include "event_rows.hpp"

#include <tailrace/parquet/event_file.hpp>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace tailrace::parquet {

EventRows::EventRows(std::size_t payload_bytes)
    : stride_(payload_bytes),
      payloads_(payload_bytes * kMost + 1) {
    clear();
}

void EventRows::clear() noexcept {
    count_ = 0;
    common_flags_ = 0xFF;
    any_flags_ = 0;
    least_known_bytes_ = UINT32_MAX;
}

void EventRows::add(const Event& event, std::uint32_t known_bytes) noexcept {
    const std::size_t row = count_++;
    const std::uint8_t flags = event.flags();
    flags_[row] = flags;
    common_flags_ &= flags;
    any_flags_ |= flags;
    types_[row] = event.type();
    known_bytes_[row] = known_bytes;
    least_known_bytes_ = std::min(least_known_bytes_, known_bytes);
    sequences_[row] = event.sequence();
    publish_times_[row] = event.publish_time_ns();
    event_times_[row] = event.event_time_ns();
    if ((flags & (kHasKey | kHasPublisherId)) != 0) {
        keys_[row] = event.key();
        publishers_[row] = event.publisher_id();
        publisher_sequences_[row] = event.publisher_sequence();
    }
    std::memcpy(payloads_.data() + row * stride_,
                event.payload().data(),
                std::min<std::size_t>(known_bytes, stride_));
}

void EventRows::append_to(ColumnData& data, const EventColumn& column) {
    switch (column.source) {
        case ColumnSource::sequence:
            return append_words(data, sequences_, 0);
        case ColumnSource::publish_time:
            return append_words(data, publish_times_, kHasPublishTime);
        case ColumnSource::event_time:
            return append_words(data, event_times_, kHasEventTime);
        case ColumnSource::key:
            return append_words(data, keys_, kHasKey);
        case ColumnSource::publisher:
            return append_words(data, publishers_, kHasPublisherId);
        case ColumnSource::publisher_sequence:
            return append_words(data, publisher_sequences_, kHasPublisherId);
        case ColumnSource::type:
            return append_types(data);
        case ColumnSource::field:
            return append_field(data, column);
        case ColumnSource::payload:
            return;
    }
}

// `flag` says who has one; 0: everybody.
void EventRows::append_words(ColumnData& data, const Words& words, std::uint8_t flag) {
    if ((common_flags_ & flag) == flag) {
        std::memcpy(data.add_rows(count_), words.data(), count_ * sizeof(words[0]));
        return;
    }
    if ((any_flags_ & flag) == 0) return data.add_nulls(count_);
    for (std::size_t row = 0; row < count_; ++row) {
        if ((flags_[row] & flag) != 0) {
            std::memcpy(data.add_rows(1), &words[row], sizeof(words[row]));
        } else {
            data.add_nulls(1);
        }
    }
}

void EventRows::append_types(ColumnData& data) {
    std::byte* place = data.add_rows(count_);
    for (std::size_t row = 0; row < count_; ++row, place += sizeof(std::int32_t)) {
        const std::int32_t type = types_[row];
        std::memcpy(place, &type, sizeof(type));
    }
}

// Numbers of at most 32 bits are stored in 32.
template <typename Stored, typename Kept>
void EventRows::copy_numbers(std::byte* place,
                             const schema::Field& field,
                             std::size_t first,
                             std::size_t end) const noexcept {
    const auto copy_one = [&](const std::byte* from) {
        Kept kept;  // NOLINT: filled below
        std::memcpy(&kept, from, sizeof(kept));
        const auto stored = static_cast<Stored>(kept);
        std::memcpy(place, &stored, sizeof(stored));
        place += sizeof(stored);
    };
    const std::byte* from = payload_of(first) + field.offset_bytes;
    if (field.count == 0) {
        for (std::size_t row = first; row < end; ++row, from += stride_)
            copy_one(from);
        return;
    }
    for (std::size_t row = first; row < end; ++row, from += stride_) {
        for (std::size_t at = 0; at < field.count; ++at)
            copy_one(from + at * sizeof(Kept));
    }
}

template <typename Stored, typename Kept>
void EventRows::append_numbers(ColumnData& data, const EventColumn& column) {
    const schema::Field& field = column.field;
    const std::uint64_t end_bytes = field.offset_bytes + field.size_bytes();
    if (!column.is_optional || least_known_bytes_ >= end_bytes)
        return copy_numbers<Stored, Kept>(data.add_rows(count_), field, 0, count_);
    for (std::size_t row = 0; row < count_; ++row) {
        if (known_bytes_[row] >= end_bytes) {
            copy_numbers<Stored, Kept>(data.add_rows(1), field, row, row + 1);
        } else {
            data.add_nulls(1);
        }
    }
}

// Arrays of characters up to their first zero, and single ones.
void EventRows::append_texts(ColumnData& data, const EventColumn& column) {
    const schema::Field& field = column.field;
    const std::size_t most = field.count == 0 ? 1 : field.count;
    const std::uint64_t end_bytes = field.offset_bytes + field.size_bytes();
    for (std::size_t row = 0; row < count_; ++row) {
        if (column.is_optional && known_bytes_[row] < end_bytes) {
            data.add_nulls(1);
            continue;
        }
        const void* const place = payload_of(row) + field.offset_bytes;
        const auto* const begin = static_cast<const char*>(place);
        const std::string_view text(begin, ::strnlen(begin, most));
        if (utf8_end(text) == text.size()) {
            data.add_bytes(text.data(), text.size());
            continue;
        }
        ++mended_texts_;
        mended_.clear();
        append_mended(text, mended_);
        data.add_bytes(mended_.data(), mended_.size());
    }
}

void EventRows::append_field(ColumnData& data, const EventColumn& column) {
    using schema::FieldKind;
    switch (column.field.kind) {
        case FieldKind::i8:
            return append_numbers<std::int32_t, std::int8_t>(data, column);
        case FieldKind::i16:
            return append_numbers<std::int32_t, std::int16_t>(data, column);
        case FieldKind::i32:
            return append_numbers<std::int32_t, std::int32_t>(data, column);
        case FieldKind::u8:
            if (column.field.count != 0)  // fixed bytes
                return append_numbers<std::uint8_t, std::uint8_t>(data, column);
            return append_numbers<std::uint32_t, std::uint8_t>(data, column);
        case FieldKind::u16:
            return append_numbers<std::uint32_t, std::uint16_t>(data, column);
        case FieldKind::u32:
        case FieldKind::f32:
            return append_numbers<std::uint32_t, std::uint32_t>(data, column);
        case FieldKind::i64:
        case FieldKind::u64:
        case FieldKind::f64:
            return append_numbers<std::uint64_t, std::uint64_t>(data, column);
        case FieldKind::boolean:
            return append_numbers<std::uint8_t, std::uint8_t>(data, column);
        case FieldKind::character:
            return append_texts(data, column);
    }
}

}  // namespace tailrace::parquet
