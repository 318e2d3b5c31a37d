// The registry's lock is its holder's and nobody else's: not a child's that a dead holder left, and
// not taken from one that is slow.

#include "registry_lock.hpp"

#include "claimant.hpp"
#include "support/child_process.hpp"
#include "support/lifeline.hpp"
#include "support/received_events.hpp"
#include "support/step_script.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <string>

namespace registry_lock_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

// A child that runs no handler, so that it keeps its parent's locks.
void leave_a_clone(const Lifeline& lifeline, std::atomic<pid_t>& child) {
    const long pid = ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) lifeline.wait_for_the_end();
    child.store(static_cast<pid_t>(pid));
}

// Attaches, and dies in the middle of it: under the registry lock.
ChildProcess killed_in_attach(const TestStream& stream, const std::function<void()>& before) {
    return ChildProcess([&] {
        StepScript script;
        script.at("registry.locked", 1, [&] {
            before();
            die_here();
        });
        const Publisher publisher = stream.publisher("victim");
        return 0;
    });
}

bool is_alive(pid_t pid) {
    return ::kill(pid, 0) == 0;
}

std::uint32_t lock_turn(const TestStream& stream) {
    return stream.open()->state().registry_holder.lock_turn.load();
}

}  // namespace

TEST_CASE("registry lock: a dead holder's child stops neither attaching nor clearing up",
          "[crash][liveness]") {
    const Watchdog watchdog("registry lock: a dead holder's child");
    const TestStream stream;
    const Lifeline lifeline;
    Publisher early = stream.publisher("early");
    SharedObject<std::atomic<bool>> attached;
    ChildProcess reader([&]() -> int {
        const Subscriber gate = stream.subscriber();
        attached->store(true);
        for (;;)
            ::pause();
    });
    wait_until([&] { return attached->load(); });
    static_cast<void>(publish_laps(early, 10'000));
    SharedObject<std::array<std::atomic<pid_t>, 2>> children;
    std::uint32_t turn = 0;
    for (std::atomic<pid_t>& child : *children) {
        ChildProcess victim = killed_in_attach(stream, [&] { leave_a_clone(lifeline, child); });
        REQUIRE(victim.wait().was_killed());
        REQUIRE(is_alive(child.load()));
        const auto region = stream.open();
        REQUIRE(region->is_lock_held(lock_of_turn(kRegistryLock, turn)));

        if (turn == 0) {
            // By a publisher that was there before, and is held up by a dead gate.
            REQUIRE(reader.kill().was_killed());
            CHECK(early.publish(bytes_of(std::string(100, 'x')), 0, Deadline::in_ms(30'000)) ==
                  PublishStatus::ok);
        } else {
            const Publisher late = stream.publisher("late");
            CHECK(stream.open()->state().registry.publisher_attaches.load() == 2);
        }
        ++turn;
        CHECK(lock_turn(stream) == turn);
    }
    // And the lock goes on to be one: nobody needs another turn when it is free.
    const Subscriber next = stream.subscriber();
    CHECK(lock_turn(stream) == turn);
    CHECK(stream.open()->state().registry.reclaimed_subscribers.load() == 1);
}

TEST_CASE("registry lock: a holder that is slow is waited for, whatever happened before",
          "[crash][liveness]") {
    const Watchdog watchdog("registry lock: a holder that is slow");
    for (const bool after_a_death : {false, true}) {
        // Before it has said who it is, while it holds the next turn's byte for that, and after.
        for (const char* const step :
             {"registry_lock.locked", "registry_lock.next_locked", "registry.locked"}) {
            CAPTURE(after_a_death, step);
            const TestStream stream;
            if (after_a_death) {
                ChildProcess victim = killed_in_attach(stream, [] {});
                REQUIRE(victim.wait().was_killed());
            }
            SharedObject<StepPause> holding;
            ChildProcess slow([&] {
                StepScript script;
                script.pause_at(step, *holding);
                const Publisher publisher = stream.publisher("slow");
                return 0;
            });
            holding->wait_until_reached();
            StepScript script;
            script.at("registry_lock.awaited", 7, [&] { holding->let_go(); });

            const Publisher publisher = stream.publisher("patient");

            // It may be passed by only where it still has to look whether the lock is its own.
            const bool may_be_passed = after_a_death && std::string(step) == "registry_lock.locked";
            CHECK(lock_turn(stream) == (may_be_passed ? 1U : 0U));
            CHECK(holding->may_go_on.load() == !may_be_passed);
            holding->let_go();
            CHECK(slow.wait().exit_code == 0);
            CHECK(stream.open()->state().registry.publisher_attaches.load() == 2);
        }
    }
}

TEST_CASE("registry lock: of two that find a dead holder one takes its place",
          "[crash][liveness]") {
    const Watchdog watchdog("registry lock: of two that find a dead holder");
    for (const char* const step : {"registry_lock.turn_read",
                                   "registry_lock.holder_judged_dead",
                                   "registry_lock.named_in_place_of_the_dead",
                                   "registry_lock.taken_over"}) {
        for (const bool is_killed : {false, true}) {
            CAPTURE(step, is_killed);
            const TestStream stream;
            const Lifeline lifeline;
            SharedObject<std::atomic<pid_t>> child;
            ChildProcess victim =
                killed_in_attach(stream, [&] { leave_a_clone(lifeline, *child); });
            REQUIRE(victim.wait().was_killed());
            SharedObject<StepPause> pause;
            ChildProcess first([&] {
                StepScript script;
                script.pause_at(step, *pause);
                const Publisher publisher = stream.publisher("first");
                return 0;
            });
            pause->wait_until_reached();
            if (is_killed) REQUIRE(first.kill().was_killed());
            StepScript script;
            script.at("registry_lock.awaited", 5, [&] { pause->let_go(); });

            const Publisher second = stream.publisher("second");
            pause->let_go();
            if (!is_killed) CHECK(first.wait().exit_code == 0);

            CHECK(lock_turn(stream) == 1);
            CHECK(stream.open()->state().registry.publisher_attaches.load() ==
                  (is_killed ? 1U : 2U));
        }
    }
}

TEST_CASE("registry lock: who waits for it in vain is told who holds it", "[crash][liveness]") {
    const Watchdog watchdog("registry lock: who waits for it in vain");
    const TestStream stream;
    const auto region = stream.open();
    LockFile file;
    const auto held = RegistryLock::lock(*region, file, UINT64_MAX);
    REQUIRE(held);
    LockFile other;

    const auto refused = RegistryLock::lock(*region, other, 2'000'000);

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::timed_out);
    CHECK(refused.error().message.find("process " + std::to_string(::getpid())) !=
          std::string::npos);
    CHECK_FALSE(refused.error().hint.empty());
}

}  // namespace registry_lock_test
