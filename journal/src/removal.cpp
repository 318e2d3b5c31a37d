#include "lock_file.hpp"
#include "segment_directory.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/ledger.hpp>
#include <tailrace/journal/removal.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <dirent.h>
#include <string_view>
#include <utility>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kRemovalBlockBytes = 512;  // in which stat() counts
constexpr long kRemovalNapNs = 10'000'000;
constexpr std::string_view kRemovingText =
    "'tailrace rm' was told to remove the journal in this directory, and was stopped before it "
    "had\nremoved all of it. What is left is no journal. 'tailrace rm' with this directory ends "
    "it.\n";

Error removal_cannot(const char* what, const std::string& path) {
    return os_error(errno,
                    std::string("cannot ") + what + " '" + path + "'",
                    "check the permissions of the directory with 'ls -la'");
}

// Everything below goes through one descriptor, so that no link leads elsewhere meanwhile.
Result<UniqueFd> open_directory(const std::string& directory) {
    UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd.is_open()) return fd;
    if (errno == ELOOP || errno == ENOTDIR) {
        return make_error(ErrorCode::invalid_argument,
                          "'" + directory + "' is no directory itself, or a link to one",
                          "name the directory (realpath " + directory + ")");
    }
    return removal_cannot("open", directory);
}

struct OwnFile {
    std::string name;
    std::uint64_t allocated_bytes = 0;
};

struct Names {
    std::vector<OwnFile> own;         // in the order in which they go
    std::vector<std::string> others;  // sorted
};

// Segments first, then what says which there ought to be, then what says that they go.
int rank_of(std::string_view name) {
    if (name == kRemovingName) return 4;
    if (name == "LOCK") return 3;
    if (name == "SUPER") return 2;
    return name.ends_with(".seg") ? 0 : 1;
}

Result<Names> list_names(int directory_fd, const std::string& directory) {
    Names names;
    const int again = ::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const entries = again < 0 ? nullptr : ::fdopendir(again);
    if (entries == nullptr) {
        if (again >= 0) ::close(again);
        return removal_cannot("list", directory);
    }
    // readdir is safe here: the stream belongs to this call alone.
    while (const dirent* const entry = ::readdir(entries)) {  // NOLINT(concurrency-mt-unsafe)
        std::string name = &entry->d_name[0];
        if (name == "." || name == "..") continue;
        struct stat status {};
        const bool is_file =
            ::fstatat(directory_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode);
        if (is_file && is_journal_name(name)) {
            names.own.push_back(
                {std::move(name),
                 static_cast<std::uint64_t>(status.st_blocks) * kRemovalBlockBytes});
        } else {
            names.others.push_back(std::move(name));
        }
    }
    ::closedir(entries);
    std::sort(names.others.begin(), names.others.end());
    std::sort(names.own.begin(), names.own.end(), [](const OwnFile& one, const OwnFile& other) {
        return std::pair(rank_of(one.name), one.name) < std::pair(rank_of(other.name), other.name);
    });
    return names;
}

bool has_name(const Names& names, std::string_view wanted) {
    return std::any_of(names.own.begin(), names.own.end(), [wanted](const OwnFile& file) {
        return file.name == wanted;
    });
}

bool looks_like_a_journal(const Names& names) {
    return has_name(names, "SUPER") || has_name(names, kRemovingName) ||
           std::any_of(names.own.begin(), names.own.end(), [](const OwnFile& file) {
               return file.name.ends_with(".seg");
           });
}

Error no_journal_to_remove(const std::string& directory) {
    return make_error(ErrorCode::not_found,
                      "there is no journal in '" + directory + "'",
                      "tailrace ls shows the streams and journals of this machine");
}

class Removal {
public:
    Removal(const std::string& directory, const RemovalOptions& options)
        : directory_(directory),
          options_(options) {}

    [[nodiscard]] Result<RemovedJournal> run();

private:
    [[nodiscard]] Result<void> take_locks();
    [[nodiscard]] Result<void> take_byte(std::uint64_t byte, const char* who);
    [[nodiscard]] Result<void> check_place() const;
    [[nodiscard]] Result<void> check_cursors() const;
    [[nodiscard]] Result<void> check_readers(const Names& names) const;
    [[nodiscard]] Result<void> say_what_happens();
    [[nodiscard]] Result<void> flush(const char* what) const;
    [[nodiscard]] Result<void> remove(const std::string& name);
    [[nodiscard]] bool is_stopped() const { return options_.stop && options_.stop(); }

    const std::string& directory_;
    const RemovalOptions& options_;
    UniqueFd fd_;
    std::vector<FileLock> locks_;
    RemovedJournal removed_;
};

Result<void> Removal::take_byte(std::uint64_t byte, const char* who) {
    const std::uint64_t until_ns = monotonic_ns() + options_.patience_ns;
    for (;;) {
        auto lock = byte == kWriterByte ? lock_journal(directory_)
                                        : FileLock::try_lock(lock_path(directory_), byte);
        if (lock) {
            locks_.push_back(std::move(*lock));
            return {};
        }
        if (lock.error().code != ErrorCode::busy || monotonic_ns() >= until_ns) {
            if (lock.error().code != ErrorCode::busy || byte == kWriterByte) return lock.error();
            return make_error(ErrorCode::busy,
                              "somebody " + std::string(who) + " the journal '" + directory_ + "'",
                              "fuser -v " + lock_path(directory_));
        }
        const timespec nap{0, kRemovalNapNs};
        ::nanosleep(&nap, nullptr);
    }
}

Result<void> Removal::take_locks() {
    if (auto taken = take_byte(kWriterByte, "writes"); !taken) return taken;
    if (auto taken = take_byte(kCompressorByte, "compresses"); !taken) return taken;
    if (auto taken = take_byte(kTrimByte, "trims"); !taken) return taken;
    return take_byte(kLedgerByte, "changes a cursor of");
}

// The lock is taken by the path, all else by the descriptor.
Result<void> Removal::check_place() const {
    struct stat ours {};
    struct stat named {};
    if (::fstat(fd_.get(), &ours) == 0 && ::lstat(directory_.c_str(), &named) == 0 &&
        ours.st_dev == named.st_dev && ours.st_ino == named.st_ino) {
        return {};
    }
    return make_error(ErrorCode::busy,
                      "'" + directory_ + "' has become another directory meanwhile",
                      "ls -ld " + directory_);
}

Result<void> Removal::check_cursors() const {
    const auto ledger = read_ledger(directory_);
    if (!ledger) return {};
    for (const LedgerCursor& cursor : ledger->cursors) {
        const auto alone = lock_ledger_cursor(directory_, cursor.name);
        if (!alone && alone.error().code == ErrorCode::busy) return alone.error();
    }
    return {};
}

Result<void> Removal::check_readers(const Names& names) const {
    for (const OwnFile& file : names.own) {
        if (rank_of(file.name) != 0) continue;
        const UniqueFd segment(
            ::openat(fd_.get(), file.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!segment.is_open() || !is_locked(segment.get(), 0)) continue;
        const std::string path = directory_ + "/" + file.name;
        return make_error(
            ErrorCode::busy, "somebody reads '" + path + "'", "fuser -v " + path + "; or --force");
    }
    return {};
}

Result<void> Removal::flush(const char* what) const {
    if (::fsync(fd_.get()) == 0) return {};
    return removal_cannot(what, directory_);
}

// Durable before the first file goes.
Result<void> Removal::say_what_happens() {
    const std::string name(kRemovingName);
    const UniqueFd file(::openat(
        fd_.get(), name.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600));
    if (!file.is_open()) return removal_cannot("make", directory_ + "/" + name);
    const bool is_written = ::pwrite(file.get(), kRemovingText.data(), kRemovingText.size(), 0) ==
                                static_cast<ssize_t>(kRemovingText.size()) ||
                            errno == ENOSPC || errno == EDQUOT;  // its name says enough
    if (!is_written || ::fsync(file.get()) != 0)
        return removal_cannot("write", directory_ + "/" + name);
    return flush("flush");
}

Result<void> Removal::remove(const std::string& name) {
    if (::unlinkat(fd_.get(), name.c_str(), 0) == 0) {
        ++removed_.file_count;
        return {};
    }
    if (errno == ENOENT) return {};
    return removal_cannot("remove", directory_ + "/" + name);
}

Result<RemovedJournal> Removal::run() {
    auto opened = open_directory(directory_);
    if (!opened) return opened.error();
    fd_ = std::move(*opened);
    auto looked = list_names(fd_.get(), directory_);
    if (!looked) return looked.error();
    if (!looks_like_a_journal(*looked)) return no_journal_to_remove(directory_);
    if (auto locked = take_locks(); !locked) return locked.error();
    if (auto placed = check_place(); !placed) return placed.error();
    if (!options_.force) {
        if (auto unused = check_cursors(); !unused) return unused.error();
        if (auto unread = check_readers(*looked); !unread) return unread.error();
    }
    if (is_stopped()) return RemovedJournal{0, std::move(looked->others), true};
    if (auto said = say_what_happens(); !said) return said.error();
    // Anew: a writer may have been at work until the lock was had.
    auto names = list_names(fd_.get(), directory_);
    if (!names) return names.error();
    removed_.other_names = std::move(names->others);
    int rank = 0;
    for (const OwnFile& file : names->own) {
        // No file of a later rank goes before those of an earlier one have gone for good.
        if (rank_of(file.name) != std::exchange(rank, rank_of(file.name))) {
            if (auto flushed = flush("flush"); !flushed) return flushed.error();
        }
        removed_.is_stopped = is_stopped();
        if (removed_.is_stopped) return std::move(removed_);
        if (auto gone = remove(file.name); !gone) return gone.error();
    }
    if (auto flushed = flush("flush"); !flushed) return flushed.error();
    // What isn't the journal's keeps its directory, and so does a mount.
    if (removed_.other_names.empty() && check_place()) (void)::rmdir(directory_.c_str());
    return std::move(removed_);
}

}  // namespace

Result<JournalContent> look_at_content(const std::string& directory) noexcept {
    auto fd = open_directory(directory);
    if (!fd) return fd.error();
    auto names = list_names(fd->get(), directory);
    if (!names) return names.error();
    if (!looks_like_a_journal(*names)) return no_journal_to_remove(directory);
    JournalContent content;
    content.directory = directory;
    content.is_half_removed = has_name(*names, kRemovingName);
    content.other_names = std::move(names->others);
    content.file_count = names->own.size();
    for (const OwnFile& file : names->own)
        content.allocated_bytes += file.allocated_bytes;
    if (const auto ledger = read_ledger(directory)) {
        for (const LedgerCursor& cursor : ledger->cursors)
            content.cursors.push_back(cursor.name);
    }
    const auto summary = inspect(directory);
    if (!summary) {
        // Begun, and not recorded into: then nothing is lost.
        if (summary.error().code != ErrorCode::not_found) content.refusal = summary.error();
        return content;
    }
    content.stream_name = summary->stream_name;
    content.first_sequence = summary->first_sequence;
    content.end_sequence = summary->end_sequence;
    return content;
}

Result<RemovedJournal> remove_journal(const std::string& directory,
                                      const RemovalOptions& options) noexcept {
    return Removal(directory, options).run();
}

}  // namespace tailrace::journal
