#include "support/child_process.hpp"
#include "support/lifeline.hpp"
#include "support/shared_object.hpp"
#include "support/temporary_directory.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/file_lock.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>

namespace file_lock_test {

using namespace tailrace;
using namespace tailrace::test;

namespace {

struct LockedPath {
    LockedPath() : path(directory.path() + "/locks") {
        std::ofstream(path) << "x";
        fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    }
    TemporaryDirectory directory;
    std::string path;
    UniqueFd fd;
};

constexpr std::uint64_t kByte = std::uint64_t{1} << 40U;

}  // namespace

TEST_CASE("file lock: one holder at a time, also within a process", "[base][file_lock]") {
    const LockedPath file;
    CHECK_FALSE(is_locked(file.fd.get(), kByte));

    auto first = FileLock::try_lock(file.path, kByte);
    REQUIRE(first);
    CHECK(first->is_held());
    CHECK(is_locked(file.fd.get(), kByte));
    const auto second = FileLock::try_lock(file.path, kByte);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::busy);

    first->unlock();
    CHECK_FALSE(first->is_held());
    CHECK_FALSE(is_locked(file.fd.get(), kByte));
    CHECK(FileLock::try_lock(file.path, kByte));
}

TEST_CASE("file lock: bytes are locked one by one", "[base][file_lock]") {
    const LockedPath file;

    const auto first = FileLock::try_lock(file.path, kByte);
    const auto second = FileLock::try_lock(file.path, kByte + 1);

    CHECK(first);
    CHECK(second);
    CHECK(is_locked(file.fd.get(), kByte + 1));
    CHECK_FALSE(is_locked(file.fd.get(), kByte + 2));
}

TEST_CASE("file lock: closing another descriptor of the file does no harm", "[base][file_lock]") {
    const LockedPath file;
    const auto lock = FileLock::try_lock(file.path, kByte);

    { const UniqueFd other(::open(file.path.c_str(), O_RDWR | O_CLOEXEC)); }

    CHECK(is_locked(file.fd.get(), kByte));
}

TEST_CASE("file lock: moving it moves the lock, and drops the one that was there",
          "[base][file_lock]") {
    const LockedPath file;
    FileLock lock = std::move(*FileLock::try_lock(file.path, kByte));

    FileLock moved = std::move(lock);
    CHECK(is_locked(file.fd.get(), kByte));
    FileLock other = std::move(*FileLock::try_lock(file.path, kByte + 1));
    other = std::move(moved);

    CHECK(is_locked(file.fd.get(), kByte));
    CHECK_FALSE(is_locked(file.fd.get(), kByte + 1));
}

TEST_CASE("file lock: a missing file is an error that names it", "[base][file_lock]") {
    const auto lock = FileLock::try_lock("/nowhere/locks", 0);

    REQUIRE_FALSE(lock);
    CHECK(lock.error().code == ErrorCode::not_found);
    CHECK(lock.error().message.find("/nowhere/locks") != std::string::npos);
}

TEST_CASE("file lock: it goes when its process is killed", "[base][file_lock]") {
    const Watchdog watchdog("file lock: it goes when its process is killed");
    const LockedPath file;
    SharedObject<std::atomic<bool>> held;
    ChildProcess holder([&]() -> int {
        const auto lock = FileLock::try_lock(file.path, kByte);
        held->store(lock.has_value());
        for (;;)
            ::pause();
    });
    wait_until([&] { return held->load(); });
    CHECK(is_locked(file.fd.get(), kByte));
    CHECK_FALSE(FileLock::try_lock(file.path, kByte));

    REQUIRE(holder.kill().was_killed());

    CHECK_FALSE(is_locked(file.fd.get(), kByte));
}

TEST_CASE("file lock: whoever waits for it gets it when it goes", "[base][file_lock]") {
    const Watchdog watchdog("file lock: whoever waits for it gets it");
    const LockedPath file;
    auto lock = FileLock::try_lock(file.path, kByte);
    SharedObject<std::atomic<bool>> begun;
    ChildProcess waiter([&] {
        begun->store(true);
        return FileLock::lock(file.path, kByte) ? 0 : 1;
    });
    wait_until([&] { return begun->load(); });

    lock->unlock();

    CHECK(waiter.wait().exit_code == 0);
}

TEST_CASE("file lock: a forked child doesn't keep it", "[base][file_lock]") {
    const Watchdog watchdog("file lock: a forked child doesn't keep it");
    const LockedPath file;
    const Lifeline lifeline;
    SharedObject<std::atomic<bool>> held;
    SharedObject<std::atomic<pid_t>> grandchild;
    SharedObject<std::atomic<bool>> is_forked;  // behind all that a fork does in the child
    ChildProcess holder([&]() -> int {
        const auto lock = FileLock::try_lock(file.path, kByte);
        const pid_t forked = ::fork();
        if (forked == 0) {
            is_forked->store(true);
            lifeline.wait_for_the_end();
        }
        grandchild->store(forked);
        held->store(lock.has_value());
        for (;;)
            ::pause();
    });
    wait_until([&] { return held->load() && is_forked->load(); });
    CHECK(is_locked(file.fd.get(), kByte));

    REQUIRE(holder.kill().was_killed());

    CHECK_FALSE(is_locked(file.fd.get(), kByte));
    CHECK(::kill(grandchild->load(), 0) == 0);
}

TEST_CASE("file lock: unlocking takes it from a cloned child, too", "[base][file_lock]") {
    const Watchdog watchdog("file lock: unlocking takes it from a cloned child");
    const LockedPath file;
    const Lifeline lifeline;
    auto lock = FileLock::try_lock(file.path, kByte);
    REQUIRE(lock);
    const long child = ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) lifeline.wait_for_the_end();

    lock->unlock();

    CHECK_FALSE(is_locked(file.fd.get(), kByte));
    CHECK(::kill(static_cast<pid_t>(child), 0) == 0);
}

TEST_CASE("file lock: a child that drops its copy takes nothing from its parent",
          "[base][file_lock]") {
    const Watchdog watchdog("file lock: a child that drops its copy");
    const LockedPath file;
    auto lock = FileLock::try_lock(file.path, kByte);
    ChildProcess forked([&] {
        lock->unlock();
        return 0;
    });
    CHECK(forked.wait().exit_code == 0);
    CHECK(is_locked(file.fd.get(), kByte));

    const long child = ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        lock->unlock();
        ::_exit(0);
    }
    siginfo_t info{};
    ::syscall(SYS_waitid, 1 /* P_PID */, child, &info, 4 /* WEXITED */, nullptr);
    CHECK(is_locked(file.fd.get(), kByte));
}

}  // namespace file_lock_test
