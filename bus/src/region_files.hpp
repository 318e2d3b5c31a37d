// Where a stream's files lie, and what create and open agree on. Private to region*.cpp.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/bus/layout.hpp>
#include <tailrace/bus/stream_options.hpp>

#include <cstdint>
#include <string>

namespace tailrace::bus {

struct StreamPaths {
    std::string parent;     // holds all streams
    std::string directory;  // of this stream
    std::string control;
    std::string events;
};

[[nodiscard]] StreamPaths stream_paths(const std::string& name, const std::string& directory);

[[nodiscard]] std::uint64_t header_checksum(const StreamHeader& header) noexcept;

// Reserves a file in full, and gives it its mode and group.
[[nodiscard]] Result<void> reserve_file(const UniqueFd& fd,
                                        const std::string& path,
                                        std::uint64_t size_bytes,
                                        const std::string& stream,
                                        const std::string& parent);
[[nodiscard]] Result<void> give_file(const UniqueFd& fd,
                                     const std::string& path,
                                     const StreamOptions& options,
                                     std::uint32_t mode);
inline constexpr std::uint32_t kFileModes = 0666;  // nothing here is executed

// Makes `events`: a file, or a link to one in a hugetlbfs. Returns what it is made of.
[[nodiscard]] Result<PageKind> make_events(const StreamPaths& paths,
                                           const StreamOptions& options,
                                           const std::string& stream);
// Opens it, following the link that make_events makes and no other.
[[nodiscard]] Result<UniqueFd> open_events(int directory_fd,
                                           const StreamHeader& header,
                                           bool writable,
                                           const std::string& path,
                                           const std::string& stream);
// Deletes it, and what the link leads to if it belongs to the same user.
void remove_events(const std::string& path) noexcept;

}  // namespace tailrace::bus
