// Watcher: looks at all streams of a directory again and again, for whoever shows them as they are.
//
// It keeps what it looks at mapped, so that a look costs some system calls for each publisher and
// reader and no more: as few as can be, however many want to know. It reads and writes nothing,
// takes no place among the readers, and holds a stream that was removed until the next look. One
// thread.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/observe/disk_room.hpp>
#include <tailrace/observe/stream_health.hpp>
#include <tailrace/observe/stream_picture.hpp>
#include <tailrace/observe/trend.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::observe {

struct StreamLook {
    StreamPicture picture;
    StreamHealth health;           // of the same moment, judged by an earlier look
    std::optional<DiskRoom> disk;  // of its journal
};

// A stream that is there and can't be read.
struct StreamProblem {
    std::string stream;
    std::string problem;
};

struct Look {
    std::uint64_t time_ns = 0;      // of the wall clock
    std::uint64_t duration_ns = 0;  // that it took
    std::vector<StreamLook> streams;
    std::vector<StreamProblem> problems;
    std::optional<DiskRoom> rings;
};

class Watcher {
public:
    // `rings`: the directory of the streams; empty: the default.
    explicit Watcher(std::string rings);

    // Error: the directory can't be read.
    [[nodiscard]] Result<Look> look();

private:
    struct Watched {
        std::shared_ptr<bus::Region> region;
        std::optional<Trouble> clock;
        std::optional<DiskRoom> disk;
        std::uint64_t next_check_ns = 0;
    };

    // What is dear, and changes slowly.
    void check_now_and_then(Watched& watched, std::uint64_t now_ns) const;
    [[nodiscard]] StreamLook look_at(Watched& watched, std::uint64_t now_ns);
    void forget_all_but(const std::vector<std::string>& names);

    std::string rings_;
    std::map<std::string, Watched> streams_;
    Trend trend_;
};

}  // namespace tailrace::observe
