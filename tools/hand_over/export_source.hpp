// ExportSource: where the events of an export come from: a stream, its journal included, or a
// journal alone. One thread.
#pragma once

#include <tailrace/base/position.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/schema/stream_schema.hpp>
#include <tailrace/stream/cursor_place.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <memory>
#include <optional>
#include <string>

namespace tailrace::tool {

class ExportSource {
public:
    // A journal's directory, a stream, or the journal of a stream that is gone.
    [[nodiscard]] static Result<ExportSource> find(const std::string& target);

    // The stream's name.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    // Which log it is: two that aren't the same never say the same.
    [[nodiscard]] const std::string& identity() const noexcept { return identity_; }
    // What isn't durable yet isn't handed over: a power cut could give its sequences to others.
    [[nodiscard]] bool is_recorded() const noexcept { return is_recorded_; }

    // Behind the last event that may be handed over, and behind the last one.
    [[nodiscard]] Result<Sequence> settled_end() const;
    [[nodiscard]] Result<Sequence> written_end() const;
    // Where `position` leads, but not beyond settled_end().
    [[nodiscard]] Result<Sequence> end_at(const std::optional<Position>& position) const;

    // Leaves no trace. What damage took is a gap.
    [[nodiscard]] Result<stream::StreamReader> read_from(const Position& from) const;
    // Of all events before an end that was asked for earlier.
    [[nodiscard]] Result<schema::StreamSchema> types() const;
    [[nodiscard]] Result<stream::CursorPlace> cursors() const;

private:
    ExportSource() = default;

    std::string name_;
    std::string identity_;
    std::shared_ptr<bus::Region> region_;  // null: a journal alone
    std::string directory_;                // of the journal; empty: none
    bool is_recorded_ = false;
};

}  // namespace tailrace::tool
