#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/wait.hpp>

#include <catch2/catch.hpp>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <stddef.h>
#include <string>

namespace wait_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

WaitStrategy any_strategy() {
    return GENERATE(
        WaitStrategy::busy_spin, WaitStrategy::yield, WaitStrategy::futex, WaitStrategy::adaptive);
}

Subscriber subscriber_of(const TestStream& stream,
                         WaitStrategy wait,
                         SlowPolicy policy = SlowPolicy::gate) {
    SubscriberOptions options;
    options.wait = wait;
    options.policy = policy;
    options.start = Start::oldest();
    options.directory = stream.directory();
    return expect(Subscriber::attach(stream.name(), options), "attach");
}

// From now on this process gets EPERM for membarrier, as in a container with a strict filter.
bool refuse_membarrier() {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 &&
           ::syscall(SYS_membarrier, 0, 0, 0) == -1 && errno == EPERM;
}

// A reader that answers each event with one of its own.
int answer(const TestStream& questions,
           const TestStream& answers,
           WaitStrategy wait,
           std::uint64_t rounds) {
    Subscriber subscriber = subscriber_of(questions, wait);
    Publisher publisher = answers.publisher("answers", wait);
    for (std::uint64_t round = 0; round < rounds;) {
        round += subscriber
                     .poll_until(
                         [&](const Event& event) {
                             static_cast<void>(publisher.publish(event.payload()));
                         },
                         1,
                         Deadline::in_ms(30'000))
                     .events;
    }
    return 0;
}

}  // namespace

TEST_CASE("deadline: passes in order", "[bus][wait]") {
    CHECK(Deadline::at_once().has_passed());
    CHECK(Deadline::at_once().remaining_ns() == 0);
    CHECK_FALSE(Deadline::never().has_passed());
    CHECK(Deadline::never().remaining_ns() == UINT64_MAX);
    CHECK(Deadline::in_ns(0).has_passed());
    CHECK_FALSE(Deadline::in_ms(1'000'000).has_passed());
    CHECK(Deadline::in_ms(1'000'000).remaining_ns() <= 1'000'000'000'000U);
    CHECK_FALSE(Deadline::in_ns(UINT64_MAX).has_passed());
    CHECK_FALSE(Deadline::in_ms(UINT64_MAX).has_passed());
}

TEST_CASE("wait: an idle subscriber comes back when the deadline has passed", "[bus][wait]") {
    const Watchdog watchdog("wait: an idle subscriber comes back");
    const TestStream stream;
    const SlowPolicy policy = GENERATE(SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe);
    Subscriber subscriber = subscriber_of(stream, any_strategy(), policy);
    const std::uint64_t began_ns = monotonic_ns();

    const PollResult result = subscriber.poll_until([](const Event&) {}, 10, Deadline::in_ms(10));

    CHECK(result.state == PollState::idle);
    CHECK(result.events == 0);
    CHECK(monotonic_ns() - began_ns >= 10'000'000);
    CHECK(subscriber.poll_until([](const Event&) {}, 10, Deadline::at_once()).state ==
          PollState::idle);
}

TEST_CASE("wait: a waiting subscriber gets what another process publishes", "[bus][wait]") {
    const Watchdog watchdog("wait: a waiting subscriber gets what another process publishes");
    const WaitStrategy wait = any_strategy();
    const TestStream questions;
    const TestStream answers;
    constexpr std::uint64_t kRounds = 300;
    Subscriber subscriber = subscriber_of(answers, wait);
    ChildProcess other([&] { return answer(questions, answers, wait, kRounds); });
    Publisher publisher = questions.publisher("questions", wait);

    std::uint64_t wrong = 0;
    for (std::uint64_t round = 0; round < kRounds; ++round) {
        REQUIRE(publisher.publish(round) == PublishStatus::ok);
        std::uint64_t answered = UINT64_MAX;
        const PollResult result =
            subscriber.poll_until([&](const Event& event) { answered = event.as<std::uint64_t>(); },
                                  1,
                                  Deadline::in_ms(30'000));
        if (result.events != 1 || answered != round) ++wrong;
    }

    CHECK(wrong == 0);
    CHECK(other.wait().exit_code == 0);
}

TEST_CASE("wait: without membarrier nobody is left asleep", "[bus][wait]") {
    const Watchdog watchdog("wait: without membarrier nobody is left asleep");
    const bool here_too = GENERATE(false, true);
    const TestStream questions;
    const TestStream answers;
    constexpr std::uint64_t kRounds = 100;
    SharedObject<std::atomic<int>> refused;
    ChildProcess other([&] {
        refused->store(refuse_membarrier() ? 1 : 2);
        return answer(questions, answers, WaitStrategy::futex, kRounds);
    });
    wait_until([&] { return refused->load() != 0; });
    if (refused->load() == 2) {
        WARN("SKIPPED: this process may not install a seccomp filter");
        return;
    }

    ChildProcess asker([&] {
        if (here_too && !refuse_membarrier()) return 3;
        Subscriber subscriber = subscriber_of(answers, WaitStrategy::futex);
        Publisher publisher = questions.publisher();
        std::uint64_t wrong = 0;
        for (std::uint64_t round = 0; round < kRounds; ++round) {
            if (publisher.publish(round) != PublishStatus::ok) ++wrong;
            const PollResult result =
                subscriber.poll_until([](const Event&) {}, 1, Deadline::in_ms(30'000));
            if (result.events != 1) ++wrong;
        }
        return wrong == 0 ? 0 : 1;
    });

    CHECK(asker.wait().exit_code == 0);
    CHECK(other.wait().exit_code == 0);
}

TEST_CASE("wait: a sleeper is woken by the stream's removal", "[bus][wait]") {
    const Watchdog watchdog("wait: a sleeper is woken by the stream's removal");
    const TestStream stream;
    const WaitStrategy wait = any_strategy();
    const auto region = stream.open();
    SharedObject<std::atomic<bool>> attached;
    ChildProcess reader([&] {
        Subscriber subscriber = subscriber_of(stream, wait);
        attached->store(true);
        const PollResult result = subscriber.poll_until([](const Event&) {}, 1, Deadline::never());
        return result.state == PollState::closed ? 0 : 1;
    });
    wait_until([&] { return attached->load(); });
    if (wait == WaitStrategy::futex || wait == WaitStrategy::adaptive) {
        wait_until([&] { return region->state().subscribers_wait.sleeping.load() != 0; });
    }

    REQUIRE(Region::unlink(stream.name(), true, stream.directory()));

    CHECK(reader.wait().exit_code == 0);
}

TEST_CASE("wait: a publisher that waits for room goes on when a reader makes some", "[bus][wait]") {
    const Watchdog watchdog("wait: a publisher that waits for room");
    const WaitStrategy wait = any_strategy();
    const TestStream stream(small_stream(GENERATE(Publishing::multi, Publishing::single)));
    Subscriber subscriber = subscriber_of(stream, wait);
    constexpr std::uint64_t kEvents = 3000;
    ChildProcess other([&] {
        Publisher publisher = stream.publisher("publisher", wait);
        const std::string payload(100, 'p');
        for (std::uint64_t event = 0; event < kEvents; ++event) {
            if (publisher.publish(bytes_of(payload)) != PublishStatus::ok) return 1;
        }
        return 0;
    });

    std::uint64_t received = 0;
    while (received < kEvents) {
        received += subscriber.poll_until([](const Event&) {}, 7, Deadline::in_ms(30'000)).events;
    }

    CHECK(other.wait().exit_code == 0);
    CHECK(received == kEvents);
}

}  // namespace wait_test
