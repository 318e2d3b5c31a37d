#include "file_owner.hpp"

#include "journal_fixture.hpp"
#include "posix_files.hpp"
#include "segment_directory.hpp"
#include "support/child_process.hpp"
#include "support/file_content.hpp"

#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/compress.hpp>
#include <tailrace/journal/settings.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace tailrace::journal::file_owner_test {

namespace {

namespace fs = std::filesystem;
using test::in_child;

constexpr uid_t kSomebody = 65534;

struct stat status_of(const std::string& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status;
}

// Names of files in the directory whose permissions or group are others.
std::vector<std::string> exceptions(const std::string& directory,
                                    std::uint32_t mode,
                                    std::uint32_t group) {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(directory)) {
        const struct stat status = status_of(entry.path());
        if ((status.st_mode & 07777U) != mode || status.st_gid != group)
            found.push_back(entry.path().filename());
    }
    return found;
}

JournalOptions private_options(const std::string& directory) {
    JournalOptions options = small_options(directory);
    options.access.mode = 0640;
    options.access.group_id = ::geteuid() == 0 ? 1234U : ::getegid();
    options.retain_size_bytes = 4 * kMiB;
    return options;
}

}  // namespace

TEST_CASE("file owner: each file of a journal has the permissions and group that were asked for",
          "[journal][access]") {
    const TempDirectory temp;
    const JournalOptions options = private_options(temp.journal());
    const mode_t mask = ::umask(0);
    {
        auto writer = Writer::open(options);
        REQUIRE(writer);
        EventShape shape;
        shape.payload_bytes = 4000;
        REQUIRE(append_all(*writer, make_events(0, 3000, shape)));
        REQUIRE(writer->close());
    }
    if (can_compress()) REQUIRE(compress(temp.journal(), {}));
    REQUIRE(backup(temp.journal(), temp.path() + "/copy"));
    ::umask(mask);
    CHECK(exceptions(temp.journal(), 0640, options.access.group_id).empty());
    CHECK(exceptions(temp.path() + "/copy", 0640, options.access.group_id).empty());
    CHECK((status_of(temp.journal()).st_mode & 07777U) == 0750);
    CHECK((status_of(temp.path() + "/copy").st_mode & 07777U) == 0750);

    // The stream was made anew for fewer; its journal follows.
    JournalOptions closer = options;
    closer.access.mode = 0600;
    REQUIRE(Writer::open(closer));
    CHECK(exceptions(temp.journal(), 0600, options.access.group_id).empty());
}

TEST_CASE("file owner: a symbolic link in the journal's directory is followed by nobody",
          "[journal][access]") {
    const TempDirectory temp;
    const std::string precious = temp.path() + "/precious";
    const std::string name = GENERATE("spare",
                                      "spare.partial",
                                      "SUPER",
                                      "LOCK",
                                      "CATALOGUE",
                                      "CATALOGUE.new",
                                      "0000000000000001.idx",
                                      "0000000000000001.seg.copying",
                                      "SETTINGS.new");
    INFO(name);
    fs::create_directory(temp.journal());
    // As large as a spare, so that it could be taken for one.
    std::ofstream(precious) << std::string(small_options("").segment_size_bytes, 'p');
    const std::string before = test::file_content(precious);
    fs::create_symlink(precious, temp.journal() + "/" + name);

    {
        auto writer = Writer::open(small_options(temp.journal()));
        if (name == "SUPER" || name == "LOCK") {
            REQUIRE_FALSE(writer);
            CHECK(writer.error().message.find("symbolic link") != std::string::npos);
        } else {
            REQUIRE(writer);
            EventShape shape;
            shape.payload_bytes = 4000;
            REQUIRE(append_all(*writer, make_events(0, 700, shape)));
            REQUIRE(writer->close());
        }
    }
    if (name != "SUPER" && name != "LOCK") {
        JournalSettings settings;
        settings.sync_policy = SyncPolicy::group;
        CHECK(save_settings(temp.journal(), settings));
        if (can_compress()) CHECK(compress(temp.journal(), {}));
        CHECK(verify(temp.journal())->is_sound());
    }
    CHECK(test::file_content(precious) == before);
}

TEST_CASE("file owner: a pipe in a segment's place keeps nobody waiting", "[journal][access]") {
    const TempDirectory temp;
    REQUIRE(write_journal(small_options(temp.journal()), {make_events(0, 10)}, Ending::closed));
    const std::string segment = first_segment(temp.journal());
    fs::remove(segment);
    REQUIRE(::mkfifo(segment.c_str(), 0600) == 0);
    CHECK(in_child([&] { return Reader::open(temp.journal()) ? 1 : 0; }) == 0);
    CHECK(in_child([&] { return Writer::open(small_options(temp.journal())) ? 1 : 0; }) == 0);
}

TEST_CASE("file owner: in a directory of everybody, somebody else's file is not written to",
          "[journal][access]") {
    if (::geteuid() != 0) {
        WARN("SKIPPED: only root can make files of somebody else");
        return;
    }
    const TempDirectory temp;
    REQUIRE(::chmod(temp.path().c_str(), 0755) == 0);
    fs::create_directory(temp.journal());
    REQUIRE(::chmod(temp.journal().c_str(), 01777) == 0);
    const std::string spare = temp.journal() + "/spare";
    const auto plant = [&] {
        return in_child([&] {
            if (::setgid(kSomebody) != 0 || ::setuid(kSomebody) != 0) return 1;
            const int fd = ::open(spare.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            return ::ftruncate(fd, static_cast<off_t>(small_options("").segment_size_bytes));
        });
    };
    REQUIRE(plant() == 0);
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    CHECK(status_of(first_segment(temp.journal())).st_uid == 0);
    // Where the directory is somebody's own, files there are the owner's affair.
    REQUIRE(writer->close());
    fs::remove(spare);
    REQUIRE(plant() == 0);
    REQUIRE(::chown(temp.journal().c_str(), kSomebody, kSomebody) == 0);
    const IoOutcome opened = posix_files().open(spare, {.write = true});
    REQUIRE(opened.ok());
    posix_files().close(static_cast<FileId>(opened.value));
}

TEST_CASE("leftovers: what killed compressors left is removed by the next writer",
          "[journal][access]") {
    const TempDirectory temp;
    REQUIRE(write_journal(small_options(temp.journal()), {make_events(0, 10)}, Ending::closed));
    const std::string gone = segment_named(temp.journal(), 77) + ".copying";
    const std::string here = first_segment(temp.journal()) + ".copying";
    const std::string foreign = temp.journal() + "/notes.copying";
    for (const std::string& path : {gone, here, foreign})
        std::ofstream(path) << "x";
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    CHECK_FALSE(fs::exists(gone));
    CHECK_FALSE(fs::exists(here));
    CHECK(fs::exists(foreign));
}

}  // namespace tailrace::journal::file_owner_test
