#include "stream/cursor_story.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/journal_board.hpp>
#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/ledger.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/journal/verify.hpp>
#include <tailrace/stream/cursor_place.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

namespace ledger_test {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;
namespace fs = std::filesystem;

// That many events are in the journal, and nobody records any more.
void record_and_stop(const RecordedStream& recorded, std::uint64_t count) {
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, count));
    const RunningRecorder recorder(recorded);
    const auto region = recorded.stream().open();
    REQUIRE(bus::wait_durable(*region, count, bus::Deadline::in_ms(kPatienceMs)));
}

CursorPlace place_of(const RecordedStream& recorded) {
    return expect(
        CursorPlace::of_stream(
            recorded.stream().name(), bus::RegionAccess::subscribe, recorded.stream().directory()),
        "open the place");
}

}  // namespace

TEST_CASE("cursor: the ring made anew goes on where the ledger says", "[stream][cursor]") {
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

TEST_CASE("cursor: on the disk it is never ahead of what is durable", "[stream][cursor]") {
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

TEST_CASE("cursor: a hold in the ledger is kept by a recorder that begins", "[stream][cursor]") {
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

TEST_CASE("cursor: a removed one doesn't come back", "[stream][cursor]") {
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
          "[stream][cursor]") {
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
    const auto scribble = [&](std::uint64_t slot, std::uint64_t copy) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(slot * 128 * 1024 + copy * 64 * 1024 + 140));
        file.put('\xff');
    };
    // One place alone is nothing.
    scribble(before.generation % 2, 0);
    CHECK(ledger_of(recorded).generation == before.generation);
    CHECK_FALSE(ledger_of(recorded).lost_names);
    // The slot before it, not the newest: events come again, none is missed; and a name that isn't
    // there may have been.
    scribble(before.generation % 2, 1);
    CHECK(ledger_of(recorded).generation == before.generation - 1);
    CHECK(ledger_of(recorded).find("risk")->sequence <= 20);
    CHECK(ledger_of(recorded).lost_names);
    StreamReaderOptions unknown = by_cursor(recorded, CommitMode::per_poll);
    unknown.cursor = "another";
    const auto perhaps = try_read(recorded, unknown);
    REQUIRE_FALSE(perhaps);
    CHECK(perhaps.error().code == ErrorCode::corrupt);
    scribble((before.generation + 1) % 2, 0);
    scribble((before.generation + 1) % 2, 1);
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

TEST_CASE("cursor: removed and made anew in its place it is on the disk when somebody is told so",
          "[stream][cursor]") {
    const Watchdog watchdog("cursor that is made anew");
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 20));
    const auto region = recorded.stream().open();
    REQUIRE(bus::wait_durable(*region, 20, bus::Deadline::in_ms(kPatienceMs)));
    auto place = place_of(recorded);
    bool lost = false;
    for (int round = 0; round < 10; ++round) {
        REQUIRE(place.move("risk", 6, false, lost));
        keep(recorded);
        REQUIRE(ledger_of(recorded).find("risk") != nullptr);
        REQUIRE(place.remove("risk"));
        REQUIRE(ledger_of(recorded).find("risk") == nullptr);
        REQUIRE(bus::move_cursor(*region, "risk", 6, false));
        keep(recorded);
        REQUIRE(ledger_of(recorded).find("risk") != nullptr);
        REQUIRE(place.remove("risk"));
    }
    // The file itself goes, and whoever asks has it again.
    REQUIRE(bus::move_cursor(*region, "risk", 6, false));
    keep(recorded);
    fs::remove(recorded.journal_directory() + "/LEDGER");
    keep(recorded);
    CHECK(ledger_of(recorded).find("risk") != nullptr);
}

TEST_CASE("cursor: one owner, whether it reads the stream or its journal alone",
          "[stream][cursor]") {
    const Watchdog watchdog("cursor with two owners");
    const RecordedStream recorded;
    record_and_stop(recorded, 40);
    StreamReaderOptions alone;
    alone.cursor = "risk";
    alone.new_cursor_at = Position::start();
    const auto open = [&] {
        return StreamReader::open_journal(recorded.journal_directory(), alone);
    };
    auto place = place_of(recorded);
    bool lost = false;
    {
        auto reader = expect(open(), "open the journal");
        CHECK(take(reader, 10).size() == 10);
        const RunningRecorder recorder(recorded);
        const auto second = try_read(recorded, by_cursor(recorded, CommitMode::per_poll));
        REQUIRE_FALSE(second);
        CHECK(second.error().code == ErrorCode::busy);
        CHECK_FALSE(place.remove("risk"));
        CHECK_FALSE(place.move("risk", 3, false, lost));
        CHECK(take(reader, 5) == range(10, 15));
    }
    {
        auto reader = read(recorded, CommitMode::per_poll);
        CHECK(reader.next_sequence() == 15);
        const auto second = open();
        REQUIRE_FALSE(second);
        CHECK(second.error().code == ErrorCode::busy);
        CHECK(take(reader, 5) == range(15, 20));
    }
    // While nobody records the journal is read further than anybody in the ring has come.
    {
        const RunningRecorder recorder(recorded);
        keep(recorded);
    }
    {
        auto reader = expect(open(), "open the journal");
        CHECK(take(reader, 10) == range(20, 30));
    }
    {
        const RunningRecorder recorder(recorded);
        keep(recorded);
        CHECK(ledger_of(recorded).find("risk")->sequence == 30);
    }
    CHECK(read(recorded, CommitMode::per_poll).next_sequence() == 30);
}

TEST_CASE("cursor: of a journal alone a new one is there from the first moment",
          "[stream][cursor]") {
    const Watchdog watchdog("new cursor of a journal alone");
    const RecordedStream recorded;
    record_and_stop(recorded, 40);
    StreamReaderOptions alone;
    alone.cursor = "risk";
    alone.new_cursor_at = Position::end();
    const auto reader = StreamReader::open_journal(recorded.journal_directory(), alone);
    REQUIRE(reader);
    REQUIRE(ledger_of(recorded).find("risk") != nullptr);
    CHECK(ledger_of(recorded).find("risk")->sequence == 40);
    CHECK(ledger_of(recorded).find("risk")->record_salt == recorded.stream().open()->header().salt);
}

TEST_CASE("cursor: where the journal is away nobody knows its cursors", "[stream][cursor]") {
    const Watchdog watchdog("cursor whose journal is away");
    const RecordedStream recorded;
    {
        const RunningRecorder recorder(recorded);
        auto publisher = recorded.stream().publisher();
        REQUIRE(publish_numbered(publisher, 1, 0, 100));
        auto reader = read(recorded, CommitMode::per_poll);
        CHECK(take(reader, 10).size() == 10);
        REQUIRE(reader.commit_durable(bus::Deadline::in_ms(kPatienceMs)));
    }
    remake_stream(recorded);
    const std::string away = recorded.stream().directory() + "/.away";
    fs::rename(recorded.journal_directory(), away);
    const auto refused = try_read(recorded, by_cursor(recorded, CommitMode::per_poll));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::not_found);
    auto place = place_of(recorded);
    CHECK_FALSE(place.remove("risk"));
    std::vector<bus::CursorStatus> known;
    CHECK_FALSE(place.list(known));
    fs::rename(away, recorded.journal_directory());
    CHECK(read(recorded, CommitMode::per_poll).next_sequence() == 10);
}

TEST_CASE("cursor: a backup has the cursors, none beyond its end; verify looks at them",
          "[stream][cursor]") {
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

TEST_CASE("cursor: of another history, or beyond an older copy, it says so", "[stream][cursor]") {
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

TEST_CASE("cursor: a journal alone is read by one, and goes on", "[stream][cursor]") {
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
    CHECK(unknown.error().message.find("it has") == std::string::npos);
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

}  // namespace ledger_test
