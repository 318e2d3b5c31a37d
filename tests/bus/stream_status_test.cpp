#include "support/child_process.hpp"
#include "support/journal_writer.hpp"
#include "support/received_events.hpp"
#include "support/shared_object.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/stream_status.hpp>

#include <catch2/catch.hpp>

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace stream_status_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

void publish(Publisher& publisher, int events) {
    for (int event = 0; event < events; ++event) {
        REQUIRE(publisher.try_publish(bytes_of("12345678")) == PublishStatus::ok);
    }
}

// A process that attaches a gating subscriber, says so, and stays.
ChildProcess attached_reader(const TestStream& stream, std::atomic<bool>& attached) {
    return ChildProcess([&]() -> int {
        const Subscriber subscriber =
            stream.subscriber(SlowPolicy::gate, Start::oldest(), "other process");
        attached.store(true);
        for (;;)
            ::pause();
    });
}

}  // namespace

TEST_CASE("stream status: an untouched stream", "[bus][stream_status]") {
    const TestStream stream;

    const StreamStatus status = read_status(stream.open(RegionAccess::observe));

    CHECK(status.first_sequence == 0);
    CHECK(status.oldest_sequence == 0);
    CHECK(status.end_sequence == 0);
    CHECK(status.publishers.empty());
    CHECK(status.subscribers.empty());
    CHECK_FALSE(status.journal);
}

TEST_CASE("stream status: who publishes and who reads, and how far behind",
          "[bus][stream_status]") {
    const TestStream stream;
    Publisher publisher = stream.publisher("feed");
    Subscriber fast = stream.subscriber(SlowPolicy::gate, Start::oldest(), "fast");
    const Subscriber slow = stream.subscriber(SlowPolicy::skip, Start::oldest(), "slow");
    const Subscriber unseen = stream.subscriber(SlowPolicy::observe);
    publish(publisher, 10);
    static_cast<void>(drain(fast));
    publish(publisher, 3);

    const StreamStatus status = read_status(stream.open(RegionAccess::observe));

    CHECK(status.end_sequence == 13);
    REQUIRE(status.publishers.size() == 1);
    CHECK(status.publishers[0].name == "feed");
    CHECK(status.publishers[0].pid == static_cast<std::uint32_t>(::getpid()));
    CHECK(status.publishers[0].is_alive);
    CHECK_FALSE(status.publishers[0].in_claim);
    CHECK(status.publishers[0].attached_ns > 0);
    REQUIRE(status.subscribers.size() == 2);
    const SubscriberStatus& first = status.subscribers[0];
    CHECK(first.name == "fast");
    CHECK(first.policy == SlowPolicy::gate);
    CHECK(first.sequence == 10);
    CHECK(first.lag.events == 3);
    CHECK(first.lag.bytes == 3 * 32);
    REQUIRE(first.lag.age_ns);
    const SubscriberStatus& second = status.subscribers[1];
    CHECK(second.name == "slow");
    CHECK(second.policy == SlowPolicy::skip);
    CHECK(second.lag.events == 13);
    CHECK(*second.lag.age_ns >= *first.lag.age_ns);
    CHECK(second.room_ratio == Approx(1.0 - 13 * 32.0 / kMinCapacityBytes));
}

TEST_CASE("stream status: an age that can't be known is not invented", "[bus][stream_status]") {
    StreamOptions options = small_stream();
    options.publish_time = PublishTime::off;
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    publish(publisher, 1);

    StreamStatus status = read_status(stream.open(RegionAccess::observe));
    REQUIRE(status.subscribers.size() == 1);
    CHECK(status.subscribers[0].lag.events == 1);
    CHECK_FALSE(status.subscribers[0].lag.age_ns);

    static_cast<void>(drain(subscriber));
    status = read_status(stream.open(RegionAccess::observe));
    CHECK(status.subscribers[0].lag.events == 0);
    CHECK(status.subscribers[0].lag.age_ns == std::optional<std::uint64_t>(0));
}

TEST_CASE("stream status: a skipping reader that was overtaken", "[bus][stream_status]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber(SlowPolicy::skip);
    publish(publisher, 5000);

    StreamStatus status = read_status(stream.open(RegionAccess::observe));
    REQUIRE(status.subscribers.size() == 1);
    CHECK(status.subscribers[0].lag.events == 5000);
    CHECK_FALSE(status.subscribers[0].lag.age_ns);  // its next event is gone
    CHECK(status.subscribers[0].room_ratio == 0.0);
    CHECK(status.oldest_sequence > 2500);

    CHECK(drain(subscriber).last == PollState::gap);
    status = read_status(stream.open(RegionAccess::observe));
    CHECK(status.subscribers[0].lost_events == subscriber.lost_events());
    CHECK(status.subscribers[0].lost_events > 2500);
}

TEST_CASE("stream status: an open claim shows", "[bus][stream_status]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Claim claim;
    REQUIRE(publisher.try_claim(claim, 8) == PublishStatus::ok);

    CHECK(read_status(stream.open(RegionAccess::observe)).publishers[0].in_claim);
    publisher.commit(claim);
    CHECK_FALSE(read_status(stream.open(RegionAccess::observe)).publishers[0].in_claim);
}

TEST_CASE("stream status: the dead are shown as dead until they are cleared up",
          "[bus][stream_status]") {
    const Watchdog watchdog("stream status: the dead are shown as dead");
    const TestStream stream;
    SharedObject<std::atomic<bool>> attached;
    ChildProcess reader = attached_reader(stream, *attached);
    wait_until([&] { return attached->load(); });
    StreamStatus status = read_status(stream.open(RegionAccess::observe));
    REQUIRE(status.subscribers.size() == 1);
    CHECK(status.subscribers[0].is_alive);
    CHECK(status.subscribers[0].pid == static_cast<std::uint32_t>(reader.pid()));

    REQUIRE(reader.kill().was_killed());
    status = read_status(stream.open(RegionAccess::observe));
    REQUIRE(status.subscribers.size() == 1);
    CHECK_FALSE(status.subscribers[0].is_alive);

    const Subscriber next = stream.subscriber();
    status = read_status(stream.open(RegionAccess::observe));
    CHECK(status.subscribers.size() == 1);
    CHECK(status.reclaimed_subscribers == 1);
}

TEST_CASE("journal board: waiting for durability without a writer fails at once",
          "[bus][journal_board]") {
    const Watchdog watchdog("journal board: without a writer");
    const TestStream stream;
    Publisher publisher = stream.publisher();
    publish(publisher, 1);

    const auto waited = publisher.wait_durable(1, Deadline::never());

    REQUIRE_FALSE(waited);
    CHECK(waited.error().code == ErrorCode::no_writer);
    CHECK(waited.error().hint.find("tailrace record stream") != std::string::npos);
    CHECK(publisher.wait_durable(0, Deadline::never()));  // nothing to wait for
}

TEST_CASE("journal board: progress, and a deadline", "[bus][journal_board]") {
    const Watchdog watchdog("journal board: progress, and a deadline");
    const TestStream stream;
    auto writer = journal_writer(stream, 5);
    const auto region = stream.open();

    CHECK(has_journal_writer(*region));
    CHECK(durable_sequence(*region) == 5);
    CHECK(wait_durable(*region, 5, Deadline::at_once()));
    CHECK(wait_durable(*region, 6, Deadline::in_ms(2)).error().code == ErrorCode::timed_out);
    writer.progress(8, 9, 4096, 1);
    CHECK(durable_sequence(*region) == 8);
    CHECK(wait_durable(*region, 8, Deadline::at_once()));

    const StreamStatus status = read_status(region);
    REQUIRE(status.journal);
    CHECK(status.journal->is_alive);
    CHECK(status.journal->state == JournalState::running);
    CHECK(status.journal->durable_sequence == 8);
    CHECK(status.journal->written_sequence == 9);
    CHECK(status.journal->written_bytes == 4096);
    CHECK(status.journal->flushes == 1);
}

TEST_CASE("journal board: a waiter in another process is woken by progress",
          "[bus][journal_board]") {
    const Watchdog watchdog("journal board: a waiter is woken by progress");
    const TestStream stream;
    const auto region = stream.open();
    auto writer = journal_writer(stream, 0);
    ChildProcess waiter([&] {
        return wait_durable(*stream.open(RegionAccess::subscribe), 1000, Deadline::in_ms(30'000))
                   ? 0
                   : 1;
    });
    wait_until([&] { return region->state().journal.durable_wait.sleeping.load() != 0; });

    for (Sequence sequence = 1; sequence <= 1000; ++sequence)
        writer.progress(sequence, sequence, 0, 0);

    CHECK(waiter.wait().exit_code == 0);
}

TEST_CASE("journal board: a failure freezes durability and reaches every waiter",
          "[bus][journal_board]") {
    const Watchdog watchdog("journal board: a failure freezes durability");
    const TestStream stream;
    const auto region = stream.open();
    auto writer = journal_writer(stream, 3);
    ChildProcess waiter([&] {
        const auto waited = wait_durable(*stream.open(), 4, Deadline::never());
        return !waited && waited.error().code == ErrorCode::io_failure &&
                       waited.error().os_errno == EIO
                   ? 0
                   : 1;
    });
    wait_until([&] { return region->state().journal.durable_wait.sleeping.load() != 0; });

    writer.fail(EIO);

    CHECK(waiter.wait().exit_code == 0);
    CHECK(wait_durable(*region, 3, Deadline::never()));  // what was durable is
    const auto later = wait_durable(*region, 4, Deadline::never());
    REQUIRE_FALSE(later);
    CHECK(later.error().message.find("below sequence 3") != std::string::npos);
    CHECK(read_status(region).journal->state == JournalState::failed);
    CHECK(read_status(region).journal->os_errno == EIO);
}

TEST_CASE("journal board: a writer that was killed is missed, and its successor begins anew",
          "[bus][journal_board]") {
    const Watchdog watchdog("journal board: a writer that was killed is missed");
    const TestStream stream;
    const auto region = stream.open();
    SharedObject<std::atomic<bool>> took;
    ChildProcess first([&]() -> int {
        auto writer = journal_writer(stream, 0);
        writer.progress(100, 100, 0, 0);
        took->store(true);
        for (;;)
            ::pause();
    });
    wait_until([&] { return took->load(); });
    const auto refused = try_journal_writer(stream, 0);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::busy);
    CHECK(refused.error().message.find(std::to_string(first.pid())) != std::string::npos);
    ChildProcess waiter([&] {
        const auto waited = wait_durable(*stream.open(), 101, Deadline::never());
        return !waited && waited.error().code == ErrorCode::no_writer ? 0 : 1;
    });
    wait_until([&] { return region->state().journal.durable_wait.sleeping.load() != 0; });

    REQUIRE(first.kill().was_killed());

    CHECK(waiter.wait().exit_code == 0);
    // What the disk proves counts, not what the dead one had promised here.
    const auto second = try_journal_writer(stream, 40);
    REQUIRE(second);
    CHECK(durable_sequence(*region) == 40);
}

TEST_CASE("journal board: what a dead writer promised is not its successor's promise",
          "[bus][journal_board]") {
    const Watchdog watchdog("journal board: not its successor's promise");
    const TestStream stream;
    const auto region = stream.open();
    Publisher publisher = stream.publisher();
    publish(publisher, 30);
    ChildProcess first([&] {
        auto writer = journal_writer(stream, 0);
        writer.gap(5, 8);
        writer.progress(20, 20, 0, 0);
        ::kill(::getpid(), SIGKILL);
        return 1;
    });
    REQUIRE(first.wait().was_killed());
    CHECK(wait_durable(*region, 8, 20, Deadline::never()));

    auto second = expect(JournalBoardWriter::take(stream.open()), "take");

    CHECK(durable_sequence(*region) == 0);
    // Neither a yes nor a no, before the disk has been asked.
    for (const Sequence end : {6U, 8U, 20U, 30U}) {
        const auto waited = wait_durable(*region, end - 1, end, Deadline::in_ms(2));
        REQUIRE_FALSE(waited);
        CHECK(waited.error().code == ErrorCode::timed_out);
        CHECK(waited.error().message.find("being opened") != std::string::npos);
    }
    CHECK(wait_durable(*region, 0, 0, Deadline::never()));
    CHECK(check_durable(*region));
    StreamStatus status = read_status(region);
    REQUIRE(status.journal);
    CHECK(status.journal->is_alive);
    CHECK(status.journal->state == JournalState::opening);
    CHECK(status.journal->durable_sequence == 0);
    CHECK(status.journal->lag.events == 30);
    // Waiters go on waiting, and are told what the new journal holds.
    ChildProcess kept(
        [&] { return wait_durable(*stream.open(), 8, 15, Deadline::never()) ? 0 : 1; });
    wait_until([&] { return region->state().journal.durable_wait.sleeping.load() != 0; });
    second.continue_at(12);
    second.gap(16, 18);
    second.opened(19);
    CHECK(kept.wait().exit_code == 0);
    CHECK(durable_sequence(*region) == 19);
    CHECK(wait_durable(*region, 6, 7, Deadline::never()).error().code == ErrorCode::sequence_gone);
    CHECK(wait_durable(*region, 15, 19, Deadline::never()).error().code ==
          ErrorCode::sequence_gone);
    CHECK(wait_durable(*region, 18, 20, Deadline::in_ms(2)).error().code == ErrorCode::timed_out);
    CHECK(read_status(region).journal->state == JournalState::running);
}

TEST_CASE("journal board: a writer that could not open its journal changes nothing",
          "[bus][journal_board]") {
    const TestStream stream;
    const auto region = stream.open();
    { const auto idle = expect(JournalBoardWriter::take(stream.open()), "take"); }
    CHECK(durable_sequence(*region) == 0);
    CHECK(read_status(region).journal->state == JournalState::stopped);
    {
        auto writer = journal_writer(stream, 3);
        writer.progress(20, 21, 0, 0);
    }
    for (const bool has_failed : {false, true}) {
        CAPTURE(has_failed);
        if (has_failed) journal_writer(stream, 20).fail(EIO);
        { const auto idle = expect(JournalBoardWriter::take(stream.open()), "take"); }

        CHECK(wait_durable(*region, 20, Deadline::never()));
        CHECK(wait_durable(*region, 21, Deadline::never()).error().code ==
              (has_failed ? ErrorCode::io_failure : ErrorCode::no_writer));
        CHECK(read_status(region).journal->os_errno == (has_failed ? EIO : 0));
    }
    // Killed while it opens: what was promised before isn't known any more.
    ChildProcess killed([&] {
        const auto writer = expect(JournalBoardWriter::take(stream.open()), "take");
        ::kill(::getpid(), SIGKILL);
        return 1;
    });
    REQUIRE(killed.wait().was_killed());
    CHECK(wait_durable(*region, 20, Deadline::never()).error().code == ErrorCode::no_writer);
    CHECK_FALSE(read_status(region).journal->is_alive);
}

TEST_CASE("journal board: a writer that leaves says so", "[bus][journal_board]") {
    const TestStream stream;
    const auto region = stream.open();
    { const auto writer = journal_writer(stream, 7); }

    CHECK_FALSE(has_journal_writer(*region));
    const StreamStatus status = read_status(region);
    REQUIRE(status.journal);
    CHECK(status.journal->state == JournalState::stopped);
    CHECK_FALSE(status.journal->is_alive);
    CHECK(wait_durable(*region, 8, Deadline::never()).error().code == ErrorCode::no_writer);
}

TEST_CASE("journal board: a disk without room refuses early, wakes who waits, and recovers",
          "[bus][journal_board]") {
    const Watchdog watchdog("journal board: a disk without room");
    const TestStream stream;
    const auto region = stream.open();
    CHECK(check_durable(*region).error().code == ErrorCode::no_writer);
    auto writer = journal_writer(stream, 3);
    CHECK(check_durable(*region));

    writer.room(JournalRoom::low, ENOSPC);
    CHECK(read_status(region).journal->state == JournalState::low_space);
    const auto early = check_durable(*region);
    REQUIRE_FALSE(early);
    CHECK(early.error().code == ErrorCode::no_space);
    CHECK(early.error().os_errno == ENOSPC);
    // What was published before still fits: it is waited for as ever.
    CHECK(wait_durable(*region, 4, Deadline::in_ms(2)).error().code == ErrorCode::timed_out);
    ChildProcess waiter([&] {
        const auto waited = wait_durable(*stream.open(), 9, Deadline::never());
        return !waited && waited.error().code == ErrorCode::no_space ? 0 : 1;
    });
    wait_until([&] { return region->state().journal.durable_wait.sleeping.load() != 0; });
    writer.progress(5, 5, 0, 0);
    CHECK(wait_durable(*region, 5, Deadline::at_once()));

    writer.room(JournalRoom::none, ENOSPC);
    CHECK(waiter.wait().exit_code == 0);
    CHECK(wait_durable(*region, 5, Deadline::never()));  // what is durable is
    CHECK(check_durable(*region).error().code == ErrorCode::no_space);

    writer.room(JournalRoom::enough, 0);
    CHECK(read_status(region).journal->state == JournalState::running);
    CHECK(check_durable(*region));
    writer.fail(EIO);
    writer.room(JournalRoom::enough, 0);  // a failure is for good
    CHECK(check_durable(*region).error().code == ErrorCode::io_failure);
}

}  // namespace stream_status_test
