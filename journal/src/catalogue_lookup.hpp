// CatalogueLookup: asks the catalogue which segment a place lies in. What it answers is a hint,
// that the segment itself has to bear out.
//
// Keeps what it has read: a sealed segment doesn't change, so the file is read again only when a
// place isn't covered. Of up to a thousand segments one read brings all; of more, a block of
// entries for each halving. One thread.
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
    struct Question {
        std::optional<CataloguedSegment> (CatalogueLookup::*find)(std::uint64_t) const;
        bool (*begins_before)(const CatalogueEntry&, std::uint64_t);
    };
    [[nodiscard]] std::optional<CataloguedSegment> find_or_read(const Question& question,
                                                                std::uint64_t place);
    [[nodiscard]] std::optional<CataloguedSegment> find_sequence(std::uint64_t sequence) const;
    [[nodiscard]] std::optional<CataloguedSegment> find_time(std::uint64_t time_ns) const;
    void read(const Question& question, std::uint64_t place);

    FileStore* files_;
    std::string directory_;
    JournalId journal_id_{};
    std::uint64_t oldest_number_ = 0;
    std::vector<CataloguedSegment> segments_;  // all from the oldest on, or one block of them
};

}  // namespace tailrace::journal
