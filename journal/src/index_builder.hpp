// IndexBuilder: gathers the entries of a segment's index while its batches go by, in order. One
// thread. Law: docs/journal_format.md, "The index".
#pragma once

#include "batch_codec.hpp"

#include <tailrace/journal/format.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace tailrace::journal {

class IndexBuilder {
public:
    // Forgets what was gathered; makes room for all entries of such a segment, so that nothing is
    // allocated later.
    void begin(std::uint64_t segment_size_bytes) {
        spacing_bytes_ = index_spacing_bytes(segment_size_bytes);
        entries_.clear();
        entries_.reserve(max_index_entries(segment_size_bytes));
    }

    // The batch that stands at `at`. One that was noted before changes nothing.
    void note(const LogPosition& at, Sequence first_sequence, std::uint64_t extent_bytes) noexcept {
        if (!entries_.empty()) {
            const std::uint64_t begin = entries_.back().offset;
            if (at.offset <= begin || at.offset + extent_bytes - begin <= spacing_bytes_) return;
        }
        if (entries_.size() == entries_.capacity()) return;
        entries_.push_back({first_sequence, at.max_time_ns, at.offset});
    }
    void note(const LogPosition& at, const BatchHeader& header) noexcept {
        note(at, header.first_sequence, batch_extent_bytes(header));
    }

    [[nodiscard]] std::span<const IndexEntry> entries() const noexcept { return entries_; }

private:
    std::uint64_t spacing_bytes_ = kMinIndexSpacingBytes;
    std::vector<IndexEntry> entries_;
};

}  // namespace tailrace::journal
