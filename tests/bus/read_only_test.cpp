// What a handle may write is what the kernel lets it write: its mappings and its descriptors say
// so.

#include "support/test_stream.hpp"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace read_only_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

// The permissions ("r--s", "rw-s") of this process's mappings of a file, by /proc/self/maps.
std::multiset<std::string> mappings_of(const std::string& path) {
    std::multiset<std::string> found;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        std::istringstream words(line);
        std::string range;
        std::string permissions;
        words >> range >> permissions;
        if (line.ends_with(" " + path)) found.insert(permissions);
    }
    return found;
}

// The access modes of this process's descriptors of a file, by /proc/self/fdinfo.
std::multiset<int> access_modes_of(const std::string& path) {
    std::multiset<int> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        if (std::filesystem::read_symlink(entry.path(), gone) != path) continue;
        std::ifstream info("/proc/self/fdinfo/" + entry.path().filename().string());
        for (std::string line; std::getline(info, line);) {
            if (!line.starts_with("flags:")) continue;
            constexpr int kOctal = 8;
            found.insert(static_cast<int>(std::strtol(line.c_str() + 6, nullptr, kOctal)) &
                         O_ACCMODE);
        }
    }
    return found;
}

std::string file_of(const TestStream& stream, const char* name) {
    return stream.directory() + "/" + stream.name() + "/" + name;
}

}  // namespace

TEST_CASE("read only: an observer has no writable mapping and no writable descriptor",
          "[bus][read_only]") {
    const TestStream stream;
    {
        Publisher publisher = stream.publisher();
        REQUIRE(publisher.try_publish(std::uint64_t{7}) == PublishStatus::ok);
    }
    Subscriber observer = stream.subscriber(SlowPolicy::observe);
    std::uint64_t read = 0;
    while (read == 0)
        read += observer.poll([](const Event&) {}, 1).events;

    CHECK(mappings_of(file_of(stream, "control")) == std::multiset<std::string>{"r--s"});
    CHECK(mappings_of(file_of(stream, "events")) == std::multiset<std::string>{"r--s", "r--s"});
    CHECK(access_modes_of(file_of(stream, "control")) == std::multiset<int>{O_RDONLY});
    CHECK(access_modes_of(file_of(stream, "events")).empty());
}

TEST_CASE("read only: a subscriber may write control, and never events", "[bus][read_only]") {
    const TestStream stream;
    const Subscriber subscriber = stream.subscriber(GENERATE(SlowPolicy::gate, SlowPolicy::skip));

    CHECK(mappings_of(file_of(stream, "control")) == std::multiset<std::string>{"rw-s"});
    CHECK(mappings_of(file_of(stream, "events")) == std::multiset<std::string>{"r--s", "r--s"});
    CHECK(access_modes_of(file_of(stream, "events")).count(O_RDWR) == 0);
}

TEST_CASE("read only: a publisher may write both", "[bus][read_only]") {
    const TestStream stream;
    const Publisher publisher = stream.publisher();

    CHECK(mappings_of(file_of(stream, "control")) == std::multiset<std::string>{"rw-s"});
    CHECK(mappings_of(file_of(stream, "events")) == std::multiset<std::string>{"rw-s", "rw-s"});
}

}  // namespace read_only_test
