#include "retired_segments.hpp"

#include "many_segments.hpp"
#include "meddled_files.hpp"

#include <catch2/catch.hpp>

#include <cerrno>

namespace tailrace::journal::retired_segments_test {

namespace fs = std::filesystem;

TEST_CASE("retired segments: one that can't lose its name keeps those behind it",
          "[journal][retention]") {
    const TempDirectory temp;
    write_segments(small_options(temp.journal()), 5);
    const auto exists = [&temp](std::uint64_t number) {
        return fs::exists(segment_path(temp.journal(), number));
    };
    MeddledFiles files;
    const std::string stuck = segment_path(temp.journal(), 2);
    files.refuse_remove = [&stuck](const std::string& path) {
        return path == stuck ? EIO : 0;
    };
    files.refuse_rename = [&stuck](const std::string& from, const std::string&) {
        return from == stuck ? EIO : 0;
    };
    RetiredSegments retired(files, temp.journal(), kMiB);
    for (const std::uint64_t number : {1U, 2U, 3U})
        retired.add(number);
    const bool wants_spare = GENERATE(true, false);
    if (wants_spare) {
        CHECK(retired.recycle_one(spare_path(temp.journal())));
        CHECK_FALSE(retired.recycle_one(temp.journal() + "/another"));
    } else {
        retired.unlink_all();
    }
    CHECK_FALSE(exists(1));
    CHECK(exists(2));
    CHECK(exists(3));
    CHECK_FALSE(retired.is_empty());

    files.refuse_remove = {};
    retired.unlink_all();
    CHECK_FALSE(exists(2));
    CHECK_FALSE(exists(3));
    CHECK(exists(4));
    CHECK(retired.is_empty());
}

TEST_CASE("retired segments: a file that has taken the name meanwhile is not made a spare",
          "[journal][retention]") {
    const TempDirectory temp;
    write_segments(small_options(temp.journal()), 4);
    const std::string path = segment_path(temp.journal(), 1);
    MeddledFiles files;
    // As compress does it: another file of another size, in one step.
    bool has_acted = false;
    files.before_hold = [&] {
        if (std::exchange(has_acted, true)) return;
        fs::copy_file(path, path + ".copying");
        fs::resize_file(path + ".copying", 3 * kBlockSizeBytes);
        fs::rename(path + ".copying", path);
    };
    RetiredSegments retired(files, temp.journal(), kMiB);
    retired.add(1);
    const std::string spare = spare_path(temp.journal());
    fs::remove(spare);
    CHECK_FALSE(retired.recycle_one(spare));
    REQUIRE(has_acted);
    CHECK_FALSE(fs::exists(spare));
    retired.unlink_all();
    CHECK_FALSE(fs::exists(path));
    CHECK(retired.is_empty());
}

}  // namespace tailrace::journal::retired_segments_test
