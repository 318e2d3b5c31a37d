// AsideFile: a file that is made under another name and takes its own when it is whole and flushed.
//
// Crash story: before the rename its name is nobody's, and what is left there is removed by the
// next one; after it the file is there as a whole. If anything fails it goes with this object. One
// thread.
#pragma once

#include "storage.hpp"

#include <string>

namespace tailrace::journal {

class AsideFile {
public:
    AsideFile(FileStore& files, std::string path) : files_(files), path_(std::move(path)) {}
    AsideFile(const AsideFile&) = delete;
    AsideFile& operator=(const AsideFile&) = delete;
    ~AsideFile();

    // What an earlier one left under the name goes; its bytes may still be somebody's.
    [[nodiscard]] IoOutcome create() noexcept;
    [[nodiscard]] FileId id() const noexcept { return file_.id(); }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    [[nodiscard]] IoOutcome flush() noexcept { return files_.sync(file_.id()); }
    // Requires: flushed. Both are complete when the directory is flushed, which they do.
    [[nodiscard]] IoOutcome take_name(const std::string& name,
                                      const std::string& directory) noexcept;
    // Only in the place of that file: ENOENT when the name has gone, or leads elsewhere.
    [[nodiscard]] IoOutcome take_name_of(FileId old,
                                         const std::string& name,
                                         const std::string& directory) noexcept;

private:
    FileStore& files_;
    std::string path_;
    StoredFile file_;
    bool is_there_ = false;
};

}  // namespace tailrace::journal
