// Who is dead is what the kernel says: not a child that lives on with copies of its parent's
// descriptors, not a pid, not a thread that ended before the others.

#include "claimant.hpp"
#include "support/child_process.hpp"
#include "support/journal_writer.hpp"
#include "support/lifeline.hpp"
#include "support/received_events.hpp"
#include "support/step_script.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/journal_board.hpp>

#include <catch2/catch.hpp>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace liveness_crash_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

enum class Kind { fork, clone };

void leave_a_child(Kind kind, const Lifeline& lifeline, std::atomic<pid_t>& child) {
    const long pid = kind == Kind::fork ? ::fork() : ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) lifeline.wait_for_the_end();
    child.store(static_cast<pid_t>(pid));
}

bool is_alive(pid_t pid) {
    return ::kill(pid, 0) == 0;
}

// Whether this thread sleeps, in a row of looks.
bool sleeps(pid_t thread) {
    constexpr int kLooks = 50;
    const std::string path = "/proc/self/task/" + std::to_string(thread) + "/stat";
    for (int look = 0; look < kLooks; ++look) {
        std::ifstream file(path);
        std::string text;
        std::getline(file, text);
        if (text.find(") S ") == std::string::npos) return false;
        ::sched_yield();
    }
    return true;
}

}  // namespace

TEST_CASE("liveness: a child that outlives its publisher doesn't keep the claim alive",
          "[crash][liveness]") {
    const Watchdog watchdog("liveness: a child that outlives its publisher");
    for (const Kind kind : {Kind::fork, Kind::clone}) {
        for (const bool reaped : {true, false}) {
            CAPTURE(kind == Kind::fork, reaped);
            const TestStream stream;
            const Lifeline lifeline;
            SharedObject<std::atomic<pid_t>> grandchild;
            Publisher other = stream.publisher("other");
            Subscriber reader = stream.subscriber();
            ChildProcess victim([&] {
                Publisher publisher = stream.publisher("victim");
                leave_a_child(kind, lifeline, *grandchild);
                StepScript script;
                script.die_at("publisher.filled");
                return publisher.try_publish(bytes_of("never")) == PublishStatus::ok ? 0 : 1;
            });
            victim.wait_without_reaping();
            if (reaped) REQUIRE(victim.wait().was_killed());
            REQUIRE(other.try_publish(bytes_of("after")) == PublishStatus::ok);
            REQUIRE(is_alive(grandchild->load()));

            CHECK(drain(reader).texts() == std::vector<std::string>{"after"});
            for (int lap = 0; lap < 3; ++lap) {
                CHECK(other.publish(bytes_of("x"), 0, Deadline::in_ms(30'000)) ==
                      PublishStatus::ok);
                static_cast<void>(publish_laps(other, 10'000));
                static_cast<void>(drain(reader));
            }
            CHECK(stream.open()->state().registry.rescued_events.load() == 1);
            CHECK(is_alive(grandchild->load()));
            if (!reaped) REQUIRE(victim.wait().was_killed());
        }
    }
}

TEST_CASE("liveness: a child that outlives its subscriber doesn't keep the gate shut",
          "[crash][liveness]") {
    const Watchdog watchdog("liveness: a child that outlives its subscriber");
    for (const Kind kind : {Kind::fork, Kind::clone}) {
        CAPTURE(kind == Kind::fork);
        const TestStream stream;
        const Lifeline lifeline;
        SharedObject<std::atomic<pid_t>> grandchild;
        Publisher publisher = stream.publisher();
        ChildProcess victim([&]() -> int {
            const Subscriber subscriber = stream.subscriber();
            leave_a_child(kind, lifeline, *grandchild);
            die_here();
        });
        REQUIRE(victim.wait().was_killed());
        static_cast<void>(publish_laps(publisher, 10'000));

        CHECK(publisher.publish(bytes_of(std::string(100, 'x')), 0, Deadline::in_ms(30'000)) ==
              PublishStatus::ok);
        CHECK(is_alive(grandchild->load()));
    }
}

TEST_CASE("liveness: a child that outlives its journal writer doesn't keep the role",
          "[crash][liveness]") {
    const Watchdog watchdog("liveness: a child that outlives its journal writer");
    for (const Kind kind : {Kind::fork, Kind::clone}) {
        CAPTURE(kind == Kind::fork);
        const TestStream stream;
        const auto region = stream.open();
        const Lifeline lifeline;
        SharedObject<std::array<std::atomic<pid_t>, 2>> children;
        // A successor's child, too: its own successor must get past both.
        for (std::atomic<pid_t>& child : *children) {
            SharedObject<std::atomic<bool>> is_waited_for;
            ChildProcess victim([&]() -> int {
                auto writer = journal_writer(stream, 100);
                leave_a_child(kind, lifeline, child);
                wait_until([&] { return is_waited_for->load(); });
                die_here();
            });
            wait_until([&] { return child.load() > 0; });
            CHECK(has_journal_writer(*region));
            ChildProcess waiter([&] {
                const auto waited = wait_durable(*stream.open(), 101, Deadline::never());
                return !waited && waited.error().code == ErrorCode::no_writer ? 0 : 1;
            });
            wait_until([&] { return region->state().journal.durable_wait.sleeping.load() != 0; });
            is_waited_for->store(true);
            REQUIRE(victim.wait().was_killed());

            REQUIRE(is_alive(child.load()));
            REQUIRE_FALSE(has_journal_writer(*region));
            CHECK(waiter.wait().exit_code == 0);
            CHECK(wait_durable(*region, 101, Deadline::at_once()).error().code ==
                  ErrorCode::no_writer);
        }

        // Who leaves while the children are there takes nothing back either.
        CHECK(try_journal_writer(stream, 100));
        CHECK_FALSE(has_journal_writer(*region));
        {
            auto writer = try_journal_writer(stream, 100);
            INFO((writer ? "" : writer.error().message));
            REQUIRE(writer);
            const auto second = try_journal_writer(stream, 100);
            REQUIRE_FALSE(second);
            CHECK(second.error().message.find(std::to_string(::getpid())) != std::string::npos);
            CHECK(has_journal_writer(*region));
            // The role is its own: it needs nothing of the children, and they take nothing away.
            for (const std::atomic<pid_t>& child : *children) {
                REQUIRE(is_alive(child.load()));
                REQUIRE(::kill(child.load(), SIGKILL) == 0);
            }
            if (kind == Kind::clone)
                wait_until([&] { return !region->is_lock_held(kJournalLock); });
            CHECK(has_journal_writer(*region));
            CHECK_FALSE(try_journal_writer(stream, 100));
            CHECK_FALSE(Region::unlink("stream", false, stream.directory()));
        }
        CHECK_FALSE(has_journal_writer(*region));
        CHECK(try_journal_writer(stream, 100));
        // The children that were killed let go of their locks when they have ended.
        wait_until([&] { return Region::unlink("stream", false, stream.directory()).has_value(); });
    }
}

TEST_CASE("liveness: a child that ends its copies of the handles takes nothing from its parent",
          "[crash][liveness]") {
    const Watchdog watchdog("liveness: a child that ends its copies");
    for (const Kind kind : {Kind::fork, Kind::clone}) {
        CAPTURE(kind == Kind::fork);
        const TestStream stream;
        auto publisher = std::make_unique<Publisher>(stream.publisher());
        auto subscriber = std::make_unique<Subscriber>(stream.subscriber());
        const long pid = kind == Kind::fork ? ::fork() : ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (pid == 0) {
            publisher.reset();
            subscriber.reset();
            ::_exit(0);
        }
        siginfo_t info{};
        REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) == 0);

        const auto region = stream.open();
        CHECK(region->is_lock_held(kPublisherLocks));
        CHECK(region->is_lock_held(kSubscriberLocks));
        REQUIRE(publisher->try_publish(bytes_of("x")) == PublishStatus::ok);
        CHECK(drain(*subscriber).events.size() == 1);
        const Publisher second = stream.publisher("second");
        CHECK(region->publisher_slot(0).owner.state.load() == SlotState::active);
        CHECK(region->publisher_slot(1).owner.state.load() == SlotState::active);
    }
}

TEST_CASE("liveness: a process whose first thread has ended is alive while others run",
          "[crash][liveness]") {
    const Watchdog watchdog("liveness: a process whose first thread has ended");
    const TestStream stream;
    SharedObject<StepPause> claimed;
    SharedObject<std::atomic<std::uint32_t>> is_over;
    Publisher other = stream.publisher("other");
    Subscriber reader = stream.subscriber();
    ChildProcess process([&] {
        StepScript script;
        script.pause_at("publisher.filled", *claimed);
        std::thread([&] {
            Publisher publisher = stream.publisher("thread");
            const auto status = publisher.try_publish(bytes_of("late"));
            ::_exit(status == PublishStatus::ok ? 0 : 1);
        }).detach();
        claimed->wait_until_reached();
        ::syscall(SYS_exit, 0);  // this thread alone
        return 1;
    });
    claimed->wait_until_reached();
    // Until /proc shows the first thread as a zombie.
    const std::string stat_path = "/proc/" + std::to_string(process.pid()) + "/stat";
    wait_until([&] {
        std::array<char, 256> text{};
        std::FILE* const file = std::fopen(stat_path.c_str(), "r");
        if (file == nullptr) return false;
        const std::size_t count = std::fread(text.data(), 1, text.size() - 1, file);
        std::fclose(file);
        return std::string(text.data(), count).find(") Z ") != std::string::npos;
    });
    REQUIRE(other.try_publish(bytes_of("after")) == PublishStatus::ok);

    CHECK(drain(reader).events.empty());
    CHECK_FALSE(
        stream.open()->is_dead(stream.open()->publisher_slot(1).owner, kPublisherLocks + 1));
    claimed->let_go();

    CHECK(process.wait().exit_code == 0);
    CHECK(drain(reader).texts() == std::vector<std::string>{"late", "after"});
}

TEST_CASE("liveness: who leaves a slot is waited for, not said to have it", "[crash][liveness]") {
    const Watchdog watchdog("liveness: who leaves a slot is waited for");
    for (const bool publishes : {true, false}) {
        CAPTURE(publishes);
        StreamOptions options = small_stream(Publishing::single);
        options.publisher_slots = 1;
        options.subscriber_slots = 1;
        const TestStream stream(options);
        SharedObject<StepPause> leaving;
        const auto attach = [&]() -> Result<void> {
            if (publishes) {
                auto publisher =
                    Publisher::attach("stream", {"p", WaitStrategy::futex, stream.directory()});
                return publisher ? Result<void>() : publisher.error();
            }
            SubscriberOptions reading;
            reading.directory = stream.directory();
            auto subscriber = Subscriber::attach("stream", reading);
            return subscriber ? Result<void>() : subscriber.error();
        };
        // It has freed its slot, and is set aside before it unlocks.
        ChildProcess leaver([&] {
            StepScript script;
            script.pause_at(publishes ? "publisher.slot_freed" : "subscriber.slot_freed", *leaving);
            return attach() ? 0 : 1;
        });
        leaving->wait_until_reached();
        // It goes on once the successor has met its lock.
        StepScript script;
        script.at("registry.slot_being_left", 1, [&] { leaving->let_go(); });

        const auto attached = attach();

        INFO((attached ? "" : attached.error().message));
        CHECK(attached);
        leaving->let_go();
        CHECK(leaver.wait().exit_code == 0);
    }
}

TEST_CASE("liveness: a fork in the middle of an unlock doesn't keep the lock",
          "[crash][liveness]") {
    const Watchdog watchdog("liveness: a fork in the middle of an unlock");
    const TestStream stream;
    const auto region = stream.open();
    const Lifeline lifeline;
    SharedObject<std::atomic<pid_t>> child;
    auto lock = FileLock::try_lock(region->lock_path(), kRegistryLock);
    REQUIRE(lock);
    StepScript script;
    script.at("file_lock.forgotten", 1, [&] { leave_a_child(Kind::fork, lifeline, *child); });

    lock->unlock();

    REQUIRE(child->load() > 0);
    CHECK(FileLock::try_lock(region->lock_path(), kRegistryLock));
    CHECK(is_alive(child->load()));
}

TEST_CASE("liveness: a fork between opening a lock's file and locking doesn't keep the lock",
          "[crash][liveness]") {
    const Watchdog watchdog("liveness: a fork between opening a lock's file and locking");
    const TestStream stream;
    const auto region = stream.open();
    const Lifeline lifeline;
    SharedObject<std::atomic<pid_t>> grandchild;
    SharedObject<std::atomic<bool>> is_forked;  // behind all that a fork does in the child
    ChildProcess victim([&] {
        std::atomic<pid_t> forker{0};
        std::thread forking;
        StepScript script;
        // The fork is let in if anything lets it in: until it is done, or waits for its turn.
        script.at("file_lock.opened", 1, [&] {
            forking = std::thread([&] {
                forker.store(static_cast<pid_t>(::syscall(SYS_gettid)));
                const pid_t pid = ::fork();
                if (pid == 0) {
                    is_forked->store(true);
                    lifeline.wait_for_the_end();
                }
                grandchild->store(pid);
            });
            wait_until([&] {
                return grandchild->load() > 0 || (forker.load() > 0 && sleeps(forker.load()));
            });
        });
        auto lock = FileLock::try_lock(region->lock_path(), kRegistryLock);
        forking.join();
        if (!lock || grandchild->load() <= 0) return 1;
        die_here();
        return 2;
    });
    REQUIRE(victim.wait().was_killed());
    wait_until([&] { return is_forked->load(); });

    CHECK(FileLock::try_lock(region->lock_path(), kRegistryLock));
    CHECK(is_alive(grandchild->load()));
}

}  // namespace liveness_crash_test
