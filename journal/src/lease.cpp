#include "lease.hpp"

#include <cerrno>

namespace tailrace::journal {

Result<StoredFile> open_leased(FileStore& files, const std::string& path) {
    // The name may lead to another file by the time that this one is held: compress and repair put
    // a new one in the old one's place. Then that one is tried.
    constexpr int kTries = 8;
    for (int i = 0; i < kTries; ++i) {
        auto file = open_file(files, path, {});
        if (!file) return file.error();
        // Refused for another reason than that somebody holds it alone: no locks are to be had on
        // this file system. Then the writer can't hold a file alone either, and recycles none.
        if (files.hold(file->id(), FileHold::shared).os_errno == EAGAIN) break;
        // The name is looked at under the hold: from here on the file can't become another segment.
        // Before, it may have.
        if (files.is_named(file->id(), path)) return file;
    }
    return os_error(
        ENOENT, "segment '" + path + "' is not there any more", "retention has given it up");
}

}  // namespace tailrace::journal
