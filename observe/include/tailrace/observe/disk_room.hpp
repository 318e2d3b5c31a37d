// DiskRoom: what is left where a stream keeps its journal, or where rings are. Any thread; a system
// call, which waits as long as the file system does.
#pragma once

#include <tailrace/observe/figure.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace tailrace::observe {

struct DiskRoom {
    std::string directory;
    std::uint64_t free_bytes = 0;  // that a process without privilege may take
    std::uint64_t size_bytes = 0;
};

[[nodiscard]] std::span<const Figure<DiskRoom>> disk_room_figures() noexcept;

// Empty when there is no such directory.
[[nodiscard]] std::optional<DiskRoom> disk_room_of(const std::string& directory);

}  // namespace tailrace::observe
