#include "support/child_process.hpp"
#include "support/temporary_directory.hpp"

#include <tailrace/base/mapping.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace mapping_test {

using namespace tailrace;
using namespace tailrace::test;

namespace {

constexpr std::uint64_t kSize = 64 * 1024;

struct MappedFile {
    explicit MappedFile(std::uint64_t size_bytes = kSize) : path(directory.path() + "/bytes") {
        fd = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) std::abort();
    }
    TemporaryDirectory directory;
    std::string path;
    UniqueFd fd;
};

}  // namespace

TEST_CASE("mapping: twice shows the same bytes behind themselves", "[base][mapping]") {
    const MappedFile file;
    const auto mapping = Mapping::map_twice(file.fd.get(), kSize, MapAccess::read_write, file.path);
    REQUIRE(mapping);
    CHECK(mapping->size_bytes() == kSize);
    std::byte* const bytes = mapping->data();

    bytes[0] = std::byte{1};
    bytes[kSize + 7] = std::byte{2};
    bytes[2 * kSize - 1] = std::byte{3};

    CHECK(bytes[kSize] == std::byte{1});
    CHECK(bytes[7] == std::byte{2});
    CHECK(bytes[kSize - 1] == std::byte{3});
}

TEST_CASE("mapping: it shares its bytes with every other mapping of the file", "[base][mapping]") {
    const MappedFile file;
    const auto writes = Mapping::map_twice(file.fd.get(), kSize, MapAccess::read_write, file.path);
    const UniqueFd reader_fd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC));
    const auto reads = Mapping::map(reader_fd.get(), kSize, MapAccess::read_only, file.path);
    REQUIRE(writes);
    REQUIRE(reads);

    writes->data()[kSize + 100] = std::byte{9};

    CHECK(reads->data()[100] == std::byte{9});
}

TEST_CASE("mapping: to write into a read-only one ends the program", "[base][mapping]") {
    const MappedFile file;
    const auto mapping = Mapping::map_twice(file.fd.get(), kSize, MapAccess::read_only, file.path);
    REQUIRE(mapping);

    for (const std::uint64_t offset : {std::uint64_t{0}, kSize + 1}) {
        ChildProcess writer([&] {
            ::signal(SIGSEGV, SIG_DFL);
            mapping->data()[offset] = std::byte{1};
            return 0;
        });
        const Ending ending = writer.wait();
        CHECK((ending.signal == SIGSEGV || ending.exit_code != 0));
    }
}

TEST_CASE("mapping: a file that is too short is refused with both lengths", "[base][mapping]") {
    const MappedFile file(kSize - 1);

    for (const bool twice : {false, true}) {
        const auto mapping =
            twice ? Mapping::map_twice(file.fd.get(), kSize, MapAccess::read_only, file.path)
                  : Mapping::map(file.fd.get(), kSize, MapAccess::read_only, file.path);
        REQUIRE_FALSE(mapping);
        CHECK(mapping.error().code == ErrorCode::truncated);
        CHECK(mapping.error().message.find("65535") != std::string::npos);
        CHECK(mapping.error().message.find("65536") != std::string::npos);
        CHECK(mapping.error().message.find(file.path) != std::string::npos);
    }
}

TEST_CASE("mapping: a file that isn't open for writing can't be mapped so", "[base][mapping]") {
    const MappedFile file;
    const UniqueFd reader(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC));

    const auto mapping = Mapping::map_twice(reader.get(), kSize, MapAccess::read_write, file.path);

    REQUIRE_FALSE(mapping);
    CHECK(mapping.error().code == ErrorCode::no_permission);
}

TEST_CASE("mapping: it outlives its descriptor, and moves", "[base][mapping]") {
    MappedFile file;
    auto mapping = Mapping::map_twice(file.fd.get(), kSize, MapAccess::read_write, file.path);
    REQUIRE(mapping);
    file.fd.reset();

    Mapping moved = std::move(*mapping);
    moved.data()[3] = std::byte{4};
    Mapping other;
    CHECK(other.data() == nullptr);
    other = std::move(moved);

    CHECK(other.data()[kSize + 3] == std::byte{4});
}

}  // namespace mapping_test
