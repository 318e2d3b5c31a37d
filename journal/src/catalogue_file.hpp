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

// Makes it anew from the headers of the segments that are there. For those who hold the lock, or
// made the directory. Best effort.
void rebuild_catalogue(FileStore& files, const std::string& directory);

}  // namespace tailrace::journal
