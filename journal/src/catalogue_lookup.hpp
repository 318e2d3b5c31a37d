// CatalogueLookup: asks the catalogue which segment a place lies in. What it answers is a hint,
// that the segment itself has to bear out.
//
// Keeps what it has read: a sealed segment doesn't change, so the file is read again only when a
// place isn't covered. At most one read for each question. One thread.
#pragma once

#include "catalogue_file.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::journal {

class CatalogueLookup {
public:
    CatalogueLookup(FileStore& files, std::string directory)
        : files_(&files),
          directory_(std::move(directory)) {}

    // Segments of which journal, and from which on.
    void look_at(const JournalId& journal_id, std::uint64_t oldest_number) noexcept {
        journal_id_ = journal_id;
        oldest_number_ = oldest_number;
    }

    // The one that holds the event.
    [[nodiscard]] std::optional<CataloguedSegment> with_sequence(Sequence sequence);
    // The one in which the running maximum of publish times reaches it.
    [[nodiscard]] std::optional<CataloguedSegment> with_time(std::uint64_t time_ns);
    // It has said something that isn't so: to be read again before the next answer.
    void forget() noexcept { segments_.clear(); }

private:
    using Find = std::optional<CataloguedSegment> (CatalogueLookup::*)(std::uint64_t) const;
    [[nodiscard]] std::optional<CataloguedSegment> find_or_read(Find find, std::uint64_t place);
    [[nodiscard]] std::optional<CataloguedSegment> find_sequence(std::uint64_t sequence) const;
    [[nodiscard]] std::optional<CataloguedSegment> find_time(std::uint64_t time_ns) const;
    void read();

    FileStore* files_;
    std::string directory_;
    JournalId journal_id_{};
    std::uint64_t oldest_number_ = 0;
    std::vector<CataloguedSegment> segments_;  // from the oldest on
};

}  // namespace tailrace::journal
