#include "region_files.hpp"
#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/huge_pages.hpp>
#include <tailrace/bus/region.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace huge_pages_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr uid_t kNobody = 65534;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

std::string word_of(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

bool write_word(const std::string& path, const std::string& word) {
    std::ofstream file(path);
    file << word;
    file.close();
    return !file.fail();
}

// A kernel setting for the time of a test.
class Setting {
public:
    Setting(std::string path, const std::string& word)
        : path_(std::move(path)),
          before_(word_of(path_)) {
        const std::size_t begin = before_.find('[');
        if (begin != std::string::npos)
            before_ = before_.substr(begin + 1, before_.find(']') - begin - 1);
        is_set_ = !before_.empty() && write_word(path_, word);
    }
    Setting(const Setting&) = delete;
    Setting& operator=(const Setting&) = delete;
    ~Setting() {
        if (is_set_) write_word(path_, before_);
    }
    [[nodiscard]] bool is_set() const noexcept { return is_set_; }

private:
    std::string path_;
    std::string before_;
    bool is_set_ = false;
};

class Mount {
public:
    Mount(const std::string& directory, const char* type, const char* options)
        : directory_(directory),
          is_mounted_(::mount("none", directory.c_str(), type, 0, options) == 0) {}
    Mount(const Mount&) = delete;
    Mount& operator=(const Mount&) = delete;
    ~Mount() {
        if (is_mounted_) ::umount2(directory_.c_str(), MNT_DETACH);
    }
    [[nodiscard]] bool is_mounted() const noexcept { return is_mounted_; }

private:
    std::string directory_;
    bool is_mounted_;
};

StreamOptions with_pages(HugePages pages, std::uint64_t capacity_bytes) {
    StreamOptions options = small_stream(Publishing::single);
    options.capacity_bytes = capacity_bytes;
    options.huge_pages = pages;
    return options;
}

// Laps with events that say who they are.
void check_laps(const TestStream& stream, std::uint64_t laps) {
    Publisher publisher = stream.publisher();
    Subscriber reader = stream.subscriber();
    const std::uint64_t events = laps * publisher.region().capacity_bytes() / 1024;
    const std::uint64_t padding_bytes = 1000;
    std::uint64_t wrong = 0;
    for (std::uint64_t event = 0; event < events; ++event) {
        Claim claim;
        REQUIRE(publisher.try_claim(claim, padding_bytes) == PublishStatus::ok);
        std::memcpy(claim.payload.data(), &event, sizeof(event));
        publisher.commit(claim);
        const auto check = [&](const Event& read) {
            if (read.as<std::uint64_t>() != event) ++wrong;
        };
        const PollResult result = reader.poll(check, 1);
        if (result.events != 1) ++wrong;
    }
    CHECK(wrong == 0);
}

Error refusal(const StreamOptions& options) {
    const TemporaryDirectory directory;
    auto made = Region::create("stream", options, directory.path());
    REQUIRE_FALSE(made);
    CHECK(std::filesystem::is_empty(directory.path()));
    return made.error();
}

bool mentions(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

void check_refused_link(const TestStream& stream,
                        const std::string& target,
                        const std::string& why) {
    CAPTURE(target);
    const std::string events = stream.directory() + "/stream/events";
    std::filesystem::remove(events);
    std::filesystem::create_symlink(target, events);
    const auto refused = Region::open("stream", RegionAccess::publish, stream.directory());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::corrupt);
    CHECK(mentions(refused.error().message, why));
}

}  // namespace

TEST_CASE("huge pages: off is off, and auto says why it gets none", "[bus][huge_pages]") {
    const TestStream off(with_pages(HugePages::off, 4 * kMiB));
    CHECK(off.open()->header().pages == PageKind::small);
    CHECK(mentions(transparent_pages_obstacle(kMiB, "/dev/shm"), "smaller than 2 MiB"));
    CHECK(mentions(transparent_pages_obstacle(4 * kMiB, "/proc"), "not a tmpfs"));
    const TestStream small(with_pages(HugePages::automatic, kMiB));
    CHECK(small.open()->header().pages == PageKind::small);
    check_laps(small, 2);
}

TEST_CASE("huge pages: auto gets joined pages where the kernel is told to join them",
          "[bus][huge_pages]") {
    const TemporaryDirectory place;
    CHECK_FALSE(transparent_pages_obstacle(16 * kMiB, "/").empty());
    const Mount mount(place.path(), "tmpfs", "huge=advise,size=64m");
    if (!mount.is_mounted()) {
        WARN("SKIPPED: a tmpfs can't be mounted here");
        return;
    }
    CHECK(transparent_pages_obstacle(16 * kMiB, place.path()).empty());
    StreamOptions options = with_pages(HugePages::automatic, 16 * kMiB);
    REQUIRE(Region::create("stream", options, place.path()));
    auto region = Region::open("stream", RegionAccess::publish, place.path());
    REQUIRE(region);
    if ((*region)->header().pages != PageKind::transparent) {
        WARN("SKIPPED: the kernel had no huge pages to give");
        return;
    }
    options.huge_pages = HugePages::off;
    REQUIRE(Region::create("small", options, place.path()));
    const auto small = Region::open("small", RegionAccess::publish, place.path());
    REQUIRE(small);
    CHECK((*small)->header().pages == PageKind::small);
}

TEST_CASE("huge pages: what can't be had is refused with the command that helps",
          "[bus][huge_pages]") {
    Error error = refusal(with_pages(HugePages::size_2m, kMiB));
    CHECK(error.code == ErrorCode::invalid_argument);
    CHECK(mentions(error.message, "smaller than one huge page of 2 MiB"));
    error = refusal(with_pages(HugePages::size_1g, 512 * kMiB));
    CHECK(error.code == ErrorCode::invalid_argument);
    CHECK(mentions(error.hint, "--capacity 1GiB"));
    if (huge_page_directory(PageKind::huge_1g)) {
        WARN("SKIPPED: huge pages of 1 GiB are mounted here");
        return;
    }
    error = refusal(with_pages(HugePages::size_1g, kGiB));
    CHECK(error.code == ErrorCode::unsupported);
    CHECK(mentions(error.message, "no huge pages of 1 GiB are mounted"));
    CHECK(mentions(error.hint, "mount -t hugetlbfs"));
}

TEST_CASE("huge pages: reserved ones of 2 MiB", "[bus][huge_pages]") {
    const Watchdog watchdog("huge pages: reserved");
    const TemporaryDirectory place;
    const Mount mount(place.path(), "hugetlbfs", "mode=1777,pagesize=2M");
    const auto found = huge_page_directory(PageKind::huge_2m);
    if (!mount.is_mounted() || !found || *found != place.path()) {
        WARN("SKIPPED: a hugetlbfs can't be mounted here");
        return;
    }
    const std::string reserved = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    if (word_of(reserved) == "0") {
        const Error error = refusal(with_pages(HugePages::size_2m, 4 * kMiB));
        CHECK(error.code == ErrorCode::no_space);
        CHECK(mentions(error.message, "needs 2 huge pages of 2 MiB, and 0 are free"));
        CHECK(mentions(error.hint, "nr_hugepages"));
        CHECK(std::filesystem::is_empty(place.path()));
    }
    const Setting setting(reserved, std::to_string(std::stoul(word_of(reserved)) + 4));
    if (std::stoul(word_of("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")) < 2) {
        WARN("SKIPPED: the kernel had no huge pages to reserve");
        return;
    }
    {
        const TestStream stream(with_pages(HugePages::size_2m, 4 * kMiB));
        const std::string events = stream.directory() + "/stream/events";
        CHECK(std::filesystem::is_symlink(events));
        CHECK(std::filesystem::read_symlink(events).parent_path() == place.path());
        CHECK(stream.open()->header().pages == PageKind::huge_2m);
        CHECK(stream.open(RegionAccess::observe)->header().pages == PageKind::huge_2m);
        check_laps(stream, 2);
        // It must not lead anywhere else.
        const std::string target = std::filesystem::read_symlink(events);
        // Somebody else's huge pages, and small ones under a fitting name.
        const std::string foreign = place.path() + "/database";
        std::filesystem::rename(target, foreign);
        check_refused_link(stream, foreign, "leads to no file that streams make");
        const std::string elsewhere = stream.directory() + "/tailrace-events-x";
        std::ofstream(elsewhere) << "mine";
        std::filesystem::resize_file(elsewhere, 4 * kMiB);
        check_refused_link(stream, elsewhere, "doesn't lead to huge pages");
        REQUIRE(Region::unlink("stream", false, stream.directory()));
        CHECK(std::filesystem::exists(elsewhere));
        std::filesystem::remove(foreign);
    }
    {
        const TestStream stream(with_pages(HugePages::size_2m, 4 * kMiB));
        CHECK_FALSE(std::filesystem::is_empty(place.path()));
        REQUIRE(Region::unlink("stream", false, stream.directory()));
    }
    CHECK(std::filesystem::is_empty(place.path()));
}

TEST_CASE("huge pages: a link in place of an ordinary ring's events is refused",
          "[bus][huge_pages]") {
    const TestStream stream;
    const std::string events = stream.directory() + "/stream/events";
    std::filesystem::rename(events, stream.directory() + "/elsewhere");
    std::filesystem::create_symlink(stream.directory() + "/elsewhere", events);
    const auto refused = Region::open("stream", RegionAccess::publish, stream.directory());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::corrupt);
    CHECK(mentions(refused.error().message, "is a link"));
    REQUIRE(Region::unlink("stream", false, stream.directory()));
    CHECK(std::filesystem::exists(stream.directory() + "/elsewhere"));
}

TEST_CASE("group: the files and the directory are given to it", "[bus][huge_pages]") {
    if (::geteuid() != 0) {
        WARN("SKIPPED: only root may choose any group");
        return;
    }
    StreamOptions options = small_stream();
    options.group_id = kNobody;
    options.mode = 0640;
    const TestStream stream(options);
    for (const char* const part : {"", "/control", "/events"}) {
        struct stat status {};
        REQUIRE(::stat((stream.directory() + "/stream" + part).c_str(), &status) == 0);
        CHECK(status.st_gid == kNobody);
        CHECK((status.st_mode & 0777U) == (*part == '\0' ? 0750U : 0640U));
    }
    CHECK(stream.open()->header().group_id == kNobody);
    CHECK(stream.open()->header().mode == 0640);
}

TEST_CASE("group: one that the user may not choose is refused, and nothing is left",
          "[bus][huge_pages]") {
    if (::geteuid() != 0) {
        WARN("SKIPPED: needs root to become somebody else");
        return;
    }
    const TemporaryDirectory directory;
    std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
    ChildProcess child([&]() -> int {
        if (::setresgid(kNobody, kNobody, kNobody) != 0 ||
            ::setresuid(kNobody, kNobody, kNobody) != 0)
            return 99;
        StreamOptions options = small_stream();
        options.group_id = 0;
        const auto made = Region::create("stream", options, directory.path());
        if (made || made.error().code != ErrorCode::no_permission) return 1;
        if (!mentions(made.error().message, "to group 0")) return 2;
        return mentions(made.error().hint, "id -G") ? 0 : 3;
    });
    const int exit_code = child.wait().exit_code;
    if (exit_code == 99) {
        WARN("SKIPPED: can't become somebody else here");
        return;
    }
    CHECK(exit_code == 0);
    CHECK(std::filesystem::is_empty(directory.path()));
}

}  // namespace huge_pages_test
