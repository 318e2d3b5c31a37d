#include "bridge/recorded_stream.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bridge/stream_reader.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/ledger.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace cursor_test {

namespace {

using namespace tailrace;
using namespace tailrace::bridge;
using namespace tailrace::test;
namespace fs = std::filesystem;

constexpr std::uint64_t kPatienceMs = 20'000;

StreamReaderOptions by_cursor(const RecordedStream& recorded, CommitMode commit) {
    StreamReaderOptions options;
    options.bus_directory = recorded.stream().directory();
    options.cursor = "risk";
    options.new_cursor_at = Position::start();
    options.commit = commit;
    options.policy = bus::SlowPolicy::gate;
    return options;
}

Result<StreamReader> try_read(const RecordedStream& recorded, const StreamReaderOptions& options) {
    return StreamReader::attach(recorded.stream().name(), options);
}

StreamReader read(const RecordedStream& recorded, CommitMode commit) {
    return expect(try_read(recorded, by_cursor(recorded, commit)), "attach by the cursor");
}

// The sequences that it hands out, at most `count`.
std::vector<Sequence> take(StreamReader& reader, std::uint64_t count) {
    std::vector<Sequence> taken;
    const bus::Deadline deadline = bus::Deadline::in_ms(kPatienceMs);
    while (taken.size() < count && !deadline.has_passed()) {
        const bus::PollResult result =
            reader.poll_until([&](const Event& event) { taken.push_back(event.sequence()); },
                              count - taken.size(),
                              deadline);
        if (result.state != bus::PollState::ok) break;
    }
    return taken;
}

std::vector<Sequence> range(Sequence first, Sequence end) {
    std::vector<Sequence> sequences;
    for (Sequence sequence = first; sequence < end; ++sequence)
        sequences.push_back(sequence);
    return sequences;
}

bus::CursorStatus status_of(const RecordedStream& recorded) {
    const auto cursors = bus::read_cursors(*recorded.stream().open());
    REQUIRE(cursors.size() == 1);
    return cursors.front();
}

journal::Ledger ledger_of(const RecordedStream& recorded) {
    return expect(journal::read_ledger(recorded.journal_directory()), "read the ledger");
}

void remake_stream(const RecordedStream& recorded) {
    REQUIRE(bus::Region::unlink(recorded.stream().name(), false, recorded.stream().directory()));
    bus::StreamOptions options = small_stream();
    const auto end = find_journal_end(recorded.journal_directory());
    REQUIRE(end);
    options.first_sequence = end->sequence;
    options.journal_directory = recorded.journal_directory();
    options.journal_id = end->id;
    REQUIRE(bus::Region::create(recorded.stream().name(), options, recorded.stream().directory()));
}

// The keeper has written all there is.
void keep(const RecordedStream& recorded) {
    const auto region = recorded.stream().open();
    REQUIRE(bus::wait_kept(*region, bus::Deadline::in_ms(kPatienceMs)));
}

}  // namespace

TEST_CASE("cursor: the next owner goes on where the last one had come to", "[bridge][cursor]") {
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

TEST_CASE("cursor: by interval it is noted no more often than that", "[bridge][cursor]") {
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

TEST_CASE("cursor: by hand, nothing is noted before commit() is called", "[bridge][cursor]") {
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
          "[bridge][cursor]") {
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

TEST_CASE("cursor: what it refuses it says why", "[bridge][cursor]") {
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
          "[bridge][cursor]") {
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

TEST_CASE("cursor: in a forked child it is the parent's", "[bridge][cursor]") {
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

TEST_CASE("cursor: the ring made anew goes on where the ledger says", "[bridge][cursor]") {
    const Watchdog watchdog("cursor behind a new ring");
    const RecordedStream recorded;
    {
        const RunningRecorder recorder(recorded);
        auto publisher = recorded.stream().publisher();
        REQUIRE(publish_numbered(publisher, 1, 0, 2'000));
        auto reader = read(recorded, CommitMode::per_poll);
        CHECK(take(reader, 1'234).size() == 1'234);
        REQUIRE(reader.commit_durable(bus::Deadline::in_ms(kPatienceMs)));
        CHECK(ledger_of(recorded).find("risk")->sequence == 1'234);
        CHECK(status_of(recorded).kept_sequence == 1'234);
    }
    remake_stream(recorded);
    CHECK(bus::read_cursors(*recorded.stream().open()).empty());
    const RunningRecorder recorder(recorded);
    auto reader = read(recorded, CommitMode::per_poll);
    CHECK(reader.source() == Source::journal);
    CHECK(take(reader, 100) == range(1'234, 1'334));
}

TEST_CASE("cursor: on the disk it is never ahead of what is durable", "[bridge][cursor]") {
    const Watchdog watchdog("cursor that waits for its log");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    const auto region = recorded.stream().open();
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    REQUIRE(record_all(recorder, *region));
    auto reader = read(recorded, CommitMode::per_poll);
    REQUIRE(publish_numbered(publisher, 1, 10, 10));  // nobody steps the recorder
    CHECK(take(reader, 20).size() == 20);
    CHECK(status_of(recorded).sequence == 20);
    // The recorder's thread begins the keeper, and may make more durable meanwhile.
    REQUIRE(recorder.step(0));
    keep(recorded);
    const Sequence durable = bus::durable_sequence(*region);
    CHECK(ledger_of(recorded).find("risk")->sequence <= durable);
    REQUIRE(record_all(recorder, *region));
    keep(recorded);
    CHECK(ledger_of(recorded).find("risk")->sequence == 20);
}

TEST_CASE("cursor: it can't be made durable where nobody could", "[bridge][cursor]") {
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

TEST_CASE("cursor: moved by somebody else, its reader goes there and says so", "[bridge][cursor]") {
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
          "[bridge][cursor]") {
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
          "[bridge][cursor]") {
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
          "[bridge][cursor]") {
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

TEST_CASE("cursor: a hold in the ledger is kept by a recorder that begins", "[bridge][cursor]") {
    const Watchdog watchdog("cursor that holds, behind a new ring");
    const RecordedStream recorded;
    RecorderOptions options = recorded.options();
    constexpr std::uint64_t kSegmentBytes = std::uint64_t{1} << 20U;
    const auto publish = [&](std::uint64_t first) {
        auto publisher = recorded.stream().publisher();
        const auto region = recorded.stream().open();
        std::uint64_t next = first;
        for (; region->tail().position < 4 * kSegmentBytes; next += 1'000)
            REQUIRE(publish_numbered(publisher, 1, next, 1'000));
        REQUIRE(bus::wait_durable(*region, next, bus::Deadline::in_ms(kPatienceMs)));
        return next;
    };
    std::uint64_t next = 0;
    {
        const RunningRecorder recorder(recorded, options);
        next = publish(0);
        const auto region = recorded.stream().open();
        REQUIRE(bus::move_cursor(*region, "risk", 3, false));
        REQUIRE(bus::hold_for_cursor(*region, "risk", 100 * kSegmentBytes));
        keep(recorded);
    }
    remake_stream(recorded);
    options.journal.retain_size_bytes = 2 * kSegmentBytes;
    const RunningRecorder recorder(recorded, options);
    static_cast<void>(publish(next));
    auto reader = read(recorded, CommitMode::per_poll);
    CHECK(take(reader, 5) == range(3, 8));
    CHECK(status_of(recorded).hold_bytes == 100 * kSegmentBytes);
}

TEST_CASE("cursor: a removed one doesn't come back", "[bridge][cursor]") {
    const Watchdog watchdog("cursor that is removed");
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    const auto region = recorded.stream().open();
    REQUIRE(bus::move_cursor(*region, "risk", 0, false));
    REQUIRE(bus::move_cursor(*region, "other", 0, false));
    keep(recorded);
    CHECK(ledger_of(recorded).cursors.size() == 2);
    {
        auto lock = journal::LedgerLock::lock(recorded.journal_directory());
        REQUIRE(lock);
        REQUIRE(bus::remove_cursor(*region, "risk"));
        auto ledger = expect(lock->read(), "read");
        CHECK(ledger.remove("risk"));
        REQUIRE(lock->write(ledger));
    }
    REQUIRE(bus::hold_for_cursor(*region, "other", 1));  // something to write
    keep(recorded);
    CHECK(ledger_of(recorded).cursors.size() == 1);
    CHECK(ledger_of(recorded).find("risk") == nullptr);
}

TEST_CASE("cursor: a damaged ledger is told, and no name begins anew in silence",
          "[bridge][cursor]") {
    const Watchdog watchdog("cursor in a damaged ledger");
    const RecordedStream recorded;
    const std::string path = recorded.journal_directory() + "/LEDGER";
    {
        const RunningRecorder recorder(recorded);
        auto publisher = recorded.stream().publisher();
        REQUIRE(publish_numbered(publisher, 1, 0, 100));
        auto reader = read(recorded, CommitMode::per_poll);
        for (int round = 0; round < 2; ++round) {
            CHECK(take(reader, 10).size() == 10);
            REQUIRE(reader.commit_durable(bus::Deadline::in_ms(kPatienceMs)));
        }
    }
    remake_stream(recorded);
    const journal::Ledger before = ledger_of(recorded);
    const auto scribble = [&](std::uint64_t slot) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(slot * 128 * 1024 + 140));
        file.put('\xff');
    };
    scribble(before.generation % 2);
    // The one before it, not the newest: events come again, none is missed.
    CHECK(ledger_of(recorded).generation == before.generation - 1);
    CHECK(ledger_of(recorded).find("risk")->sequence <= 20);
    scribble((before.generation + 1) % 2);
    const RunningRecorder recorder(recorded);
    const auto refused = try_read(recorded, by_cursor(recorded, CommitMode::per_poll));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::corrupt);
    {
        auto lock = journal::LedgerLock::lock(recorded.journal_directory());
        REQUIRE(lock);
        REQUIRE_FALSE(lock->read());
        auto anew = journal::LedgerLock::made_anew(before.journal_id);
        anew.put({"other", 1, 0, 0});
        REQUIRE(lock->write(anew));
    }
    CHECK(ledger_of(recorded).find("other")->sequence == 1);
    const auto lost = try_read(recorded, by_cursor(recorded, CommitMode::per_poll));
    REQUIRE_FALSE(lost);
    CHECK(lost.error().code == ErrorCode::corrupt);
    REQUIRE(bus::move_cursor(*recorded.stream().open(), "risk", 20, false));
    CHECK(read(recorded, CommitMode::per_poll).next_sequence() == 20);
}

TEST_CASE("cursor: a backup has the cursors, none beyond its end; verify looks at them",
          "[bridge][cursor]") {
    const Watchdog watchdog("cursor in a backup");
    const RecordedStream recorded;
    const std::string copy = recorded.stream().directory() + "/.copy";
    auto publisher = recorded.stream().publisher();
    const auto run = [&](Sequence first, Sequence done) {
        const RunningRecorder recorder(recorded);
        REQUIRE(publish_numbered(publisher, 1, first, 100));
        auto reader = read(recorded, CommitMode::per_poll);
        const Sequence begin = reader.next_sequence();
        CHECK(take(reader, done - begin) == range(begin, done));
        REQUIRE(reader.commit_durable(bus::Deadline::in_ms(kPatienceMs)));
        // Beside the recorder: the copy may end before the cursor.
        const auto report = expect(journal::backup(recorded.journal_directory(), copy), "back up");
        const auto ledger = expect(journal::read_ledger(copy), "read");
        CHECK(ledger.find("risk")->sequence == std::min(done, report.end_sequence));
        CHECK(expect(journal::verify(copy), "verify").is_sound());
    };
    run(0, 50);
    REQUIRE(journal::backup(recorded.journal_directory(), copy));
    auto ledger = expect(journal::read_ledger(copy), "read the copy's ledger");
    CHECK(ledger.find("risk")->sequence == 50);
    // Beyond the log, which nobody but a stranger writes.
    ledger.put({"risk", 1'000, 0, 0});
    REQUIRE(expect(journal::LedgerLock::lock(copy), "lock").write(ledger));
    const auto report = expect(journal::verify(copy), "verify");
    REQUIRE(report.findings.size() == 1);
    CHECK(report.findings.front().kind == journal::FindingKind::damaged_ledger);
    CHECK_FALSE(report.is_sound());
    // The copy is brought up to date, and its cursors with it.
    run(100, 200);
    REQUIRE(journal::backup(recorded.journal_directory(), copy));
    CHECK(expect(journal::read_ledger(copy), "read").find("risk")->sequence == 200);
    CHECK(expect(journal::verify(copy), "verify").is_sound());
}

TEST_CASE("cursor: of another history, or beyond an older copy, it says so", "[bridge][cursor]") {
    const Watchdog watchdog("cursor of another history");
    const RecordedStream recorded;
    const std::string copy = recorded.stream().directory() + "/.copy";
    const auto run = [&](std::uint64_t first, std::uint64_t count, bool reads) {
        const RunningRecorder recorder(recorded);
        auto publisher = recorded.stream().publisher();
        REQUIRE(publish_numbered(publisher, 1, first, count));
        const auto region = recorded.stream().open();
        REQUIRE(
            bus::wait_durable(*region, region->tail().sequence, bus::Deadline::in_ms(kPatienceMs)));
        if (!reads) return;
        auto reader = read(recorded, CommitMode::per_poll);
        CHECK(take(reader, first + count).size() == first + count);
        REQUIRE(reader.commit_durable(bus::Deadline::in_ms(kPatienceMs)));
    };
    run(0, 100, false);
    fs::copy(recorded.journal_directory(), copy, fs::copy_options::recursive);
    run(100, 100, true);
    const auto ledger = recorded.journal_directory() + "/LEDGER";
    fs::copy(ledger, copy + "/LEDGER");
    REQUIRE(bus::Region::unlink(recorded.stream().name(), false, recorded.stream().directory()));
    fs::remove_all(recorded.journal_directory());
    fs::rename(copy, recorded.journal_directory());
    bus::StreamOptions options = small_stream();
    options.first_sequence = 100;
    options.journal_directory = recorded.journal_directory();
    REQUIRE(bus::Region::create(recorded.stream().name(), options, recorded.stream().directory()));
    {
        const RunningRecorder recorder(recorded);
        const auto ahead = try_read(recorded, by_cursor(recorded, CommitMode::per_poll));
        REQUIRE_FALSE(ahead);
        CHECK(ahead.error().code == ErrorCode::sequence_ahead);
    }
    run(100, 200, false);
    const RunningRecorder recorder(recorded);
    const auto other = try_read(recorded, by_cursor(recorded, CommitMode::per_poll));
    REQUIRE_FALSE(other);
    CHECK(other.error().code == ErrorCode::stale);
}

TEST_CASE("cursor: a journal alone is read by one, and goes on", "[bridge][cursor]") {
    const Watchdog watchdog("cursor in a journal alone");
    const RecordedStream recorded;
    StreamReaderOptions options;
    options.cursor = "nightly";
    options.commit = CommitMode::per_poll;
    const auto open = [&] {
        return StreamReader::open_journal(recorded.journal_directory(), options);
    };
    auto publisher = recorded.stream().publisher();
    {
        const RunningRecorder recorder(recorded);
        REQUIRE(publish_numbered(publisher, 1, 0, 100));
        const auto region = recorded.stream().open();
        REQUIRE(bus::wait_durable(*region, 100, bus::Deadline::in_ms(kPatienceMs)));
        options.new_cursor_at = Position::start();
        const auto busy = open();
        REQUIRE_FALSE(busy);
        CHECK(busy.error().code == ErrorCode::busy);
        options.new_cursor_at.reset();
    }
    const auto unknown = open();
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ErrorCode::not_found);
    options.new_cursor_at = Position::start();
    {
        auto reader = expect(open(), "open");
        CHECK(take(reader, 30) == range(0, 30));
        const auto second = open();
        REQUIRE_FALSE(second);
        CHECK(second.error().code == ErrorCode::busy);
    }
    {
        auto reader = expect(open(), "open");
        CHECK(take(reader, 30) == range(30, 60));
        REQUIRE(reader.commit_durable(bus::Deadline::in_ms(kPatienceMs)));
        CHECK(ledger_of(recorded).find("nightly")->sequence == 60);
    }
    // The recorder's keeper leaves it as it is.
    {
        const RunningRecorder recorder(recorded);
        REQUIRE(bus::move_cursor(*recorded.stream().open(), "risk", 1, false));
        keep(recorded);
    }
    CHECK(ledger_of(recorded).find("nightly")->sequence == 60);
    auto reader = expect(open(), "open");
    CHECK(take(reader, 100) == range(60, 100));
}

}  // namespace cursor_test
