#include "support/child_process.hpp"
#include "support/shared_object.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/process_identity.hpp>

#include <catch2/catch.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <string>

namespace process_identity_test {

using namespace tailrace;
using namespace tailrace::test;

namespace {

struct Reported {
    std::atomic<bool> is_there{false};
    ProcessIdentity identity{};
};

}  // namespace

TEST_CASE("process identity: this process is alive, and says who it is",
          "[base][process_identity]") {
    const ProcessIdentity self = current_process();

    CHECK(self.pid == static_cast<std::uint32_t>(::getpid()));
    CHECK(self.start_ticks != 0);
    CHECK(self.pid_namespace != 0);
    CHECK((self.boot_id_high | self.boot_id_low) != 0);
    CHECK(BootId{self.boot_id_high, self.boot_id_low} == current_boot());
    CHECK_FALSE(has_ended(self));
}

TEST_CASE(
    "process identity: a running and a stopped process are alive; a zombie and a reaped one have "
    "ended",
    "[base][process_identity]") {
    const Watchdog watchdog("process identity: alive and ended");
    SharedObject<Reported> reported;
    ChildProcess child([&]() -> int {
        reported->identity = current_process();
        reported->is_there.store(true);
        for (;;)
            ::pause();
    });
    wait_until([&] { return reported->is_there.load(); });
    CHECK_FALSE(has_ended(reported->identity));
    child.stop();
    CHECK_FALSE(has_ended(reported->identity));

    ::kill(child.pid(), SIGKILL);
    child.wait_without_reaping();
    CHECK(has_ended(reported->identity));
    static_cast<void>(child.wait());
    CHECK(has_ended(reported->identity));
}

TEST_CASE("process identity: a pid that was given to another process is not the same one",
          "[base][process_identity]") {
    ProcessIdentity earlier = current_process();
    earlier.start_ticks -= 1;

    CHECK(has_ended(earlier));
}

TEST_CASE("process identity: another boot id proves nothing, as a container may have its own",
          "[base][process_identity]") {
    ProcessIdentity other = current_process();
    other.boot_id_low ^= 1;
    CHECK_FALSE(has_ended(other));
    other.start_ticks -= 1;
    CHECK_FALSE(has_ended(other));
}

TEST_CASE("process identity: a process of another pid namespace isn't judged",
          "[base][process_identity]") {
    ProcessIdentity foreign = current_process();
    foreign.pid_namespace += 1;
    foreign.start_ticks += 1;
    ProcessIdentity unknown = current_process();
    unknown.pid_namespace = 0;
    unknown.start_ticks += 1;

    CHECK_FALSE(has_ended(foreign));
    CHECK_FALSE(has_ended(unknown));
}

TEST_CASE("process identity: a name with spaces and parentheses doesn't confuse it",
          "[base][process_identity]") {
    ChildProcess child([] {
        const ProcessIdentity plain = current_process();
        ::prctl(PR_SET_NAME, "a) Z 1 2 (b");
        const ProcessIdentity renamed = current_process();
        return renamed.start_ticks == plain.start_ticks && !has_ended(renamed) ? 0 : 1;
    });

    CHECK(child.wait().exit_code == 0);
}

}  // namespace process_identity_test
