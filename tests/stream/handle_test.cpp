// Recorders, journal writers and readers where they have no business: in a forked child.

#include "stream/recorded_stream.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/journal_board.hpp>
#include <tailrace/stream/recorder.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

namespace stream_handle_test {

namespace {

using namespace tailrace;
using namespace tailrace::test;

TEST_CASE("handle: a recorder is dead in a forked child, and goes on in its parent",
          "[stream][handle]") {
    const Watchdog watchdog("handle: a recorder is dead in a forked child");
    const RecordedStream recorded;
    auto options = recorded.options();
    options.compress_level = 1;
    auto publisher = recorded.stream().publisher();
    std::optional<stream::Recorder> recorder(
        expect(stream::Recorder::attach(recorded.stream().name(), options), "attach"));
    REQUIRE(publish_numbered(publisher, 1, 0, 50));
    REQUIRE(record_all(*recorder, publisher.region()));
    REQUIRE(publish_numbered(publisher, 1, 50, 50));

    ChildProcess child([&] {
        const std::atomic<bool> stop{false};
        if (!recorder->is_dead() || recorder->step(0) || recorder->run(stop)) return 1;
        if (recorder->close()) return 2;
        stream::Recorder moved = std::move(*recorder);
        if (moved.step(0)) return 3;
        recorder.reset();
        return 0;
    });
    CHECK(child.wait().exit_code == 0);
    CHECK(bus::has_journal_writer(publisher.region()));
    REQUIRE(record_all(*recorder, publisher.region()));
    REQUIRE(recorder->close());
    CHECK(read_journal(recorded.journal_directory()).events.size() == 100);
}

TEST_CASE("handle: a journal's writer and reader are dead in a forked child", "[stream][handle]") {
    const Watchdog watchdog("handle: a journal's writer and reader");
    const RecordedStream recorded;
    {
        auto publisher = recorded.stream().publisher();
        auto recorder = recorded.recorder();
        REQUIRE(publish_numbered(publisher, 1, 0, 50));
        REQUIRE(record_all(recorder, publisher.region()));
        REQUIRE(recorder.close());
    }
    journal::JournalOptions options;
    options.directory = recorded.journal_directory();
    std::optional<journal::Writer> writer(expect(journal::Writer::open(options), "open"));
    std::optional<journal::Reader> reader(expect(journal::Reader::open(options.directory), "open"));
    REQUIRE(reader->next());

    ChildProcess child([&] {
        if (!writer->is_dead() || !reader->is_dead()) return 1;
        if (writer->append({}).status != journal::AppendStatus::failed) return 2;
        if (writer->note_gap(50, 1) != journal::AppendStatus::failed) return 3;
        if (writer->drive(0) || writer->sync(1'000'000) || writer->close(1'000'000)) return 4;
        if (writer->state() != journal::WriterState::failed) return 5;
        if (writer->failure().message.empty()) return 6;
        if (reader->next() || reader->next_batch() || reader->seek_end()) return 7;
        if (reader->seek_sequence(0) || reader->seek_time(0) || reader->end_sequence()) return 8;
        writer.reset();
        reader.reset();
        return 0;
    });
    CHECK(child.wait().exit_code == 0);
    CHECK(reader->next());
    CHECK(writer->note_gap(50, 10) == journal::AppendStatus::taken);
    CHECK(writer->sync(10'000'000'000));
    CHECK(writer->close());
}

}  // namespace

}  // namespace stream_handle_test
