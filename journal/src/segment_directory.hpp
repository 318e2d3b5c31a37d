// The files of a journal's directory: names, which of them are ours, and small whole-file
// operations with errors that name the file. Law: docs/journal_format.md, "The directory".
#pragma once

#include "segment_codec.hpp"
#include "storage.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/journal/format.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::journal {

[[nodiscard]] std::string segment_path(const std::string& directory, std::uint64_t segment_number);
[[nodiscard]] std::string index_path(const std::string& directory, std::uint64_t segment_number);
[[nodiscard]] std::string super_path(const std::string& directory);
[[nodiscard]] std::string lock_path(const std::string& directory);
[[nodiscard]] std::string settings_path(const std::string& directory);
// A segment to be: filled with zeroes, or only allocated so far.
[[nodiscard]] std::string spare_path(const std::string& directory);
[[nodiscard]] std::string partial_spare_path(const std::string& directory);
// A segment that retention has given up while a reader held it.
[[nodiscard]] std::string retired_path(const std::string& directory, std::uint64_t segment_number);

// There from before the first file of a journal that is removed goes until after the last one.
inline constexpr std::string_view kRemovingName = "REMOVING";

// A name that some version of this program gives to a file there, finished or half made.
[[nodiscard]] bool is_journal_name(std::string_view name) noexcept;

// Where repair keeps files as they were, and makes new ones.
[[nodiscard]] std::string kept_parent(const std::string& directory);

struct DirectoryListing {
    std::vector<std::uint64_t> segment_numbers;   // ascending
    std::vector<std::uint64_t> disowned_numbers;  // segments of before the oldest (disown_below)
    std::vector<std::uint64_t> retired_numbers;   // of retired files
    bool has_super = false;
    bool has_lock = false;
    bool is_half_removed = false;            // it is no journal any more (removal.hpp)
    std::vector<std::string> foreign_names;  // none of ours
};

[[nodiscard]] Result<DirectoryListing> list_journal(FileStore& files, const std::string& directory);

// What to say of one that is half removed.
[[nodiscard]] Error half_removed(const std::string& directory);

// Retention says which segment is the oldest before it takes those below away. Some may still be
// there, with holes between them: they are no part of the journal any more.
void disown_below(DirectoryListing& listing, std::uint64_t oldest_segment_number);

// The number in "0000000000000001.seg.copying": a segment that is being made, or was when its maker
// was killed.
[[nodiscard]] std::optional<std::uint64_t> half_made_segment(std::string_view name) noexcept;

// What a journal never follows or writes to, in words; empty for any other reason.
[[nodiscard]] std::string why_refused(int os_errno);
// "cannot WHAT 'PATH'", and why: of a small file beside the segments.
[[nodiscard]] Error file_trouble(const char* what, const std::string& path, int os_errno);

[[nodiscard]] Result<StoredFile> open_file(FileStore& files,
                                           const std::string& path,
                                           OpenFlags flags);
// The same, buffered where unbuffered access is refused; `unbuffered` says what became of it.
[[nodiscard]] Result<StoredFile> open_unbuffered(FileStore& files,
                                                 const std::string& path,
                                                 OpenFlags flags,
                                                 bool& unbuffered);

[[nodiscard]] Result<SegmentHeader> read_segment_header(FileStore& files,
                                                        const StoredFile& file,
                                                        const std::string& path,
                                                        Access access);

// SUPER as it is: the newest valid slot, if any.
struct SuperState {
    std::optional<SuperBlock> newest;
    std::optional<Error> refusal;  // why there is none: foreign, damaged, of another version
    bool blank = true;             // no file, or one without a single byte that isn't zero
    bool lacks_slot = false;       // one of its two can't be believed

    // What it says is the last word that it was given: no slot of a later one is lost.
    [[nodiscard]] bool is_whole() const noexcept { return newest && !lacks_slot; }
};

[[nodiscard]] Result<SuperState> read_super(FileStore& files,
                                            const std::string& directory,
                                            Access access);
// Writes the slot of super.generation and flushes. The caller raises the generation.
[[nodiscard]] Result<void> write_super(FileStore& files,
                                       const std::string& directory,
                                       SuperBlock super);

// There is no segment, and none is missed. `is_begun`: SUPER is there.
[[nodiscard]] Error no_journal(const std::string& directory, bool is_begun);

// Best effort: an index is derived.
void write_index(FileStore& files, const std::string& path, const std::vector<std::byte>& bytes);
[[nodiscard]] Result<SegmentIndex> read_index(FileStore& files,
                                              const std::string& path,
                                              const SegmentHeader& segment);

}  // namespace tailrace::journal
