#include "spare_segment.hpp"

#include "journal_fixture.hpp"
#include "posix_files.hpp"
#include "segment_directory.hpp"

#include <catch2/catch.hpp>

namespace tailrace::journal::spare_segment_test {

namespace {

constexpr std::uint64_t kSize = 4 * kMiB;
constexpr std::uint64_t kLookNs = 1'000'000;

struct Spare {
    Spare()
        : retired(posix_files(), temp.path(), kSize),
          spare(posix_files(), retired, {temp.path(), kSize, true, true, true}) {}

    // Waits until there is a file, filled or not.
    void await_room() {
        while (spare.state() == SpareSegment::State::making)
            spare.wait(kLookNs);
    }

    TempDirectory temp;
    RetiredSegments retired;
    SpareSegment spare;
};

}  // namespace

TEST_CASE("spare segment: it is filled no further than it may be, and then to its end",
          "[journal][spare]") {
    Spare fixture;
    fixture.spare.prepare(2 * kBlockSizeBytes);
    fixture.await_room();
    // Many times what filling all of it takes.
    for (int looks = 0; looks < 100; ++looks)
        fixture.spare.wait(kLookNs);
    REQUIRE(fixture.spare.state() == SpareSegment::State::allocated);

    fixture.spare.limit_fill(kSize);
    fixture.spare.wait(30 * kSecondNs);
    CHECK(fixture.spare.state() == SpareSegment::State::filled);
    CHECK(fixture.spare.take() == spare_path(fixture.temp.path()));
}

TEST_CASE("spare segment: one that is needed before it is there is not filled first",
          "[journal][spare]") {
    Spare fixture;
    fixture.spare.prepare(0);
    std::string path = fixture.spare.take();
    // Room is made, or zeroes wait for their limit: neither must keep whoever needs it.
    fixture.spare.wait(30 * kSecondNs);
    if (path.empty()) path = fixture.spare.take();
    CHECK(path == partial_spare_path(fixture.temp.path()));
}

}  // namespace tailrace::journal::spare_segment_test
