// Where a stream's files lie, and what create, open and unlink agree on. Private to region*.cpp.
//
// Names are looked up once; from there on descriptors count: in a directory that is everybody's a
// name may lead elsewhere a moment later, to a successor or along a link that somebody planted.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/bus/layout.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/stream_options.hpp>

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace::bus {

struct StreamPaths {
    std::string parent;     // holds all streams
    std::string directory;  // of this stream
    std::string control;
    std::string events;
};

[[nodiscard]] StreamPaths stream_paths(const std::string& name, const std::string& directory);

[[nodiscard]] std::uint64_t header_checksum(const StreamHeader& header) noexcept;

// Which file or directory, whatever its name.
struct FileIdentity {
    dev_t device = 0;
    ino_t inode = 0;
    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
[[nodiscard]] FileIdentity identity_of(int fd) noexcept;
// Whether `name` in that directory is this one. False too when it can't be told.
[[nodiscard]] bool leads_to(int parent_fd, const std::string& name, FileIdentity file) noexcept;

// Each without following a link, and without waiting for what stands in the file's place. `path` is
// for messages.
[[nodiscard]] Result<UniqueFd> open_parent(const StreamPaths& paths, const std::string& stream);
[[nodiscard]] Result<UniqueFd> open_stream_directory(int parent_fd,
                                                     const StreamPaths& paths,
                                                     int flags,
                                                     const std::string& stream);
// error: not_tailrace when it is no file.
[[nodiscard]] Result<UniqueFd> open_control(int directory_fd,
                                            const StreamPaths& paths,
                                            int flags,
                                            const std::string& stream);
[[nodiscard]] Error cannot_open(int os_errno, const std::string& stream, const std::string& path);

// Read by the descriptor and checked whole, but for the boot that it is of.
[[nodiscard]] Result<StreamHeader> read_header(int control_fd,
                                               const std::string& path,
                                               const std::string& stream);

// Says in shared memory how the stream ended, unless it had ended before, and wakes all who wait.
// Requires: the region isn't open to observe.
void end_stream(const Region& region, StreamLife how) noexcept;

// What is being made or taken away has a name that is never taken for a stream's.
inline constexpr std::string_view kCreatingPrefix = ".creating-";
inline constexpr std::string_view kRemovedPrefix = ".removed-";
[[nodiscard]] std::string unlisted_name(std::string_view prefix, const std::string& stream);

// Deletes what a stream's directory holds, through the descriptor alone.
void remove_contents(int directory_fd) noexcept;

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

// The types of its events, as text; may be missing. And how a new one is called until it is whole.
inline constexpr const char* kSchemaFile = "schema";
inline constexpr const char* kSchemaAside = "schema.new";
// Requires: nobody else writes one there.
[[nodiscard]] Result<void> write_schema(int directory_fd,
                                        const std::string& directory,
                                        const StreamOptions& options);

// Makes `events`: a file, or a link to one in a hugetlbfs. Returns what it is made of.
[[nodiscard]] Result<PageKind> make_events(int directory_fd,
                                           const StreamPaths& paths,
                                           const StreamOptions& options,
                                           const std::string& stream);
// Opens it, following the link that make_events makes and no other.
[[nodiscard]] Result<UniqueFd> open_events(int directory_fd,
                                           const StreamHeader& header,
                                           bool writable,
                                           const std::string& path,
                                           const std::string& stream);
// Deletes it, and what the link leads to if it belongs to the same user.
void remove_events(int directory_fd) noexcept;

}  // namespace tailrace::bus
