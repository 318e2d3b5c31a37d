#include "stream/cursor_story.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/journal_board.hpp>
#include <tailrace/journal/ledger.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/stream/cursor_place.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <unistd.h>

#include <fstream>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace cursor_test {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

}  // namespace

TEST_CASE("cursor: the next owner goes on where the last one had come to", "[stream][cursor]") {
    const Watchdog watchdog("cursor");
    const auto commit = GENERATE(CommitMode::per_event, CommitMode::per_poll, CommitMode::interval);
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 100));
    {
        auto reader = read(recorded, commit);
        CHECK(take(reader, 40) == range(0, 40));
    }
    CHECK(status_of(recorded).sequence == 40);
    CHECK_FALSE(status_of(recorded).is_owned);
    auto reader = read(recorded, commit);
    CHECK(reader.next_sequence() == 40);
    CHECK(take(reader, 60) == range(40, 100));
    CHECK(reader.committed_sequence() == 100);
}

TEST_CASE("cursor: by interval it is noted no more often than that", "[stream][cursor]") {
    const Watchdog watchdog("cursor by interval");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 100));
    StreamReaderOptions options = by_cursor(recorded, CommitMode::interval);
    options.commit_interval_ns = 3'600'000'000'000;
    auto reader = expect(try_read(recorded, options), "attach");
    CHECK(take(reader, 10).size() == 10);
    CHECK(reader.committed_sequence() == 10);
    CHECK(take(reader, 10).size() == 10);
    CHECK(reader.committed_sequence() == 10);
    reader.commit();
    CHECK(reader.committed_sequence() == 20);
}

TEST_CASE("cursor: by hand, nothing is noted before commit() is called", "[stream][cursor]") {
    const Watchdog watchdog("cursor by hand");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 100));
    auto reader = read(recorded, CommitMode::manual);
    CHECK(take(reader, 40).size() == 40);
    CHECK(reader.committed_sequence() == 0);
    REQUIRE(reader.commit(10));
    CHECK(reader.committed_sequence() == 10);
    const auto ahead = reader.commit(41);
    REQUIRE_FALSE(ahead);
    CHECK(ahead.error().code == ErrorCode::sequence_ahead);
    CHECK(reader.committed_sequence() == 10);
    reader.commit();
    CHECK(reader.committed_sequence() == 40);
}

TEST_CASE("cursor: what a handler threw at comes again, what it had done doesn't",
          "[stream][cursor]") {
    const Watchdog watchdog("cursor and a handler that throws");
    const auto commit = GENERATE(CommitMode::per_event, CommitMode::per_poll);
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 20));
    StreamReaderOptions options = by_cursor(recorded, commit);
    options.policy = bus::SlowPolicy::spill;
    {
        auto reader = expect(try_read(recorded, options), "attach");
        const auto throwing = [](const Event& event) {
            if (event.sequence() == 7) throw std::runtime_error("the seventh");
        };
        CHECK_THROWS(reader.poll(throwing, 20));
        CHECK(reader.committed_sequence() == (commit == CommitMode::per_event ? 7 : 0));
    }
    auto reader = expect(try_read(recorded, options), "attach");
    CHECK(reader.next_sequence() == (commit == CommitMode::per_event ? 7 : 0));
}

TEST_CASE("cursor: what it refuses it says why", "[stream][cursor]") {
    const Watchdog watchdog("cursors that are refused");
    const RecordedStream recorded;
    StreamReaderOptions options = by_cursor(recorded, CommitMode::per_poll);
    options.new_cursor_at.reset();
    const auto code_of = [&] {
        const auto reader = try_read(recorded, options);
        return reader ? ErrorCode::corrupt : reader.error().code;
    };
    CHECK(code_of() == ErrorCode::not_found);
    options.new_cursor_at = Position::start();
    for (const auto policy :
         {bus::SlowPolicy::skip, bus::SlowPolicy::evict, bus::SlowPolicy::observe}) {
        options.policy = policy;
        CHECK(code_of() == ErrorCode::invalid_argument);
    }
    options.policy = bus::SlowPolicy::gate;
    options.cursor = "no/name";
    CHECK(code_of() == ErrorCode::invalid_argument);
    options.cursor = "risk";
    const auto owner = read(recorded, CommitMode::per_poll);
    const auto second = try_read(recorded, options);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::busy);
    CHECK(second.error().message.find(std::to_string(::getpid())) != std::string::npos);
    options.cursor = "rsk";
    options.new_cursor_at.reset();
    const auto misspelt = try_read(recorded, options);
    REQUIRE_FALSE(misspelt);
    CHECK(misspelt.error().message.find("it has 'risk'") != std::string::npos);
    const auto region = recorded.stream().open();
    const auto removed = bus::remove_cursor(*region, "risk");
    REQUIRE_FALSE(removed);
    CHECK(removed.error().code == ErrorCode::busy);
    const auto moved = bus::move_cursor(*region, "risk", 0, false);
    REQUIRE_FALSE(moved);
    CHECK(moved.error().code == ErrorCode::busy);
    for (std::uint32_t index = 1; index < bus::kCursorSlots; ++index)
        REQUIRE(bus::move_cursor(*region, "c" + std::to_string(index), index, false));
    const auto one_more = bus::move_cursor(*region, "one_more", 0, false);
    REQUIRE_FALSE(one_more);
    CHECK(one_more.error().code == ErrorCode::no_space);
    REQUIRE(bus::remove_cursor(*region, "c5"));
    CHECK(bus::move_cursor(*region, "one_more", 0, false));
}

TEST_CASE("cursor: an owner that is killed leaves it where it stood, and free",
          "[stream][cursor]") {
    const Watchdog watchdog("cursor of a killed owner");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 100));
    ChildProcess child([&]() -> int {
        auto reader = read(recorded, CommitMode::per_event);
        static_cast<void>(take(reader, 33));
        for (;;)
            ::pause();
    });
    const auto region = recorded.stream().open();
    const auto stands_at_33 = [&] {
        const auto cursors = bus::read_cursors(*region);
        return cursors.size() == 1 && cursors.front().sequence == 33;
    };
    while (!stands_at_33() && !child.has_ended())
        std::this_thread::yield();
    CHECK(status_of(recorded).is_owned);
    CHECK(status_of(recorded).pid == static_cast<std::uint32_t>(child.pid()));
    CHECK(child.kill().was_killed());
    CHECK_FALSE(status_of(recorded).is_owned);
    auto reader = read(recorded, CommitMode::per_event);
    CHECK(take(reader, 1) == range(33, 34));
}

TEST_CASE("cursor: in a forked child it is the parent's", "[stream][cursor]") {
    const Watchdog watchdog("cursor in a forked child");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    auto reader = read(recorded, CommitMode::manual);
    CHECK(take(reader, 10).size() == 10);
    const int status = in_child([&] {
        reader.commit();
        return reader.commit(5) ? 1 : 0;
    });
    CHECK(status == 0);
    CHECK(reader.committed_sequence() == 0);
}

TEST_CASE("cursor: it can't be made durable where nobody could", "[stream][cursor]") {
    const Watchdog watchdog("cursor without a journal");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    {
        auto reader = read(recorded, CommitMode::per_poll);
        CHECK(take(reader, 10).size() == 10);
        const auto durable = reader.commit_durable(bus::Deadline::in_ms(kPatienceMs));
        REQUIRE_FALSE(durable);
        CHECK(durable.error().code == ErrorCode::invalid_argument);
    }
    { const RunningRecorder recorder(recorded); }
    auto reader = read(recorded, CommitMode::per_poll);
    const auto durable = reader.commit_durable(bus::Deadline::in_ms(kPatienceMs));
    REQUIRE_FALSE(durable);
    CHECK(durable.error().code == ErrorCode::no_writer);
}

TEST_CASE("cursor: moved by somebody else, its reader goes there and says so", "[stream][cursor]") {
    const Watchdog watchdog("cursor that is moved");
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 1'000));
    const auto region = recorded.stream().open();
    const auto commit = GENERATE(CommitMode::per_poll, CommitMode::per_event, CommitMode::manual);
    auto reader = read(recorded, commit);
    CHECK(take(reader, 500).size() == 500);
    REQUIRE(bus::move_cursor(*region, "risk", 100, true));
    CHECK(status_of(recorded).moved_to == Sequence{100});
    CHECK(take(reader, 1) == range(500, 501));
    if (commit == CommitMode::manual) reader.commit();
    const bus::PollResult moved = reader.poll([](const Event&) {}, 64);
    CHECK(moved.state == bus::PollState::moved);
    CHECK(moved.events == 0);
    CHECK(reader.next_sequence() == 100);
    CHECK(reader.committed_sequence() == 100);
    CHECK_FALSE(status_of(recorded).moved_to);
    CHECK(take(reader, 3) == range(100, 103));
}

TEST_CASE("cursor: moved while nobody reads by it, the next owner begins there",
          "[stream][cursor]") {
    const Watchdog watchdog("cursor that is moved while it rests");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 100));
    const auto region = recorded.stream().open();
    {
        auto reader = read(recorded, CommitMode::per_poll);
        CHECK(take(reader, 50).size() == 50);
        // Its reader never looks again.
        REQUIRE(bus::move_cursor(*region, "risk", 10, true));
    }
    CHECK(read(recorded, CommitMode::per_poll).next_sequence() == 10);
    REQUIRE(bus::move_cursor(*region, "risk", 20, false));
    CHECK(status_of(recorded).sequence == 20);
    CHECK(read(recorded, CommitMode::per_poll).next_sequence() == 20);
    REQUIRE(bus::move_cursor(*region, "risk", 101, false));
    const auto ahead = try_read(recorded, by_cursor(recorded, CommitMode::per_poll));
    REQUIRE_FALSE(ahead);
    CHECK(ahead.error().code == ErrorCode::sequence_ahead);
}

TEST_CASE("cursor: what left the ring while it was away is an exact gap without a journal",
          "[stream][cursor]") {
    const Watchdog watchdog("cursor in a ring alone");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    {
        auto reader = read(recorded, CommitMode::per_poll);
        CHECK(take(reader, 5).size() == 5);
    }
    REQUIRE(publish_numbered(publisher, 1, 10, 5'000));
    auto reader = read(recorded, CommitMode::per_poll);
    const bus::PollResult gap = reader.poll([](const Event&) {}, 64);
    REQUIRE(gap.state == bus::PollState::gap);
    CHECK(reader.last_gap().first == 5);
    const Sequence next = 5 + reader.last_gap().count;
    CHECK(reader.next_sequence() == next);
    CHECK(take(reader, 1) == range(next, next + 1));
}

TEST_CASE("cursor: what retention took is an exact gap; held back it stays, within its bytes",
          "[stream][cursor]") {
    const Watchdog watchdog("cursor and retention");
    const bool holds = GENERATE(false, true);
    const RecordedStream recorded;
    RecorderOptions options = recorded.options();
    constexpr std::uint64_t kSegmentBytes = std::uint64_t{1} << 20U;
    options.journal.retain_size_bytes = 2 * kSegmentBytes;
    const RunningRecorder recorder(recorded, options);
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    const auto region = recorded.stream().open();
    {
        auto reader = read(recorded, CommitMode::per_poll);
        CHECK(take(reader, 5).size() == 5);
        if (holds) REQUIRE(bus::hold_for_cursor(*region, "risk", 6 * kSegmentBytes));
        REQUIRE(reader.commit_durable(bus::Deadline::in_ms(kPatienceMs)));
    }
    const auto first_kept = [&] {
        auto log = expect(journal::Reader::open(recorded.journal_directory()), "open");
        return log.first_sequence();
    };
    std::uint64_t next = 10;
    const auto publish_bytes = [&](std::uint64_t size_bytes) {
        const std::uint64_t until = region->tail().position + size_bytes;
        while (region->tail().position < until) {
            REQUIRE(publish_numbered(publisher, 1, next, 1'000));
            next += 1'000;
        }
        REQUIRE(bus::wait_durable(*region, next, bus::Deadline::in_ms(kPatienceMs)));
    };
    publish_bytes(5 * kSegmentBytes);
    CHECK((first_kept() == 0) == holds);
    if (!holds) {
        auto reader = read(recorded, CommitMode::per_poll);
        const bus::PollResult gap = reader.poll([](const Event&) {}, 64);
        REQUIRE(gap.state == bus::PollState::gap);
        CHECK(reader.last_gap().first == 5);
        const Sequence resumed = 5 + reader.last_gap().count;
        CHECK(take(reader, 10) == range(resumed, resumed + 10));
    }
    publish_bytes(10 * kSegmentBytes);
    CHECK(first_kept() > 0);
}

TEST_CASE("cursor: what a filter passes over moves it, and by interval an idle poll does",
          "[stream][cursor]") {
    const Watchdog watchdog("cursor behind a filter");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 100));
    StreamReaderOptions options = by_cursor(recorded, CommitMode::per_poll);
    options.filter = bus::EventFilter().add_type(99);
    auto reader = expect(try_read(recorded, options), "attach");
    while (reader.next_sequence() < 100)
        static_cast<void>(reader.poll([](const Event&) {}, 64));
    static_cast<void>(reader.poll([](const Event&) {}, 64));
    CHECK(reader.committed_sequence() == 100);

    options = by_cursor(recorded, CommitMode::interval);
    options.cursor = "slow";
    options.commit_interval_ns = 1'000'000;
    auto slow = expect(try_read(recorded, options), "attach");
    CHECK(take(slow, 10).size() == 10);
    CHECK(take(slow, 90).size() == 90);
    const bus::Deadline deadline = bus::Deadline::in_ms(kPatienceMs);
    while (slow.committed_sequence() != 100 && !deadline.has_passed())
        static_cast<void>(slow.poll([](const Event&) {}, 64));
    CHECK(slow.committed_sequence() == 100);
}

TEST_CASE("cursor: a move that waits for its reader counts at once, and survives the ring",
          "[stream][cursor]") {
    const Watchdog watchdog("cursor with a move that waits");
    const RecordedStream recorded;
    {
        const RunningRecorder recorder(recorded);
        auto publisher = recorded.stream().publisher();
        REQUIRE(publish_numbered(publisher, 1, 0, 100));
        auto reader = read(recorded, CommitMode::per_poll);
        CHECK(take(reader, 100).size() == 100);
        REQUIRE(reader.commit_durable(bus::Deadline::in_ms(kPatienceMs)));
        auto place = expect(CursorPlace::of_stream(recorded.stream().name(),
                                                   bus::RegionAccess::subscribe,
                                                   recorded.stream().directory()),
                            "open");
        bool lost = false;
        REQUIRE(place.move("risk", 10, true, lost));
        CHECK(ledger_of(recorded).find("risk")->sequence == 10);
        const auto unseen = reader.commit(100);
        REQUIRE_FALSE(unseen);
        CHECK(unseen.error().code == ErrorCode::stale);
    }
    CHECK(ledger_of(recorded).find("risk")->sequence == 10);
    remake_stream(recorded);
    CHECK(read(recorded, CommitMode::per_poll).next_sequence() == 10);
}

TEST_CASE("cursor: a move to where nothing can be read stays until it can", "[stream][cursor]") {
    const Watchdog watchdog("cursor with a move that fails");
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 5'000));
    const auto region = recorded.stream().open();
    REQUIRE(bus::wait_durable(*region, 5'000, bus::Deadline::in_ms(kPatienceMs)));
    StreamReaderOptions options = by_cursor(recorded, CommitMode::manual);
    options.policy = bus::SlowPolicy::spill;
    options.new_cursor_at = Position::before_end(10);
    auto reader = expect(try_read(recorded, options), "attach");
    CHECK(take(reader, 1).size() == 1);
    REQUIRE(bus::move_cursor(*region, "risk", 9'000, true));  // not there yet
    reader.commit();
    for (int round = 0; round < 3; ++round) {
        const bus::PollResult failed = reader.poll([](const Event&) {}, 64);
        CHECK(failed.events == 0);
        CHECK(failed.state == bus::PollState::failed);
        CHECK(status_of(recorded).moved_to == Sequence{9'000});
    }
    REQUIRE(publish_numbered(publisher, 1, 5'000, 5'000));
    CHECK(reader.poll([](const Event&) {}, 64).state == bus::PollState::moved);
    CHECK(take(reader, 3) == range(9'000, 9'003));
}

}  // namespace cursor_test
