// A pid that belongs to another process by now. In a pid namespace of the test's own the next
// process can be given any pid (clone3, set_tid), so this is the real thing, not a changed number
// in a slot.

#include "support/lifeline.hpp"
#include "support/received_events.hpp"
#include "support/shared_object.hpp"
#include "support/step_script.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

namespace pid_reuse_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr pid_t kPid = 300;

// Exit codes of the process that judges inside the namespace.
constexpr int kHolds = 0;
constexpr int kNotPermitted = 77;

// A child with this very pid, or -1.
pid_t fork_as(pid_t pid) {
    clone_args arguments{};
    arguments.exit_signal = SIGCHLD;
    arguments.set_tid = reinterpret_cast<std::uint64_t>(&pid);
    arguments.set_tid_size = 1;
    return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof(arguments)));
}

int wait_for(pid_t pid) {
    int status = 0;
    return ::waitpid(pid, &status, 0) == pid ? status : -1;
}

// The first process of a pid namespace with a /proc of its own. What it is asked to do it does
// there.
int in_own_namespace(const std::function<int()>& work) {
    const pid_t helper = ::fork();
    if (helper != 0) {
        const int status = wait_for(helper);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) ::_exit(kNotPermitted);
    const pid_t first = ::fork();
    if (first != 0) {
        const int status = wait_for(first);
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
    }
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("proc", "/proc", "proc", 0, nullptr) != 0) {
        ::_exit(kNotPermitted);
    }
    ::_exit(work());
}

// A publisher dies inside a claim as kPid, while a child that it left keeps its lock byte; then
// another process is kPid. Numbers tell where it went wrong.
int judge(const TestStream& stream) {
    const auto region = stream.open();
    Subscriber reader = stream.subscriber();
    const Lifeline lifeline;
    const pid_t victim = fork_as(kPid);
    if (victim < 0) return kNotPermitted;
    if (victim == 0) {
        Publisher publisher = stream.publisher("victim");
        // A clone that runs no handler keeps the lock.
        if (::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) lifeline.wait_for_the_end();
        StepScript script;
        script.die_at("publisher.filled");
        static_cast<void>(publisher.try_publish(bytes_of("never")));
        ::_exit(1);
    }
    const int ending = wait_for(victim);
    if (WIFEXITED(ending) || WTERMSIG(ending) != SIGKILL) return 1;
    const SlotOwner& owner = region->publisher_slot(0).owner;
    if (owner.process.read().pid != kPid) return 2;
    if (!region->is_lock_held(kPublisherLocks)) return 3;  // nothing but the identity proves it
    // Start times are told in hundredths of a second; the reused pid must be of a later one.
    pid_t heir = -1;
    do {
        if (heir > 0) {
            ::kill(heir, SIGKILL);
            wait_for(heir);
        }
        heir = fork_as(kPid);
        if (heir < 0) return 4;
        if (heir == 0) {
            for (;;)
                ::pause();
        }
        const ProcessIdentity same = owner.process.read();
        if (has_ended(same)) break;
    } while (true);
    if (::kill(kPid, 0) != 0) return 5;  // a process of that pid is there

    if (!region->is_dead(owner, kPublisherLocks)) return 6;
    Publisher other = stream.publisher("other");
    if (other.try_publish(bytes_of("after")) != PublishStatus::ok) return 7;
    if (drain(reader).texts() != std::vector<std::string>{"after"}) return 8;
    ::kill(heir, SIGKILL);
    wait_for(heir);
    return kHolds;
}

}  // namespace

TEST_CASE("liveness: a dead publisher's pid may be another process's by now", "[crash][liveness]") {
    const Watchdog watchdog("liveness: a dead publisher's pid may be another process's");
    const TestStream stream;

    const int outcome = in_own_namespace([&] { return judge(stream); });

    if (outcome == kNotPermitted) {
        WARN("SKIPPED: needs a pid namespace of its own, and clone3 with set_tid");
        return;
    }
    CHECK(outcome == kHolds);
}

TEST_CASE("liveness: a slot that names a living process of another start time is a dead one's",
          "[crash][liveness]") {
    const Watchdog watchdog("liveness: a slot that names a living process of another start time");
    const TestStream stream;
    const auto region = stream.open();
    const Publisher publisher = stream.publisher();  // this process, whose lock is held
    SlotOwner& owner = region->publisher_slot(0).owner;
    REQUIRE(region->is_lock_held(kPublisherLocks));
    REQUIRE_FALSE(region->is_dead(owner, kPublisherLocks));

    const ProcessIdentity own = owner.process.read();
    ProcessIdentity earlier = own;
    earlier.start_ticks -= 1;  // whoever had this pid before
    owner.process.write(earlier);

    CHECK(region->is_dead(owner, kPublisherLocks));
    owner.process.write(own);
    CHECK_FALSE(region->is_dead(owner, kPublisherLocks));
}

}  // namespace pid_reuse_test
