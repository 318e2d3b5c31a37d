// CatalogueFile: the catalogue of a journal, as its writer keeps it. One thread, which holds the
// journal's lock.
//
// Everything here is best effort: what fails costs readers time. An entry is added in place; the
// whole is made aside and renamed when the writer opens, and when most of it is about segments that
// retention gave up. Nothing is flushed: whatever of it a crash leaves behind is checked entry by
// entry. Crash story: an entry is written when its segment is durable to the end and the successor
// has its name, so none can say more than what recovery will find.
#pragma once

#include "catalogue_codec.hpp"
#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tailrace::journal {

[[nodiscard]] std::string catalogue_path(const std::string& directory);

class CatalogueFile {
public:
    CatalogueFile(FileStore& files, std::string directory)
        : files_(&files),
          directory_(std::move(directory)) {}

    // The next sealed segment. One that doesn't follow the last begins a catalogue of its own.
    void add(const CataloguedSegment& segment);
    // Brings the file up to date. Segments below the oldest have gone.
    void write(const JournalId& journal_id, std::uint64_t oldest_number) noexcept;

private:
    [[nodiscard]] bool append(const JournalId& journal_id) noexcept;
    [[nodiscard]] bool rewrite(const JournalId& journal_id, std::uint64_t oldest_number);

    FileStore* files_;
    std::string directory_;
    std::vector<CataloguedSegment> segments_;  // one for each slot, without a hole
    std::size_t written_ = 0;                  // of them; 0: the file has to be made
};

// Errors: `not_found` (there is none, or a blank one), `corrupt`, and what the kernel refuses. One
// read.
[[nodiscard]] Result<Catalogue> read_catalogue(FileStore& files, const std::string& directory);

// The segments that a catalogue of these, ascending, has an entry for: each whose successor
// follows.
[[nodiscard]] std::vector<CataloguedSegment> catalogued(std::span<const SegmentHeader> segments);

struct CatalogueCheck {
    std::uint64_t wrong_entries = 0;    // say something else than the headers, or can't be believed
    std::uint64_t missing_entries = 0;  // of segments that have a successor
    std::string text;                   // what is wrong, or why none of it can be believed

    [[nodiscard]] bool is_damaged() const noexcept { return !text.empty(); }
};
[[nodiscard]] CatalogueCheck check_catalogue(FileStore& files,
                                             const std::string& directory,
                                             std::span<const SegmentHeader> segments);

// Makes it anew from the headers of the segments from the oldest to the newest that SUPER names.
// For those who hold the lock, or made the directory. Best effort.
void rebuild_catalogue(FileStore& files, const std::string& directory);

}  // namespace tailrace::journal
