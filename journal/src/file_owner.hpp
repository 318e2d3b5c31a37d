// Whose a journal's files are. Each new one gets owner, group and permissions of the journal's
// LOCK, so that it doesn't matter which program makes it; where there is no LOCK yet, those of the
// directory. Any thread.
#pragma once

#include <tailrace/journal/writer.hpp>

#include <string>

namespace tailrace::journal {

// What a new file of this path should have.
[[nodiscard]] JournalAccess access_beside(const std::string& path) noexcept;

// Gives it to a file or directory that is ours. As far as the system lets us; where it doesn't let
// us choose the group, the group gets no permission.
void give(int fd, const JournalAccess& access, bool is_directory = false) noexcept;

// Makes a file that isn't there, for reading and writing. What has the name goes, whatever it is:
// no link is followed, nobody else's file is written to. The descriptor, or -1 and errno.
[[nodiscard]] int create_file(const std::string& path,
                              int open_flags,
                              const JournalAccess& access) noexcept;

// Whether a file that is there may be written to: it belongs to whom its directory belongs to, or
// to us and has no other name; or the directory isn't open to everybody, so that whoever made it
// was let in.
[[nodiscard]] bool is_trusted(int fd, const std::string& path) noexcept;

// A directory and those above it; the last gets `access` when it is made here. 0 or an errno.
[[nodiscard]] int make_journal_directory(const std::string& directory,
                                         const JournalAccess& access,
                                         bool& made) noexcept;

// The same, and its name is flushed when it is new.
[[nodiscard]] Result<void> make_durable_directory(const std::string& directory,
                                                  const JournalAccess& access);

// Whoever may use the journal now may use all of it: for when the stream was made anew with other
// permissions. Requires: the journal is locked.
void spread_access(const std::string& directory, const JournalAccess& access) noexcept;

}  // namespace tailrace::journal
