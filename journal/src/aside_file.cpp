#include "aside_file.hpp"

#include <cerrno>

namespace tailrace::journal {

AsideFile::~AsideFile() {
    if (is_there_) (void)files_.remove(path_);
}

IoOutcome AsideFile::create() noexcept {
    const IoOutcome removed = files_.remove(path_);
    if (!removed.ok() && removed.os_errno != ENOENT) return removed;
    const IoOutcome opened = files_.open(path_, {.write = true, .create = true});
    if (!opened.ok()) return opened;
    file_ = StoredFile(files_, static_cast<FileId>(opened.value));
    is_there_ = true;
    return {};
}

IoOutcome AsideFile::take_name(const std::string& name, const std::string& directory) noexcept {
    IoOutcome outcome = files_.rename(path_, name);
    if (!outcome.ok()) return outcome;
    is_there_ = false;
    return files_.sync_directory(directory);
}

// Both names are exchanged in one step, which fails when the other one has gone meanwhile: a rename
// would make it anew. What had it is removed under ours.
IoOutcome AsideFile::take_name_of(FileId old,
                                  const std::string& name,
                                  const std::string& directory) noexcept {
    if (!files_.is_named(old, name)) return {0, ENOENT};
    const IoOutcome outcome = files_.exchange(path_, name);
    if (outcome.os_errno == EOPNOTSUPP) return take_name(name, directory);
    if (!outcome.ok()) return outcome;
    return files_.sync_directory(directory);
}

}  // namespace tailrace::journal
