#include "support/child_process.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/wait.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <poll.h>
#include <string>
#include <vector>

namespace poll_descriptor_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr int kPatienceMs = 30'000;

Subscriber subscriber_of(const TestStream& stream, SlowPolicy policy = SlowPolicy::gate) {
    SubscriberOptions options;
    options.policy = policy;
    options.start = Start::oldest();
    options.directory = stream.directory();
    return expect(Subscriber::attach(stream.name(), options), "attach");
}

std::string fifo_path(const TestStream& stream) {
    return stream.directory() + "/" + stream.name() + "/poll.fifo";
}

bool is_readable(int fd, int timeout_ms) {
    pollfd wanted{fd, POLLIN, 0};
    return ::poll(&wanted, 1, timeout_ms) == 1 && (wanted.revents & POLLIN) != 0;
}

// Arms it when there is nothing to read. More than once if that takes so long that its timer ends.
void arm_quietly(Subscriber& subscriber, int fd) {
    wait_until([&] { return !subscriber.arm() && !is_readable(fd, 0); });
}

// A plain epoll loop over one subscriber, as an application has it. Requires: poll_fd() was called.
class Loop {
public:
    explicit Loop(Subscriber& subscriber)
        : subscriber_(subscriber),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        epoll_event wanted{};
        wanted.events = EPOLLIN;
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, subscriber.poll_fd().value(), &wanted);
    }

    // Waits for events; the state of the poll that gave some, or ended it all.
    PollState next(std::vector<std::uint64_t>& into) {
        for (;;) {
            if (!subscriber_.arm()) {
                epoll_event happened{};
                ::epoll_wait(epoll_.get(), &happened, 1, kPatienceMs);
            }
            const PollResult result = subscriber_.poll(
                [&](const Event& event) { into.push_back(event.as<std::uint64_t>()); }, 16);
            if (result.events != 0 || result.state != PollState::idle) return result.state;
        }
    }

private:
    Subscriber& subscriber_;
    UniqueFd epoll_;
};

bool somebody_polls(const Region& region) {
    return (region.state().subscribers_wait.sleeping.load() & kSomebodyPolls) != 0;
}

}  // namespace

TEST_CASE("poll descriptor: questions and answers between two epoll loops", "[bus][poll]") {
    const Watchdog watchdog("poll descriptor: questions and answers");
    const SlowPolicy policy = GENERATE(SlowPolicy::gate, SlowPolicy::skip);
    const TestStream questions(small_stream(GENERATE(Publishing::multi, Publishing::single)));
    const TestStream answers;
    constexpr std::uint64_t kRounds = 200;
    Subscriber subscriber = subscriber_of(answers, policy);
    REQUIRE(subscriber.poll_fd());
    ChildProcess other([&] {
        Subscriber asked = subscriber_of(questions);
        if (!asked.poll_fd()) return 1;
        Publisher publisher = answers.publisher("answers");
        Loop loop(asked);
        for (std::uint64_t round = 0; round < kRounds; ++round) {
            std::vector<std::uint64_t> got;
            if (loop.next(got) != PollState::ok || got.size() != 1) return 2;
            if (publisher.publish(got[0]) != PublishStatus::ok) return 3;
        }
        return 0;
    });
    Publisher publisher = questions.publisher("questions");
    Loop loop(subscriber);

    std::uint64_t wrong = 0;
    for (std::uint64_t round = 0; round < kRounds && wrong == 0; ++round) {
        if (publisher.publish(round) != PublishStatus::ok) ++wrong;
        std::vector<std::uint64_t> got;
        if (loop.next(got) != PollState::ok || got != std::vector{round}) ++wrong;
    }

    CHECK(wrong == 0);
    CHECK(other.wait().exit_code == 0);
}

TEST_CASE("poll descriptor: what comes before the arming is seen by it", "[bus][poll]") {
    const TestStream stream;
    Subscriber subscriber = subscriber_of(stream);
    REQUIRE(subscriber.poll_fd());
    Publisher publisher = stream.publisher();
    REQUIRE(publisher.publish(std::uint64_t{1}) == PublishStatus::ok);

    CHECK(subscriber.arm());
    CHECK_FALSE(somebody_polls(subscriber.region()));
    CHECK(subscriber.poll([](const Event&) {}, 8).events == 1);
    CHECK_FALSE(subscriber.arm());
    CHECK(somebody_polls(subscriber.region()));
}

TEST_CASE("poll descriptor: what comes between the arming and the wait ends the wait",
          "[bus][poll]") {
    const TestStream stream;
    Subscriber first = subscriber_of(stream);
    Subscriber second = subscriber_of(stream, SlowPolicy::skip);
    const int first_fd = expect(first.poll_fd(), "poll_fd");
    const int second_fd = expect(second.poll_fd(), "poll_fd");
    CHECK(expect(first.poll_fd(), "poll_fd") == first_fd);
    Publisher publisher = stream.publisher();
    REQUIRE_FALSE(first.arm());
    REQUIRE_FALSE(second.arm());

    REQUIRE(publisher.publish(std::uint64_t{1}) == PublishStatus::ok);

    CHECK_FALSE(somebody_polls(first.region()));
    CHECK(is_readable(first_fd, kPatienceMs));
    CHECK(is_readable(second_fd, kPatienceMs));
    CHECK(first.poll([](const Event&) {}, 8).events == 1);
    CHECK(second.poll([](const Event&) {}, 8).events == 1);
}

TEST_CASE("poll descriptor: a batch and an aborted claim wake too", "[bus][poll]") {
    const TestStream stream;
    Subscriber subscriber = subscriber_of(stream);
    REQUIRE(subscriber.poll_fd());
    Publisher publisher = stream.publisher();

    REQUIRE_FALSE(subscriber.arm());
    BatchClaim batch;
    REQUIRE(publisher.try_claim_batch(batch, 2, 8) == PublishStatus::ok);
    CHECK(somebody_polls(subscriber.region()));
    publisher.commit(batch);
    CHECK_FALSE(somebody_polls(subscriber.region()));

    CHECK(subscriber.poll([](const Event&) {}, 8).events == 2);
    REQUIRE_FALSE(subscriber.arm());
    Claim claim;
    REQUIRE(publisher.try_claim(claim, 8) == PublishStatus::ok);
    publisher.abort(claim);
    CHECK_FALSE(somebody_polls(subscriber.region()));
}

TEST_CASE("poll descriptor: one byte tells all who are armed, and nobody else", "[bus][poll]") {
    const Watchdog watchdog("poll descriptor: one byte tells all who are armed");
    const TestStream stream;
    std::vector<Subscriber> subscribers;
    std::vector<int> fds;
    for (int index = 0; index < 4; ++index) {
        subscribers.push_back(subscriber_of(stream));
        fds.push_back(expect(subscribers.back().poll_fd(), "poll_fd"));
    }
    const UniqueFd fifo(::open(fifo_path(stream).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    const auto bytes = [&fifo] {
        int count = -1;
        return ::ioctl(fifo.get(), FIONREAD, &count) == 0 ? count : -1;
    };
    Publisher publisher = stream.publisher();
    for (int index = 0; index < 3; ++index)
        REQUIRE_FALSE(subscribers[static_cast<std::size_t>(index)].arm());
    subscribers[2].disarm();

    REQUIRE(publisher.publish(std::uint64_t{1}) == PublishStatus::ok);
    REQUIRE(publisher.publish(std::uint64_t{2}) == PublishStatus::ok);

    CHECK(bytes() == 1);
    CHECK(is_readable(fds[0], 0));
    CHECK(is_readable(fds[1], 0));
    CHECK_FALSE(is_readable(fds[2], 0));
    CHECK_FALSE(is_readable(fds[3], 0));
    // That one has read and armed anew takes nothing from the other.
    CHECK(subscribers[0].poll([](const Event&) {}, 8).events == 2);
    arm_quietly(subscribers[0], fds[0]);
    CHECK(is_readable(fds[1], 0));
    // What was written meanwhile isn't for who arms now.
    CHECK(subscribers[2].poll([](const Event&) {}, 8).events == 2);
    arm_quietly(subscribers[2], fds[2]);
    REQUIRE(publisher.publish(std::uint64_t{3}) == PublishStatus::ok);
    CHECK(is_readable(fds[0], 0));
    CHECK(is_readable(fds[2], 0));
}

TEST_CASE("poll descriptor: a FIFO that is full is no obstacle", "[bus][poll]") {
    const Watchdog watchdog("poll descriptor: a FIFO that is full");
    const TestStream stream;
    Subscriber subscriber = subscriber_of(stream);
    Subscriber other = subscriber_of(stream);
    const int fd = expect(subscriber.poll_fd(), "poll_fd");
    const int other_fd = expect(other.poll_fd(), "poll_fd");
    Publisher publisher = stream.publisher();
    const UniqueFd fifo(::open(fifo_path(stream).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    REQUIRE_FALSE(other.arm());
    const std::array<char, 4096> bytes{};
    while (::write(fifo.get(), bytes.data(), bytes.size()) > 0) {
    }
    REQUIRE(errno == EAGAIN);
    while (::write(fifo.get(), bytes.data(), 1) > 0) {
    }
    REQUIRE(is_readable(other_fd, 0));

    arm_quietly(subscriber, fd);
    CHECK(publisher.publish(std::uint64_t{1}) == PublishStatus::ok);
    CHECK(is_readable(fd, 0));
    CHECK(is_readable(other_fd, 0));
    CHECK(subscriber.poll([](const Event&) {}, 8).events == 1);

    arm_quietly(subscriber, fd);
    CHECK(publisher.publish(std::uint64_t{2}) == PublishStatus::ok);
    CHECK(is_readable(fd, 0));
    subscriber.disarm();
    CHECK_FALSE(is_readable(fd, 0));
}

TEST_CASE("poll descriptor: the stream's removal ends the wait", "[bus][poll]") {
    const Watchdog watchdog("poll descriptor: the stream's removal ends the wait");
    const TestStream stream;
    const auto region = stream.open();
    ChildProcess reader([&] {
        Subscriber subscriber = subscriber_of(stream);
        if (!subscriber.poll_fd()) return 1;
        std::vector<std::uint64_t> got;
        return Loop(subscriber).next(got) == PollState::closed ? 0 : 2;
    });
    wait_until([&] { return somebody_polls(*region); });

    REQUIRE(Region::unlink(stream.name(), true, stream.directory()));

    CHECK_FALSE(somebody_polls(*region));
    CHECK(reader.wait().exit_code == 0);
    CHECK(std::filesystem::is_empty(stream.directory()));
}

TEST_CASE("poll descriptor: after the stream's removal there is nothing to wait for",
          "[bus][poll]") {
    const TestStream stream;
    Subscriber subscriber = subscriber_of(stream);
    REQUIRE(subscriber.poll_fd());
    REQUIRE(Region::unlink(stream.name(), true, stream.directory()));

    CHECK(subscriber.arm());
    CHECK(subscriber.poll([](const Event&) {}, 8).state == PollState::closed);
    Subscriber late = std::move(subscriber);
    CHECK(late.arm());
}

TEST_CASE("poll descriptor: a subscriber that dies armed leaves its slot usable", "[bus][poll]") {
    const Watchdog watchdog("poll descriptor: a subscriber that dies armed");
    const TestStream stream;
    const auto region = stream.open();
    ChildProcess reader([&] {
        Subscriber subscriber = subscriber_of(stream);
        if (!subscriber.poll_fd()) return 1;
        std::vector<std::uint64_t> got;
        static_cast<void>(Loop(subscriber).next(got));
        return 2;
    });
    wait_until([&] { return somebody_polls(*region); });
    REQUIRE(reader.kill().was_killed());
    Publisher publisher = stream.publisher();

    CHECK(publisher.publish(std::uint64_t{1}) == PublishStatus::ok);
    CHECK_FALSE(somebody_polls(*region));

    Subscriber next = subscriber_of(stream);
    const int fd = expect(next.poll_fd(), "poll_fd");
    while (next.poll([](const Event&) {}, 8).events != 0) {
    }
    arm_quietly(next, fd);
    CHECK(publisher.publish(std::uint64_t{2}) == PublishStatus::ok);
    CHECK(is_readable(fd, kPatienceMs));
    CHECK(next.poll([](const Event&) {}, 8).events == 1);
}

TEST_CASE("poll descriptor: it wakes by itself when a publisher died inside a claim",
          "[bus][poll]") {
    const Watchdog watchdog("poll descriptor: it wakes by itself");
    const TestStream stream;
    Subscriber subscriber = subscriber_of(stream);
    REQUIRE(subscriber.poll_fd());
    SharedObject<std::atomic<bool>> claimed;
    ChildProcess writer([&] {
        Publisher publisher = stream.publisher("dying");
        Claim claim;
        if (publisher.try_claim(claim, 8) != PublishStatus::ok) return 1;
        claimed->store(true);
        for (;;)
            ::pause();
    });
    wait_until([&] { return claimed->load(); });
    // Armed when the only one who could wake it dies; what follows the hole is there already.
    Publisher publisher = stream.publisher("living");
    REQUIRE(publisher.publish(std::uint64_t{7}) == PublishStatus::ok);
    REQUIRE_FALSE(subscriber.arm());
    REQUIRE(writer.kill().was_killed());

    std::vector<std::uint64_t> got;
    CHECK(Loop(subscriber).next(got) == PollState::ok);
    CHECK(got == std::vector<std::uint64_t>{7});
}

TEST_CASE("poll descriptor: an observer has none, and is told what has one", "[bus][poll]") {
    const TestStream stream;
    Subscriber observer = subscriber_of(stream, SlowPolicy::observe);
    const auto fd = observer.poll_fd();
    REQUIRE_FALSE(fd);
    CHECK(fd.error().code == ErrorCode::invalid_argument);
    CHECK_THAT(fd.error().hint, Catch::Contains("skip"));
    observer.disarm();  // nothing happens
}

TEST_CASE("poll descriptor: a publisher without descriptors leaves it to the next commit",
          "[bus][poll]") {
    const Watchdog watchdog("poll descriptor: a publisher without descriptors");
    const TestStream stream;
    Subscriber subscriber = subscriber_of(stream);
    REQUIRE(subscriber.poll_fd());
    REQUIRE_FALSE(subscriber.arm());
    const Region& region = subscriber.region();
    ChildProcess poor([&] {
        Publisher publisher = stream.publisher("poor");
        rlimit before{};
        if (::getrlimit(RLIMIT_NOFILE, &before) != 0) return 1;
        const rlimit none{3, before.rlim_max};
        if (::setrlimit(RLIMIT_NOFILE, &none) != 0) return 2;
        if (publisher.publish(std::uint64_t{1}) != PublishStatus::ok) return 3;
        const bool still_armed = somebody_polls(region);
        if (::setrlimit(RLIMIT_NOFILE, &before) != 0) return 4;
        if (publisher.publish(std::uint64_t{2}) != PublishStatus::ok) return 5;
        return still_armed ? 0 : 6;
    });
    CHECK(poor.wait().exit_code == 0);
    CHECK_FALSE(somebody_polls(region));
}

TEST_CASE("poll descriptor: whatever takes the FIFO's place is left alone", "[bus][poll]") {
    const TestStream stream;
    Subscriber subscriber = subscriber_of(stream);
    REQUIRE(subscriber.poll_fd());
    Publisher publisher = stream.publisher();
    const std::string path = fifo_path(stream);
    const std::string victim = stream.directory() + "/victim";
    const bool by_link = GENERATE(false, true);
    REQUIRE_FALSE(subscriber.arm());
    REQUIRE(::unlink(path.c_str()) == 0);
    const std::string& made = by_link ? victim : path;
    const UniqueFd file(::open(made.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (by_link) REQUIRE(::symlink(victim.c_str(), path.c_str()) == 0);

    CHECK(publisher.publish(std::uint64_t{1}) == PublishStatus::ok);

    struct stat status {};
    REQUIRE(::fstat(file.get(), &status) == 0);
    CHECK(status.st_size == 0);
}

TEST_CASE("poll descriptor: its FIFO has the mode of the stream", "[bus][poll]") {
    StreamOptions options = small_stream();
    options.mode = GENERATE(0600U, 0666U, 0660U);
    const TestStream stream(options);
    Subscriber subscriber = subscriber_of(stream);
    REQUIRE(subscriber.poll_fd());
    struct stat status {};
    REQUIRE(::stat(fifo_path(stream).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == options.mode);
}

TEST_CASE("poll descriptor: users of one stream wake each other, whoever they are", "[bus][poll]") {
    constexpr uid_t kNobody = 65534;
    const Watchdog watchdog("poll descriptor: another user");
    if (::geteuid() != 0) {
        WARN("SKIPPED: needs root, to become somebody else");
        return;
    }
    StreamOptions options = small_stream();
    options.mode = 0666;
    const TestStream stream(options);
    const bool foreigner_reads = GENERATE(false, true);
    CAPTURE(foreigner_reads);
    SharedObject<std::atomic<bool>> armed;
    const auto read = [&] {
        Subscriber subscriber = subscriber_of(stream);
        const auto fd = subscriber.poll_fd();
        if (!fd) return 1;
        if (subscriber.arm()) return 2;
        armed->store(true);
        if (!is_readable(*fd, kPatienceMs)) return 3;
        // Not by the timer, which would end the wait in the end: the byte is there.
        const UniqueFd fifo(::open(fifo_path(stream).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
        std::array<std::byte, 2> bytes{};
        return ::read(fifo.get(), bytes.data(), bytes.size()) == 1 ? 0 : 4;
    };
    const auto write = [&] {
        Publisher publisher = stream.publisher();
        while (!armed->load())
            ::sched_yield();
        return publisher.publish(std::uint64_t{1}) == PublishStatus::ok ? 0 : 1;
    };
    ChildProcess foreigner([&] {
        if (::setresgid(kNobody, kNobody, kNobody) != 0 ||
            ::setresuid(kNobody, kNobody, kNobody) != 0)
            return 99;
        return foreigner_reads ? read() : write();
    });
    CHECK((foreigner_reads ? write() : read()) == 0);
    CHECK(foreigner.wait().exit_code == 0);
}

}  // namespace poll_descriptor_test
