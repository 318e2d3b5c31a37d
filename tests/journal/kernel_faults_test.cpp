// Faults of real file systems on a device that the test controls: the file system stops in the
// middle of writing, the device fails, the disk is full. Each test sees that its fault was real.

#include "journal_fixture.hpp"
#include "loop_disk.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/unique_fd.hpp>
#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace tailrace::journal::kernel_faults_test {

namespace {

constexpr std::uint64_t kExt4Bytes = 64 * kMiB;
constexpr std::uint64_t kXfsBytes = 320 * kMiB;  // the least that mkfs.xfs makes is 300

std::uint64_t size_of(const std::string& kind) {
    return kind == "ext4" ? 24 * kMiB : kind == "btrfs" ? 160 * kMiB : kXfsBytes;
}

// Copies that share every block with what they are a copy of, of all files of a directory.
bool share_blocks(const std::string& directory, const std::string& copies) {
    std::filesystem::create_directories(copies);
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (!entry.is_regular_file()) continue;
        const UniqueFd from(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
        const std::string name = copies + "/" + entry.path().filename().string();
        const UniqueFd into(::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        // Where the source was made without copies on write, so must the copy be.
        int flags = 0;
        if (::ioctl(from.get(), FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_NOCOW_FL) != 0)
            (void)::ioctl(into.get(), FS_IOC_SETFLAGS, &flags);
        if (::ioctl(into.get(), FICLONE, from.get()) != 0) return false;
    }
    return true;
}

EventShape shape_of(std::uint32_t payload_bytes) {
    EventShape shape;
    shape.payload_bytes = payload_bytes;
    return shape;
}

// Appends and drives for so many rounds, or until the writer has failed or has no space. Room that
// only gets low ends nothing: whether it is seen before none is left depends on how fast the last
// segment fills.
void write_for(Writer& writer, Sequence& appended, int rounds, std::uint32_t payload_bytes) {
    const auto goes_on = [&writer] {
        const WriterState state = writer.state();
        return state == WriterState::running || state == WriterState::low_space;
    };
    for (int i = 0; i < rounds && goes_on(); ++i) {
        appended +=
            writer.append(make_events(appended, 8, shape_of(payload_bytes)).run()).event_count;
        writer.drive(1'000'000);
    }
}

// A file that takes all the room there is, to the last page (LoopDisk says why); gives it back at
// its end.
class Ballast {
public:
    explicit Ballast(std::string path) : path_(std::move(path)) {
        const UniqueFd file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        const std::string page(4096, 'x');
        while (::write(file.get(), page.data(), page.size()) == static_cast<ssize_t>(page.size()))
            size_bytes_ += page.size();
    }
    Ballast(const Ballast&) = delete;
    Ballast& operator=(const Ballast&) = delete;
    ~Ballast() {
        const std::string parent = std::filesystem::path(path_).parent_path();
        ::unlink(path_.c_str());
        // btrfs gives room back when it commits.
        const UniqueFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        (void)::syncfs(directory.get());
    }
    [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }

private:
    std::string path_;
    std::uint64_t size_bytes_ = 0;
};

// Appends until the disk is full: the writer says so, and what was acknowledged stays so.
void write_without_room(Writer& writer, Sequence& appended, const std::string& ballast_path) {
    const Sequence acknowledged = writer.durable_sequence();
    const Ballast ballast(ballast_path);
    write_for(writer, appended, 100'000, 6'000);
    CHECK(writer.state() == WriterState::no_space);
    CHECK(writer.failure_errno() == ENOSPC);
    CHECK(writer.durable_sequence() >= acknowledged);
    const auto stuck = writer.sync(20'000'000);
    REQUIRE_FALSE(stuck);
    CHECK(stuck.error().code == ErrorCode::no_space);
}

}  // namespace

TEST_CASE(
    "file system stopped while writing: after it is mounted again every acknowledged event is "
    "there",
    "[kernel]") {
    const std::string kind = GENERATE("ext4", "xfs");
    const test::Watchdog watchdog("file system stopped", 100);
    const TempDirectory temp;
    LoopDisk disk(kind,
                  temp.path() + "/image",
                  kind == "ext4" ? kExt4Bytes : kXfsBytes,
                  temp.path() + "/disk");
    if (!disk.is_mounted()) {
        WARN("SKIPPED: " << kind << ": " << disk.why());
        return;
    }
    INFO(kind);
    const std::string journal = temp.path() + "/disk/journal";
    Sequence end = 0;
    std::uint64_t lost = 0;
    for (int round = 0; round < 12; ++round) {
        Sequence acknowledged = 0;
        Sequence appended = end;
        {
            auto writer = Writer::open(small_options(journal));
            REQUIRE(writer);
            REQUIRE(writer->next_sequence() == end);
            write_for(*writer, appended, 3 + 7 * round, round % 2 == 0 ? 200 : 6'000);
            const bool stopped = disk.shut_down();
            if (!stopped && round == 0) {
                WARN("SKIPPED: " << kind << " can't be stopped here");
                return;
            }
            REQUIRE(stopped);
            // Failed; or, if it stopped where a segment was full, without a next one for ever.
            const auto has_ended = [&] {
                return writer->state() == WriterState::failed ||
                       (writer->state() == WriterState::no_space && writer->failure_errno() == EIO);
            };
            for (int i = 0; i < 1'000 && !has_ended(); ++i)
                write_for(*writer, appended, 1, 200);
            // The fault was real: the kernel refused something.
            CHECK(has_ended());
            CHECK(writer->failure_errno() == EIO);
            acknowledged = writer->durable_sequence();
            for (int i = 0; i < 20; ++i)
                writer->drive(100'000);
            CHECK(writer->durable_sequence() == acknowledged);
        }
        CHECK_FALSE(std::ofstream(journal + "/probe").is_open());
        REQUIRE(disk.remount());
        const auto found = preview_recovery(journal);
        REQUIRE(found);
        CHECK(found->end_sequence >= acknowledged);
        CHECK(found->end_sequence <= appended);
        lost += appended - found->end_sequence;
        end = found->end_sequence;
        CHECK(is_dense(read_all(journal), 0, end));
    }
    CHECK(end > 0);
    CHECK(lost > 0);  // it did stop in the middle
    CHECK(verify(journal)->is_sound());
}

TEST_CASE(
    "device failing while writing: durable is frozen, nothing is flushed again, opening anew "
    "recovers",
    "[kernel]") {
    const test::Watchdog watchdog("device failing", 100);
    const TempDirectory temp;
    const std::string store = temp.path() + "/store";
    std::filesystem::create_directories(store);
    if (::mount("tmpfs", store.c_str(), "tmpfs", 0, "size=40m") != 0) {
        WARN("SKIPPED: no tmpfs can be mounted here (not root)");
        return;
    }
    {
        LoopDisk disk("ext4", store + "/image", kExt4Bytes, temp.path() + "/disk");
        if (disk.is_mounted()) {
            const std::string journal = temp.path() + "/disk/journal";
            JournalOptions options = small_options(journal);
            options.segment_size_bytes = 8 * kMiB;
            options.segment_fill =
                SegmentFill::allocated;  // its blocks have no room in the store yet
            Sequence appended = 0;
            Sequence acknowledged = 0;
            {
                auto writer = Writer::open(options);
                REQUIRE(writer);
                write_for(*writer, appended, 20, 500);
                REQUIRE(writer->sync(30 * kSecondNs));
                const Ballast ballast(store + "/ballast");  // from now on the device can't write
                CHECK(ballast.size_bytes() > 0);
                write_for(*writer, appended, 2'000, 6'000);
                // A device that says it has no room is waited for; one that says it can't, is not.
                const auto has_failed = [&writer] {
                    return writer->state() == WriterState::failed;
                };
                for (int i = 0; i < 1'000 && !has_failed(); ++i) {
                    if (writer->state() == WriterState::no_space) break;
                    writer->drive(10'000'000);
                }
                REQUIRE((has_failed() || writer->state() == WriterState::no_space));
                CHECK((writer->failure_errno() == EIO || writer->failure_errno() == ENOSPC));
                acknowledged = writer->durable_sequence();
                CHECK(acknowledged >= 160);
                CHECK(acknowledged < appended);

                const std::uint64_t flushes = writer->statistics().flushes;
                writer->request_flush();
                for (int i = 0; i < 50; ++i)
                    writer->drive(100'000);
                CHECK_FALSE(writer->sync(kSecondNs));
                CHECK_FALSE(writer->close(kSecondNs));
                if (has_failed()) CHECK(writer->statistics().flushes == flushes);
                CHECK(writer->durable_sequence() < appended);
                if (has_failed()) CHECK(writer->durable_sequence() == acknowledged);
                acknowledged = writer->durable_sequence();
                if (has_failed()) {
                    CHECK(writer->append(make_events(appended, 1).run()).status ==
                          AppendStatus::failed);
                }
            }
            // There is room again. ext4 may have stopped at its own failed writes.
            REQUIRE(disk.remount());
            auto next = Writer::open(options);
            REQUIRE(next);
            CHECK(next->next_sequence() >= acknowledged);
            CHECK(next->next_sequence() <= appended);
            Sequence end = next->next_sequence();
            write_for(*next, end, 20, 500);
            REQUIRE(next->close());
            CHECK(is_dense(read_all(journal), 0, end));
            CHECK(verify(journal)->is_sound());
        } else {
            WARN("SKIPPED: " << disk.why());
        }
    }
    ::umount2(store.c_str(), MNT_DETACH);
}

TEST_CASE(
    "disk full on a real file system: taken events become durable, and the writer goes on when "
    "there is room",
    "[kernel]") {
    const test::Watchdog watchdog("disk full", 100);
    const std::string kind = GENERATE("ext4", "xfs", "btrfs");
    const TempDirectory temp;
    LoopDisk disk(kind, temp.path() + "/image", size_of(kind), temp.path() + "/disk");
    if (!disk.is_mounted()) {
        WARN("SKIPPED: " << kind << ": " << disk.why());
        return;
    }
    INFO(kind);
    const std::string journal = temp.path() + "/disk/journal";
    Sequence appended = 0;
    {
        auto writer = Writer::open(small_options(journal));
        REQUIRE(writer);
        write_for(*writer, appended, 10, 500);
        REQUIRE(writer->sync(30 * kSecondNs));
        write_without_room(*writer, appended, temp.path() + "/disk/ballast");
        // btrfs gives room back in its own time, with its next commit.
        const auto synced = writer->sync(60 * kSecondNs);
        INFO((synced ? std::string() : synced.error().message));
        CHECK(synced);
        CHECK(writer->durable_sequence() == appended);
        while (writer->state() == WriterState::low_space)  // until it has looked again
            writer->drive(1'000'000);
        CHECK(writer->state() == WriterState::running);
        REQUIRE(writer->close());
    }
    CHECK(is_dense(read_all(journal), 0, appended));
    CHECK(verify(journal)->is_sound());
}

// Reserved room is no room once somebody shares it: each block that is written then takes a new
// one.
TEST_CASE("disk full in the middle of a segment whose blocks are shared: it waits for room as ever",
          "[kernel]") {
    const test::Watchdog watchdog("disk full, shared blocks", 100);
    const std::string kind = GENERATE("xfs", "btrfs");
    const TempDirectory temp;
    LoopDisk disk(kind, temp.path() + "/image", size_of(kind), temp.path() + "/disk");
    if (!disk.is_mounted()) {
        WARN("SKIPPED: " << kind << ": " << disk.why());
        return;
    }
    INFO(kind);
    const std::string journal = temp.path() + "/disk/journal";
    Sequence appended = 0;
    {
        auto writer = Writer::open(small_options(journal));
        REQUIRE(writer);
        write_for(*writer, appended, 10, 500);
        REQUIRE(writer->sync(30 * kSecondNs));
        if (!share_blocks(journal, temp.path() + "/disk/copies")) {
            WARN("SKIPPED: " << kind << " can't share blocks here");
            return;
        }
        write_without_room(*writer, appended, temp.path() + "/disk/ballast");
        const auto synced = writer->sync(60 * kSecondNs);
        INFO((synced ? std::string() : synced.error().message));
        CHECK(synced);
        CHECK(writer->durable_sequence() == appended);
        write_for(*writer, appended, 400, 6'000);
        REQUIRE(writer->sync(60 * kSecondNs));  // btrfs gives room back in its own time
        const auto closed = writer->close();
        INFO((closed ? std::string() : closed.error().message));
        REQUIRE(closed);
    }
    CHECK(is_dense(read_all(journal), 0, appended));
    CHECK(verify(journal)->is_sound());
}

TEST_CASE("retention on a file system with shared blocks: what a copy shares is not used again",
          "[kernel]") {
    const test::Watchdog watchdog("retention, shared blocks", 100);
    const std::string kind = GENERATE("xfs", "btrfs");
    const TempDirectory temp;
    LoopDisk disk(kind, temp.path() + "/image", size_of(kind), temp.path() + "/disk");
    if (!disk.is_mounted()) {
        WARN("SKIPPED: " << kind << ": " << disk.why());
        return;
    }
    INFO(kind);
    const std::string journal = temp.path() + "/disk/journal";
    JournalOptions options = small_options(journal);
    options.retain_size_bytes = 4 * kMiB;
    auto writer = Writer::open(options);
    REQUIRE(writer);
    Sequence appended = 0;
    const auto roll = [&](std::uint64_t segments) {
        const std::uint64_t end = writer->statistics().segments + segments;
        while (writer->statistics().segments < end)
            write_for(*writer, appended, 1, 6'000);
    };
    roll(8);
    REQUIRE(writer->sync(30 * kSecondNs));
    CHECK(writer->statistics().recycled_segments > 0);  // its own are used again
    const auto found = backup(journal, temp.path() + "/disk/backup");
    REQUIRE(found);
    const WriterStatistics before = writer->statistics();
    roll(2);
    REQUIRE(writer->sync(30 * kSecondNs));
    const WriterStatistics after = writer->statistics();
    CHECK(after.recycled_segments == before.recycled_segments);
    CHECK(after.unlinked_segments > before.unlinked_segments);
    CHECK(verify(temp.path() + "/disk/backup")->is_sound());
    REQUIRE(writer->close());
}

}  // namespace tailrace::journal::kernel_faults_test
