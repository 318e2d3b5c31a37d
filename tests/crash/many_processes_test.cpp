// Many processes at one stream: what each pays doesn't grow with the others, and what one of them
// leaves undone when it is killed is done by the next.

#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/shared_object.hpp"
#include "support/step_script.hpp"
#include "support/system_calls.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <vector>

namespace many_processes_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint32_t kMost = 1000;

StreamOptions wide_stream() {
    StreamOptions options = small_stream();
    options.publisher_slots = kMaxSlots;
    options.subscriber_slots = kMaxSlots;
    return options;
}

// A line that many children wait at until the parent lets them go, all at once.
class Gate {
public:
    Gate() {
        if (::pipe(ends_.data()) != 0) std::abort();
    }
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;
    ~Gate() {
        open();
        ::close(ends_[0]);
    }

    // In a child, once.
    void wait() noexcept {
        open();
        char byte = 0;
        while (::read(ends_[0], &byte, 1) < 0) {
        }
    }
    void open() noexcept {
        if (ends_[1] >= 0) ::close(ends_[1]);
        ends_[1] = -1;
    }

private:
    std::array<int, 2> ends_{};
};

// How far each of the children is.
struct Roll {
    std::atomic<std::uint32_t> ready;
    std::atomic<std::uint32_t> attached;
    std::atomic<std::uint32_t> refused;
    std::atomic<std::uint32_t> got;
};

Subscriber reader_of(const TestStream& stream) {
    return stream.subscriber(SlowPolicy::skip, Start::newest());
}

// Handles of this process take slots as well as processes do.
std::vector<Subscriber> take_slots(const TestStream& stream, std::uint32_t count) {
    const auto region = stream.open(RegionAccess::subscribe);
    std::vector<Subscriber> taken;
    SubscriberOptions options;
    options.policy = SlowPolicy::skip;
    for (std::uint32_t slot = 0; slot < count; ++slot)
        taken.push_back(expect(Subscriber::attach(region, options), "attach"));
    return taken;
}

bool allow_descriptors(std::uint64_t count) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, std::max<rlim_t>(limit.rlim_cur, count));
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= count;
}

// Sleeps until there is an event, in this process.
int sleep_for_one(const TestStream& stream, Roll& roll, int falls_by) {
    Subscriber subscriber = reader_of(stream);
    StepScript script;
    if (falls_by != 0) script.at("sleep.wakes_next", 1, [&] { ::kill(::getpid(), falls_by); });
    roll.ready.fetch_add(1);
    while (!subscriber.has_event())
        subscriber.park(Deadline::in_ms(30'000));
    roll.got.fetch_add(1);
    return 0;
}

// The same in an event loop.
int loop_for_one(const TestStream& stream, Roll& roll, int /*falls_by*/) {
    Subscriber subscriber = reader_of(stream);
    const int fd = expect(subscriber.poll_fd(), "poll_fd");
    const UniqueFd loop(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    ::epoll_ctl(loop.get(), EPOLL_CTL_ADD, fd, &wanted);
    roll.ready.fetch_add(1);
    for (;;) {
        if (!subscriber.arm()) ::epoll_wait(loop.get(), &wanted, 1, 30'000);
        if (subscriber.poll([](const Event&) {}, 8).events != 0) break;
    }
    roll.got.fetch_add(1);
    return 0;
}

std::uint32_t sleeping_children(const std::vector<ChildProcess>& children) {
    std::uint32_t count = 0;
    for (const ChildProcess& child : children) {
        const std::string path = "/proc/" + std::to_string(child.pid()) + "/wchan";
        std::array<char, 64> text{};
        std::FILE* const file = std::fopen(path.c_str(), "r");
        if (file == nullptr) continue;
        const std::size_t size = std::fread(text.data(), 1, text.size() - 1, file);
        static_cast<void>(std::fclose(file));
        const std::string_view where(text.data(), size);
        if (where.find("futex") != std::string_view::npos ||
            where.find("poll") != std::string_view::npos)
            ++count;
    }
    return count;
}

using Body = int (*)(const TestStream&, Roll&, int);

// Children of which the first ones get a signal when they should wake others, all asleep.
std::vector<ChildProcess> make_sleepers(const TestStream& stream,
                                        Roll& roll,
                                        Body body,
                                        std::uint32_t count,
                                        std::uint32_t falling,
                                        int falls_by) {
    std::vector<ChildProcess> children;
    for (std::uint32_t child = 0; child < count; ++child) {
        const std::uint32_t before = roll.ready.load();
        const int signal = child < falling ? falls_by : 0;
        children.emplace_back([&] { return body(stream, roll, signal); });
        wait_until([&] { return roll.ready.load() == before + 1; });
    }
    wait_until([&] { return sleeping_children(children) == count; });
    return children;
}

}  // namespace

TEST_CASE("many processes: a thousand attach at once, and none is refused", "[crash][many]") {
    const Watchdog watchdog("many processes: a thousand attach at once", 100);
    const TestStream stream(wide_stream());
    const auto region = stream.open();
    SharedObject<Roll> roll;
    Gate gate;
    Gate end;
    std::vector<ChildProcess> children;
    for (std::uint32_t number = 0; number < kMost; ++number) {
        children.emplace_back([&] {
            end.open();
            roll->ready.fetch_add(1);
            gate.wait();
            SubscriberOptions options;
            options.policy = SlowPolicy::skip;
            options.directory = stream.directory();
            const auto subscriber = Subscriber::attach(stream.name(), options);
            (subscriber ? roll->attached : roll->refused).fetch_add(1);
            if (!subscriber) std::fprintf(stderr, "%s\n", subscriber.error().message.c_str());
            end.wait();
            return subscriber ? 0 : 1;
        });
    }
    wait_until([&] { return roll->ready.load() == kMost; });

    gate.open();
    wait_until([&] { return roll->attached.load() + roll->refused.load() == kMost; });

    CHECK(roll->refused.load() == 0);
    std::uint32_t active = 0;
    for (std::uint32_t slot = 0; slot < kMaxSlots; ++slot) {
        if (region->subscriber_slot(slot).owner.state.load() == SlotState::active) ++active;
    }
    CHECK(active == kMost);
    end.open();
    for (ChildProcess& child : children)
        CHECK(child.wait().exit_code == 0);
}

TEST_CASE("many processes: an attach makes as many system calls beside a thousand as beside ten",
          "[crash][many]") {
    const Watchdog watchdog("many processes: an attach makes as many system calls");
    if (!allow_descriptors(2 * kMost)) {
        WARN("SKIPPED: needs 2000 descriptors");
        return;
    }
    std::array<std::uint64_t, 2> calls{};
    for (const std::uint32_t taken : {10U, kMost}) {
        const TestStream stream(wide_stream());
        const auto held = take_slots(stream, taken);
        const auto counted = count_system_calls([&](const auto& mark) {
            mark();
            const Subscriber subscriber = reader_of(stream);
            mark();
            return 0;
        });
        if (!counted) {
            WARN("SKIPPED: this process may not trace a child");
            return;
        }
        CAPTURE(taken, counted->text());
        calls[taken == kMost ? 1 : 0] = counted->all();
        CHECK(counted->all() < 200);
    }
    CHECK(calls[0] == calls[1]);
}

TEST_CASE("many processes: when all slots are taken, that of a dead one is found",
          "[crash][many]") {
    const Watchdog watchdog("many processes: when all slots are taken");
    StreamOptions options = small_stream();
    options.subscriber_slots = 64;
    const TestStream stream(options);
    auto held = take_slots(stream, 63);
    for (int round = 0; round < 3; ++round) {
        SharedObject<std::atomic<bool>> attached;
        ChildProcess victim([&]() -> int {
            const Subscriber subscriber = reader_of(stream);
            attached->store(true);
            for (;;)
                ::pause();
        });
        wait_until([&] { return attached->load(); });
        SubscriberOptions wanted;
        wanted.directory = stream.directory();
        const auto refused = Subscriber::attach(stream.name(), wanted);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::busy);
        REQUIRE(victim.kill().was_killed());

        const auto accepted = Subscriber::attach(stream.name(), wanted);

        CHECK(accepted);
    }
    CHECK(stream.open()->state().registry.reclaimed_subscribers.load() == 3);
}

TEST_CASE(
    "many processes: a publish makes as many system calls beside fifty sleepers as beside "
    "three",
    "[crash][many]") {
    const Watchdog watchdog("many processes: a publish makes as many system calls");
    const bool by_loop = GENERATE(false, true);
    for (const std::uint32_t sleepers : {3U, 50U}) {
        const TestStream stream(wide_stream());
        SharedObject<Roll> roll;
        auto children =
            make_sleepers(stream, *roll, by_loop ? loop_for_one : sleep_for_one, sleepers, 0, 0);
        const auto counted = count_system_calls([&](const auto& mark) {
            Publisher publisher = stream.publisher();
            mark();
            const PublishStatus status = publisher.try_publish(std::uint64_t{1});
            mark();
            return status == PublishStatus::ok ? 0 : 1;
        });
        if (!counted) {
            WARN("SKIPPED: this process may not trace a child");
            return;
        }
        wait_until([&] { return roll->got.load() == sleepers; });
        for (ChildProcess& child : children)
            CHECK(child.wait().exit_code == 0);
        CAPTURE(by_loop, sleepers, counted->text());
        // The loops' FIFO is opened, looked at, written and closed. Four times a second whoever has
        // woken somebody looks whether the stream's files are still there.
        CHECK(counted->all() - counted->of(SYS_newfstatat) == (by_loop ? 3 : 1));
        CHECK(counted->futex_wakes <= 2);
    }
}

TEST_CASE("many processes: those who fall when they should wake others leave nobody asleep",
          "[crash][many]") {
    const Watchdog watchdog("many processes: those who fall when they should wake others");
    const int falls_by = GENERATE(SIGKILL, SIGSTOP);
    const std::uint32_t falling = GENERATE(1U, 2U, 10U);
    CAPTURE(falls_by, falling);
    constexpr std::uint32_t kSleepers = 30;
    const TestStream stream(wide_stream());
    SharedObject<Roll> roll;
    auto children = make_sleepers(stream, *roll, sleep_for_one, kSleepers, falling, falls_by);
    Publisher publisher = stream.publisher();

    REQUIRE(publisher.try_publish(std::uint64_t{1}) == PublishStatus::ok);

    // One that looked up by itself at that very moment wakes nobody, and goes on.
    wait_until([&] { return roll->got.load() >= kSleepers - falling; });
    for (std::uint32_t child = 0; child < kSleepers; ++child) {
        // Again and again, since it may be stopped only now.
        wait_until([&] {
            if (falls_by == SIGSTOP && child < falling) children[child].resume();
            return children[child].has_ended();
        });
        const Ending ending = children[child].wait();
        CHECK((ending.exit_code == 0 || (child < falling && ending.was_killed())));
    }
}

TEST_CASE("many processes: a publisher that waits for room asks ever less often", "[crash][many]") {
    const Watchdog watchdog("many processes: a publisher that waits for room");
    const TestStream stream;
    const Subscriber gate = stream.subscriber();
    const auto counted = count_system_calls([&](const auto& mark) {
        Publisher publisher = stream.publisher();
        const std::string payload(1000, 'x');
        while (publisher.try_publish(bytes_of(payload)) == PublishStatus::ok) {
        }
        mark();
        const PublishStatus status = publisher.publish(bytes_of(payload), 0, Deadline::in_ms(400));
        mark();
        return status == PublishStatus::timed_out ? 0 : 1;
    });
    if (!counted) {
        WARN("SKIPPED: this process may not trace a child");
        return;
    }
    CAPTURE(counted->text());
    // A hundred turns of three calls, and a few that ask for the process.
    CHECK(counted->all() < 700);
}

TEST_CASE("many processes: of those who wait for room one looks whether its holder lives",
          "[crash][many]") {
    const Watchdog watchdog("many processes: of those who wait for room one looks");
    const TestStream stream;
    SharedObject<Roll> roll;
    ChildProcess holder([&]() -> int {
        const Subscriber gate = stream.subscriber();
        roll->ready.fetch_add(1);
        for (;;)
            ::pause();
    });
    wait_until([&] { return roll->ready.load() == 1; });
    constexpr std::uint32_t kPublishers = 6;
    SharedObject<std::array<std::atomic<std::uint32_t>, kPublishers>> looks;
    std::vector<ChildProcess> children;
    for (std::uint32_t number = 0; number < kPublishers; ++number) {
        children.emplace_back([&, number] {
            Publisher publisher = stream.publisher();
            const std::string payload(1000, 'x');
            while (publisher.try_publish(bytes_of(payload)) == PublishStatus::ok) {
            }
            roll->ready.fetch_add(1);
            StepScript script;
            for (unsigned nth = 1; nth < 100'000; ++nth)
                script.at("publisher.looks_at_holder", nth, [&] { (*looks)[number].fetch_add(1); });
            const PublishStatus status =
                publisher.publish(bytes_of(payload), 0, Deadline::in_ms(30'000));
            roll->got.fetch_add(1);
            return status == PublishStatus::ok ? 0 : 1;
        });
    }
    // Whoever watches is killed; another takes its place.
    std::uint32_t watcher = kPublishers;
    const auto watches = [&](std::uint32_t looked) {
        for (std::uint32_t number = 0; number < kPublishers; ++number) {
            if (number != watcher && (*looks)[number].load() >= looked) {
                watcher = number;
                return true;
            }
        }
        return false;
    };
    wait_until([&] { return roll->ready.load() == 1 + kPublishers && watches(10); });
    REQUIRE(children[watcher].kill().was_killed());
    wait_until([&] { return watches(20); });

    REQUIRE(holder.kill().was_killed());

    wait_until([&] { return roll->got.load() == kPublishers - 1; });
    CHECK(stream.open()->state().registry.reclaimed_subscribers.load() == 1);
}

}  // namespace many_processes_test
