// The last write of a killed writer, on a real kernel: a disk that doesn't take it before its
// writer is long dead.

#include "assessment.hpp"
#include "journal_fixture.hpp"
#include "lock_file.hpp"
#include "loop_disk.hpp"
#include "meddled_files.hpp"
#include "segment_directory.hpp"
#include "support/child_process.hpp"
#include "support/shared_object.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <vector>

namespace tailrace::journal::late_write_kernel_test {

namespace {

constexpr std::uint64_t kOuterBytes = 192 * kMiB;
constexpr std::uint64_t kInnerBytes = 64 * kMiB;
constexpr Sequence kDurable = 3;
constexpr Sequence kAppended = 8;

struct Stage {
    std::atomic<int> step{0};
    std::atomic<pid_t> grandchild{0};
};
enum Step : int { begun, is_ready, is_frozen, has_submitted, has_no_uring };

// Whatever is written to a file system is kept waiting while this lives. A process that waits for
// it in the kernel can't be ended, so another one thaws it should this one be stuck.
class Frozen {
public:
    explicit Frozen(const std::string& mount_point)
        : fd_(::open(mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
          rescuer_([this] {
              constexpr int kPatienceMs = 30'000;
              (void)::poll(nullptr, 0, kPatienceMs);
              (void)::ioctl(fd_.get(), FITHAW, 0);
              return 0;
          }) {
        is_frozen_ = fd_.is_open() && ::ioctl(fd_.get(), FIFREEZE, 0) == 0;
    }
    Frozen(const Frozen&) = delete;
    Frozen& operator=(const Frozen&) = delete;
    ~Frozen() { thaw(); }
    [[nodiscard]] bool is_frozen() const { return is_frozen_; }
    void thaw() {
        if (is_frozen_) (void)::ioctl(fd_.get(), FITHAW, 0);
        is_frozen_ = false;
    }

private:
    UniqueFd fd_;
    test::ChildProcess rescuer_;
    bool is_frozen_ = false;
};

// Into the page cache: a read from the frozen disk waits behind the writes.
void read_files_of(const std::string& directory) {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        std::ifstream file(entry.path(), std::ios::binary);
        std::vector<char> piece(kMiB);
        while (file.read(piece.data(), static_cast<std::streamsize>(piece.size()))) {
        }
    }
}

// Whether the disk below a file has a write that it hasn't finished. A write that no worker of the
// kernel has begun yet is cancelled with its process, and is no late write.
bool has_write_in_flight(const std::string& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return false;
    std::ifstream file("/sys/dev/block/" + std::to_string(major(found.st_dev)) + ":" +
                       std::to_string(minor(found.st_dev)) + "/inflight");
    int reads = 0;
    int writes = 0;
    return file >> reads >> writes && writes > 0;
}

JournalOptions uring_options(const std::string& directory) {
    JournalOptions options = small_options(directory);
    options.io_backend = IoBackend::uring;
    options.durable_write = DurableWrite::linked_flush;
    options.segment_fill = SegmentFill::zeroed;
    return options;
}

// Some events are durable; then some more are handed to the kernel, and nothing else is done.
int submit_and_stay(const std::string& directory, Stage& stage) {
    auto writer = Writer::open(uring_options(directory));
    if (!writer) {
        stage.step = has_no_uring;
        return 0;
    }
    if (!append_all(*writer, make_events(0, kDurable)) || !writer->sync(30 * kSecondNs)) return 1;
    stage.step = is_ready;
    test::wait_until([&stage] { return stage.step.load() == is_frozen; });
    if (!append_all(*writer, make_events(kDurable, kAppended - kDurable))) return 2;
    writer->drive(0);
    stage.step = has_submitted;
    test::wait_until([] { return false; });  // until it is killed
    return 0;
}

}  // namespace

TEST_CASE("killed writer: its last write lands after its lock is free, and recovery waits for it",
          "[kernel]") {
    const test::Watchdog watchdog("late write", 100);
    const TempDirectory temp;
    LoopDisk outer("ext4", temp.path() + "/image", kOuterBytes, temp.path() + "/outer");
    LoopDisk inner("ext4", temp.path() + "/outer/image", kInnerBytes, temp.path() + "/inner");
    if (!outer.is_mounted() || !inner.is_mounted()) {
        WARN("SKIPPED: " << outer.why() << inner.why());
        return;
    }
    const std::string journal = temp.path() + "/inner/journal";
    test::SharedObject<Stage> stage;
    test::ChildProcess child([&] { return submit_and_stay(journal, *stage); });
    test::wait_until([&] { return stage->step.load() >= is_ready || child.has_ended(); });
    if (stage->step.load() == has_no_uring) {
        WARN("SKIPPED: no io_uring here");
        return;
    }
    REQUIRE(stage->step.load() == is_ready);
    read_files_of(journal);
    ::sync();
    Frozen frozen(temp.path() + "/outer");
    if (!frozen.is_frozen()) {
        WARN("SKIPPED: ext4 can't be frozen here");
        return;
    }
    stage->step = is_frozen;
    test::wait_until([&] { return stage->step.load() == has_submitted || child.has_ended(); });
    test::wait_until([&] { return has_write_in_flight(journal) || child.has_ended(); });
    REQUIRE(child.kill().was_killed());

    // The kernel has let go of the lock, and not of the write.
    CHECK_FALSE(look_at_lock(journal).is_held);
    const std::string path = newest_segment(journal);
    const UniqueFd segment(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(is_locked(segment.get(), 1));

    MeddledFiles files;
    bool has_waited = false;
    files.before_await = [&] {
        has_waited = is_locked(segment.get(), 1);
        frozen.thaw();
    };
    const auto found = assess(files, journal, AssessMode::deciding);
    INFO((found ? "" : found.error().message));
    REQUIRE(found);
    CHECK(has_waited);
    CHECK(found->end.sequence == kAppended);
    CHECK_FALSE(is_locked(segment.get(), 1));
    {
        auto writer = Writer::open(uring_options(journal));
        REQUIRE(writer);
        CHECK(writer->next_sequence() == kAppended);
        REQUIRE(writer->close());
    }
    CHECK(verify(journal)->is_sound());
    CHECK(is_dense(read_all(journal), 0, kAppended));
}

TEST_CASE("killed writer: a child that it had forked keeps nobody waiting", "[kernel]") {
    const test::Watchdog watchdog("forked child", 100);
    const TempDirectory temp;
    test::SharedObject<Stage> stage;
    test::ChildProcess child([&] {
        auto writer = Writer::open(small_options(temp.journal()));
        if (!writer) return 1;
        if (!append_all(*writer, make_events(0, kDurable)) || !writer->sync(30 * kSecondNs))
            return 2;
        const pid_t forked = ::fork();
        if (forked == 0) {
            (void)::alarm(100);  // should nobody end it
            stage->step = is_ready;
            test::wait_until([] { return false; });
        }
        stage->grandchild = forked;
        test::wait_until([] { return false; });
        return 0;
    });
    test::wait_until([&] {
        return (stage->step.load() == is_ready && stage->grandchild.load() > 0) ||
               child.has_ended();
    });
    REQUIRE(stage->grandchild.load() > 0);
    REQUIRE(child.kill().was_killed());
    const std::string segment_path = newest_segment(temp.journal());
    const UniqueFd segment(::open(segment_path.c_str(), O_RDONLY | O_CLOEXEC));
    CHECK_FALSE(is_locked(segment.get(), 1));
    CHECK(::kill(stage->grandchild.load(), 0) == 0);
    auto writer = Writer::open(small_options(temp.journal()));
    CHECK(writer.has_value());
    if (writer) CHECK(writer->next_sequence() == kDurable);
    CHECK(::kill(stage->grandchild.load(), SIGKILL) == 0);
}

}  // namespace tailrace::journal::late_write_kernel_test
