#include <tailrace/observe/disk_room.hpp>

#include <sys/statvfs.h>

#include <array>

namespace tailrace::observe {

namespace {

constexpr auto kDiskRoomFigures = std::to_array<Figure<DiskRoom>>({
    {"directory",
     Unit::text,
     "that is asked about",
     [](const DiskRoom& row) -> Value {
         return row.directory;
     }},
    {"free_bytes",
     Unit::bytes,
     "left on its file system",
     [](const DiskRoom& row) -> Value {
         return row.free_bytes;
     }},
    {"size_bytes",
     Unit::bytes,
     "of its file system",
     [](const DiskRoom& row) -> Value {
         return row.size_bytes;
     }},
});

}  // namespace

std::span<const Figure<DiskRoom>> disk_room_figures() noexcept {
    return kDiskRoomFigures;
}

std::optional<DiskRoom> disk_room_of(const std::string& directory) {
    struct statvfs room {};
    if (directory.empty() || ::statvfs(directory.c_str(), &room) != 0) return std::nullopt;
    const auto block_bytes = std::uint64_t{room.f_frsize};
    return DiskRoom{directory, room.f_bavail * block_bytes, room.f_blocks * block_bytes};
}

}  // namespace tailrace::observe
