#include "event_rows.hpp"
#include "event_schema.hpp"
#include "file_writer.hpp"

#include <tailrace/parquet/event_file.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace tailrace::parquet {

namespace {

std::vector<ColumnSchema> schemas_of(const EventFileOptions& options) {
    std::vector<ColumnSchema> schemas;
    for (const EventColumn& column : options.columns)
        schemas.push_back(column_schema(column, options));
    return schemas;
}

std::size_t kept_payload_bytes(const std::vector<EventColumn>& columns) {
    std::uint64_t bytes = 0;
    for (const EventColumn& column : columns) {
        if (column.source == ColumnSource::field)
            bytes = std::max(bytes, column.field.offset_bytes + column.field.size_bytes());
    }
    return bytes;
}

std::optional<int> level_of(const EventFileOptions& options) {
    if (!options.compresses || !has_compression()) return {};
    return options.zstd_level;
}

}  // namespace

class EventFile::State {
public:
    State(EventFileOptions options, ByteSink& sink)
        : options_(std::move(options)),
          writer_(schemas_of(options_), level_of(options_), options_.notes, sink),
          waiting_(kept_payload_bytes(options_.columns)) {
        for (const EventColumn& column : options_.columns) {
            data_.emplace_back(column_schema(column, options_));
            if (column.source == ColumnSource::payload) payload_ = data_.size() - 1;
        }
    }

    [[nodiscard]] Result<void> add(const Event& event, std::uint32_t known_bytes) {
        if (payload_) {
            if (auto added = add_payload(event); !added) return added;
        }
        waiting_.add(event, known_bytes);
        ++rows_;
        if (waiting_.is_full()) drain();
        const bool is_enough = group_rows() >= options_.row_group_rows ||
                               held_bytes_ + pending_bytes_ >= options_.row_group_bytes;
        return is_enough ? end_row_group() : Result<void>();
    }

    [[nodiscard]] Result<void> end_row_group() {
        drain();
        if (data_.front().rows() == 0) return {};
        auto written = writer_.write_row_group(data_);
        for (ColumnData& column : data_)
            column.clear();
        held_bytes_ = 0;
        return written;
    }

    [[nodiscard]] Result<void> finish() {
        if (auto ended = end_row_group(); !ended) return ended;
        return writer_.finish();
    }

    [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
    [[nodiscard]] std::uint64_t held_bytes() const noexcept { return held_bytes_ + pending_bytes_; }
    [[nodiscard]] std::uint64_t mended_texts() const noexcept {
        return mended_texts_ + waiting_.mended_texts();
    }

private:
    [[nodiscard]] std::uint64_t group_rows() const noexcept {
        return data_.front().rows() + waiting_.count();
    }

    [[nodiscard]] Result<void> add_payload(const Event& event) {
        constexpr std::uint32_t kMost = 0x7FFFFF00;
        if (event.size_bytes() > kMost) {
            return make_error(ErrorCode::too_large,
                              "event " + std::to_string(event.sequence()) + " has " +
                                  std::to_string(event.size_bytes()) +
                                  " bytes, and Parquet has no page for it",
                              "another --format");
        }
        const void* const bytes = event.payload().data();
        const std::string_view text(static_cast<const char*>(bytes), event.size_bytes());
        pending_bytes_ += text.size();
        if (options_.payload == PayloadKind::bytes || utf8_end(text) == text.size()) {
            data_[*payload_].add_bytes(text.data(), text.size());
            return {};
        }
        ++mended_texts_;
        mended_.clear();
        append_mended(text, mended_);
        data_[*payload_].add_bytes(mended_.data(), mended_.size());
        return {};
    }

    void drain() {
        if (waiting_.count() == 0) return;
        held_bytes_ = 0;
        for (std::size_t at = 0; at < data_.size(); ++at) {
            waiting_.append_to(data_[at], options_.columns[at]);
            held_bytes_ += data_[at].held_bytes();
        }
        pending_bytes_ = 0;
        waiting_.clear();
    }

    EventFileOptions options_;
    FileWriter writer_;
    std::vector<ColumnData> data_;
    std::optional<std::size_t> payload_;  // which column
    EventRows waiting_;
    std::uint64_t rows_ = 0;
    std::uint64_t held_bytes_ = 0;
    std::uint64_t pending_bytes_ = 0;  // of payloads, since held_bytes_ was counted
    std::uint64_t mended_texts_ = 0;
    std::string mended_;
};

EventFile::EventFile(EventFileOptions options, ByteSink& sink)
    : state_(std::make_unique<State>(std::move(options), sink)) {}
EventFile::EventFile(EventFile&&) noexcept = default;
EventFile& EventFile::operator=(EventFile&&) noexcept = default;
EventFile::~EventFile() = default;

Result<void> EventFile::add(const Event& event, std::uint32_t known_bytes) {
    return state_->add(event, known_bytes);
}
Result<void> EventFile::end_row_group() {
    return state_->end_row_group();
}
Result<void> EventFile::finish() {
    return state_->finish();
}
std::uint64_t EventFile::rows() const noexcept {
    return state_->rows();
}
std::uint64_t EventFile::held_bytes() const noexcept {
    return state_->held_bytes();
}
std::uint64_t EventFile::mended_texts() const noexcept {
    return state_->mended_texts();
}

}  // namespace tailrace::parquet
