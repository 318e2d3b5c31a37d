#include "hand_over/export_source.hpp"

#include "command.hpp"
#include "journal_place.hpp"

#include <tailrace/bus/declared_types.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/journal/kept_types.hpp>
#include <tailrace/journal/reader.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

std::string journal_identity(const journal::Reader& reader) {
    const auto id = reader.journal_id();
    return fmt::format("journal {:016x}{:016x}", id[0], id[1]);
}

}  // namespace

Result<ExportSource> ExportSource::find(const std::string& target) {
    ExportSource source;
    source.name_ = target;
    if (!is_path(target)) {
        auto region = bus::Region::open(target, bus::RegionAccess::observe, settings().directory);
        if (!region && region.error().code != ErrorCode::not_found) return region.error();
        if (region) source.region_ = std::move(*region);
    }
    if (source.region_) {
        source.directory_ = bus::remembered_journal(*source.region_).directory;
        if (source.directory_.empty())
            source.directory_ = journal_directory_of(source.region_->header());
        source.is_recorded_ = !source.directory_.empty();
        source.identity_ = fmt::format("ring {:016x}", source.region_->header().salt);
        if (!source.is_recorded_) return source;
        // One that nobody has recorded yet has no journal.
        auto reader = journal::Reader::open(source.directory_);
        if (reader) source.identity_ = journal_identity(*reader);
        return source;
    }
    auto directory = find_journal(target);
    if (!directory) return directory.error();
    source.directory_ = std::move(*directory);
    auto reader = journal::Reader::open(source.directory_);
    if (!reader) return reader.error();
    source.identity_ = journal_identity(*reader);
    source.name_ = reader->stream_name();
    return source;
}

Result<Sequence> ExportSource::written_end() const {
    if (region_) return region_->tail().sequence;
    auto reader = read_from(Position::end());
    if (!reader) return reader.error();
    return reader->next_sequence();
}

Result<Sequence> ExportSource::settled_end() const {
    if (region_ && is_recorded_)
        return std::min(bus::durable_sequence(*region_), region_->tail().sequence);
    return written_end();
}

Result<Sequence> ExportSource::end_at(const std::optional<Position>& position) const {
    auto end = settled_end();
    if (!end || !position) return end;
    if (position->kind == Position::Kind::sequence) return std::min(position->value, *end);
    auto reader = read_from(*position);
    if (!reader) return reader.error();
    return std::min(reader->next_sequence(), *end);
}

Result<stream::StreamReader> ExportSource::read_from(const Position& from) const {
    stream::StreamReaderOptions options;
    options.policy = bus::SlowPolicy::observe;
    options.from = from;
    options.on_damage = stream::OnDamage::skip;
    if (is_recorded_) options.limit = stream::ReadLimit::durable;
    if (region_) return stream::StreamReader::attach(region_, options);
    return stream::StreamReader::open_journal(directory_, options);
}

Result<schema::StreamSchema> ExportSource::types() const {
    if (!region_) return journal::load_types(directory_);
    return bus::declared_types(*region_);
}

Result<stream::CursorPlace> ExportSource::cursors() const {
    if (region_) {
        return stream::CursorPlace::of_stream(
            name_, bus::RegionAccess::subscribe, settings().directory);
    }
    return stream::CursorPlace::of_journal(directory_);
}

}  // namespace tailrace::tool
