// A process that has no descriptor left must neither take the living for dead nor be unable to
// clear up after the dead.
#include "support/child_process.hpp"
#include "support/numbered_event.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <vector>

namespace descriptor_limit_test {

namespace {

using namespace tailrace;
using namespace tailrace::test;

// Takes every descriptor that this process may have, until it is destroyed.
class NoDescriptors {
public:
    NoDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit few{256, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &few);
        for (int fd = ::dup(0); fd >= 0; fd = ::dup(0))
            taken_.push_back(fd);
    }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
    ~NoDescriptors() {
        for (const int fd : taken_)
            ::close(fd);
        ::setrlimit(RLIMIT_NOFILE, &before_);
    }
    [[nodiscard]] bool took_all() const { return !taken_.empty() && ::dup(0) < 0; }

private:
    rlimit before_{};
    std::vector<int> taken_;
};

struct Stage {
    std::atomic<bool> ready{false};
    std::atomic<bool> go_on{false};
};

TEST_CASE("descriptor limit: a publisher without a descriptor left still releases a dead gate",
          "[crash][liveness]") {
    const Watchdog watchdog("descriptor limit, dead gate");
    const TestStream stream;
    auto publisher = stream.publisher();
    SharedObject<Stage> stage;
    ChildProcess reader([&] {
        auto gate = stream.subscriber();
        stage->ready.store(true);
        wait_until([&] { return false; });
        return 0;
    });
    wait_until([&] { return stage->ready.load(); });
    const std::vector<std::byte> payload(1000);
    while (publisher.try_publish(std::span<const std::byte>(payload)) == bus::PublishStatus::ok) {
    }
    REQUIRE(reader.kill().was_killed());

    bus::PublishStatus status = bus::PublishStatus::would_block;
    bool took_all = false;
    {
        const NoDescriptors none;
        took_all = none.took_all();
        status = publisher.publish(std::span<const std::byte>(payload), 0, bus::Deadline::never());
    }

    CHECK(took_all);
    CHECK(status == bus::PublishStatus::ok);
}

TEST_CASE(
    "descriptor limit: a reader without a descriptor left waits for a living publisher's claim",
    "[crash][liveness]") {
    const Watchdog watchdog("descriptor limit, open claim");
    const TestStream stream;
    auto subscriber = stream.subscriber();
    SharedObject<Stage> stage;
    ChildProcess slow([&] {
        auto publisher = stream.publisher();
        bus::Claim claim;
        if (publisher.try_claim(claim, 64) != bus::PublishStatus::ok) return 1;
        stage->ready.store(true);
        wait_until([&] { return stage->go_on.load(); });
        publisher.commit(claim);
        return 0;
    });
    wait_until([&] { return stage->ready.load(); });

    std::uint64_t events_too_soon = 0;
    bool took_all = false;
    {
        const NoDescriptors none;
        took_all = none.took_all();
        // Often enough for the reader to look for a dead publisher's hole many times.
        for (int round = 0; round < 10'000; ++round) {
            events_too_soon += subscriber.poll([](const Event&) {}, 10).events;
        }
    }
    stage->go_on.store(true);
    REQUIRE(slow.wait().exit_code == 0);
    const auto result = subscriber.poll([](const Event&) {}, 10);

    CHECK(took_all);
    CHECK(events_too_soon == 0);
    CHECK(result.events == 1);
}

}  // namespace

}  // namespace descriptor_limit_test
