// A recorder of a stream with `--journal-missing hold`: whatever becomes of it, the journal has
// every event in the end.

#include "stream/recorded_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <filesystem>

namespace journal_hold_test {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

namespace {

bus::StreamOptions holding() {
    bus::StreamOptions options = small_stream();
    options.journal_directory = "/nowhere";  // tests say where
    options.journal_missing = bus::JournalMissing::hold;
    return options;
}

bool is_full(bus::Publisher& publisher) {
    return !publish_numbered(publisher, 9, 0, 1, bus::Deadline::at_once());
}

// Two publishers in turns: each is granted room for itself, and notes where.
Sequence fill_in_turns(bus::Publisher& one, bus::Publisher& other) {
    for (std::uint64_t number = 0;; ++number) {
        bus::Publisher& publisher = number % 2 == 0 ? one : other;
        const auto id = static_cast<std::uint32_t>(number % 2);
        if (!publish_numbered(publisher, id, number / 2, 1, bus::Deadline::at_once()))
            return publisher.region().tail().sequence;
    }
}

RecorderOptions into(const RecordedStream& recorded, const std::string& directory) {
    RecorderOptions options = recorded.options();
    options.journal.directory = directory;
    return options;
}

}  // namespace

TEST_CASE("journal hold: the first recorder of a full ring gets all of it",
          "[stream][journal_hold]") {
    const Watchdog watchdog("first recorder of a full ring");
    const RecordedStream recorded(holding());
    auto one = recorded.stream().publisher();
    auto other = recorded.stream().publisher();
    const Sequence end = fill_in_turns(one, other);
    REQUIRE(end > 100);
    CHECK(is_full(one));

    auto recorder = recorded.recorder();
    CHECK(recorder.status().first_sequence == 0);
    REQUIRE(record_all(recorder, one.region()));
    CHECK_FALSE(is_full(one));
    REQUIRE(record_all(recorder, one.region()));
    REQUIRE(recorder.close());
    const JournalContent content = read_journal(recorded.journal_directory());
    CHECK(content.gaps.empty());
    CHECK(content.events.size() == end + 1);
}

TEST_CASE("journal hold: each successor goes on where the last one ended, however late it comes",
          "[stream][journal_hold]") {
    const Watchdog watchdog("successors");
    const RecordedStream recorded(holding());
    auto publisher = recorded.stream().publisher();
    std::uint64_t published = 0;
    for (int round = 0; round < 5; ++round) {
        published = publish_until_full(publisher, 1, published);
        auto recorder = recorded.recorder();
        CHECK(recorder.status().lost_events == 0);
        REQUIRE(record_all(recorder, publisher.region()));
        published = publish_until_full(publisher, 1, published);
        REQUIRE(recorder.step(0));
        // What it has taken and not closed is the next one's.
    }
    auto last = recorded.recorder();
    REQUIRE(record_all(last, publisher.region()));
    REQUIRE(last.close());
    const JournalContent content = read_journal(recorded.journal_directory());
    CHECK(content.gaps.empty());
    CHECK(is_numbered_from(content, 1, published));
}

TEST_CASE("journal hold: a recorder that would drop, or leave a gap, is refused",
          "[stream][journal_hold]") {
    const Watchdog watchdog("refused recorders");
    const RecordedStream recorded(holding());
    auto publisher = recorded.stream().publisher();

    SECTION("--journal-lag drop") {
        RecorderOptions options = recorded.options();
        options.lag = JournalLag::drop;
        const auto refused = Recorder::attach("stream", options);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::invalid_argument);
        CHECK(refused.error().message.find("--journal-missing hold") != std::string::npos);
    }
    SECTION("a journal that ends before what has left the ring") {
        const auto record_more = [&](const RecorderOptions& options, std::uint64_t& number) {
            auto recorder = expect(Recorder::attach("stream", options), "record");
            for (int ring = 0; ring < 3; ++ring) {
                number = publish_until_full(publisher, 1, number);
                REQUIRE(record_all(recorder, publisher.region()));
            }
            REQUIRE(recorder.close());
        };
        const std::string elsewhere = recorded.stream().directory() + "/.elsewhere";
        std::uint64_t number = 0;
        record_more(recorded.options(), number);
        const std::uint64_t first_end = number;
        record_more(into(recorded, elsewhere), number);

        const auto refused = recorded.try_record();
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::corrupt);
        CHECK(refused.error().message.find("lacks [" + std::to_string(first_end) + ", ") !=
              std::string::npos);
        CHECK(refused.error().hint.find("--accept-loss") != std::string::npos);
        RecorderOptions options = recorded.options();
        options.accept_loss = true;
        CHECK(Recorder::attach("stream", options));
    }
}

TEST_CASE("journal hold: a recorder that gives up for good leaves publishers held",
          "[stream][journal_hold]") {
    const Watchdog watchdog("recorder gives up");
    const RecordedStream recorded(holding());
    auto publisher = recorded.stream().publisher();
    std::uint64_t number = 0;
    {
        auto recorder = recorded.recorder();
        number = publish_until_full(publisher, 1, number);
        REQUIRE(record_all(recorder, publisher.region()));
        std::filesystem::rename(recorded.journal_directory(), recorded.journal_directory() + "x");
        number = publish_until_full(publisher, 1, number);
        Result<void> stepped;
        while (stepped)  // the watchdog ends it
            stepped = recorder.step(1'000'000);
    }
    // It may have let go of what the kernel took; nobody records the rest.
    number = publish_until_full(publisher, 1, number);
    CHECK(publish_numbered(publisher, 1, number, 1, bus::Deadline::in_ms(20)) == false);
    CHECK(publisher.holder().find("nobody records") != std::string::npos);

    std::filesystem::rename(recorded.journal_directory() + "x", recorded.journal_directory());
    auto recorder = recorded.recorder();
    REQUIRE(record_all(recorder, publisher.region()));
    REQUIRE(recorder.close());
    const JournalContent content = read_journal(recorded.journal_directory());
    CHECK(content.gaps.empty());
    CHECK(is_numbered_from(content, 1, number));
}

TEST_CASE("journal hold: a reader that spills needs no recorder, and finds all in the journal",
          "[stream][journal_hold][stream_reader]") {
    const Watchdog watchdog("spill without a recorder");
    const RecordedStream recorded(holding());
    auto publisher = recorded.stream().publisher();
    StreamReaderOptions options;
    options.from = Position::at(0);
    options.bus_directory = recorded.stream().directory();
    options.journal_directory = recorded.journal_directory();
    auto reader = expect(StreamReader::attach("stream", options), "read");
    std::uint64_t number = 0;
    for (int round = 0; round < 3; ++round) {
        number = publish_until_full(publisher, 1, number);
        auto recorder = recorded.recorder();
        REQUIRE(record_all(recorder, publisher.region()));
    }
    number = publish_until_full(publisher, 1, number);
    // Nobody records, and most of it has left the ring.
    std::uint64_t expected = 0;
    while (expected < number) {
        const auto result = reader.poll(
            [&](const Event& event) {
                const auto numbered = read_numbered(event.payload());
                CHECK((numbered && numbered->number == expected));
                ++expected;
            },
            64);
        REQUIRE((result.state == bus::PollState::ok || result.state == bus::PollState::idle));
    }
    CHECK(reader.spill_count() > 0);
    CHECK(reader.lost_events() == 0);
}

}  // namespace journal_hold_test
