// The file of event bytes: in the stream's directory, or, on explicit huge pages, in a hugetlbfs
// with a link to it.

#include "region_files.hpp"

#include <tailrace/base/file_size_signal.hpp>
#include <tailrace/base/mapping.hpp>
#include <tailrace/base/shortage.hpp>
#include <tailrace/base/step.hpp>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace tailrace::bus {

namespace {

constexpr std::string_view kHugeFilePrefix = "tailrace-events-";

std::string link_target(int directory_fd, const std::string& name) {
    std::array<char, PATH_MAX> target{};
    const ssize_t length = ::readlinkat(directory_fd, name.c_str(), target.data(), target.size());
    return length <= 0 ? std::string()
                       : std::string(target.data(), static_cast<std::size_t>(length));
}

// Whether a file of this name may be a stream's events.
bool is_huge_file_name(std::string_view target) noexcept {
    return target.starts_with('/') &&
           target.substr(target.rfind('/') + 1).starts_with(kHugeFilePrefix);
}

bool is_hugetlbfs(int fd) noexcept {
    struct statfs status {};
    return ::fstatfs(fd, &status) == 0 && status.f_type == HUGETLBFS_MAGIC;
}

// Whether the kernel has joined most pages of this mapping: "ShmemPmdMapped" of its part of smaps.
bool is_mostly_joined(const std::byte* address, std::uint64_t size_bytes) {
    std::ifstream smaps("/proc/self/smaps");
    char begin[32];
    std::snprintf(begin, sizeof(begin), "%zx-", std::bit_cast<std::size_t>(address));
    bool is_ours = false;
    for (std::string line; std::getline(smaps, line);) {
        constexpr std::string_view kField = "ShmemPmdMapped:";
        if (line.find('-') < line.find(' ') && line.find(':') > line.find(' '))
            is_ours = line.starts_with(begin);
        if (!is_ours || !line.starts_with(kField)) continue;
        const std::uint64_t kibibytes = std::strtoull(line.c_str() + kField.size(), nullptr, 10);
        return kibibytes * 1024 * 2 >= size_bytes;
    }
    return false;
}

// Touches the file through a mapping that asks for huge pages, before it is reserved: once small
// pages are there, they stay. Whether it worked; failures are left to the reservation.
bool fill_with_joined_pages(const UniqueFd& fd, const std::string& path, std::uint64_t size_bytes) {
    const FileSizeSignalHold hold;
    if (::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) return false;
    auto mapping = Mapping::map_twice(
        fd.get(), size_bytes, MapAccess::read_write, path, page_size_bytes(PageKind::transparent));
    return mapping && is_mostly_joined(mapping->data(), size_bytes);
}

Error too_few_huge_pages(PageKind kind, std::uint64_t size_bytes, const std::string& stream) {
    const std::uint64_t pages = size_bytes / page_size_bytes(kind);
    const std::string directory = "/sys/kernel/mm/hugepages/hugepages-" +
                                  std::to_string(page_size_bytes(kind) / 1024) + "kB/";
    std::string free = "?";
    std::ifstream(directory + "free_hugepages") >> free;
    return make_error(ErrorCode::no_space,
                      "cannot create stream '" + stream + "': it needs " + std::to_string(pages) +
                          " huge pages of " + std::string(page_kind_name(kind)) + ", and " + free +
                          " are free",
                      "echo " + std::to_string(pages) + " > " + directory +
                          "nr_hugepages (as root; adds to what others need), or --huge-pages auto");
}

Result<PageKind> make_huge_events(PageKind kind,
                                  int directory_fd,
                                  const StreamPaths& paths,
                                  const StreamOptions& options,
                                  const std::string& stream) {
    auto directory = huge_page_directory(kind);
    if (!directory) return directory.error();
    // Named as the directory that is being built, which nobody else's is.
    const std::string target = *directory + "/" + std::string(kHugeFilePrefix) +
                               paths.directory.substr(paths.directory.rfind('/') + 2);
    // The link first: a create that is killed leaves nothing that the link doesn't lead to.
    if (::symlinkat(target.c_str(), directory_fd, "events") != 0)
        return os_error(errno, "cannot create '" + paths.events + "'");
    TAILRACE_STEP("create.events_linked");
    const UniqueFd fd(::open(target.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.is_open()) return os_error(errno, "cannot create '" + target + "'");
    TAILRACE_STEP("create.huge_file_made");
    const FileSizeSignalHold hold;
    const int reserved = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(options.capacity_bytes));
    if (reserved == ENOSPC || reserved == ENOMEM)
        return too_few_huge_pages(kind, options.capacity_bytes, stream);
    if (reserved != 0) {
        const Shortage shortage = shortage_of(reserved, *directory);
        return os_error(
            reserved, "cannot reserve '" + target + "', since " + shortage.what, shortage.hint);
    }
    if (auto given = give_file(fd, target, options, options.mode & kFileModes); !given)
        return given.error();
    return kind;
}

}  // namespace

Result<PageKind> make_events(int directory_fd,
                             const StreamPaths& paths,
                             const StreamOptions& options,
                             const std::string& stream) {
    if (options.huge_pages == HugePages::size_2m)
        return make_huge_events(PageKind::huge_2m, directory_fd, paths, options, stream);
    if (options.huge_pages == HugePages::size_1g)
        return make_huge_events(PageKind::huge_1g, directory_fd, paths, options, stream);
    const UniqueFd fd(
        ::openat(directory_fd, "events", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.is_open()) return os_error(errno, "cannot create '" + paths.events + "'");
    TAILRACE_STEP("create.file_made");
    PageKind kind = PageKind::small;
    if (options.huge_pages == HugePages::automatic &&
        transparent_pages_obstacle(options.capacity_bytes, paths.directory).empty() &&
        fill_with_joined_pages(fd, paths.events, options.capacity_bytes)) {
        kind = PageKind::transparent;
    }
    if (auto reserved =
            reserve_file(fd, paths.events, options.capacity_bytes, stream, paths.parent);
        !reserved) {
        return reserved.error();
    }
    if (auto given = give_file(fd, paths.events, options, options.mode & kFileModes); !given)
        return given.error();
    return kind;
}

Result<UniqueFd> open_events(int directory_fd,
                             const StreamHeader& header,
                             bool writable,
                             const std::string& path,
                             const std::string& stream) {
    const int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK;
    const bool is_huge = header.pages == PageKind::huge_2m || header.pages == PageKind::huge_1g;
    // A link that leads anywhere else would let whoever made the stream, or may write into its
    // directory, choose what its publishers write over. So it is read, and what it says is opened.
    const std::string target = is_huge ? link_target(directory_fd, "events") : std::string();
    const bool is_linked = is_huge_file_name(target);
    UniqueFd fd(::openat(directory_fd, is_linked ? target.c_str() : "events", flags | O_NOFOLLOW));
    if (!fd.is_open()) {
        const int os_errno = errno;
        if (os_errno == ENOENT || os_errno == ENOTDIR) {
            return make_error(ErrorCode::not_found,
                              "there is no stream '" + stream + "' (no " + path + ")",
                              "tailrace create " + stream);
        }
        if (os_errno == ELOOP) {
            const std::string why = is_huge ? "leads to no file that streams make"
                                            : "is a link, and stream '" + stream +
                                                  "' isn't made of explicit huge pages";
            return make_error(
                ErrorCode::corrupt, "'" + path + "' " + why, "tailrace rm " + stream + " --yes");
        }
        Error error = os_error(os_errno, "cannot open stream '" + stream + "' (" + path + ")");
        if (error.code == ErrorCode::no_permission) {
            error.hint =
                "ls -lL " + path + "; run as its owner, or create the stream with --mode 0666";
        }
        return error;
    }
    struct stat directory {};
    struct stat file {};
    if (is_huge &&
        (!is_linked || ::fstat(directory_fd, &directory) != 0 || ::fstat(fd.get(), &file) != 0 ||
         !is_hugetlbfs(fd.get()) || file.st_uid != directory.st_uid)) {
        return make_error(ErrorCode::corrupt,
                          "'" + path + "' doesn't lead to huge pages of the stream's owner",
                          "tailrace rm " + stream + " --yes");
    }
    return fd;
}

void remove_events(int directory_fd) noexcept {
    struct stat link {};
    const std::string target = link_target(directory_fd, "events");
    if (is_huge_file_name(target) &&
        ::fstatat(directory_fd, "events", &link, AT_SYMLINK_NOFOLLOW) == 0) {
        // By the directory that was looked at: the path may lead elsewhere by the time of deleting.
        const std::size_t slash = target.rfind('/');
        const std::string name = target.substr(slash + 1);
        const UniqueFd place(::open(target.substr(0, slash + 1).c_str(),
                                    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
        struct stat file {};
        if (place.is_open() && is_hugetlbfs(place.get()) &&
            ::fstatat(place.get(), name.c_str(), &file, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(file.st_mode) && file.st_uid == link.st_uid) {
            ::unlinkat(place.get(), name.c_str(), 0);
        }
    }
    ::unlinkat(directory_fd, "events", 0);
}

}  // namespace tailrace::bus
