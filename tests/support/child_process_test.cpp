#include "support/child_process.hpp"

#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <utility>

namespace child_process_test {

using tailrace::test::ChildProcess;
using tailrace::test::Ending;
using tailrace::test::Watchdog;

TEST_CASE("child process: one that ended before it was stopped keeps its ending", "[support]") {
    const Watchdog watchdog("child process: ended before it was stopped");
    ChildProcess child([] { return 7; });
    child.wait_without_reaping();

    child.stop();

    CHECK(child.has_ended());
    child.resume();
    child.wait_without_reaping();
    const Ending ending = child.kill();
    CHECK(ending.exit_code == 7);
    CHECK(ending.signal == 0);
    CHECK_FALSE(child.is_running());
}

TEST_CASE("child process: a stopped one goes on, and a killed one says so", "[support]") {
    const Watchdog watchdog("child process: stopped and killed");
    ChildProcess child([]() -> int {
        for (;;)
            ::pause();
    });
    child.stop();
    CHECK_FALSE(child.has_ended());
    child.resume();
    ChildProcess moved(std::move(child));
    CHECK_FALSE(child.is_running());  // NOLINT(bugprone-use-after-move)
    CHECK(moved.kill().was_killed());
    CHECK(moved.wait().exit_code == -1);
    CHECK(moved.wait().signal == 0);
}

}  // namespace child_process_test
