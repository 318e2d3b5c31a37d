#include "file_owner.hpp"

#include "posix_files.hpp"
#include "segment_directory.hpp"

#include <tailrace/base/shortage.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <cerrno>
#include <dirent.h>
#include <filesystem>
#include <string_view>

namespace tailrace::journal {

namespace {

constexpr std::uint32_t kFileModes = 0666;
constexpr int kCreateTries = 8;

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::uint32_t directory_mode(std::uint32_t mode) noexcept {
    return (mode & kFileModes) | ((mode & 0444U) >> 2U);
}

bool has_access(const struct stat& status, const JournalAccess& access) noexcept {
    const bool is_root = ::geteuid() == 0;
    return (status.st_mode & kFileModes) == (access.mode & kFileModes) &&
           (access.group_id == JournalAccess::kUnsaid || status.st_gid == access.group_id) &&
           (!is_root || access.user_id == JournalAccess::kUnsaid ||
            status.st_uid == access.user_id);
}

}  // namespace

JournalAccess access_beside(const std::string& path) noexcept {
    const std::string directory = parent_of(path);
    struct stat status {};
    const bool has_lock =
        ::lstat(lock_path(directory).c_str(), &status) == 0 && S_ISREG(status.st_mode);
    if (!has_lock && ::stat(directory.c_str(), &status) != 0) return {};
    return {status.st_mode & kFileModes, status.st_uid, status.st_gid};
}

void give(int fd, const JournalAccess& access, bool is_directory) noexcept {
    struct stat status {};
    if (access.mode == JournalAccess::kUnsaid || ::fstat(fd, &status) != 0) return;
    std::uint32_t mode = is_directory ? directory_mode(access.mode) : access.mode & kFileModes;
    // Before the mode: giving a file away may take bits of it.
    if (::geteuid() == 0 && access.user_id != JournalAccess::kUnsaid &&
        access.user_id != status.st_uid) {
        (void)!::fchown(fd, access.user_id, static_cast<gid_t>(-1));
    }
    if (access.group_id != JournalAccess::kUnsaid && access.group_id != status.st_gid &&
        ::fchown(fd, static_cast<uid_t>(-1), access.group_id) != 0) {
        mode &= ~070U;
    }
    (void)::fchmod(fd, mode);
}

int create_file(const std::string& path, int open_flags, const JournalAccess& access) noexcept {
    for (int tries = 0; tries < kCreateTries; ++tries) {
        const int fd = above_standard(::open(
            path.c_str(), open_flags | O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (fd >= 0) {
            give(fd, access);
            return fd;
        }
        if (errno == EINTR) continue;
        if (errno != EEXIST) return -1;
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) return -1;
    }
    errno = EEXIST;
    return -1;
}

bool is_trusted(int fd, const std::string& path) noexcept {
    struct stat file {};
    struct stat directory {};
    if (::fstat(fd, &file) != 0 || ::stat(parent_of(path).c_str(), &directory) != 0) return false;
    if (file.st_uid == directory.st_uid) return true;
    const bool is_ours = file.st_uid == ::geteuid() || file.st_uid == 0;
    return (is_ours || (directory.st_mode & S_IWOTH) == 0) && file.st_nlink <= 1;
}

int make_journal_directory(const std::string& directory,
                           const JournalAccess& access,
                           bool& made) noexcept {
    made = false;
    std::error_code failure;
    if (access.mode == JournalAccess::kUnsaid) {
        made = std::filesystem::create_directories(directory, failure);
        return failure ? failure.value() : 0;
    }
    const auto parent = std::filesystem::path(directory).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, failure);
    if (failure) return failure.value();
    if (::mkdir(directory.c_str(), 0700) != 0) {
        if (errno != EEXIST) return errno;
        struct stat status {};
        if (::stat(directory.c_str(), &status) != 0) return errno;
        return S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
    }
    made = true;
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.is_open()) return errno;
    give(fd.get(), access, true);
    return 0;
}

void spread_access(const std::string& directory, const JournalAccess& access) noexcept {
    if (access.mode == JournalAccess::kUnsaid) return;
    struct stat status {};
    const std::string lock = lock_path(directory);
    if (::lstat(lock.c_str(), &status) != 0 || has_access(status, access)) return;
    DIR* const entries = ::opendir(directory.c_str());
    if (entries == nullptr) return;
    const auto give_named = [&](const char* name) {
        const UniqueFd fd(::openat(
            ::dirfd(entries), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
        struct stat found {};
        if (fd.is_open() && ::fstat(fd.get(), &found) == 0 && S_ISREG(found.st_mode) &&
            found.st_nlink == 1) {
            give(fd.get(), access);
        }
    };
    // readdir is safe here: the stream belongs to this call alone.
    while (const dirent* const entry = ::readdir(entries)) {  // NOLINT(concurrency-mt-unsafe)
        const std::string_view name = &entry->d_name[0];
        if (name != "LOCK" && !name.starts_with('.')) give_named(&entry->d_name[0]);
    }
    give_named("LOCK");  // last: should this be cut short, the next one does it again
    ::closedir(entries);
}

Result<void> make_durable_directory(const std::string& directory, const JournalAccess& access) {
    bool made = false;
    if (const int refusal = make_journal_directory(directory, access, made); refusal != 0) {
        return os_error(refusal,
                        "cannot make the directory '" + directory + "'",
                        refusal == EROFS ? shortage_of(EROFS, directory).hint
                                         : "check the path and its permissions with 'ls -ld'");
    }
    if (!made) return {};
    const auto parent = std::filesystem::path(directory).parent_path();
    const IoOutcome outcome =
        posix_files().sync_directory(parent.empty() ? std::string(".") : parent.string());
    if (outcome.ok()) return {};
    return os_error(outcome.os_errno, "cannot flush the parent of '" + directory + "'");
}

}  // namespace tailrace::journal
