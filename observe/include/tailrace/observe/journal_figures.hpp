// JournalFigures: what can be told of a journal on disk, its segments and what is missing of it.
// What `tailrace inspect DIRECTORY` tells; journal::inspect() gives the rows. Pure functions.
#pragma once

#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/settings.hpp>
#include <tailrace/observe/figure.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace tailrace::observe {

[[nodiscard]] std::span<const Figure<journal::JournalSummary>> journal_figures() noexcept;
[[nodiscard]] std::span<const Figure<journal::SegmentSummary>> segment_figures() noexcept;
[[nodiscard]] std::span<const Figure<journal::MissingSegments>> missing_segments_figures() noexcept;

// "group", "interval=5ms", "none": as it is given to --sync.
[[nodiscard]] std::string sync_text(journal::SyncPolicy policy, std::uint64_t interval_ns);
// "off", "3": as it is given to --compress.
[[nodiscard]] std::string compress_text(std::uint64_t level);

// Of a segment: what was asked for, else what the newest one has; empty: there is none.
[[nodiscard]] std::optional<std::uint64_t> segment_size_bytes(
    const journal::JournalSummary& summary) noexcept;
[[nodiscard]] std::uint64_t leased_segments(const journal::JournalSummary& summary) noexcept;

}  // namespace tailrace::observe
