// Unlink and list, and what the killed leave behind.
//
// Two locks decide. Whoever uses a stream holds bytes of `control`: unlink takes all of them, so
// that nobody is there and nobody comes. And whoever makes or takes away a directory holds that
// directory (flock): so its name can't come to stand for another one between a look and a rename.
// Both are asked by plain descriptors, since a stream that can't be mapped may be in use as well.

#include "poll_descriptor.hpp"
#include "region_files.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/group_files.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/wait.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <dirent.h>
#include <utility>

namespace tailrace::bus {

namespace {

// Whoever makes a stream lets go of it a moment after it has its name.
constexpr std::uint64_t kDirectoryTimeoutNs = 1'000'000'000;
constexpr long kDirectoryNapNs = 1'000'000;

// The entries of a directory, by descriptor. Empty when it can't be read.
class Entries {
public:
    explicit Entries(int directory_fd) noexcept {
        UniqueFd fd(::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (fd.is_open()) stream_ = ::fdopendir(fd.get());
        if (stream_ != nullptr) static_cast<void>(fd.release());
    }
    Entries(const Entries&) = delete;
    Entries& operator=(const Entries&) = delete;
    ~Entries() {
        if (stream_ != nullptr) ::closedir(stream_);
    }
    [[nodiscard]] bool is_open() const noexcept { return stream_ != nullptr; }
    // Null at the end.
    [[nodiscard]] const char* next() noexcept {
        while (stream_ != nullptr) {
            const dirent* const entry = ::readdir(stream_);
            if (entry == nullptr) return nullptr;
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..") return entry->d_name;
        }
        return nullptr;
    }

private:
    DIR* stream_ = nullptr;
};

bool is_poll_fifo(std::string_view name) noexcept {
    return name.starts_with(kPollFifoPrefix);
}

// By groups of readers.
bool is_group_file(std::string_view name) noexcept {
    return name.starts_with(kGroupFilePrefix) || name.starts_with(kGroupAsidePrefix);
}

// All that streams make; what else lies there is somebody's, and the directory with it.
Result<void> check_contents(int directory_fd, const StreamPaths& paths) {
    Entries entries(directory_fd);
    if (!entries.is_open()) return os_error(errno, "cannot list '" + paths.directory + "'");
    while (const char* const entry = entries.next()) {
        const std::string_view name = entry;
        if (name == "control" || name == "events" || name == kSchemaFile || name == kSchemaAside ||
            is_poll_fifo(name) || is_group_file(name)) {
            continue;
        }
        return make_error(ErrorCode::not_tailrace,
                          "'" + paths.directory + "' holds more than a stream, or none: '" +
                              std::string(name) + "' isn't of one",
                          "ls -la " + paths.directory);
    }
    return {};
}

// Waits for a moment. False: somebody holds the directory.
bool take_directory(int fd) noexcept {
    const std::uint64_t give_up_ns = monotonic_ns() + kDirectoryTimeoutNs;
    while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return false;
        if (monotonic_ns() >= give_up_ns) return false;
        const timespec nap{0, kDirectoryNapNs};
        ::nanosleep(&nap, nullptr);
    }
    return true;
}

// All lock bytes at once, whatever they stand for in the layout that made them. A lock for reading
// conflicts with those of users too, and is all that a read-only descriptor gives.
class UserLocks {
public:
    UserLocks() noexcept = default;
    UserLocks(const UserLocks&) = delete;
    UserLocks& operator=(const UserLocks&) = delete;
    ~UserLocks() {
        // Explicitly, as a child that was forked meanwhile has the description too.
        if (fd_ >= 0) static_cast<void>(set(F_UNLCK));
    }
    // False: somebody holds one, or it can't be told.
    [[nodiscard]] bool take(int fd) noexcept {
        fd_ = fd;
        if (set(F_WRLCK) || (errno == EBADF && set(F_RDLCK))) return true;
        fd_ = -1;
        return false;
    }

private:
    [[nodiscard]] bool set(short type) const noexcept {
        struct flock range {};
        range.l_type = type;
        range.l_whence = SEEK_SET;
        return ::fcntl(fd_, F_OFD_SETLK, &range) == 0;
    }

    int fd_ = -1;
};

// For a stream that can't be mapped: says `removed` where its users look. A layout that isn't ours
// may keep something else there; then they learn it from the absence of their files.
void mark_removed(int control_fd) noexcept {
    StreamHeader header{};
    if (::pread(control_fd, &header, sizeof(header), 0) != static_cast<ssize_t>(sizeof(header)))
        return;
    if (header.magic != kControlMagic || header.layout_major != kLayoutMajor) return;
    const auto word = static_cast<std::uint32_t>(StreamLife::removed);
    constexpr off_t kLifeOffset = kStateOffset + offsetof(StreamState, life);
    // Refused for whoever may only read: as above.
    if (::pwrite(control_fd, &word, sizeof(word), kLifeOffset) != sizeof(word)) errno = 0;
}

// Whether this is the one that the header was read of.
bool is_stream(int control_fd, const StreamHeader& expected) noexcept {
    StreamHeader header{};
    return ::pread(control_fd, &header, sizeof(header), 0) ==
               static_cast<ssize_t>(sizeof(header)) &&
           header.stream_id_high == expected.stream_id_high &&
           header.stream_id_low == expected.stream_id_low;
}

Error in_use(const std::string& name) {
    return make_error(ErrorCode::busy,
                      "stream '" + name + "' is in use",
                      "tailrace lag " + name + " shows by whom; tailrace rm " + name +
                          " --yes --force removes it all the same");
}

Error replaced(const std::string& name) {
    return make_error(ErrorCode::not_found,
                      "stream '" + name + "' was removed by somebody else meanwhile",
                      "tailrace ls");
}

// Some file systems can't promise to replace nothing; a directory with files is safe from them too.
bool rename_in(int parent_fd, const std::string& from, const std::string& to) noexcept {
    if (::renameat2(parent_fd, from.c_str(), parent_fd, to.c_str(), RENAME_NOREPLACE) == 0)
        return true;
    return (errno == EINVAL || errno == ENOSYS) &&
           ::renameat(parent_fd, from.c_str(), parent_fd, to.c_str()) == 0;
}

// Takes the name from the directory that was looked at, and from no other.
Result<void> take_name(int parent_fd,
                       const std::string& name,
                       const std::string& doomed,
                       FileIdentity directory) {
    if (!leads_to(parent_fd, name, directory)) return replaced(name);
    TAILRACE_STEP("remove.checked");
    if (!rename_in(parent_fd, name, doomed)) {
        if (errno == ENOENT) return replaced(name);
        return os_error(
            errno, "cannot remove stream '" + name + "'", "run as its owner, or as root");
    }
    if (leads_to(parent_fd, doomed, directory)) return {};
    // Moved by somebody who asks for no lock; what came in its place gets its name back.
    static_cast<void>(rename_in(parent_fd, doomed, name));
    return replaced(name);
}

}  // namespace

void end_stream(const Region& region, StreamLife how) noexcept {
    StreamState& state = region.state();
    StreamLife life = StreamLife::open;
    // [sync:stream_removed] Release: nothing is published under it; it only ends waits and claims.
    // Relaxed when it fails: it has ended before.
    if (!state.life.compare_exchange_strong(
            life, how, std::memory_order_release, std::memory_order_relaxed) &&
        how == StreamLife::removed) {
        // [sync:stream_removed] Release: as above. Whatever stood there, even if it was scribbled.
        state.life.store(how, std::memory_order_release);
    }
    TAILRACE_STEP("remove.marked");
    wake_subscribers(region);
    static_cast<void>(wake_all(state.publishers_wait));
    static_cast<void>(wake_all(state.journal.durable_wait));
    // The next commit of each publisher looks who sleeps, and finds that all is over. Relaxed: a
    // hint; who misses it learns it when it asks for room.
    state.subscribers_wait.sleeping.fetch_or(kSomebodySleeps, std::memory_order_relaxed);
}

void remove_contents(int directory_fd) noexcept {
    {
        Entries entries(directory_fd);
        while (const char* const entry = entries.next()) {
            if (is_poll_fifo(entry) || is_group_file(entry)) ::unlinkat(directory_fd, entry, 0);
        }
    }
    ::unlinkat(directory_fd, kSchemaFile, 0);
    ::unlinkat(directory_fd, kSchemaAside, 0);
    ::unlinkat(directory_fd, "control", 0);
    TAILRACE_STEP("remove.control_gone");
    remove_events(directory_fd);
    TAILRACE_STEP("remove.events_gone");
}

Result<void> Region::unlink(const std::string& name,
                            bool force,
                            const std::string& directory,
                            const StreamHeader* expected) {
    if (auto checked = check_stream_name(name); !checked) return checked.error();
    const StreamPaths paths = stream_paths(name, directory);
    auto parent = open_parent(paths, name);
    if (!parent) return parent.error();
    auto held = open_stream_directory(parent->get(), paths, O_RDONLY, name);
    if (!held) return held.error();
    auto control = open_control(held->get(), paths, O_RDWR, name);
    if (!control && control.error().code == ErrorCode::no_permission)
        control = open_control(held->get(), paths, O_RDONLY, name);
    // Without the file there is nobody to ask, and nobody can come. Anything else may yet be a
    // ring.
    if (!control && control.error().code != ErrorCode::not_found &&
        control.error().code != ErrorCode::not_tailrace) {
        return control.error();
    }
    if (auto checked = check_contents(held->get(), paths); !checked) return checked.error();
    if (!take_directory(held->get()) && !force) {
        return make_error(ErrorCode::busy,
                          "stream '" + name + "' is being made or removed by another process",
                          "fuser -v " + paths.directory);
    }
    UserLocks users;
    if (control && !force && !users.take(control->get())) return in_use(name);
    TAILRACE_STEP("remove.locked");
    if (expected != nullptr && (!control || !is_stream(control->get(), *expected)))
        return replaced(name);
    // Only to tell whoever is there.
    std::shared_ptr<Region> region;
    if (UniqueFd again(::openat(held->get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
        again.is_open() && control) {
        if (auto opened = open_in(std::move(again), name, RegionAccess::subscribe, directory))
            region = std::move(*opened);
    }
    const std::string doomed = unlisted_name(kRemovedPrefix, name);
    if (auto taken = take_name(parent->get(), name, doomed, identity_of(held->get())); !taken)
        return taken;
    TAILRACE_STEP("remove.renamed");
    if (region != nullptr) {
        end_stream(*region, StreamLife::removed);
    } else if (control) {
        mark_removed(control->get());
    }
    remove_contents(held->get());
    ::unlinkat(parent->get(), doomed.c_str(), AT_REMOVEDIR);
    return {};
}

Result<std::vector<std::string>> Region::list(const std::string& directory) {
    const std::string parent = directory.empty() ? default_directory() : directory;
    std::vector<std::string> names;
    const UniqueFd fd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open() && errno == ENOENT) return names;
    Entries entries(fd.get());
    if (!entries.is_open()) return os_error(errno, "cannot list streams in '" + parent + "'");
    while (const char* const entry = entries.next()) {
        const std::string name = entry;
        struct stat status {};
        // A name that no stream can have is nobody's stream, nor is what a link leads to.
        if (!check_stream_name(name) ||
            ::fstatat(fd.get(), entry, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISDIR(status.st_mode)) {
            continue;
        }
        if (::faccessat(fd.get(), (name + "/control").c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

namespace {

// False: somebody is at work there, it isn't ours, or it is no directory.
bool remove_leftover(int parent_fd, const std::string& name) noexcept {
    const UniqueFd held(
        ::openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!held.is_open() || ::fstat(held.get(), &status) != 0) return false;
    if (status.st_uid != ::geteuid() && ::geteuid() != 0) return false;
    // Who has made or removed it holds this as long as it lives.
    if (::flock(held.get(), LOCK_EX | LOCK_NB) != 0) return false;
    if (!leads_to(parent_fd, name, identity_of(held.get()))) return false;
    if (name.starts_with(kRemovedPrefix)) {
        // Whoever took its name away may not have come to telling.
        const UniqueFd control(
            ::openat(held.get(), "control", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (control.is_open()) mark_removed(control.get());
    }
    remove_contents(held.get());
    return ::unlinkat(parent_fd, name.c_str(), AT_REMOVEDIR) == 0;
}

}  // namespace

Result<std::uint64_t> Region::remove_leftovers(const std::string& directory) {
    const std::string parent = directory.empty() ? default_directory() : directory;
    const UniqueFd fd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open() && errno == ENOENT) return std::uint64_t{0};
    std::vector<std::string> leftovers;
    {
        Entries entries(fd.get());
        if (!entries.is_open()) return os_error(errno, "cannot list streams in '" + parent + "'");
        while (const char* const entry = entries.next()) {
            const std::string_view name = entry;
            if (name.starts_with(kCreatingPrefix) || name.starts_with(kRemovedPrefix))
                leftovers.emplace_back(name);
        }
    }
    std::uint64_t removed = 0;
    for (const std::string& leftover : leftovers)
        removed += remove_leftover(fd.get(), leftover) ? 1U : 0U;
    return removed;
}

}  // namespace tailrace::bus
