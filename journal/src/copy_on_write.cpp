#include "copy_on_write.hpp"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tailrace::journal {

namespace {

constexpr long kZfsMagic = 0x2fc12fc1;
constexpr long kBcachefsMagic = 0xca451a4e;
constexpr long kNilfsMagic = 0x3434;
constexpr long kFuseMagic = 0x65735546;
constexpr long kCifsMagic = 0xff534d42;
constexpr long kSmb2Magic = 0xfe534d42;
constexpr long kCephMagic = 0x00c36400;

long file_system_type(int fd) noexcept {
    struct statfs status {};
    return ::fstatfs(fd, &status) == 0 ? static_cast<long>(status.f_type) : 0;
}

bool always_writes_elsewhere(long type) noexcept {
    return type == kZfsMagic || type == kBcachefsMagic || type == kNilfsMagic;
}

bool is_free_of_copies(int fd) noexcept {
    int flags = 0;
    return ::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_NOCOW_FL) != 0;
}

// False where the file system tells nothing: then nothing is shared there, either.
bool shares_blocks(int fd) noexcept {
    constexpr std::size_t kExtents = 64;
    struct {
        alignas(alignof(
            fiemap)) std::array<std::byte, sizeof(fiemap) + kExtents * sizeof(fiemap_extent)> bytes;
    } room{};
    std::uint64_t from = 0;
    for (;;) {
        // Not by {}: it ends with an array of no length, which is no C++.
        fiemap request;
        std::memset(&request, 0, sizeof(request));
        request.fm_start = from;
        request.fm_length = FIEMAP_MAX_OFFSET - from;
        request.fm_extent_count = kExtents;
        std::memcpy(room.bytes.data(), &request, sizeof(request));
        if (::ioctl(fd, FS_IOC_FIEMAP, room.bytes.data()) != 0) return false;
        std::memcpy(&request, room.bytes.data(), sizeof(request));
        if (request.fm_mapped_extents == 0) return false;
        for (std::size_t nth = 0; nth < request.fm_mapped_extents; ++nth) {
            fiemap_extent extent{};
            std::memcpy(
                &extent, room.bytes.data() + sizeof(fiemap) + nth * sizeof(extent), sizeof(extent));
            if ((extent.fe_flags & FIEMAP_EXTENT_SHARED) != 0) return true;
            if ((extent.fe_flags & FIEMAP_EXTENT_LAST) != 0) return false;
            from = extent.fe_logical + extent.fe_length;
        }
    }
}

}  // namespace

void avoid_copies(int fd) noexcept {
    if (file_system_type(fd) != BTRFS_SUPER_MAGIC) return;
    int flags = 0;
    if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return;
    flags |= FS_NOCOW_FL;
    (void)::ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

bool overwrites_in_place(int fd) noexcept {
    const long type = file_system_type(fd);
    if (always_writes_elsewhere(type)) return false;
    if (type == BTRFS_SUPER_MAGIC && !is_free_of_copies(fd)) return false;
    return !shares_blocks(fd);
}

std::string file_system_name(long type) {
    struct Name {
        long type;
        const char* name;
    };
    constexpr std::array<Name, 15> kNames = {{{EXT4_SUPER_MAGIC, "ext4"},
                                              {XFS_SUPER_MAGIC, "xfs"},
                                              {BTRFS_SUPER_MAGIC, "btrfs"},
                                              {TMPFS_MAGIC, "tmpfs"},
                                              {OVERLAYFS_SUPER_MAGIC, "overlay"},
                                              {F2FS_SUPER_MAGIC, "f2fs"},
                                              {NFS_SUPER_MAGIC, "nfs"},
                                              {RAMFS_MAGIC, "ramfs"},
                                              {kZfsMagic, "zfs"},
                                              {kBcachefsMagic, "bcachefs"},
                                              {kNilfsMagic, "nilfs2"},
                                              {kFuseMagic, "fuse"},
                                              {kCifsMagic, "cifs"},
                                              {kSmb2Magic, "smb"},
                                              {kCephMagic, "ceph"}}};
    const auto* const found = std::find_if(
        kNames.begin(), kNames.end(), [type](const Name& name) { return name.type == type; });
    return found != kNames.end() ? found->name : std::to_string(type);
}

std::string overwriting_text(int fd) {
    const long type = file_system_type(fd);
    const std::string name = file_system_name(type);
    if (type == BTRFS_SUPER_MAGIC) {
        return is_free_of_copies(fd)
                   ? name + ": copies on write; a journal's files are made without (nodatacow)"
                   : name + ": copies on write, and refuses to make files without";
    }
    if (always_writes_elsewhere(type))
        return name + ": copies on write; a full disk is met in the middle of a segment";
    if (type == XFS_SUPER_MAGIC)
        return name + ": writes in place; a segment that shares blocks is not used again";
    return name + ": writes in place";
}

}  // namespace tailrace::journal
