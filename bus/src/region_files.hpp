// Where a stream's files lie, and what create and open agree on. Private to region*.cpp.
#pragma once

#include <tailrace/bus/layout.hpp>

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

}  // namespace tailrace::bus
