#include "lease.hpp"

#include <cerrno>

namespace tailrace::journal {

Result<StoredFile> open_leased(FileStore& files, const std::string& path) {
    auto file = open_file(files, path, {});
    if (!file) return file.error();
    // Refused for another reason than that somebody holds it alone: no locks are to be had on this
    // file system. Then the writer can't hold a file alone either, and recycles none.
    const bool is_going = files.hold(file->id(), FileHold::shared).os_errno == EAGAIN;
    // The name is looked at under the hold: from here on the file can't become another segment.
    // Before, it may have.
    if (!is_going && files.is_named(file->id(), path)) return file;
    return os_error(
        ENOENT, "segment '" + path + "' is not there any more", "retention has given it up");
}

}  // namespace tailrace::journal
