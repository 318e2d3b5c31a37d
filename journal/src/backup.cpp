#include "backup_core.hpp"
#include "file_owner.hpp"
#include "lock_file.hpp"
#include "posix_files.hpp"

#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/inspect.hpp>

#include <system_error>

#include <algorithm>
#include <filesystem>

namespace tailrace::journal {

namespace {

// Nothing there, or what a backup left that was stopped early.
bool is_bare(const std::string& directory) {
    auto listing = list_journal(posix_files(), directory);
    return listing &&
           std::all_of(listing->foreign_names.begin(),
                       listing->foreign_names.end(),
                       [](const std::string& name) { return name.ends_with(".copying"); });
}

}  // namespace

Result<BackupReport> backup(const std::string& source,
                            const std::string& destination,
                            const BackupOptions& options) noexcept {
    if (!is_journal(source)) {
        return make_error(ErrorCode::not_found,
                          "there is no journal in '" + source + "'",
                          "'tailrace ls' shows the streams and journals of this machine");
    }
    // Whoever may read the source may read the copy, and nobody else.
    const JournalAccess access = access_beside(lock_path(source));
    bool made = false;
    if (const int refusal = make_journal_directory(destination, access, made); refusal != 0) {
        return os_error(refusal,
                        "cannot make the directory '" + destination + "'",
                        "check the path and its permissions with 'ls -ld'");
    }
    std::error_code failed;
    if (std::filesystem::equivalent(source, destination, failed)) {
        return make_error(ErrorCode::invalid_argument,
                          "'" + destination + "' is the journal itself",
                          "give the backup a directory of its own, best on another disk");
    }
    // Before a LOCK is left there: somebody else's directory stays as it is.
    if (!is_journal(destination) && !is_bare(destination)) {
        return make_error(ErrorCode::already_exists,
                          "'" + destination + "' is not empty and not a backup",
                          "choose another directory, or an empty one");
    }
    auto lock = lock_journal(destination, access);
    if (!lock) return lock.error();
    const auto writer_runs = [&source] {
        return look_at_lock(source).is_held;
    };
    return BackupCore(posix_files(), source, destination, options, writer_runs).run();
}

}  // namespace tailrace::journal
