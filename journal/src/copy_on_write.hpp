// What the journal has to know about file systems that don't write over what is there: room that
// was reserved once is no room for a second write. Any thread.
#pragma once

#include <string>

namespace tailrace::journal {

// For a file that is still empty: what is written over later takes no new room, where the file
// system can be told so (btrfs). Best effort; overwrites_in_place() tells.
void avoid_copies(int fd) noexcept;

// Whether writing again what was written takes no room: not where the file system always writes
// elsewhere, nor where the file shares blocks with another one (reflinks, snapshots).
[[nodiscard]] bool overwrites_in_place(int fd) noexcept;

// The file system of a file: "ext4", "xfs", "btrfs", or the type's number.
[[nodiscard]] std::string file_system_name(long type);

// One line for people: what becomes of a segment that is written over. Asked of a file that went
// through avoid_copies().
[[nodiscard]] std::string overwriting_text(int fd);

}  // namespace tailrace::journal
